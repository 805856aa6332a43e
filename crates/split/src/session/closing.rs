//! The last message of a session, from either side:
//!
//! ```text
//! 0  4  "ASPX"
//! 4  1  version, 1
//! 5  1  why: 1 done, 2 a step without a number, 3 refused, 4 silence, 5 failed
//! 6  2  length of the text, little-endian, at most 1024
//! 8     text, UTF-8
//! ```
//!
//! Messages of the split protocol begin with other letters, so none can be taken for it.

const MAGIC: [u8; 4] = *b"ASPX";
const VERSION: u8 = 1;
const HEADER: usize = 8;
/// Longest text, in bytes.
const MAX_TEXT: usize = 1024;

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Everything is done.
    Done,
    /// An operator gave a NaN or infinity. The step leaves the state as it was, as it does on one
    /// machine; the next one opens a new session.
    NotFinite,
    /// The other side sent something that breaks the protocol or the terms.
    Refused,
    /// Nothing came for too long.
    Silence,
    /// The sender cannot go on.
    Failed,
}

/// The last message of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Why.
    pub why: Why,
    /// For the person at the other side; at most 1 KiB.
    pub text: String,
}

/// Bytes that are not the last message of a session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the last message of the session is malformed")]
pub struct BadClosing;

impl Closing {
    /// Longest encoding, in bytes.
    pub const MAX: usize = HEADER + MAX_TEXT;

    /// A closing; a text that is too long is cut.
    pub fn new(why: Why, text: impl ToString) -> Self {
        let mut text = text.to_string();
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        Self { why, text }
    }

    /// Whether bytes begin as one.
    pub fn is(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let code = match self.why {
            Why::Done => 1,
            Why::NotFinite => 2,
            Why::Refused => 3,
            Why::Silence => 4,
            Why::Failed => 5,
        };
        let mut out = Vec::with_capacity(HEADER + self.text.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, code]);
        out.extend_from_slice(&(self.text.len() as u16).to_le_bytes());
        out.extend_from_slice(self.text.as_bytes());
        out
    }

    /// Reads one.
    ///
    /// # Errors
    /// When the bytes are not exactly one.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadClosing> {
        let (head, text) = bytes.split_first_chunk::<HEADER>().ok_or(BadClosing)?;
        let [a, b, c, d, version, code, low, high] = *head;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let whole = length == text.len() && length <= MAX_TEXT;
        if [a, b, c, d] != MAGIC || version != VERSION || !whole {
            return Err(BadClosing);
        }
        let why = match code {
            1 => Why::Done,
            2 => Why::NotFinite,
            3 => Why::Refused,
            4 => Why::Silence,
            5 => Why::Failed,
            _ => return Err(BadClosing),
        };
        let text = std::str::from_utf8(text).map_err(|_| BadClosing)?;
        Ok(Self {
            why,
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_frozen() {
        let closing = Closing::new(Why::Refused, "no");
        assert_eq!(hex::encode(closing.encode()), "41535058010302006e6f");
        assert_eq!(Closing::decode(&closing.encode()), Ok(closing));
    }

    #[test]
    fn a_long_text_is_cut_and_anything_else_is_refused() {
        let long = Closing::new(Why::Failed, "\u{e9}".repeat(5000));
        assert_eq!(long.text.len(), MAX_TEXT);
        assert_eq!(Closing::decode(&long.encode()), Ok(long));
        let good = Closing::new(Why::Done, "x").encode();
        for (at, byte) in [(0, b'B'), (4, 2), (5, 0), (5, 6), (6, 2), (7, 1), (8, 0xff)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(Closing::decode(&bad), Err(BadClosing), "byte {at}");
        }
        assert_eq!(Closing::decode(&good[..7]), Err(BadClosing));
        assert_eq!(
            Closing::decode(&[&good[..], b"y"].concat()),
            Err(BadClosing)
        );
    }
}
