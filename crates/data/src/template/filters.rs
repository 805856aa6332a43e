//! Filters and tests where the engine's own differ from Jinja2's.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::budget::{Text, charge, made};
use super::formats::{format_filter, percent};
use super::print::{push_text, text};
use super::source::PERCENT;
use super::texts::{capitalize, is_space, lines, pad, replace, strip};
use super::views::{View, is_namespace, range};
use super::{clock, json, lists};

/// What the engine has and `transformers` has not, or has otherwise.
const FOREIGN_FILTERS: [&str; 7] = ["attr", "bool", "chain", "lines", "pprint", "split", "zip"];
const FOREIGN_TESTS: [&str; 3] = ["startingwith", "endingwith", "safe"];

/// What makes one text of another.
type Change = fn(&str) -> String;

/// Puts the filters, tests and functions of `transformers` in place of the engine's.
pub(super) fn install(environment: &mut Environment<'_>) {
    for name in FOREIGN_FILTERS {
        environment.remove_filter(name);
    }
    for name in FOREIGN_TESTS {
        environment.remove_test(name);
    }
    environment.remove_global("debug");
    environment.add_function(
        "raise_exception",
        |message: &Value| -> Result<Value, Error> { Err(wrong(text(message)?)) },
    );
    environment.add_function("strftime_now", |format: &str| {
        // The longest of its codes.
        charge(format.len().saturating_mul(24))?;
        clock::strftime_now(format)
    });
    environment.add_function("range", range);

    environment.add_filter("tojson", json::tojson);
    environment.add_filter("string", |value: &Value| text(value));
    environment.add_filter("safe", |value: &Value| text(value));
    environment.add_filter("trim", |value: &Value, chars: Option<&str>| {
        let text = text(value)?;
        made(strip(&text, chars, true, true).to_owned())
    });
    let changes: [(&'static str, Change); 7] = [
        ("upper", str::to_uppercase),
        ("lower", str::to_lowercase),
        ("capitalize", capitalize),
        ("title", title),
        ("e", escape),
        ("escape", escape),
        ("forceescape", escape),
    ];
    for (name, change) in changes {
        environment.add_filter(name, move |value: &Value| made(change(&text(value)?)));
    }
    environment.add_filter("replace", replace_filter);
    environment.add_filter("join", join);
    environment.add_filter("wordcount", |value: &Value| -> Result<usize, Error> {
        Ok(words(&text(value)?))
    });
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("first", |value: &Value| end_of(value, false));
    environment.add_filter("last", |value: &Value| end_of(value, true));
    environment.add_filter("int", int);
    environment.add_filter("float", |value: &Value, default: Option<&Value>| {
        let number = number(value).map(Value::from);
        number.unwrap_or_else(|| default.cloned().unwrap_or_else(|| Value::from(0.0)))
    });
    environment.add_filter("indent", indent);
    environment.add_filter("center", |value: &Value, width: Option<usize>| {
        pad(&text(value)?, width.unwrap_or(80), " ", "center")
    });
    environment.add_filter(PERCENT, percent);
    environment.add_filter("format", format_filter);
    environment.add_filter("count", length);
    environment.add_filter("length", length);
    lists::install(environment);

    // Python counts as a sequence what has a length and items: texts and dictionaries too.
    let iterable = |value: &Value| match value.kind() {
        ValueKind::String | ValueKind::Seq | ValueKind::Iterable | ValueKind::Undefined => true,
        ValueKind::Map => !is_namespace(value),
        _ => false,
    };
    environment.add_test("iterable", iterable);
    environment.add_test("sequence", move |value: &Value| {
        iterable(value) && value.downcast_object_ref::<View>().is_none()
    });
    environment.add_test("mapping", |value: &Value| {
        value.kind() == ValueKind::Map && !is_namespace(value)
    });
    environment.add_test(
        "divisibleby",
        |value: i64, by: i64| -> Result<bool, Error> {
            let rest = value.checked_rem(by);
            Ok(rest.ok_or_else(|| wrong("division by zero"))? == 0)
        },
    );
    environment.add_test("callable", |value: &Value| {
        value.kind() == ValueKind::Plain || (value.kind() == ValueKind::Map && is_namespace(value))
    });
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn default(
    value: &Value,
    other: Option<&Value>,
    boolean: Option<bool>,
    named: Kwargs,
) -> Result<Value, Error> {
    let other = other.cloned().or(named.get("default_value")?);
    let boolean = boolean.or(named.get("boolean")?).unwrap_or(false);
    named.assert_all_used()?;
    Ok(
        match value.is_undefined() || (boolean && !value.is_true()) {
            true => other.unwrap_or_else(|| "".into()),
            false => value.clone(),
        },
    )
}

/// The first or the last item; undefined if there is none.
fn end_of(value: &Value, last: bool) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    let mut items = value.try_iter()?;
    let item = if last { items.last() } else { items.next() };
    Ok(item.unwrap_or_default())
}

/// A value as Python's `float` reads it.
fn number(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::String => {
            let digits = value.as_str()?.trim();
            let good = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
            digits.chars().all(good).then(|| digits.parse().ok())?
        }
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    }
}

fn int(
    value: &Value,
    default: Option<&Value>,
    base: Option<u32>,
    named: Kwargs,
) -> Result<Value, Error> {
    let default = default.cloned().or(named.get("default")?);
    let base = base.or(named.get("base")?).unwrap_or(10);
    named.assert_all_used()?;
    if value.is_integer() {
        return Ok(value.clone());
    }
    if !(2..=36).contains(&base) {
        return Err(wrong("int: the base must be from 2 to 36"));
    }
    let whole = value.as_str().and_then(|digits| {
        let digits = digits.trim().to_ascii_lowercase();
        let prefix = match base {
            16 => "0x",
            8 => "0o",
            2 => "0b",
            _ => "",
        };
        i64::from_str_radix(digits.strip_prefix(prefix).unwrap_or(&digits), base).ok()
    });
    let cut = || {
        let number = number(value)?.trunc();
        (number.abs() < 9e15).then(|| Value::from(number as i64))
    };
    let found = whole.map(Value::from).or_else(cut);
    Ok(found.unwrap_or_else(|| default.unwrap_or_else(|| Value::from(0))))
}

/// `indent(width=4, first=False, blank=False)`; the width may be a text.
fn indent(
    value: &Value,
    width: Option<&Value>,
    first: Option<bool>,
    blank: Option<bool>,
    named: Kwargs,
) -> Result<String, Error> {
    let width = width.cloned().or(named.get("width")?);
    let first = first.or(named.get("first")?).unwrap_or(false);
    let blank = blank.or(named.get("blank")?).unwrap_or(false);
    named.assert_all_used()?;
    let width = width.unwrap_or_else(|| Value::from(4));
    let by = match (width.as_str(), width.as_usize()) {
        (Some(by), _) => by.to_owned(),
        (None, Some(width)) => " ".repeat(width.min(1000)),
        (None, None) => return Err(wrong("indent: the width is neither number nor text")),
    };
    let whole = text(value)? + "\n";
    let mut out = Text::default();
    for (i, line) in lines(&whole, false)?.into_iter().enumerate() {
        if i > 0 {
            out.push("\n")?;
        }
        let indented = if i == 0 {
            first
        } else {
            blank || !line.is_empty()
        };
        if indented {
            out.push(&by)?;
        }
        out.push(line)?;
    }
    Ok(out.done())
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

fn replace_filter(
    value: &Value,
    old: &Value,
    new: &Value,
    count: Option<i64>,
) -> Result<String, Error> {
    replace(&text(value)?, &text(old)?, &text(new)?, count.unwrap_or(-1))
}

fn join(
    value: &Value,
    between: Option<&Value>,
    attribute: Option<&Value>,
    named: Kwargs,
) -> Result<String, Error> {
    let between = match between {
        Some(between) => text(between)?,
        None => text(
            &named
                .get::<Option<Value>>("d")?
                .unwrap_or_else(|| "".into()),
        )?,
    };
    let named_attribute = named.get::<Option<Value>>("attribute")?;
    let attribute = attribute.cloned().or(named_attribute);
    named.assert_all_used()?;
    let mut out = Text::default();
    if value.is_undefined() {
        return Ok(String::new());
    }
    for (i, item) in value.try_iter()?.enumerate() {
        if i > 0 {
            out.push(&between)?;
        }
        let item = match &attribute {
            Some(path) => attribute_of(item, path)?,
            None => item,
        };
        push_text(&item, &mut out)?;
    }
    Ok(out.done())
}

/// What `attribute=` names: keys and numbers with dots between.
fn attribute_of(value: Value, path: &Value) -> Result<Value, Error> {
    let Some(path) = path.as_str() else {
        return value.get_item(path);
    };
    let mut value = value;
    for part in path.split('.') {
        value = match part.parse::<i64>() {
            Ok(index) => value.get_item(&Value::from(index))?,
            Err(_) => value.get_item(&Value::from(part))?,
        };
    }
    Ok(value)
}

/// Jinja2's own `title`: words begin after space, hyphens and opening brackets.
fn title(text: &str) -> String {
    let parts = |c: char| is_space(c) || "-({[<".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut first = true;
    for c in text.chars() {
        match first {
            true => out.extend(c.to_uppercase()),
            false => out.extend(c.to_lowercase()),
        }
        first = parts(c);
    }
    out
}

fn words(text: &str) -> usize {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c| !part_of_word(c))
        .filter(|word| !word.is_empty())
        .count()
}

fn length(value: &Value) -> Result<usize, Error> {
    let view = value.downcast_object_ref::<View>();
    if view.is_some_and(|view| view.name.is_none()) {
        return Err(wrong(
            "a generator has no length; put |list after the filter",
        ));
    }
    let length = match value.kind() {
        ValueKind::Undefined => Some(0),
        ValueKind::String | ValueKind::Seq | ValueKind::Iterable => Some(
            value
                .len()
                .map_or_else(|| value.try_iter().map(Iterator::count), Ok)?,
        ),
        ValueKind::Map if !is_namespace(value) => value.len(),
        _ => None,
    };
    length.ok_or_else(|| wrong(format!("a value that is {} has no length", value.kind())))
}
