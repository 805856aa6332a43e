//! Files as people bring them, turned into the one form in which data travel.
//!
//! Whoever brings a file knows its name; the machines that train on it get bytes without one. So a
//! file is turned into *canonical* bytes first, of which [`Format::of_bytes`] tells the format: JSON
//! Lines or a JSON array, or running text. Lines end with a line feed, no byte order mark is left,
//! and tables have become records. What holds no such thing is refused by name here, before it costs
//! anything. Files that were plain before are left byte for byte as they are.

use crate::error::{DataError, Place, Problem};
use crate::foreign::Foreign;
use crate::format::Format;
use crate::json::{wide, without_mark};
use crate::read::MAX_BYTES;
use crate::table;
use crate::unseen;

/// Put before running text that begins like JSON: text follows.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The canonical bytes of a file in this format. Canonical bytes are their own canonical form under
/// the format that [`Format::of_bytes`] gives.
///
/// # Errors
/// [`DataError`] when the bytes are something else than the format says.
pub fn canonical(bytes: Vec<u8>, format: Format) -> Result<Vec<u8>, DataError> {
    if bytes.len() > MAX_BYTES {
        return Err(DataError::TooLarge(bytes.len()));
    }
    match format {
        Format::Csv | Format::Tsv => table::json_lines(bytes, format),
        Format::Parquet => table::json_array(bytes),
        Format::Text => text(plain(bytes)?),
        _ => json(plain(bytes)?),
    }
}

/// Checks that bytes are text in UTF-8 and nothing else, and gives them without byte order mark and
/// with the line ends of Unix.
pub(crate) fn plain(mut bytes: Vec<u8>) -> Result<Vec<u8>, DataError> {
    if let Some(encoding) = wide(&bytes) {
        return Err(DataError::OtherEncoding(encoding));
    }
    match Foreign::of(&bytes) {
        Some(Foreign::Empty) => return Err(DataError::Empty),
        Some(foreign) => return Err(DataError::Foreign(foreign)),
        None => {}
    }
    while without_mark(&bytes).len() < bytes.len() {
        bytes.drain(..MARK.len());
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(DataError::Binary(place(&bytes, at).0));
    }
    if let Err(error) = std::str::from_utf8(&bytes) {
        return Err(not_utf8(&bytes, &error));
    }
    if bytes.contains(&b'\r') {
        bytes = unix_lines(&bytes);
    }
    match bytes.trim_ascii().is_empty() {
        true => Err(DataError::Empty),
        false => Ok(bytes),
    }
}

/// The fault of bytes that are no UTF-8.
pub(crate) fn not_utf8(bytes: &[u8], error: &std::str::Utf8Error) -> DataError {
    let at = error.valid_up_to();
    let (line, column) = place(bytes, at);
    if error.error_len().is_none() {
        return DataError::CutCharacter(line);
    }
    DataError::NotUtf8 {
        at,
        byte: bytes.get(at).copied().unwrap_or_default(),
        line,
        column,
    }
}

/// Line and column of a byte, in characters as far as there are any.
fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |n| n + 1);
    (
        line,
        String::from_utf8_lossy(&before[start..]).chars().count() + 1,
    )
}

fn unix_lines(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'\r' if bytes.get(i + 1) == Some(&b'\n') => {}
            b'\r' => out.push(b'\n'),
            other => out.push(*other),
        }
    }
    out
}

/// Running text; what is JSON under another name is refused.
fn text(bytes: Vec<u8>) -> Result<Vec<u8>, DataError> {
    let is_object = |line: &[u8]| {
        let line = line.trim_ascii();
        line.starts_with(b"{") && serde_json::from_slice::<serde_json::Map<_, _>>(line).is_ok()
    };
    let lines = || {
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
    };
    let seen = lines().take(1000).count();
    let objects = lines().take(1000).filter(|line| is_object(line)).count();
    if objects * 2 > seen {
        return Err(DataError::JsonInText { objects, seen });
    }
    let whole = bytes.trim_ascii();
    if whole.starts_with(b"[")
        && whole.ends_with(b"]")
        && serde_json::from_slice::<Vec<serde_json::Map<String, serde_json::Value>>>(whole).is_ok()
    {
        return Err(DataError::ArrayInText);
    }
    match Format::of_bytes(&bytes) {
        Format::Text => Ok(bytes),
        _ => Ok([MARK, &bytes].concat()),
    }
}

/// JSON of either layout: which one it is can be seen, so the name need not tell.
fn json(bytes: Vec<u8>) -> Result<Vec<u8>, DataError> {
    match Format::of_bytes(&bytes) {
        Format::Text => {
            let (place, line) = first_line(&bytes);
            let line = String::from_utf8_lossy(line);
            let shown: String = line.trim_matches([' ', '\t']).chars().take(40).collect();
            let note = unseen::note(&shown);
            let problem = Problem::NotJson(format!("it begins with {shown:?}{note}"));
            Err(DataError::Record { place, problem })
        }
        _ => Ok(bytes),
    }
}

fn first_line(bytes: &[u8]) -> (Place, &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let mut filled = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    filled.next().map_or((Place::Line(1), &[]), |(i, line)| {
        (Place::Line(i + 1), line)
    })
}
