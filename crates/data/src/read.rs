//! From bytes to records.

use serde_json::Value;

use crate::error::{DataError, Place, Problem};
use crate::record::Record;

/// The largest data set that is read, in bytes.
pub const MAX_BYTES: usize = 256 << 20;
/// The largest JSON record that is read, in bytes.
pub const MAX_RECORD_BYTES: usize = 4 << 20;
/// The most records that are read.
pub const MAX_RECORDS: usize = 4 << 20;

/// How the bytes of a data set are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line; blank lines are passed over.
    JsonLines,
    /// One JSON array of objects.
    Json,
    /// Running text.
    Text,
}

impl Format {
    /// The format a file's name promises: `.jsonl`, `.json` or `.txt`.
    ///
    /// # Errors
    /// For any other ending.
    pub fn of_name(name: &str) -> Result<Self, DataError> {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("jsonl" | "ndjson") => Ok(Self::JsonLines),
            Some("json") => Ok(Self::Json),
            Some("txt" | "text" | "md") => Ok(Self::Text),
            _ => Err(DataError::UnknownFormat(name.chars().take(200).collect())),
        }
    }

    /// The format the bytes look like, for data that travels without a name: an array, lines
    /// beginning with `{`, or text.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        match bytes.trim_ascii_start().first() {
            Some(b'[') => Self::Json,
            Some(b'{') => Self::JsonLines,
            _ => Self::Text,
        }
    }
}

/// Every record of a data set, with its place.
///
/// # Errors
/// [`DataError`] names the line of the first record that is malformed, empty or oversized.
pub fn read(bytes: &[u8], format: Format) -> Result<Vec<(Place, Record)>, DataError> {
    if bytes.len() > MAX_BYTES {
        return Err(DataError::TooLarge(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| DataError::NotUtf8(e.valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let records = match format {
        Format::JsonLines => json_lines(text)?,
        Format::Json => json_array(text)?,
        Format::Text if text.trim().is_empty() => Vec::new(),
        Format::Text => vec![(Place::Text, Record::Text(text.to_owned()))],
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
        let value =
            serde_json::from_str(line).map_err(|e| wrong(Problem::NotJson(e.to_string())))?;
        push(&mut records, place, &value)?;
    }
    Ok(records)
}

fn json_array(text: &str) -> Result<Vec<(Place, Record)>, DataError> {
    let values: Vec<Value> =
        serde_json::from_str(text).map_err(|e| DataError::NotAnArray(e.to_string()))?;
    let mut records = Vec::new();
    for (i, value) in values.iter().enumerate() {
        push(&mut records, Place::Element(i + 1), value)?;
    }
    Ok(records)
}

fn push(records: &mut Vec<(Place, Record)>, place: Place, value: &Value) -> Result<(), DataError> {
    if records.len() == MAX_RECORDS {
        return Err(DataError::TooManyRecords);
    }
    let wrong = |problem| DataError::Record { place, problem };
    let Value::Object(fields) = value else {
        return Err(wrong(Problem::NotJson("it is another JSON value".into())));
    };
    records.push((place, Record::from_json(fields).map_err(wrong)?));
    Ok(())
}
