//! Arrays of NumPy: `.npz`, an archive of `.npy` files.
//!
//! `zip` and `npyz` read them. Both believe what a file announces, so that is checked first: how long the
//! members are unpacked, how a header is built, and that as many values follow as it says.

use std::io::{Cursor, Read};

use npyz::{DType, Deserialize, NpyFile, Order};
use zip::ZipArchive;

use crate::error::DataFault;

/// The largest archive that is read, in bytes.
pub const MAX_NPZ_BYTES: usize = 256 << 20;
/// The most members of an archive.
const MAX_MEMBERS: usize = 64;
/// The most values of one array: as f32, 512 MiB.
const MAX_VALUES: u64 = 1 << 27;
/// The longest header of an array; NumPy's own have 118 bytes.
const MAX_HEADER: usize = 1024;
/// The most brackets of a header: those of the dictionary and of the shape, with some to spare.
const MAX_BRACKETS: usize = 8;
/// Whole numbers of a larger magnitude are not all f32.
const EXACT: i64 = 1 << 24;

/// An array: its shape, and its values in C's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The values, rounded to f32; whole numbers are exact.
    pub values: Vec<f32>,
}

/// Reads the arrays of these names, in this order.
///
/// # Errors
/// When the bytes are no such archive, a name is not in it, or its array is of another type than u1, i1,
/// u2, i2, u4, i4, u8, i8, f4, f8 or bool, larger than is read, in Fortran's order, or cut off.
pub fn read_npz(bytes: &[u8], names: &[&str]) -> Result<Vec<Array>, DataFault> {
    if bytes.len() > MAX_NPZ_BYTES {
        return Err(wrong(format!(
            "it has {} bytes, and at most {MAX_NPZ_BYTES} are read",
            bytes.len()
        )));
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(wrong)?;
    if archive.len() > MAX_MEMBERS {
        let members = archive.len();
        let text = format!("it has {members} members, and at most {MAX_MEMBERS} are read");
        return Err(wrong(text));
    }
    names
        .iter()
        .map(|name| read_npy(&member(&mut archive, name)?, name))
        .collect()
}

fn wrong(reason: impl ToString) -> DataFault {
    DataFault::Npz(reason.to_string().chars().take(200).collect())
}

/// The bytes of one array's file.
fn member(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Vec<u8>, DataFault> {
    // Eight bytes a value, and the longest header.
    const MOST: u64 = 8 * MAX_VALUES + 2 * MAX_HEADER as u64;
    let missing = |_| wrong(format!("it has no array {name}"));
    let file = archive.by_name(&format!("{name}.npy")).map_err(missing)?;
    let announced = file.size();
    if announced > MOST {
        let text = format!("array {name} unpacks to {announced} bytes, at most {MOST} are read");
        return Err(wrong(text));
    }
    // The buffer grows with what really comes.
    let mut unpacked = Vec::new();
    let read = file.take(announced + 1).read_to_end(&mut unpacked);
    match read {
        Ok(read) if read as u64 == announced => Ok(unpacked),
        Ok(_) => Err(wrong(format!("array {name} is not as long as announced"))),
        Err(error) => Err(wrong(format!("array {name}: {error}"))),
    }
}

/// Reads one `.npy` file.
fn read_npy(bytes: &[u8], name: &str) -> Result<Array, DataFault> {
    let refused = |reason: &str| wrong(format!("array {name}: {reason}"));
    let body = check_header(bytes).map_err(refused)?;
    let file = NpyFile::new(bytes).map_err(|error| refused(&error.to_string()))?;
    let flat = file.shape().iter().filter(|n| **n != 1).count() < 2;
    if file.order() == Order::Fortran && !flat {
        let reason = "it is in Fortran's order; save numpy.ascontiguousarray(it)";
        return Err(refused(reason));
    }
    let item = match file.dtype() {
        DType::Plain(of) if !of.uses_pickled_array() => of.num_bytes(),
        _ => None,
    };
    let count = file.shape().iter().product::<u64>();
    if count > MAX_VALUES {
        return Err(refused("it has more than 134217728 values"));
    }
    if item.and_then(|item| count.checked_mul(item as u64)) != Some(body as u64) {
        return Err(refused("its values are not as many as its header says"));
    }
    let shape = file.shape().iter().map(|n| *n as usize).collect();
    let kind = file.dtype().descr();
    let values = match kind.trim_matches('\'') {
        "|u1" => exact::<u8>(file),
        "|i1" => exact::<i8>(file),
        "<u2" | ">u2" => exact::<u16>(file),
        "<i2" | ">i2" => exact::<i16>(file),
        "<u4" | ">u4" => exact::<u32>(file),
        "<i4" | ">i4" => exact::<i32>(file),
        "<i8" | ">i8" => exact::<i64>(file),
        "<u8" | ">u8" => values::<u64>(file, |n| i64::try_from(n).ok().and_then(whole)),
        "|b1" => values::<bool>(file, |b| Some(f32::from(u8::from(b)))),
        "<f4" | ">f4" => values::<f32>(file, Some),
        "<f8" | ">f8" => values::<f64>(file, |x| Some(x as f32)),
        other => return Err(refused(&format!("its type {other} is not read"))),
    };
    let values = values.map_err(|reason| refused(&reason))?;
    Ok(Array { shape, values })
}

fn exact<T: Deserialize + Into<i64>>(file: NpyFile<&[u8]>) -> Result<Vec<f32>, String> {
    values::<T>(file, |n| whole(n.into()))
}

fn whole(n: i64) -> Option<f32> {
    (-EXACT..=EXACT).contains(&n).then_some(n as f32)
}

fn values<T: Deserialize>(
    file: NpyFile<&[u8]>,
    convert: impl Fn(T) -> Option<f32>,
) -> Result<Vec<f32>, String> {
    let read = file.data::<T>().map_err(|error| error.to_string())?;
    let large = || "a whole number is beyond 2^24, where f32 skips some; save floats".to_owned();
    let each = read.map(|value| {
        let value = value.map_err(|error| error.to_string())?;
        convert(value).ok_or_else(large)
    });
    each.collect()
}

/// Checks that a header is short, plain, and announces no product that overflows; gives the bytes that
/// follow it.
fn check_header(bytes: &[u8]) -> Result<usize, &'static str> {
    const CUT: &str = "it is cut off";
    let version = *bytes.get(6).ok_or(CUT)?;
    let (length, from) = match version {
        1 => {
            let length = bytes.get(8..10).ok_or(CUT)?;
            (usize::from(length[0]) | usize::from(length[1]) << 8, 10)
        }
        _ => {
            let length = bytes
                .get(8..12)
                .and_then(|b| b.first_chunk::<4>())
                .ok_or(CUT)?;
            (u32::from_le_bytes(*length) as usize, 12)
        }
    };
    if length > MAX_HEADER {
        return Err("its header has more than 1024 bytes");
    }
    let header = bytes.get(from..from + length).ok_or(CUT)?;
    let brackets = header.iter().filter(|byte| b"([{".contains(byte)).count();
    let plain = header.is_ascii() && !header.contains(&b'\\') && !header.contains(&b'"');
    if brackets > MAX_BRACKETS || !plain {
        return Err("its header is not as NumPy writes it");
    }
    let mut product = 1u64;
    // Outside quotes only lengths of axes are numbers.
    for outside in header.split(|byte| *byte == b'\'').step_by(2) {
        let words = outside.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        for word in words.filter(|word| word.first().is_some_and(u8::is_ascii_digit)) {
            let text = str::from_utf8(word).unwrap_or_default();
            let length = text
                .parse::<u64>()
                .map_err(|_| "its shape is no list of lengths")?;
            product = product.saturating_mul(length.max(1));
        }
    }
    match product <= MAX_VALUES {
        true => Ok(bytes.len() - from - length),
        false => Err("it has more than 134217728 values"),
    }
}
