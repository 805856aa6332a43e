//! Faults of tables.

use crate::error::Place;

/// Why a table cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The format is none of tables.
    #[error("the file is no table; name it .csv, .tsv or .parquet if it is one")]
    NoTable,
    /// A column without a name.
    #[error(
        "column {0} has no name in the first line; give each column a name there (an index column that \
         a program added can be removed)"
    )]
    NoName(usize),
    /// Two columns of one name.
    #[error("columns {1} and {2} are both called {0:?}; rename or remove one of them")]
    TwoNames(String, usize, usize),
    /// More columns than are read.
    #[error(
        "the table has {0} columns, and at most 4096 are read; remove those that are not needed"
    )]
    TooManyColumns(usize),
    /// More rows than are read.
    #[error("the table has more than 4194304 rows; split it into several files")]
    TooManyRows,
    /// The line that tells Excel the separator.
    #[error(
        "the first line begins with sep=, which tells Excel the separator and names no columns; remove \
         that line"
    )]
    ExcelsLine,
    /// A file whose columns another character separates.
    #[error(
        "the first line has one column, {line:?}: {found} separate its names, and {wanted} are \
         expected{ending}; {remedy}"
    )]
    Separator {
        /// The first line.
        line: String,
        /// The character found.
        found: &'static str,
        /// The character that the ending stands for.
        wanted: &'static str,
        /// Which ending that is.
        ending: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Records of JSON under the name of a table.
    #[error(
        "the file holds records of JSON and no table; give it an ending of {0}, so that they are read as \
         such"
    )]
    Json(&'static str),
    /// A row of another length than the first line.
    #[error(
        "line {line}: the row has {found} cells, and the first line names {wanted} columns; put double \
         quotes around cells that hold the separator or a line break, and double them within a cell{note}"
    )]
    Ragged {
        /// The line where the row begins.
        line: usize,
        /// Its cells.
        found: usize,
        /// The columns.
        wanted: usize,
        /// What may be the cause.
        note: String,
    },
    /// A quote that is not closed.
    #[error(
        "line {0}: a cell begins with a double quote, and none before a separator or a line's end closes it; \
         close it, and write a quote within it twice (\"\")"
    )]
    OpenQuote(usize),
    /// A row larger than is read.
    #[error("line {0}: the row has more than 4194304 bytes; shorten it")]
    LongRow(usize),
    /// The first line names nothing that a record has.
    #[error(
        "the columns are {0}, and no record has such fields; the first line must name the columns, for \
         instance prompt and completion, or text"
    )]
    NoField(String),
    /// Cells that a record needs are missing.
    #[error("{place}: the row has no value in {columns}; fill it in or remove the row")]
    Missing {
        /// The row.
        place: Place,
        /// The empty columns.
        columns: String,
    },
    /// A cell that should hold a list.
    #[error(
        "{place}: column {column} is {found:?}, and must hold a list in JSON, such as \
         [{{\"role\": \"user\", \"content\": \"...\"}}]"
    )]
    NoList {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// How the cell begins.
        found: String,
    },
    /// The file is no Parquet file.
    #[error("the file is no Parquet table: it does not begin with PAR1; name it for what it is")]
    NotParquet,
    /// The end of a Parquet file is missing.
    #[error(
        "the Parquet file has no end: it is cut off after {0} bytes; download or copy it again"
    )]
    NoTail(usize),
    /// A Parquet file that is encrypted.
    #[error("the Parquet file is encrypted; write it again without encryption")]
    Encrypted,
    /// A Parquet file that is damaged, or larger than is read.
    #[error("the Parquet file cannot be read: {0}; write it again, or convert it to JSON Lines")]
    Parquet(String),
}
