//! From bytes to records.

use serde_json::{Map, Value};

use crate::canonical::{canonical, not_utf8};
use crate::error::{DataError, Place, Problem};
pub use crate::format::Format;
use crate::json::{JsonFault, Unique, long_number};
use crate::record::Record;

/// The largest data set that is read, in bytes.
pub const MAX_BYTES: usize = 256 << 20;
/// The largest JSON record that is read, in bytes.
pub const MAX_RECORD_BYTES: usize = 4 << 20;
/// The most records that are read.
pub const MAX_RECORDS: usize = 4 << 20;

/// Every record of a data set, with its place.
///
/// # Errors
/// [`DataError`] names the line of the first record that is malformed, empty or oversized.
pub fn read(bytes: &[u8], format: Format) -> Result<Vec<(Place, Record)>, DataError> {
    if bytes.len() > MAX_BYTES {
        return Err(DataError::TooLarge(bytes.len()));
    }
    if matches!(format, Format::Csv | Format::Tsv | Format::Parquet) {
        let bytes = canonical(bytes.to_vec(), format)?;
        return read(&bytes, Format::of_bytes(&bytes));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| not_utf8(bytes, &e))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let records = match format {
        Format::Json => json_array(text)?,
        Format::Text if text.trim().is_empty() => Vec::new(),
        Format::Text => vec![(Place::Text, Record::Text(text.to_owned()))],
        _ => json_lines(text)?,
    };
    if records.is_empty() {
        return Err(DataError::Empty);
    }
    Ok(records)
}

fn json_lines(text: &str) -> Result<Vec<(Place, Record)>, DataError> {
    let mut records = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let place = Place::Line(i + 1);
        let wrong = |problem| DataError::Record { place, problem };
        if line.len() > MAX_RECORD_BYTES {
            return Err(wrong(Problem::TooLarge(line.len())));
        }
        let Unique(value) = serde_json::from_str(line).map_err(|error| {
            let fault = JsonFault::new(line.as_bytes(), &error);
            let rest = &text[offset(text, line)..];
            broken_line(place, rest, line, &fault)
        })?;
        push(&mut records, place, line, &value).map_err(|error| match &value {
            // Nothing else is in the file.
            Value::Object(fields) if text.trim().len() == line.trim().len() => {
                unwrapping(error, fields)
            }
            _ => error,
        })?;
    }
    Ok(records)
}

/// The error of a file that is one object, with the advice for one that holds the list of records.
fn unwrapping(error: DataError, fields: &Map<String, Value>) -> DataError {
    // Lists that a record itself may hold.
    const OWN: [&str; 6] = [
        "messages",
        "conversations",
        "prompt",
        "completion",
        "tools",
        "documents",
    ];
    match (&error, wrapped(fields)) {
        (DataError::Record { .. }, Some(field)) if !OWN.contains(&field.as_str()) => {
            DataError::Wrapped(field)
        }
        _ => error,
    }
}

/// Where a part of a text begins in it.
fn offset(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// Why a line is no record: it may be half of one, because the file was cut off or because a record
/// goes over several lines.
fn broken_line(place: Place, rest: &str, line: &str, fault: &JsonFault) -> DataError {
    let wrong = |problem| DataError::Record { place, problem };
    if !fault.ends_early {
        return wrong(Problem::NotJson(fault.in_line()));
    }
    if rest[line.len()..].trim().is_empty() {
        return wrong(Problem::CutOff);
    }
    let first = serde_json::Deserializer::from_str(rest)
        .into_iter::<Value>()
        .next();
    match first {
        Some(Ok(Value::Object(fields))) => match wrapped(&fields) {
            Some(field) => DataError::Wrapped(field),
            None => wrong(Problem::SeveralLines),
        },
        _ => wrong(Problem::NotJson(fault.in_line())),
    }
}

/// The field of an object that holds a list of objects and may be what was meant.
fn wrapped(fields: &Map<String, Value>) -> Option<String> {
    let objects = |value: &Value| {
        let list = value.as_array().filter(|list| !list.is_empty());
        list.is_some_and(|list| list.iter().all(Value::is_object))
    };
    let (name, _) = fields.iter().find(|(_, value)| objects(value))?;
    Some(name.chars().take(40).collect())
}

fn json_array(text: &str) -> Result<Vec<(Place, Record)>, DataError> {
    let mut records = Vec::new();
    let fault = |at: usize, reason: &str, ends_early: bool| {
        let line = text[..at].matches('\n').count() + 1;
        let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
        let row = text[start..].lines().next().unwrap_or_default().as_bytes();
        JsonFault::at(line, row, at - start, reason, ends_early)
    };
    let broken = |fault: JsonFault| match fault.ends_early {
        true => DataError::ArrayCutOff(fault.line),
        false => DataError::NotAnArray(fault.to_string()),
    };
    let next = |from: usize| from + text[from..].len() - text[from..].trim_start().len();
    let mut at = next(0);
    if !text[at..].starts_with('[') {
        return Err(broken(fault(
            at,
            "a list begins with [",
            text[at..].is_empty(),
        )));
    }
    at = next(at + 1);
    while !text[at..].starts_with(']') {
        let place = Place::Element(records.len() + 1);
        let wrong = |problem| DataError::Record { place, problem };
        let part = &text[at..at + extent(&text[at..])];
        if part.len() > MAX_RECORD_BYTES {
            return Err(wrong(Problem::TooLarge(part.len())));
        }
        let Unique(value) = serde_json::from_str(part).map_err(|error| {
            let inner = JsonFault::new(part.as_bytes(), &error);
            if part.is_empty() || inner.ends_early {
                return broken(fault(
                    at,
                    "expected a record",
                    at + part.len() == text.len(),
                ));
            }
            let line = text[..at].matches('\n').count() + inner.line;
            let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
            let before = match inner.line {
                1 => text[start..at].chars().count(),
                _ => 0,
            };
            let column = before + inner.column;
            wrong(Problem::NotJson(
                JsonFault {
                    line,
                    column,
                    ..inner
                }
                .to_string(),
            ))
        })?;
        push(&mut records, place, part, &value)?;
        at = next(at + part.len());
        match text[at..].chars().next() {
            Some(',') => {
                at = next(at + 1);
                if text[at..].starts_with(']') {
                    return Err(broken(fault(
                        at,
                        "a comma before the end of the list",
                        false,
                    )));
                }
            }
            Some(']') => {}
            other => return Err(broken(fault(at, "expected , or ]", other.is_none()))),
        }
    }
    at = next(at + 1);
    match text[at..].is_empty() {
        true => Ok(records),
        false => Err(broken(fault(at, "more follows after the list", false))),
    }
}

/// How many bytes a JSON value at the start of a text takes, as far as its brackets tell.
fn extent(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                quoted = !quoted;
                if !quoted && depth == 0 {
                    return i + 1;
                }
            }
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' => return i + depth,
            b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return i,
            _ => {}
        }
    }
    text.len()
}

/// Appends the record that `json` holds, which was read as `value`.
fn push(
    records: &mut Vec<(Place, Record)>,
    place: Place,
    json: &str,
    value: &Value,
) -> Result<(), DataError> {
    if records.len() == MAX_RECORDS {
        return Err(DataError::TooManyRecords);
    }
    let wrong = |problem| DataError::Record { place, problem };
    let Value::Object(fields) = value else {
        return Err(wrong(Problem::NotJson("it is another JSON value".into())));
    };
    let record = Record::from_json(fields).map_err(wrong)?;
    if let Some((field, number)) = long_number(json, Record::reads) {
        return Err(wrong(Problem::long_number(field, number)));
    }
    records.push((place, record));
    Ok(())
}
