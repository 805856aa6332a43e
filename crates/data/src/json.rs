//! JSON that does not parse: where, why, and what stands there.

mod numbers;
mod unique;

use std::fmt;

use serde::de::DeserializeOwned;

pub(crate) use numbers::long_number;
pub(crate) use unique::{Unique, within};

use crate::foreign::Foreign;
use crate::unseen;

/// How much of a line is shown before and after the place.
const SHOWN: (usize, usize) = (40, 24);

/// A fault in a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonFault {
    /// Its line, counted from 1; 0 if the whole file is something else than JSON.
    pub line: usize,
    /// Its column in characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub reason: String,
    /// The line around it, with the place marked.
    pub excerpt: String,
    /// Whether the text ends too early.
    pub ends_early: bool,
}

/// Reads a JSON text.
///
/// # Errors
/// [`JsonFault`] when the text is no JSON, or no `T`.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonFault> {
    let text = without_mark(bytes);
    serde_json::from_slice(text).map_err(|error| {
        no_text(bytes).map_or_else(|| JsonFault::new(text, &error), JsonFault::whole)
    })
}

/// What bytes are that are no text in UTF-8, and what to do, to follow "the file is"; `None` where
/// nothing shows it.
pub(crate) fn no_text(bytes: &[u8]) -> Option<String> {
    let foreign = || Foreign::of(bytes).map(|foreign| foreign.to_string());
    let wide = wide(bytes).map(|encoding| {
        format!(
            "encoded in {encoding}, as PowerShell's > writes it; save it as UTF-8, for instance with \
             `iconv -f {encoding} -t UTF-8 FILE > NEW`"
        )
    });
    wide.or_else(foreign)
}

/// The bytes behind a byte order mark of UTF-8, if one is there.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

impl JsonFault {
    /// The fault that the parser found in `text`.
    pub(crate) fn new(text: &[u8], error: &serde_json::Error) -> Self {
        let (line, byte) = (error.line(), error.column());
        let told = error.to_string();
        let place = format!(" at line {line} column {byte}");
        let reason = match told.strip_suffix(&place).unwrap_or(&told) {
            // The parser's words for a code of UTF-16 that another one must follow or go before.
            "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
                "an escape such as \\ud83d is half of a surrogate pair and no character; write both \
                 halves, or the character itself"
            }
            reason => reason,
        };
        let lines = text.split(|b| *b == b'\n');
        let row = lines.take(line.max(1)).last().unwrap_or_default();
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        // The parser counts the byte it stumbled over; at an end there is none.
        let at = match error.is_eof() {
            true => byte.min(row.len()),
            false => byte.saturating_sub(1).min(row.len()),
        };
        Self::at(line, row, at, reason, error.is_eof())
    }

    /// The fault of a file that is something else, in these words.
    fn whole(what: String) -> Self {
        Self {
            line: 0,
            column: 0,
            reason: format!("the file is {what}"),
            excerpt: String::new(),
            ends_early: false,
        }
    }

    /// A fault at byte `at` of a line.
    pub(crate) fn at(line: usize, row: &[u8], at: usize, reason: &str, ends_early: bool) -> Self {
        let (before, after) = row.split_at(at.min(row.len()));
        let before = String::from_utf8_lossy(before);
        let after = String::from_utf8_lossy(after);
        let skipped = before.chars().count().saturating_sub(SHOWN.0);
        let dots = |more: bool| if more { "..." } else { "" };
        let shown = |text: &mut dyn Iterator<Item = char>| {
            // Tabs between fields are no one's fault.
            let text: String = text.map(|c| if c == '\t' { ' ' } else { c }).collect();
            unseen::shown(&text)
        };
        let here = after.chars().next().and_then(unseen::name);
        let here = here.map(|named| format!(" (here is {named}; remove it)"));
        let excerpt = format!(
            "{}{}<here>{}{}",
            dots(skipped > 0),
            shown(&mut before.chars().skip(skipped)),
            shown(&mut after.chars().take(SHOWN.1)),
            dots(after.chars().count() > SHOWN.1)
        );
        // The parser may stop within a word.
        let word = before.trim_end_matches(|c: char| c.is_alphabetic() || c == '-');
        let word = format!("{}{after}", &before[word.len()..]);
        Self {
            line: line.max(1),
            column: before.chars().count() + 1,
            reason: format!(
                "{}{}",
                reason.chars().take(160).collect::<String>(),
                here.as_deref().unwrap_or_else(|| hint(&word))
            ),
            excerpt,
            ends_early,
        }
    }

    /// The fault without its line, for a message that names it already.
    pub fn in_line(&self) -> String {
        let Self { column, reason, .. } = self;
        if self.line == 0 {
            return reason.clone();
        }
        format!("column {column}: {reason}, at {}", self.excerpt)
    }
}

/// What is often meant by what JSON does not have.
fn hint(word: &str) -> &'static str {
    let starts = |names: &[&str]| names.iter().any(|name| word.starts_with(name));
    if starts(&["NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"]) {
        " (JSON has no NaN or infinity: write a number or null)"
    } else if starts(&["True", "False", "None"]) {
        " (JSON writes true, false and null)"
    } else if starts(&["'"]) {
        " (JSON writes strings in double quotes)"
    } else if starts(&["//", "/*", "#"]) {
        " (JSON has no comments)"
    } else {
        ""
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.reason),
            line => write!(f, "line {line}, {}", self.in_line()),
        }
    }
}

impl std::error::Error for JsonFault {}

/// The encoding with more than one byte a character, if a mark or the zero bytes between Latin
/// letters show it.
pub(crate) fn wide(bytes: &[u8]) -> Option<&'static str> {
    let zeros = |from: usize| {
        let part = &bytes[..bytes.len().min(64)];
        let every = part.iter().skip(from).step_by(2);
        part.len() >= 8 && every.clone().all(|byte| *byte == 0)
    };
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        Some("UTF-32")
    } else if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        Some("UTF-16")
    } else if zeros(1) && !zeros(0) {
        Some("UTF-16LE")
    } else if zeros(0) && !zeros(1) {
        Some("UTF-16BE")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn fault(text: &str) -> String {
        from_json::<Value>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn faults_say_where_why_and_what_stands_there_once() {
        let cases = [
            (
                "{\"a\": 1\n \"b\": 2}",
                "line 2, column 2: expected `,` or `}`, at  <here>\"b\": 2}",
            ),
            ("{\"a\": tru}", "line 1, column"),
            ("{\"a\": NaN}", "JSON has no NaN or infinity"),
            ("[-Infinity]", "JSON has no NaN or infinity"),
            ("{\"a\": None}", "JSON writes true, false and null"),
            (
                "{'a': 1}",
                "JSON writes strings in double quotes), at {<here>'a': 1}",
            ),
            ("{\"a\": 1,}", "trailing comma, at {\"a\": 1,<here>}"),
            ("{\"a\": ", "EOF while parsing a value, at {\"a\": <here>"),
            ("{\"\u{e9}\u{e9}\": ?}", "line 1, column 8:"),
            ("{} {}", "trailing characters, at {} <here>{}"),
            ("{// why\n}", "JSON has no comments"),
            ("[\"\\ud83d\"]", "half of a surrogate pair"),
            ("[\"\\ud83d\\n\"]", "half of a surrogate pair"),
            ("[\"\\ude00\"]", "half of a surrogate pair"),
        ];
        for (text, expected) in cases {
            let told = fault(text);
            assert!(told.contains(expected), "{told:?} lacks {expected:?}");
            assert_eq!(told.matches("column").count(), 1, "{told}");
        }
        let long = format!(
            "{{\"a\": \"{}\" \"b\": \"{}\"}}",
            "x".repeat(900),
            "y".repeat(900)
        );
        let told = fault(&long);
        assert!(told.len() < 200 && told.contains("...x"), "{told}");
        let deep = "[".repeat(100_000);
        assert!(fault(&deep).contains("recursion limit"));
        assert_eq!(from_json::<Value>(b"\xef\xbb\xbf[1]").unwrap()[0], 1);
    }
}
