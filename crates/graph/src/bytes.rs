//! Lists from outside, bounded before anything is allocated for them.

use std::io;

use borsh::BorshDeserialize;

/// Reads a list of at most `MAX` elements.
pub(crate) fn list<T: BorshDeserialize, const MAX: usize, R: io::Read>(
    reader: &mut R,
) -> io::Result<Vec<T>> {
    let length = u32::deserialize_reader(reader)? as usize;
    if length > MAX {
        return Err(invalid(format!(
            "a list of {length} where at most {MAX} are allowed"
        )));
    }
    (0..length).map(|_| T::deserialize_reader(reader)).collect()
}

/// Reads bytes, at most `MAX` of them.
pub(crate) fn bytes<const MAX: usize, R: io::Read>(reader: &mut R) -> io::Result<Vec<u8>> {
    let length = u32::deserialize_reader(reader)? as usize;
    if length > MAX {
        return Err(invalid(format!(
            "{length} bytes where at most {MAX} are allowed"
        )));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads UTF-8 text of at most `MAX` bytes.
pub(crate) fn text<const MAX: usize, R: io::Read>(reader: &mut R) -> io::Result<String> {
    String::from_utf8(bytes::<MAX, R>(reader)?).map_err(|e| invalid(e.to_string()))
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
