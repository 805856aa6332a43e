//! `tojson` as `transformers` has it: Python's `json.dumps`.

use std::fmt::Write;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::print::float;

/// Nesting beyond which a value is refused.
const MAX_DEPTH: usize = 128;

struct Style {
    ascii: bool,
    indent: Option<String>,
    item: String,
    key: String,
    sorted: bool,
}

/// `tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(super) fn tojson(
    value: &Value,
    ensure_ascii: Option<bool>,
    indent: Option<Value>,
    options: Kwargs,
) -> Result<String, Error> {
    let given = |name: &str| options.get::<Option<Value>>(name).ok().flatten();
    let truth = |name: &str| given(name).is_some_and(|value| value.is_true());
    let indent = indent.or_else(|| given("indent")).filter(|i| !i.is_none());
    let indent = match indent {
        None => None,
        Some(indent) => Some(match (indent.as_str(), i64::try_from(indent.clone())) {
            (Some(text), _) => text.to_owned(),
            (None, Ok(spaces)) => " ".repeat(spaces.clamp(0, 64) as usize),
            (None, Err(_)) => return Err(wrong("tojson: indent is neither number nor text")),
        }),
    };
    let (mut item, mut key) = match indent {
        None => (", ".to_owned(), ": ".to_owned()),
        Some(_) => (",".to_owned(), ": ".to_owned()),
    };
    if let Some(separators) = given("separators").filter(|s| !s.is_none()) {
        let mut both = separators.try_iter()?;
        let mut next = || {
            both.next()
                .and_then(|part| part.as_str().map(str::to_owned))
        };
        (item, key) = next()
            .zip(next())
            .ok_or_else(|| wrong("tojson: separators must be two texts"))?;
    }
    let style = Style {
        ascii: ensure_ascii.unwrap_or_else(|| truth("ensure_ascii")),
        indent,
        item,
        key,
        sorted: truth("sort_keys"),
    };
    options.assert_all_used()?;
    let mut out = String::new();
    write(value, &style, 0, &mut out)?;
    Ok(out)
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn write(value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(wrong("tojson: the value is nested too deeply"));
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::String => string(value.as_str().unwrap_or_default(), style, out),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            let each = |item: &Value, out: &mut String| write(item, style, depth + 1, out);
            list(('[', ']'), &items, style, depth, out, each)?;
        }
        ValueKind::Map => {
            let mut pairs = Vec::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                pairs.push((name(&key)?, item));
            }
            if style.sorted {
                pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            }
            let each = |(name, item): &(String, Value), out: &mut String| {
                string(name, style, out);
                out.push_str(&style.key);
                write(item, style, depth + 1, out)
            };
            list(('{', '}'), &pairs, style, depth, out, each)?;
        }
        kind => {
            let message = format!("tojson: a value that is {kind} cannot be written as JSON");
            return Err(wrong(message));
        }
    }
    Ok(())
}

fn list<T>(
    (open, close): (char, char),
    items: &[T],
    style: &Style,
    depth: usize,
    out: &mut String,
    each: impl Fn(&T, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    out.push(open);
    let line = |depth: usize, out: &mut String| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
    };
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(&style.item);
        }
        line(depth + 1, out);
        each(item, out)?;
    }
    if !items.is_empty() {
        line(depth, out);
    }
    out.push(close);
    Ok(())
}

fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    match float(f64::try_from(value.clone()).unwrap_or(f64::NAN)).as_str() {
        "nan" => "NaN".into(),
        "inf" => "Infinity".into(),
        "-inf" => "-Infinity".into(),
        digits => digits.into(),
    }
}

/// A key, which JSON knows as text only.
fn name(key: &Value) -> Result<String, Error> {
    Ok(match key.kind() {
        ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
        ValueKind::None => "null".into(),
        ValueKind::Bool => if key.is_true() { "true" } else { "false" }.into(),
        ValueKind::Number => number(key),
        kind => return Err(wrong(format!("tojson: a key that is {kind}"))),
    })
}

fn string(text: &str, style: &Style, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (style.ascii && c > '~') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
