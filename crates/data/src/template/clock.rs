//! `strftime_now` at one fixed moment.

use minijinja::{Error, ErrorKind};

/// The moment every template is told: Friday 26 July 2024, midnight, without a time zone.
///
/// A template that asked the real clock would write another text tomorrow, and another on each
/// machine. This is the date that Llama's own templates write where there is no clock.
pub(super) fn strftime_now(format: &str) -> Result<String, Error> {
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut code = chars.next();
        let bare = code == Some('-');
        if bare {
            code = chars.next();
        }
        let value = match code {
            Some('Y' | 'G') => "2024",
            Some('C') => "20",
            Some('y' | 'g') => "24",
            Some('m') => "07",
            Some('B') => "July",
            Some('b' | 'h') => "Jul",
            Some('d' | 'e') => "26",
            Some('j') => "208",
            Some('A') => "Friday",
            Some('a') => "Fri",
            Some('u' | 'w') => "5",
            Some('U') => "29",
            Some('W' | 'V') => "30",
            Some('H' | 'M' | 'S') => "00",
            Some('k') => " 0",
            Some('I' | 'l') => "12",
            Some('p') => "AM",
            Some('P') => "am",
            Some('f') => "000000",
            Some('F') => "2024-07-26",
            Some('D' | 'x') => "07/26/24",
            Some('T' | 'X') => "00:00:00",
            Some('R') => "00:00",
            Some('r') => "12:00:00 AM",
            Some('c') => "Fri Jul 26 00:00:00 2024",
            Some('Z' | 'z') => "",
            Some('n') => "\n",
            Some('t') => "\t",
            Some('%') => "%",
            other => {
                let shown: String = other.into_iter().collect();
                let message = format!("strftime_now: %{shown} is not understood");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        };
        let bared = match (bare, value.trim_start_matches([' ', '0'])) {
            (true, "") => "0",
            (true, bared) if code != Some('f') => bared,
            _ => value,
        };
        out.push_str(bared);
    }
    Ok(out)
}
