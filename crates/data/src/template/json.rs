//! `tojson` as `transformers` has it: Python's `json.dumps`.

use std::borrow::Cow;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::budget::Text;
use super::print::float;
use super::views::{is_namespace, is_no_list};

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
    let mut out = Text::default();
    write(value, &style, 0, &mut out)?;
    Ok(out.done())
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn write(value: &Value, style: &Style, depth: usize, out: &mut Text) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(wrong("tojson: the value is nested too deeply"));
    }
    match value.kind() {
        ValueKind::None => out.push("null"),
        ValueKind::Bool => out.push(if value.is_true() { "true" } else { "false" }),
        ValueKind::String => string(value.as_str().unwrap_or_default(), style, out),
        ValueKind::Number => out.push(&number(value)),
        _ if is_no_list(value) || is_namespace(value) => Err(wrong(
            "tojson: a range, a generator, a namespace and what keys(), values() and items() give \
             cannot be written as JSON; put |list before it",
        )),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            let each = |item: &Value, out: &mut Text| write(item, style, depth + 1, out);
            list(('[', ']'), &items, style, depth, out, each)
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
            let each = |(name, item): &(String, Value), out: &mut Text| {
                string(name, style, out)?;
                out.push(&style.key)?;
                write(item, style, depth + 1, out)
            };
            list(('{', '}'), &pairs, style, depth, out, each)
        }
        kind => {
            let message = format!("tojson: a value that is {kind} cannot be written as JSON");
            Err(wrong(message))
        }
    }
}

fn list<T>(
    (open, close): (char, char),
    items: &[T],
    style: &Style,
    depth: usize,
    out: &mut Text,
    each: impl Fn(&T, &mut Text) -> Result<(), Error>,
) -> Result<(), Error> {
    out.push_char(open)?;
    let line = |depth: usize, out: &mut Text| -> Result<(), Error> {
        let Some(indent) = &style.indent else {
            return Ok(());
        };
        out.push("\n")?;
        (0..depth).try_for_each(|_| out.push(indent))
    };
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(&style.item)?;
        }
        line(depth + 1, out)?;
        each(item, out)?;
    }
    if !items.is_empty() {
        line(depth, out)?;
    }
    out.push_char(close)
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

fn string(text: &str, style: &Style, out: &mut Text) -> Result<(), Error> {
    out.push("\"")?;
    // Runs of characters that stay as they are go out in one piece.
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let Some(escape) = escape(c, style.ascii) else {
            continue;
        };
        out.push(&text[from..at])?;
        out.push(&escape)?;
        from = at + c.len_utf8();
    }
    out.push(&text[from..])?;
    out.push("\"")
}

/// What stands for a character in JSON, if it cannot stand there itself.
fn escape(c: char, ascii: bool) -> Option<Cow<'static, str>> {
    Some(match c {
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        '\u{8}' => "\\b".into(),
        '\u{c}' => "\\f".into(),
        c if c < ' ' || (ascii && c > '~') => {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            units.map(|unit| format!("\\u{unit:04x}")).collect()
        }
        _ => return None,
    })
}
