//! Fixed-size byte strings as lower-case hexadecimal text.

use thiserror::Error;

/// Text that is not the lower-case hexadecimal form of a fixed number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected {expected} lower-case hexadecimal characters, found {found}")]
pub struct ParseHexError {
    /// Characters a well-formed value has.
    pub expected: usize,
    /// What was there instead.
    pub found: String,
}

/// Parses exactly `2 * N` lower-case hexadecimal characters.
///
/// Upper case is refused, so that every value has one textual form.
pub(crate) fn parse<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    let refuse = |found: String| ParseHexError {
        expected: 2 * N,
        found,
    };
    if text.len() != 2 * N {
        return Err(refuse(format!("{} characters", text.chars().count())));
    }
    if let Some(odd) = text.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
        return Err(refuse(format!("{odd:?}")));
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|error| refuse(error.to_string()))?;
    Ok(bytes)
}

/// Gives a `struct Name([u8; N])` hexadecimal `Display`, `Debug`, `FromStr` and serde forms.
macro_rules! hex_text {
    ($name:ident, $size:literal) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ParseHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::hex_text::parse::<$size>(text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text =
                    <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use hex_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_the_one_form() {
        assert_eq!(parse::<2>("00ff"), Ok([0, 255]));
        for wrong in ["", "00f", "00FF", "00fg", "00ff0", "\u{e9}\u{e9}"] {
            assert!(parse::<2>(wrong).is_err(), "{wrong:?}");
        }
    }
}
