//! How Python writes values: `str` and `repr`.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::budget::Text;
use super::value::Method;
use super::views::{Range, View, is_namespace};

/// Nesting beyond which a value is not written.
const MAX_DEPTH: usize = 64;

/// What Python's `str` makes of a value; nothing of an undefined one.
///
/// # Errors
/// When it becomes too long, or Python would write an address or the like.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    let mut out = Text::default();
    push_text(value, &mut out)?;
    Ok(out.done())
}

/// Appends what Python's `str` makes of a value.
pub(super) fn push_text(value: &Value, out: &mut Text) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(()),
        ValueKind::String => out.push(value.as_str().unwrap_or_default()),
        _ => write(value, 0, out),
    }
}

/// Appends what Python's `repr` makes of a value.
fn write(value: &Value, depth: usize, out: &mut Text) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return out.push("...");
    }
    let items = |(open, close): (&str, &str), out: &mut Text| {
        out.push(open)?;
        let mut count = 0;
        for item in value.try_iter()? {
            if count > 0 {
                out.push(", ")?;
            }
            write(&item, depth + 1, out)?;
            count += 1;
        }
        if count == 1 && open == "(" {
            out.push(",")?;
        }
        out.push(close)
    };
    match value.kind() {
        ValueKind::Undefined => out.push("Undefined"),
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Number if !value.is_integer() => {
            out.push(&float(f64::try_from(value.clone()).unwrap_or(f64::NAN)))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            if let Some(view) = value.downcast_object_ref::<View>() {
                let Some(name) = view.name else {
                    return Err(unwritable("a generator", "put |list after the filter"));
                };
                out.push(name)?;
                return items(("([", "])"), out);
            }
            if value.downcast_object_ref::<Range>().is_some() {
                return out.push(&value.to_string());
            }
            match is_tuple(value) {
                true => items(("(", ")"), out),
                false => items(("[", "]"), out),
            }
        }
        ValueKind::Map if is_namespace(value) => Err(unwritable(
            "a namespace, a macro or a loop",
            "write one of its attributes",
        )),
        ValueKind::Map => {
            out.push("{")?;
            for (i, key) in value.try_iter()?.enumerate() {
                if i > 0 {
                    out.push(", ")?;
                }
                write(&key, depth + 1, out)?;
                out.push(": ")?;
                write(&value.get_item(&key).unwrap_or_default(), depth + 1, out)?;
            }
            out.push("}")
        }
        ValueKind::Plain => {
            let method = value.downcast_object_ref::<Method>();
            let remedy = match method {
                Some(_) => "call the method, with () after its name",
                None => "call it, or write something else",
            };
            Err(unwritable("a function", remedy))
        }
        _ => out.push(&value.to_string()),
    }
}

/// Python writes an address in memory for such a value, or its inside.
fn unwritable(what: &str, remedy: &str) -> Error {
    let message = format!("it writes {what}, which has no text of its own; {remedy}");
    Error::new(ErrorKind::InvalidOperation, message)
}

/// Whether Python has a tuple here: `groupby` hands out named ones.
fn is_tuple(value: &Value) -> bool {
    let name = value.as_object().map(|object| object.type_name());
    value.is_tuple() || name.is_some_and(|name| name.ends_with("GroupTuple"))
}

/// A float as Python writes it: the fewest digits that read back as the same number, with an
/// exponent below 1e-4 and from 1e16 on.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.into();
    }
    let plain = number == 0.0 || (1e-4..1e16).contains(&number.abs());
    if plain {
        return format!("{number:?}");
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, power) = match exponent.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{power:0>2}")
}

fn quoted(text: &str, out: &mut Text) -> Result<(), Error> {
    let quote = match text.contains('\'') && !text.contains('"') {
        true => '"',
        false => '\'',
    };
    out.push_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => out.push("\\\\")?,
            '\n' => out.push("\\n")?,
            '\r' => out.push("\\r")?,
            '\t' => out.push("\\t")?,
            c if c == quote => {
                out.push("\\")?;
                out.push_char(c)?;
            }
            c if !shown(c) => {
                let code = u32::from(c);
                out.push(&match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                })?;
            }
            c => out.push_char(c)?,
        }
    }
    out.push_char(quote)
}

/// Whether Python shows a character in a `repr` as it is: no control, format, private or
/// separating character but the space.
fn shown(c: char) -> bool {
    if c == ' ' {
        return true;
    }
    let hidden = c.is_control()
        || c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}');
    !hidden
}
