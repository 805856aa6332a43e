//! Python's ways with texts, which methods and filters share.

use minijinja::{Error, ErrorKind, Value};

use super::budget::{charge, charge_entries, check};

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
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

/// The part of a text between two places, counted in characters as Python counts them.
pub(super) fn between(s: &str, start: Option<i64>, end: Option<i64>) -> Option<&str> {
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

pub(super) fn split(
    s: &str,
    by: Option<&str>,
    most: usize,
    from_right: bool,
) -> Result<Value, Error> {
    let by = match by {
        Some("") => return Err(wrong("empty separator")),
        Some(by) => by,
        None => return split_space(s, most, from_right),
    };
    let limit = most.saturating_add(1);
    charge_entries(s.matches(by).count().min(limit))?;
    let mut parts: Vec<&str> = match from_right {
        true => s.rsplitn(limit, by).collect(),
        false => s.splitn(limit, by).collect(),
    };
    if from_right {
        parts.reverse();
    }
    Ok(parts.into_iter().map(Value::from).collect())
}

fn split_space(s: &str, most: usize, from_right: bool) -> Result<Value, Error> {
    charge_entries(s.chars().filter(|c| is_space(*c)).count())?;
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
    Ok(parts.into_iter().map(Value::from).collect())
}

/// `str.splitlines`.
pub(super) fn lines(s: &str, keep: bool) -> Result<Vec<&str>, Error> {
    let ends = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    charge_entries(s.matches(ends).count())?;
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
    Ok(out)
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
    check(grown)?;
    charge(grown)?;
    Ok(s.replacen(old, new, most))
}

/// `str.title`: every letter that follows no letter is upper case.
pub(super) fn title(s: &str) -> String {
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
    check(width.saturating_mul(fill.len_utf8()))?;
    charge(width)?;
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
