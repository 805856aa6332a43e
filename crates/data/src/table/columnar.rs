//! Tables in Parquet.
//!
//! The crate `parquet` makes room for what a file announces before it reads it, and panics on some
//! malformed ones. So everything announced is checked first ([`super::thrift`]), and every call into
//! the crate is one whose panic is an error of the file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row as ParquetRow};
use parquet::schema::types::Type;
use serde_json::{Map, Number, Value};

use super::thrift::{STRUCT, Walk};
use super::{Column, ColumnType, MAX_ROWS, Row, Table, TableError, check_names};
use crate::error::{DataError, Place};
use crate::foreign::Foreign;

/// First and last bytes of a file.
const MAGIC: &[u8] = b"PAR1";
/// The largest footer that is read.
const MAX_FOOTER: usize = 16 << 20;
/// The largest page, unpacked.
const MAX_PAGE: i64 = 256 << 20;
/// The most bytes of all pages, unpacked.
const MAX_UNPACKED: i64 = 2 << 30;
/// The most values of a column in one group of rows.
const MAX_VALUES: i64 = 16 << 20;

/// Opens the bytes of a Parquet file.
pub(super) fn open(bytes: Vec<u8>) -> Result<Table, DataError> {
    check_ends(&bytes)?;
    let bytes = Bytes::from(bytes);
    let kept = bytes.clone();
    let reader = guarded(|| SerializedFileReader::new(kept))?;
    let metadata = reader.metadata();
    if metadata.file_metadata().num_rows() > MAX_ROWS as i64 {
        return Err(TableError::TooManyRows.into());
    }
    let columns: Vec<Column> = metadata
        .file_metadata()
        .schema()
        .get_fields()
        .iter()
        .map(|field| Column {
            name: field.name().to_owned(),
            kind: kind(field),
        })
        .collect();
    check_names(&columns)?;
    let mut unpacked = 0;
    for group in metadata.row_groups() {
        for chunk in group.columns() {
            unpacked += check_chunk(&bytes, chunk)?;
            if unpacked > MAX_UNPACKED {
                return Err(wrong(
                    "it unpacks to more than 2 GiB; split it into several files",
                ));
            }
        }
    }
    let width = columns.len();
    let mut rows = guarded(|| Ok(RowIter::from_file_into(Box::new(reader))))?;
    let mut number = 0;
    let mut failed = false;
    let rows = std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let read = guarded(|| rows.next().transpose());
        let row = match read {
            Ok(None) => return None,
            Ok(Some(_)) if number == MAX_ROWS => Err(TableError::TooManyRows.into()),
            Ok(Some(row)) => cells(row, width),
            Err(error) => Err(error),
        };
        number += 1;
        failed = row.is_err();
        let place = Place::Element(number);
        Some(row.map(|cells| Row { place, cells }))
    });
    Ok(Table {
        columns,
        rows: Box::new(rows),
    })
}

fn wrong(reason: impl Into<String>) -> DataError {
    TableError::Parquet(reason.into()).into()
}

/// Runs a call into the crate.
fn guarded<T>(call: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, DataError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let told = error.to_string();
            let told = told.strip_prefix("Parquet error: ").unwrap_or(&told);
            Err(wrong(told.chars().take(200).collect::<String>()))
        }
        Err(_) => Err(wrong("its parts contradict each other")),
    }
}

/// Checks that the file begins and ends as one, with a footer of which all is there.
fn check_ends(bytes: &[u8]) -> Result<(), DataError> {
    if bytes.starts_with(b"PARE") {
        return Err(TableError::Encrypted.into());
    }
    if !bytes.starts_with(MAGIC) {
        return Err(match Foreign::of(bytes) {
            Some(Foreign::Empty) => DataError::Empty,
            Some(foreign) => DataError::Foreign(foreign),
            None => TableError::NotParquet.into(),
        });
    }
    let Some((before, MAGIC)) = bytes.split_at_checked(bytes.len().max(8) - 4) else {
        return Err(TableError::NoTail(bytes.len()).into());
    };
    let Some((before, length)) = before.split_last_chunk::<4>() else {
        return Err(TableError::NoTail(bytes.len()).into());
    };
    let length = u32::from_le_bytes(*length) as usize;
    let start = before
        .len()
        .checked_sub(length)
        .filter(|_| length <= MAX_FOOTER);
    let Some(footer) = start.and_then(|start| before.get(start..)) else {
        return Err(wrong(format!("its footer claims {length} bytes")));
    };
    match Walk::new(footer).whole() {
        Some(()) => Ok(()),
        None => Err(wrong("its footer announces more than it holds")),
    }
}

/// What the header of a page announces.
#[derive(Default)]
struct Page {
    unpacked: i64,
    packed: i64,
    values: i64,
    encoding: i64,
    is_dictionary: bool,
}

impl Page {
    fn read(walk: &mut Walk<'_>) -> Option<Self> {
        let mut page = Self::default();
        walk.fields(0, &mut |walk, number, kind| {
            match (number, kind) {
                (2, 5) => page.unpacked = walk.integer()?,
                (3, 5) => page.packed = walk.integer()?,
                // Data, dictionary, data of the second version.
                (5 | 7 | 8, STRUCT) => {
                    page.is_dictionary = number == 7;
                    let encoding = if number == 8 { 4 } else { 2 };
                    walk.fields(1, &mut |walk, inner, kind| {
                        match (inner, kind) {
                            (1, 5) => page.values = walk.integer()?,
                            (inner, 5) if inner == encoding => page.encoding = walk.integer()?,
                            _ => return Some(false),
                        }
                        Some(true)
                    })?;
                }
                _ => return Some(false),
            }
            Some(true)
        })?;
        Some(page)
    }
}

/// Checks the pages of a column in one group of rows, and gives the bytes they unpack to.
fn check_chunk(bytes: &[u8], chunk: &ColumnChunkMetaData) -> Result<i64, DataError> {
    let name = || -> String { chunk.column_path().string().chars().take(60).collect() };
    let codec = chunk.compression();
    if matches!(codec, Compression::BROTLI(_) | Compression::LZO) {
        return Err(wrong(format!(
            "column {} is compressed with {codec}, which is not read (snappy, gzip, lz4 and zstd are)",
            name()
        )));
    }
    if chunk.num_values() > MAX_VALUES {
        return Err(wrong(format!(
            "column {} has {} values",
            name(),
            chunk.num_values()
        )));
    }
    let from = chunk
        .dictionary_page_offset()
        .unwrap_or(chunk.data_page_offset());
    let place = usize::try_from(from)
        .ok()
        .zip(usize::try_from(chunk.compressed_size()).ok());
    let part = place.and_then(|(from, length)| bytes.get(from..from.checked_add(length)?));
    let Some(part) = part else {
        return Err(wrong(format!("column {} lies outside the file", name())));
    };
    let (mut at, mut values, mut unpacked) = (0usize, 0i64, 0i64);
    while at < part.len() && values < chunk.num_values() {
        let mut walk = Walk::new(&part[at..]);
        let page = Page::read(&mut walk)
            .filter(|page| (0..=MAX_PAGE).contains(&page.unpacked))
            .filter(|page| page.packed >= 0 && page.packed <= (part.len() - at) as i64)
            .filter(|page| (0..=MAX_VALUES).contains(&page.values))
            .filter(|page| !page.is_dictionary || page.values <= page.unpacked.max(1));
        let Some(page) = page else {
            return Err(wrong(format!(
                "a page of column {} announces more than it holds",
                name()
            )));
        };
        // Two encodings say how many values follow within the page, where nothing checks it.
        if (6..=7).contains(&page.encoding) {
            return Err(wrong(format!(
                "column {} is encoded by differences of texts, which is not read",
                name()
            )));
        }
        at += walk.passed() + page.packed as usize;
        values += if page.is_dictionary { 0 } else { page.values };
        unpacked += page.unpacked;
        if unpacked > MAX_UNPACKED {
            return Err(wrong(format!(
                "column {} unpacks to more than 2 GiB",
                name()
            )));
        }
    }
    Ok(unpacked)
}

/// What the cells of a field of the schema hold.
fn kind(field: &Type) -> ColumnType {
    let info = field.get_basic_info();
    if info.has_repetition() && info.repetition() == Repetition::REPEATED {
        return ColumnType::List;
    }
    let converted = info.converted_type();
    if field.is_group() {
        return match converted {
            ConvertedType::LIST => ColumnType::List,
            _ => ColumnType::Struct,
        };
    }
    match (field.get_physical_type(), converted) {
        (_, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON) => ColumnType::Text,
        (_, ConvertedType::DECIMAL) => ColumnType::Float,
        (
            _,
            ConvertedType::DATE
            | ConvertedType::TIME_MILLIS
            | ConvertedType::TIME_MICROS
            | ConvertedType::TIMESTAMP_MILLIS
            | ConvertedType::TIMESTAMP_MICROS,
        )
        | (Physical::INT96, _) => ColumnType::Time,
        (Physical::BOOLEAN, _) => ColumnType::Boolean,
        (Physical::INT32 | Physical::INT64, _) => ColumnType::Integer,
        (Physical::FLOAT | Physical::DOUBLE, _) => ColumnType::Float,
        (Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY, _) => match info.logical_type_ref()
        {
            Some(LogicalType::String) => ColumnType::Text,
            Some(LogicalType::Float16) => ColumnType::Float,
            _ => ColumnType::Bytes,
        },
    }
}

fn cells(row: ParquetRow, width: usize) -> Result<Vec<Value>, DataError> {
    let cells: Vec<Value> = row
        .into_columns()
        .into_iter()
        .map(|(_, field)| value(field))
        .collect();
    match cells.len() == width {
        true => Ok(cells),
        false => Err(wrong(
            "a row has another number of cells than there are columns",
        )),
    }
}

fn value(field: Field) -> Value {
    let float = |x: f64| Number::from_f64(x).map_or(Value::Null, Value::Number);
    match field {
        Field::Null => Value::Null,
        Field::Bool(x) => x.into(),
        Field::Byte(x) => x.into(),
        Field::Short(x) => x.into(),
        Field::Int(x) | Field::Date(x) | Field::TimeMillis(x) => x.into(),
        Field::Long(x)
        | Field::TimeMicros(x)
        | Field::TimestampMillis(x)
        | Field::TimestampMicros(x) => x.into(),
        Field::UByte(x) => x.into(),
        Field::UShort(x) => x.into(),
        Field::UInt(x) => x.into(),
        Field::ULong(x) => x.into(),
        Field::Float16(x) => float(x.into()),
        Field::Float(x) => float(x.into()),
        Field::Double(x) => float(x),
        decimal @ Field::Decimal(_) => decimal.to_string().parse().map_or(Value::Null, float),
        Field::Str(text) => text.into(),
        Field::Bytes(bytes) => {
            std::str::from_utf8(bytes.data()).map_or(Value::Null, |text| text.into())
        }
        Field::Group(row) => {
            let fields = row.into_columns().into_iter();
            // A field without a value is no field.
            let filled = fields.map(|(name, field)| (name, value(field)));
            let filled = filled.filter(|(_, value)| !value.is_null());
            Value::Object(filled.collect::<Map<_, _>>())
        }
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        Field::MapInternal(map) => {
            let text = |key: &Field| match value(key.clone()) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let pairs = map.entries().iter();
            Value::Object(
                pairs
                    .map(|(key, field)| (text(key), value(field.clone())))
                    .collect(),
            )
        }
    }
}
