//! Literals and marks in a template's text.

/// Whether a character may stand in a name.
pub(super) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the mark with which a tag ends here, a sign for white space included.
pub(super) fn ending(rest: &str, end: &str) -> Option<usize> {
    if rest.starts_with(end) {
        return Some(end.len());
    }
    let signed = end.len() > 1 && rest.starts_with(['-', '+']) && rest[1..].starts_with(end);
    signed.then_some(end.len() + 1)
}

/// Whether a subscript is a slice with an end and a negative step, which the engine gets wrong.
pub(super) fn is_backward_slice(rest: &str) -> bool {
    let inside = rest[1..].split(']').next().unwrap_or_default();
    let mut parts = inside.split(':').skip(1);
    let end = parts.next().unwrap_or_default();
    let step = parts.next().unwrap_or_default();
    !inside.contains(['{', '\'', '"']) && !end.trim().is_empty() && step.trim().starts_with('-')
}

/// The end of a raw block: what follows its `{% endraw %}`.
pub(super) fn end_of_raw(rest: &str) -> usize {
    let mut from = 0;
    while let Some(at) = rest[from..].find("{%") {
        let tag = &rest[from + at + 2..];
        let tag = tag.strip_prefix(['-', '+']).unwrap_or(tag).trim_start();
        if let Some(tail) = tag.strip_prefix("endraw")
            && let Some(end) = tail.find("%}")
            && tail[..end]
                .trim_start()
                .trim_start_matches(['-', '+'])
                .is_empty()
        {
            return rest.len() - tail.len() + end + 2;
        }
        from += at + 2;
    }
    rest.len()
}

/// The value of a string literal, as Python's `unicode-escape` reads it.
pub(super) fn unescape(literal: &str) -> Result<String, String> {
    let mut value = String::with_capacity(literal.len());
    let mut chars = literal.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        let Some(escape) = chars.next() else {
            value.push('\\');
            break;
        };
        let code = match escape {
            '\n' => continue,
            '\\' | '\'' | '"' => escape,
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' | 'u' | 'U' => {
                let digits = match escape {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let number: String = chars.by_ref().take(digits).collect();
                let whole = number.len() == digits;
                let code = u32::from_str_radix(&number, 16).ok().filter(|_| whole);
                let wrong = || format!("the escape \\{escape}{number} is no character");
                code.and_then(char::from_u32).ok_or_else(wrong)?
            }
            'N' => return Err("the escape \\N{...} is not understood".into()),
            '0'..='7' => {
                let mut code = escape.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    code = code * 8 + digit;
                    chars.next();
                }
                char::from_u32(code).unwrap_or_default()
            }
            other => {
                value.push('\\');
                other
            }
        };
        value.push(code);
    }
    Ok(value)
}
