//! Python's methods of strings, dictionaries and lists, as far as templates may call them.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::filters::check_width;
use super::print::text;

/// The methods of a dictionary; `d.name` is one of these before it is an item.
pub(super) const DICT_METHODS: [&str; 11] = [
    "items",
    "keys",
    "values",
    "get",
    "copy",
    "clear",
    "fromkeys",
    "pop",
    "popitem",
    "setdefault",
    "update",
];
/// Methods that would change their object: `transformers` forbids them in templates.
const CHANGING: [&str; 13] = [
    "append",
    "clear",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "reverse",
    "setdefault",
    "sort",
    "update",
    "add",
    "discard",
];
/// The longest text a method makes, in bytes.
const MAX_TEXT: usize = 64 << 20;

/// Calls a method.
///
/// # Errors
/// When the value has no such method, or it refuses its arguments.
pub(super) fn call(
    _: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => string(value.as_str().unwrap_or_default(), method, args),
        ValueKind::Map if value.as_object().is_some() && !is_namespace(value) => {
            dict(value, method, args)
        }
        ValueKind::Seq | ValueKind::Iterable => list(value, method, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// Namespaces, macros and loops are maps to the engine, and none to Python.
pub(super) fn is_namespace(value: &Value) -> bool {
    let name = value.as_object().map(|object| object.type_name());
    name.is_some_and(|name| {
        ["Namespace", "Macro", "Loop"]
            .iter()
            .any(|n| name.ends_with(n))
    })
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn forbidden(method: &str) -> Error {
    wrong(format!(
        "{method} changes its object, which templates may not do"
    ))
}

/// What Python counts as white space.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `strip` from the sides asked for; without characters, white space.
pub(super) fn strip<'a>(s: &'a str, chars: Option<&str>, left: bool, right: bool) -> &'a str {
    let goes = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let s = if left { s.trim_start_matches(goes) } else { s };
    if right { s.trim_end_matches(goes) } else { s }
}

fn string(s: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let none = || from_args::<()>(args);
    let all = |test: fn(char) -> bool| !s.is_empty() && s.chars().all(test);
    Ok(match method {
        "strip" | "lstrip" | "rstrip" => {
            let (chars,): (Option<&str>,) = from_args(args)?;
            strip(s, chars, method != "rstrip", method != "lstrip").into()
        }
        "split" | "rsplit" => {
            let (by, most, named): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
            let by = match by {
                None => named.get::<Option<&str>>("sep")?,
                by => by,
            };
            let most = match most {
                None => named.get::<Option<i64>>("maxsplit")?,
                most => most,
            };
            named.assert_all_used()?;
            let most = usize::try_from(most.unwrap_or(-1)).unwrap_or(usize::MAX);
            split(s, by, most, method == "rsplit")?
        }
        "splitlines" => {
            let (keep,): (Option<bool>,) = from_args(args)?;
            let lines = lines(s, keep.unwrap_or(false));
            lines.into_iter().map(Value::from).collect()
        }
        "partition" | "rpartition" => {
            let (by,): (&str,) = from_args(args)?;
            if by.is_empty() {
                return Err(wrong("empty separator"));
            }
            let parts = match method {
                "partition" => s.split_once(by).map(|(a, b)| [a, by, b]),
                _ => s.rsplit_once(by).map(|(a, b)| [a, by, b]),
            };
            let whole = if method == "partition" {
                [s, "", ""]
            } else {
                ["", "", s]
            };
            Value::from(Tuple::from(parts.unwrap_or(whole).map(Value::from)))
        }
        "replace" => {
            let (old, new, count, named): (&str, &str, Option<i64>, Kwargs) = from_args(args)?;
            let count = count.or(named.get("count")?).unwrap_or(-1);
            named.assert_all_used()?;
            replace(s, old, new, count)?.into()
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            s.strip_prefix(prefix).unwrap_or(s).into()
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            s.strip_suffix(suffix).unwrap_or(s).into()
        }
        "startswith" | "endswith" => {
            let (part, start, end): (&Value, Option<i64>, Option<i64>) = from_args(args)?;
            let s = between(s, start, end);
            let is = |part: &Value| match (part.as_str(), method) {
                (Some(part), "startswith") => Ok(s.is_some_and(|s| s.starts_with(part))),
                (Some(part), _) => Ok(s.is_some_and(|s| s.ends_with(part))),
                (None, _) => Err(wrong(format!("{method} takes a text or a tuple of texts"))),
            };
            if part.is_tuple() {
                let mut found = false;
                for part in part.try_iter()? {
                    found |= is(&part)?;
                }
                found.into()
            } else {
                is(part)?.into()
            }
        }
        "find" | "rfind" | "index" | "rindex" | "count" => {
            let (part, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
            let window = between(s, start, end);
            let skipped = window.map_or(0, |w| {
                s[..w.as_ptr() as usize - s.as_ptr() as usize]
                    .chars()
                    .count()
            });
            let place = |at: usize| window.map_or(0, |w| w[..at].chars().count()) + skipped;
            let found = match method {
                "count" => {
                    let count = window.map_or(0, |w| match part.is_empty() {
                        true => w.chars().count() + 1,
                        false => w.matches(part).count(),
                    });
                    return Ok(count.into());
                }
                "find" | "index" => window.and_then(|w| w.find(part)),
                _ => window.and_then(|w| w.rfind(part)),
            };
            match found {
                Some(at) => place(at).into(),
                None if method.ends_with("find") => (-1).into(),
                None => return Err(wrong("substring not found")),
            }
        }
        "join" => {
            let (items,): (&Value,) = from_args(args)?;
            let mut out = String::new();
            for (i, item) in items.try_iter()?.enumerate() {
                let Some(item) = item.as_str() else {
                    return Err(wrong(format!("join: item {i} is no text")));
                };
                if i > 0 {
                    out.push_str(s);
                }
                out.push_str(item);
            }
            out.into()
        }
        "format" => {
            check_width(s, '{')?;
            format(FormatStyle::StrFormat, s, args)?.into()
        }
        "upper" => none().map(|()| s.to_uppercase().into())?,
        "lower" => none().map(|()| s.to_lowercase().into())?,
        "casefold" if s.is_ascii() => none().map(|()| s.to_lowercase().into())?,
        "swapcase" if s.is_ascii() => {
            none()?;
            let swap = |c: char| match c.is_ascii_uppercase() {
                true => c.to_ascii_lowercase(),
                false => c.to_ascii_uppercase(),
            };
            s.chars().map(swap).collect::<String>().into()
        }
        "title" => none().map(|()| title(s).into())?,
        "capitalize" => none().map(|()| capitalize(s).into())?,
        "center" | "ljust" | "rjust" => {
            let (width, fill): (usize, Option<&str>) = from_args(args)?;
            pad(s, width, fill.unwrap_or(" "), method)?.into()
        }
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = match s.starts_with(['+', '-']) {
                true => s.split_at(1),
                false => ("", s),
            };
            let padded = pad(digits, width.saturating_sub(sign.len()), "0", "rjust")?;
            format!("{sign}{padded}").into()
        }
        "expandtabs" if !s.contains('\t') => s.into(),
        "isspace" => none().map(|()| all(is_space).into())?,
        "isascii" => none().map(|()| s.is_ascii().into())?,
        "isalpha" => none().map(|()| all(char::is_alphabetic).into())?,
        "isalnum" => none().map(|()| all(char::is_alphanumeric).into())?,
        "isdigit" | "isdecimal" | "isnumeric" => {
            none()?;
            if s.chars().any(|c| !c.is_ascii() && c.is_numeric()) {
                return Err(wrong(format!(
                    "{method}: digits beyond ASCII are not told apart"
                )));
            }
            all(|c| c.is_ascii_digit()).into()
        }
        "isupper" => {
            let upper = s.chars().any(char::is_uppercase) && !s.chars().any(char::is_lowercase);
            none().map(|()| upper.into())?
        }
        "islower" => {
            let lower = s.chars().any(char::is_lowercase) && !s.chars().any(char::is_uppercase);
            none().map(|()| lower.into())?
        }
        "istitle" => {
            none().map(|()| (s.chars().any(char::is_alphabetic) && title(s) == s).into())?
        }
        "isidentifier" if s.is_ascii() => {
            none()?;
            let first = s.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            (first && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).into()
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

/// The part of a text between two places, counted in characters as Python counts them.
fn between(s: &str, start: Option<i64>, end: Option<i64>) -> Option<&str> {
    if start.is_none() && end.is_none() {
        return Some(s);
    }
    let length = s.chars().count() as i64;
    let place = |at: i64| if at < 0 { (at + length).max(0) } else { at };
    let (from, to) = (
        place(start.unwrap_or(0)),
        place(end.unwrap_or(length)).min(length),
    );
    if from > to {
        return None;
    }
    let byte = |at: i64| {
        s.char_indices()
            .nth(at as usize)
            .map_or(s.len(), |(at, _)| at)
    };
    Some(&s[byte(from)..byte(to)])
}

fn split(s: &str, by: Option<&str>, most: usize, from_right: bool) -> Result<Value, Error> {
    let by = match by {
        Some("") => return Err(wrong("empty separator")),
        Some(by) => by,
        None => return Ok(split_space(s, most, from_right)),
    };
    let limit = most.saturating_add(1);
    let mut parts: Vec<&str> = match from_right {
        true => s.rsplitn(limit, by).collect(),
        false => s.splitn(limit, by).collect(),
    };
    if from_right {
        parts.reverse();
    }
    Ok(parts.into_iter().map(Value::from).collect())
}

fn split_space(s: &str, most: usize, from_right: bool) -> Value {
    let mut parts = Vec::new();
    let mut rest = strip(s, None, !from_right, from_right);
    while !rest.is_empty() {
        let cut = match from_right {
            // What is left stays as it is once Python has split often enough.
            _ if parts.len() == most => None,
            true => rest.rfind(is_space).map(|at| {
                let space = rest[at..].chars().next().map_or(0, char::len_utf8);
                (&rest[at + space..], &rest[..at])
            }),
            false => rest.find(is_space).map(|at| rest.split_at(at)),
        };
        let (part, left) = cut.unwrap_or((rest, ""));
        parts.push(part);
        rest = strip(left, None, !from_right, from_right);
    }
    if from_right {
        parts.reverse();
    }
    parts.into_iter().map(Value::from).collect()
}

/// `str.splitlines`.
pub(super) fn lines(s: &str, keep: bool) -> Vec<&str> {
    let ends = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut out = Vec::new();
    let mut rest = s;
    while !rest.is_empty() {
        let at = rest.find(ends).unwrap_or(rest.len());
        let end = match rest[at..].starts_with("\r\n") {
            true => 2,
            false => rest[at..].chars().next().map_or(0, char::len_utf8),
        };
        out.push(if keep { &rest[..at + end] } else { &rest[..at] });
        rest = &rest[at + end..];
    }
    out
}

/// `str.replace`; all of them for a negative count.
pub(super) fn replace(s: &str, old: &str, new: &str, count: i64) -> Result<String, Error> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let found = match old.is_empty() {
        true => s.chars().count() + 1,
        false => s.matches(old).count(),
    };
    let grown = found
        .min(most)
        .saturating_mul(new.len())
        .saturating_add(s.len());
    if grown > MAX_TEXT {
        return Err(wrong("the text becomes too long"));
    }
    Ok(s.replacen(old, new, most))
}

/// `str.title`: every letter that follows no letter is upper case.
fn title(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut inside = false;
    for c in s.chars() {
        match inside {
            true => out.extend(c.to_lowercase()),
            false => out.extend(c.to_uppercase()),
        }
        inside = c.is_lowercase() || c.is_uppercase();
    }
    out
}

/// `str.capitalize`: the first character upper case, the rest lower case.
pub(super) fn capitalize(s: &str) -> String {
    let mut chars = s.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars.as_str().to_lowercase().chars()).collect()
}

pub(super) fn pad(s: &str, width: usize, fill: &str, method: &str) -> Result<String, Error> {
    let mut fills = fill.chars();
    let (Some(fill), None) = (fills.next(), fills.next()) else {
        return Err(wrong(format!("{method}: the fill must be one character")));
    };
    if width > MAX_TEXT / 4 {
        return Err(wrong("the text becomes too long"));
    }
    let lacks = width.saturating_sub(s.chars().count());
    let left = match method {
        "ljust" => 0,
        "rjust" => lacks,
        // As CPython centres: the odd one goes left only if the width is odd too.
        _ => lacks / 2 + (lacks & width & 1),
    };
    let fill = |count: usize| std::iter::repeat_n(fill, count);
    Ok(fill(left)
        .chain(s.chars())
        .chain(fill(lacks - left))
        .collect())
}

fn dict(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let item = |key: &Value| value.get_item(key).unwrap_or_default();
    let keys = || -> Result<Vec<Value>, Error> { Ok(value.try_iter()?.collect()) };
    Ok(match method {
        "keys" => {
            let () = from_args(args)?;
            keys()?.into()
        }
        "values" => {
            let () = from_args(args)?;
            keys()?.iter().map(item).collect()
        }
        "items" => {
            let () = from_args(args)?;
            let pair = |key: Value| {
                let item = item(&key);
                Value::from(Tuple::from([key, item]))
            };
            keys()?.into_iter().map(pair).collect()
        }
        "get" => {
            let (key, default): (&Value, Option<Value>) = from_args(args)?;
            let found = item(key);
            match found.is_undefined() {
                true => default.unwrap_or_else(|| Value::from(())),
                false => found,
            }
        }
        "copy" => {
            let () = from_args(args)?;
            value.clone()
        }
        changing if CHANGING.contains(&changing) => return Err(forbidden(method)),
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

fn list(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    Ok(match method {
        "count" => {
            let (what,): (&Value,) = from_args(args)?;
            value.try_iter()?.filter(|item| item == what).count().into()
        }
        "index" => {
            let (what,): (&Value,) = from_args(args)?;
            let at = value.try_iter()?.position(|item| item == *what);
            at.ok_or_else(|| wrong(format!("{} is not in the list", text(what))))?
                .into()
        }
        "copy" => {
            let () = from_args(args)?;
            value.clone()
        }
        changing if CHANGING.contains(&changing) => return Err(forbidden(method)),
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}
