//! Whole numbers that do not fit into 64 bits.

/// The first whole number beyond 64 bits in a JSON text, where `read` wants the outermost field that
/// holds it, and the innermost field. The parser would make it a number with a fraction, and other
/// digits.
pub(crate) fn long_number(json: &str, read: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    let bytes = json.as_bytes();
    // The field of each bracket that is open, and that of the value at hand.
    let (mut open, mut field, mut string) = (Vec::new(), "", "");
    let mut at = 0;
    while at < bytes.len() {
        let from = at;
        at += 1;
        match bytes[from] {
            b'"' => {
                at = from + string_length(&bytes[from..]);
                string = json.get(from + 1..at - 1).unwrap_or_default();
            }
            b':' => field = string,
            b'{' | b'[' => open.push(field),
            b'}' | b']' => field = open.pop().unwrap_or_default(),
            b'-' | b'0'..=b'9' => {
                let of_number = |b: &&u8| b.is_ascii_digit() || b"+-.eE".contains(b);
                at = from + bytes[from..].iter().take_while(of_number).count();
                let number = &json[from..at];
                let outermost = open.get(1).copied().unwrap_or(field);
                if is_long(number) && read(outermost) {
                    return Some((field, number));
                }
            }
            _ => {}
        }
    }
    None
}

fn is_long(number: &str) -> bool {
    let whole = !number.contains(['.', 'e', 'E']);
    whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
}

/// The bytes of a string at the start of a text, its quotes included.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_beyond_64_bits_are_found_with_their_field() {
        let long = "100000000000000000000";
        for (json, expected) in [
            (r#"{"a": 100000000000000000000}"#, Some(("a", long))),
            (
                r#"{"a": {"b": [1, 2]}, "c": [{}, 100000000000000000000]}"#,
                Some(("c", long)),
            ),
            (
                r#"[[{"\"x": {"y": -9223372036854775809}}]]"#,
                Some(("y", "-9223372036854775809")),
            ),
            (
                r#"{"a": {"b": {}, "id": 100000000000000000000}}"#,
                Some(("id", long)),
            ),
            (
                r#"{"a": [{"b": {}}, 18446744073709551616]}"#,
                Some(("a", "18446744073709551616")),
            ),
            (r#"{"id": 100000000000000000000}"#, None),
            (r#"{"id": {"a": 100000000000000000000}}"#, None),
            (
                r#"{"a": [18446744073709551615, -9223372036854775808]}"#,
                None,
            ),
            (
                r#"{"a": [1e300, 100000000000000000000.0, -0, 6.02E23]}"#,
                None,
            ),
            (
                r#"{"a": "100000000000000000000", "b": "\" 100000000000000000000"}"#,
                None,
            ),
            (r#"{"a": "100000000000000000000"#, None),
            ("", None),
        ] {
            assert_eq!(long_number(json, |name| name != "id"), expected, "{json}");
        }
    }
}
