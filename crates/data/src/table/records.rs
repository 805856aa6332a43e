//! A table as records: the name of a column is the name of a field.

use serde_json::{Map, Value};

use super::{Row, Table, TableError, short};
use crate::error::{DataError, Place, Problem};
use crate::format::Format;
use crate::json::within;
use crate::read::{MAX_BYTES, MAX_RECORD_BYTES};
use crate::record::Record;

/// Fields that hold lists, which tables of text write as JSON.
const LISTS: [&str; 5] = [
    "messages",
    "conversations",
    "conversation",
    "tools",
    "documents",
];
/// Fields that hold a text or such a list.
const TEXTS_OR_LISTS: [&str; 2] = ["prompt", "completion"];
/// A field that holds an object.
const SETTINGS: &str = "chat_template_kwargs";

/// The records of a table of text as JSON Lines, each in the line where its row begins in the table,
/// so that whatever is said about it later names the place in the file.
pub(crate) fn json_lines(bytes: Vec<u8>, format: Format) -> Result<Vec<u8>, DataError> {
    let (mut out, mut line) = (Vec::new(), 1);
    each_record(Table::open(bytes, format)?, |place, fields| {
        if let Place::Line(begins) = place {
            out.resize(out.len() + begins.saturating_sub(line), b'\n');
            line = begins + 1;
        }
        append(&mut out, place, &fields)?;
        out.push(b'\n');
        Ok(())
    })?;
    Ok(out)
}

/// The records of a Parquet table as a JSON array.
pub(crate) fn json_array(bytes: Vec<u8>) -> Result<Vec<u8>, DataError> {
    let mut out = Vec::new();
    each_record(Table::open(bytes, Format::Parquet)?, |place, fields| {
        out.extend(if out.is_empty() { b"[\n" } else { b",\n" });
        append(&mut out, place, &fields)
    })?;
    out.extend(b"\n]\n");
    Ok(out)
}

fn append(out: &mut Vec<u8>, place: Place, fields: &Map<String, Value>) -> Result<(), DataError> {
    let record = serde_json::to_vec(fields).unwrap_or_default();
    if record.len() > MAX_RECORD_BYTES {
        let problem = Problem::TooLarge(record.len());
        return Err(DataError::Record { place, problem });
    }
    out.extend(record);
    match out.len() > MAX_BYTES {
        true => Err(DataError::TooLarge(out.len())),
        false => Ok(()),
    }
}

fn each_record(
    mut table: Table,
    mut take: impl FnMut(Place, Map<String, Value>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let names: Vec<String> = table.columns().iter().map(|c| c.name.clone()).collect();
    let mut any = false;
    for row in &mut table {
        let row = row?;
        // As a blank line: spreadsheets leave such rows behind their tables.
        if row.cells.iter().all(Value::is_null) {
            continue;
        }
        let fields = fields(&names, &row)?;
        if let Err(problem) = Record::from_json(&fields) {
            return Err(refusal(&names, &row, problem, any));
        }
        any = true;
        take(row.place, fields)?;
    }
    match any {
        true => Ok(()),
        false => Err(DataError::Empty),
    }
}

/// The fields of a row; missing cells are left out.
fn fields(names: &[String], row: &Row) -> Result<Map<String, Value>, DataError> {
    let mut fields = Map::new();
    for (name, cell) in names.iter().zip(&row.cells) {
        let cell = match cell {
            Value::Null => continue,
            Value::String(text) => from_text(name, text, row.place)?,
            other => other.clone(),
        };
        fields.insert(name.clone(), cell);
    }
    Ok(fields)
}

/// What a text in the column of this name stands for.
fn from_text(name: &str, text: &str, place: Place) -> Result<Value, DataError> {
    let read = || within(name, text).map_err(|problem| DataError::Record { place, problem });
    if LISTS.contains(&name) {
        let list = read()?.filter(Value::is_array);
        return list.ok_or_else(|| {
            let (column, found) = (short(name), short(text));
            TableError::NoList {
                place,
                column,
                found,
            }
            .into()
        });
    }
    let other = if name == SETTINGS {
        read()?.filter(Value::is_object)
    } else if TEXTS_OR_LISTS.contains(&name) && Record::holds_messages(text) {
        read()?.filter(Value::is_array)
    } else {
        None
    };
    // What is something else is refused, or learned as it is, with the record.
    Ok(other.unwrap_or_else(|| text.into()))
}

/// What is wrong with a row, in the words of a table.
fn refusal(names: &[String], row: &Row, problem: Problem, any: bool) -> DataError {
    let place = row.place;
    if !matches!(problem, Problem::UnknownKind(_)) {
        return DataError::Record { place, problem };
    }
    let empty = names
        .iter()
        .zip(&row.cells)
        .filter(|(_, cell)| cell.is_null());
    let empty: Vec<&str> = empty.map(|(name, _)| name.as_str()).collect();
    if !empty.is_empty() {
        let columns = short(&empty.join(", "));
        return TableError::Missing { place, columns }.into();
    }
    match any {
        true => DataError::Record { place, problem },
        false => TableError::NoField(short(&names.join(", "))).into(),
    }
}
