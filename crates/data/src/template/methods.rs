//! Python's methods of strings, dictionaries and lists, as far as templates may call them.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::budget::{Text, charge_entries, copied};
use super::formats::check_format;
use super::print::text;
use super::texts::{between, capitalize, is_space, lines, pad, replace, split, strip, title};
use super::views::{View, is_namespace, is_no_list};

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
    let result = match value.kind() {
        ValueKind::String => string(value.as_str().unwrap_or_default(), method, args),
        ValueKind::Map if value.as_object().is_some() && !is_namespace(value) => {
            dict(value, method, args)
        }
        ValueKind::Seq | ValueKind::Iterable if !is_no_list(value) => list(value, method, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    };
    result.and_then(copied)
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn forbidden(method: &str) -> Error {
    wrong(format!(
        "{method} changes its object, which templates may not do"
    ))
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
            let lines = lines(s, keep.unwrap_or(false))?;
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
            let mut out = Text::default();
            for (i, item) in items.try_iter()?.enumerate() {
                let Some(item) = item.as_str() else {
                    return Err(wrong(format!("join: item {i} is no text")));
                };
                if i > 0 {
                    out.push(s)?;
                }
                out.push(item)?;
            }
            out.done().into()
        }
        "format" => {
            check_format(s, '{', args)?;
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

fn dict(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let item = |key: &Value| value.get_item(key).unwrap_or_default();
    Ok(match method {
        "keys" | "values" | "items" => {
            let () = from_args(args)?;
            charge_entries(value.len().unwrap_or(0))?;
            let entry = |key: Value| match method {
                "keys" => key,
                "values" => item(&key),
                _ => {
                    let item = item(&key);
                    Value::from(Tuple::from([key, item]))
                }
            };
            View::of(method, value.try_iter()?.map(entry).collect())
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
            at.ok_or_else(|| {
                wrong(format!(
                    "{} is not in the list",
                    text(what).unwrap_or_default()
                ))
            })?
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
