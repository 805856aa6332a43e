//! Strings, bytes and lists that cannot be longer than their type says.
//!
//! The bound is checked while decoding, before anything is allocated for the content, and again
//! by every constructor: a value of these types always fits.

use std::fmt;
use std::io;
use std::ops::Deref;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Content that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutOfBounds {
    /// Too long.
    #[error("{length} is too long: at most {max} allowed")]
    TooLong {
        /// Bytes or elements found.
        length: usize,
        /// Bytes or elements allowed.
        max: usize,
    },
    /// A string with a control character in it.
    #[error("control characters are not allowed")]
    ControlCharacter,
    /// A string that is not UTF-8.
    #[error("the text is not UTF-8")]
    NotText,
}

impl From<OutOfBounds> for io::Error {
    fn from(error: OutOfBounds) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

fn fits(length: usize, max: usize) -> Result<(), OutOfBounds> {
    if length > max {
        Err(OutOfBounds::TooLong { length, max })
    } else {
        Ok(())
    }
}

fn read_length<R: io::Read>(reader: &mut R, max: usize) -> io::Result<usize> {
    let length = u32::deserialize_reader(reader)? as usize;
    fits(length, max)?;
    Ok(length)
}

/// UTF-8 text of at most `N` bytes without control characters.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, Serialize,
)]
#[serde(transparent)]
pub struct BoundedString<const N: usize>(String);

impl<const N: usize> BoundedString<N> {
    /// The text, if it fits.
    ///
    /// # Errors
    /// [`OutOfBounds`] above `N` bytes or with a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, OutOfBounds> {
        let text = text.into();
        fits(text.len(), N)?;
        if text.chars().any(char::is_control) {
            return Err(OutOfBounds::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> Deref for BoundedString<N> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> fmt::Display for BoundedString<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const N: usize> TryFrom<&str> for BoundedString<N> {
    type Error = OutOfBounds;

    fn try_from(text: &str) -> Result<Self, OutOfBounds> {
        Self::new(text)
    }
}

impl<const N: usize> BorshDeserialize for BoundedString<N> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let mut bytes = vec![0; read_length(reader, N)?];
        reader.read_exact(&mut bytes)?;
        let text = String::from_utf8(bytes).map_err(|_| OutOfBounds::NotText)?;
        Ok(Self::new(text)?)
    }
}

impl<'de, const N: usize> Deserialize<'de> for BoundedString<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(<String as Deserialize>::deserialize(deserializer)?)
            .map_err(serde::de::Error::custom)
    }
}

/// At most `N` bytes; hexadecimal in JSON.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct BoundedBytes<const N: usize>(Vec<u8>);

impl<const N: usize> BoundedBytes<N> {
    /// The bytes, if they fit.
    ///
    /// # Errors
    /// [`OutOfBounds`] above `N` bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, OutOfBounds> {
        let bytes = bytes.into();
        fits(bytes.len(), N)?;
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const N: usize> Deref for BoundedBytes<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for BoundedBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoundedBytes({} of {N} bytes)", self.0.len())
    }
}

impl<const N: usize> BorshDeserialize for BoundedBytes<N> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let mut bytes = vec![0; read_length(reader, N)?];
        reader.read_exact(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl<const N: usize> Serialize for BoundedBytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&HexText(&self.0))
    }
}

struct HexText<'a>(&'a [u8]);

impl fmt::Display for HexText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<'de, const N: usize> Deserialize<'de> for BoundedBytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("expected pairs of hexadecimal digits");
        let pairs = text.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16)
                .ok()
                .filter(|_| !pair.starts_with('+'))
        });
        let bytes: Vec<u8> = pairs.collect::<Option<_>>().ok_or_else(wrong)?;
        Self::new(bytes).map_err(serde::de::Error::custom)
    }
}

/// A list of at most `N` elements.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, Serialize)]
#[serde(transparent)]
pub struct BoundedVec<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Default for BoundedVec<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const N: usize> BoundedVec<T, N> {
    /// The elements, if they fit.
    ///
    /// # Errors
    /// [`OutOfBounds`] above `N` elements.
    pub fn new(elements: impl Into<Vec<T>>) -> Result<Self, OutOfBounds> {
        let elements = elements.into();
        fits(elements.len(), N)?;
        Ok(Self(elements))
    }

    /// The elements.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const N: usize> Deref for BoundedVec<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a BoundedVec<T, N> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: BorshDeserialize, const N: usize> BorshDeserialize for BoundedVec<T, N> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let length = read_length(reader, N)?;
        (0..length)
            .map(|_| T::deserialize_reader(reader))
            .collect::<io::Result<_>>()
            .map(Self)
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for BoundedVec<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(<Vec<T> as Deserialize>::deserialize(deserializer)?)
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_on_every_way_in() {
        assert!(BoundedString::<3>::new("abc").is_ok());
        assert!(BoundedString::<3>::new("abcd").is_err());
        assert_eq!(
            BoundedString::<9>::new("a\nb"),
            Err(OutOfBounds::ControlCharacter)
        );
        let long = borsh::to_vec("abcd").unwrap();
        assert!(BoundedString::<3>::try_from_slice(&long).is_err());
        assert!(BoundedString::<4>::try_from_slice(&long).is_ok());
        assert!(BoundedString::<4>::try_from_slice(&[2, 0, 0, 0, 0xff, 0xfe]).is_err());
        assert!(BoundedBytes::<3>::try_from_slice(&long).is_err());
        assert!(BoundedVec::<u8, 3>::try_from_slice(&long).is_err());
        assert!(serde_json::from_str::<BoundedString<3>>("\"abcd\"").is_err());
        assert!(serde_json::from_str::<BoundedVec<u8, 1>>("[1,2]").is_err());
        // A length that lies is refused before anything is allocated for it.
        assert!(BoundedBytes::<3>::try_from_slice(&u32::MAX.to_le_bytes()).is_err());
    }

    #[test]
    fn bytes_are_hexadecimal_in_json() {
        let bytes = BoundedBytes::<4>::new([0, 255, 16]).unwrap();
        assert_eq!(serde_json::to_string(&bytes).unwrap(), "\"00ff10\"");
        assert_eq!(
            serde_json::from_str::<BoundedBytes<4>>("\"00ff10\"").unwrap(),
            bytes
        );
        for odd in ["\"0\"", "\"0g\"", "\"+1\"", "\"0011223344\"", "\"\u{e9}\""] {
            assert!(
                serde_json::from_str::<BoundedBytes<4>>(odd).is_err(),
                "{odd}"
            );
        }
    }
}
