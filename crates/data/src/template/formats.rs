//! Texts with fields that values fill: `format` and `%`.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, Value};

use super::budget::{charge, check, weight};

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// Refuses a format whose fields, as wide as it asks for or as its values are long, would make more
/// text than any may have; and a field so wide that nobody means it.
pub(super) fn check_format(format: &str, opens: char, values: &[Value]) -> Result<(), Error> {
    const MAX_DIGITS: usize = 6;
    let mut longest = 0;
    for value in values {
        // Within lists, a character may be written as its number.
        let escaped = if value.as_str().is_some() { 1 } else { 8 };
        longest = longest.max(weight(value)? * escaped);
    }
    // Written twice it is text.
    let fields = format.replace(&String::from_iter([opens; 2]), "");
    let mut most = format.len();
    for field in fields.split(opens).skip(1) {
        let is_flag = |c: char| !c.is_ascii_alphabetic() && c != '}';
        let field = &field[..field.find(|c| !is_flag(c)).unwrap_or(field.len())];
        most = most.saturating_add(longest);
        for number in field.split(|c: char| !c.is_ascii_digit()) {
            if field.contains('*') || number.len() > MAX_DIGITS {
                return Err(wrong("a field of a format is too wide"));
            }
            most = most.saturating_add(number.parse().unwrap_or(0));
        }
    }
    check(most)?;
    charge(most)
}

/// The engine's `format`, but for fields that are too wide.
pub(super) fn format_filter(
    state: &mut State<'_, '_>,
    value: &Value,
    args: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    let values: Vec<Value> = args.iter().map(|value| (**value).clone()).collect();
    check_format(value.as_str().unwrap_or_default(), '%', &values)?;
    minijinja::filters::format(state, value, args)
}

/// The `%` operator of a text.
pub(super) fn percent(value: &Value, args: &Value) -> Result<String, Error> {
    let format_string = value.as_str().unwrap_or_default();
    check_format(format_string, '%', std::slice::from_ref(args))?;
    match args.is_tuple() {
        true => {
            let args: Vec<Value> = args.try_iter()?.collect();
            format(FormatStyle::Printf, format_string, &args)
        }
        false => format(
            FormatStyle::Printf,
            format_string,
            std::slice::from_ref(args),
        ),
    }
}
