//! Tables in lines of text: CSV (RFC 4180) and TSV.

use std::sync::Arc;

use csv::{ReaderBuilder, StringRecord};
use serde_json::Value;

use super::{
    Column, ColumnType, MAX_ROW_BYTES, MAX_ROWS, Row, Table, TableError, check_names, short,
};
use crate::error::{DataError, Place};
use crate::unseen;

/// Opens bytes that are UTF-8 with lines of Unix: names in the first line, then rows. Blank lines are
/// passed over, quoted cells may hold separators and line breaks, and an empty cell is missing.
pub(super) fn open(bytes: Vec<u8>, separator: u8) -> Result<Table, DataError> {
    if let Some(ending) = json_ending(&bytes) {
        return Err(TableError::Json(ending).into());
    }
    let open_quote = open_quote(&bytes, separator);
    let bytes: Arc<[u8]> = bytes.into();
    let text = bytes.clone();
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(std::io::Cursor::new(bytes));
    let mut names = StringRecord::new();
    let some = reader.read_record(&mut names).map_err(unreadable)?;
    if !some {
        return Err(DataError::Empty);
    }
    if names.get(0).is_some_and(is_excels) {
        return Err(TableError::ExcelsLine.into());
    }
    check_separator(&names, separator)?;
    let columns: Vec<Column> = names
        .iter()
        .map(|name| Column {
            name: name.trim().to_owned(),
            kind: ColumnType::Text,
        })
        .collect();
    check_names(&columns)?;
    let wanted = columns.len();
    let mut count = 0;
    let mut failed = false;
    let rows = std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let mut record = StringRecord::new();
        let row = match reader.read_record(&mut record) {
            Ok(false) => return None,
            Err(error) => Err(unreadable(error)),
            Ok(true) => {
                count += 1;
                row(&record, line(&record, &text), wanted, open_quote, count)
            }
        };
        failed = row.is_err();
        Some(row)
    });
    Ok(Table {
        columns,
        rows: Box::new(rows),
    })
}

/// The ending that records of JSON should have, where the file begins with one.
fn json_ending(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes.trim_ascii_start();
    let ending = match start.first()? {
        b'{' => ".jsonl",
        b'[' => ".json",
        _ => return None,
    };
    // Of a record that is broken, or longer than this, its beginning is enough.
    let head = start.get(1..)?.trim_ascii_start();
    let first = match ending {
        ".json" => head.strip_prefix(b"{")?.trim_ascii_start(),
        _ => head,
    };
    let name = first.strip_prefix(b"\"")?;
    let end = name.iter().position(|byte| *byte == b'"')?;
    let after = name[end + 1..].trim_ascii_start();
    after.starts_with(b":").then_some(ending)
}

fn row(
    record: &StringRecord,
    line: usize,
    wanted: usize,
    open_quote: Option<usize>,
    count: usize,
) -> Result<Row, DataError> {
    // The row that an open quote swallowed, rather than what came of it.
    if open_quote.is_some_and(|open| open >= line && open < line + lines(record)) {
        return Err(TableError::OpenQuote(open_quote.unwrap_or(line)).into());
    }
    if count > MAX_ROWS {
        return Err(TableError::TooManyRows.into());
    }
    if record.as_slice().len() > MAX_ROW_BYTES {
        return Err(TableError::LongRow(line).into());
    }
    let found = record.len();
    if found != wanted {
        let note = unseen::note(record.as_slice());
        return Err(TableError::Ragged {
            line,
            found,
            wanted,
            note,
        }
        .into());
    }
    let cell = |cell: &str| match cell.is_empty() {
        true => Value::Null,
        false => Value::from(cell),
    };
    Ok(Row {
        place: Place::Line(line),
        cells: record.iter().map(cell).collect(),
    })
}

/// The line where a record begins; the parser gives that of the blank lines before it.
fn line(record: &StringRecord, text: &[u8]) -> usize {
    let Some(place) = record.position() else {
        return 0;
    };
    let rest = text.get(place.byte() as usize..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| **byte == b'\n').count();
    place.line() as usize + blank
}

/// The lines that a record goes over.
fn lines(record: &StringRecord) -> usize {
    record.as_slice().matches('\n').count() + 1
}

fn unreadable(error: csv::Error) -> DataError {
    let line = error.position().map_or(1, |place| place.line() as usize);
    DataError::Record {
        place: Place::Line(line),
        problem: crate::error::Problem::NotJson(short(&error.to_string())),
    }
}

/// Whether this begins the line `sep=,`.
fn is_excels(name: &str) -> bool {
    let separator = name.strip_prefix("sep=").or(name.strip_prefix("SEP="));
    separator.is_some_and(|separator| separator.len() <= 1)
}

/// Refuses a first line of one column that another separator would make several.
fn check_separator(names: &StringRecord, separator: u8) -> Result<(), TableError> {
    const CHARACTERS: [(char, &str); 4] = [
        (',', "commas"),
        (';', "semicolons"),
        ('\t', "tabs"),
        ('|', "bars (|)"),
    ];
    let line = names.get(0).unwrap_or_default();
    let found = CHARACTERS.iter().find(|(c, _)| line.contains(*c));
    let (Some((character, found)), 1) = (found, names.len()) else {
        return Ok(());
    };
    let remedy = match character {
        '\t' => "give the file an ending of .tsv",
        ',' => "give the file an ending of .csv",
        _ => "save the table with commas, as CSV (UTF-8)",
    };
    let (wanted, ending) = match separator {
        b',' => ("commas", " in .csv"),
        _ => ("tabs", " in .tsv"),
    };
    Err(TableError::Separator {
        line: short(line),
        found,
        wanted,
        ending,
        remedy,
    })
}

/// The line of a cell whose quote is never closed: the parser takes the rest of the file for it.
fn open_quote(bytes: &[u8], separator: u8) -> Option<usize> {
    let (mut line, mut opened, mut starts, mut i) = (1, None, true, 0);
    while i < bytes.len() {
        let byte = bytes[i];
        match opened {
            Some(_) if byte == b'"' && bytes.get(i + 1) == Some(&b'"') => i += 1,
            Some(line) if byte == b'"' => {
                // Other programs escape a quote with a backslash; read by the rules, the cell ends here.
                let next = bytes.get(i + 1);
                if next.is_some_and(|next| *next != separator && !b"\r\n".contains(next)) {
                    return Some(line);
                }
                opened = None;
            }
            None if byte == b'"' && starts => opened = Some(line),
            _ => {}
        }
        starts = opened.is_none() && (byte == separator || byte == b'\n');
        line += usize::from(byte == b'\n');
        i += 1;
    }
    opened
}
