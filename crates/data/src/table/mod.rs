//! Tables: columns with names, rows with cells.
//!
//! A [`Table`] reads CSV, TSV or Parquet row by row. What a table is used for stands elsewhere; here
//! is its use as a list of records, a column for each field (`json_lines`, `json_array`).

mod columnar;
pub(crate) mod error;
mod records;
mod separated;
mod thrift;

use std::fmt;

use serde_json::Value;

use crate::canonical::plain;
use crate::error::{DataError, Place};
use crate::format::Format;

pub use error::TableError;
pub(crate) use records::{json_array, json_lines};

/// The most columns that are read.
pub const MAX_COLUMNS: usize = 4096;
/// The most rows that are read.
pub const MAX_ROWS: usize = 4 << 20;
/// The most bytes of one row of a table.
pub const MAX_ROW_BYTES: usize = 4 << 20;

/// What the cells of a column hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text. Every column of CSV and TSV is text.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers with a fraction.
    Float,
    /// True or false.
    Boolean,
    /// A day, a time or both, given as a number from the epoch or from midnight.
    Time,
    /// Bytes that nothing says are text. Cells that are no UTF-8 are missing.
    Bytes,
    /// Lists.
    List,
    /// Fields with names, or keys with values.
    Struct,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, which no other column of the table has.
    pub name: String,
    /// What its cells hold.
    pub kind: ColumnType,
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where it begins in the file, for messages.
    pub place: Place,
    /// A value for each column; [`Value::Null`] where it is missing.
    pub cells: Vec<Value>,
}

/// A table that is read row by row.
pub struct Table {
    columns: Vec<Column>,
    rows: Box<dyn Iterator<Item = Result<Row, DataError>>>,
}

impl Table {
    /// Opens the bytes of a table.
    ///
    /// # Errors
    /// When the bytes are no table of this format, or a column has no name or another's.
    pub fn open(bytes: Vec<u8>, format: Format) -> Result<Self, DataError> {
        let table = match format {
            Format::Csv => separated::open(plain(bytes)?, b',')?,
            Format::Tsv => separated::open(plain(bytes)?, b'\t')?,
            Format::Parquet => columnar::open(bytes)?,
            _ => return Err(TableError::NoTable.into()),
        };
        Ok(table)
    }

    /// Its columns, in the order of the file.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

impl Iterator for Table {
    type Item = Result<Row, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = &self.columns;
        f.debug_struct("Table")
            .field("columns", columns)
            .finish_non_exhaustive()
    }
}

/// Checks the names of columns.
fn check_names(columns: &[Column]) -> Result<(), TableError> {
    if columns.len() > MAX_COLUMNS {
        return Err(TableError::TooManyColumns(columns.len()));
    }
    let mut seen = std::collections::BTreeMap::new();
    for (i, column) in columns.iter().enumerate() {
        if column.name.trim().is_empty() {
            return Err(TableError::NoName(i + 1));
        }
        if let Some(first) = seen.insert(column.name.as_str(), i + 1) {
            let name = short(&column.name);
            return Err(TableError::TwoNames(name, first, i + 1));
        }
    }
    Ok(())
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
