//! How Python writes values: `str` and `repr`.

use std::fmt::Write;

use minijinja::Value;
use minijinja::value::ValueKind;

/// Nesting beyond which a value is not written.
const MAX_DEPTH: usize = 64;

/// What Python's `str` makes of a value; nothing of an undefined one.
pub(super) fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => String::new(),
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        _ => repr(value),
    }
}

/// What Python's `repr` makes of a value.
pub(super) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    if depth > MAX_DEPTH {
        out.push_str("...");
        return;
    }
    let mut items = |(open, close): (&str, &str), value: &Value| {
        out.push_str(open);
        let mut count = 0;
        for item in value.try_iter().into_iter().flatten() {
            if count > 0 {
                out.push_str(", ");
            }
            write(&item, depth + 1, out);
            count += 1;
        }
        if count == 1 && open == "(" {
            out.push(',');
        }
        out.push_str(close);
    };
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Number if !value.is_integer() => {
            out.push_str(&float(f64::try_from(value.clone()).unwrap_or(f64::NAN)));
        }
        ValueKind::Seq | ValueKind::Iterable if is_tuple(value) => items(("(", ")"), value),
        ValueKind::Seq | ValueKind::Iterable => items(("[", "]"), value),
        ValueKind::Map => {
            out.push('{');
            for (i, key) in value.try_iter().into_iter().flatten().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write(&key, depth + 1, out);
                out.push_str(": ");
                write(&value.get_item(&key).unwrap_or_default(), depth + 1, out);
            }
            out.push('}');
        }
        _ => {
            let _ = write!(out, "{value}");
        }
    }
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

fn quoted(text: &str, out: &mut String) {
    let quote = match text.contains('\'') && !text.contains('"') {
        true => '"',
        false => '\'',
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if !shown(c) => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push(quote);
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
