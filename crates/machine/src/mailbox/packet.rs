//! What is sent.

use assay_crypto::Digest;
use borsh::{BorshDeserialize, BorshSerialize};

use super::error::Refused;
use super::statement::Statement;

const MAGIC: [u8; 4] = *b"AMAL";
const VERSION: u8 = 1;
/// Bytes of a packet without its letter: `docs/mail.md` has the map.
pub const ENVELOPE: usize = 4 + 1 + 32 + 1 + STATEMENT + 1 + STATEMENT + 1 + 8 + 32 + 4;
/// Bytes of a [`Statement`].
pub const STATEMENT: usize = 3 * 32 + 8 + 32 + 2 * 40 + 64;

/// A letter, a statement, or both.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Packet {
    /// The conversation.
    pub subject: Digest,
    /// By the sender.
    pub statement: Option<Statement>,
    /// By the receiver: the newest that the sender has of it, when it seems to have forgotten.
    pub reminder: Option<Statement>,
    /// A letter.
    pub letter: Option<Letter>,
}

/// One message of a machine.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Letter {
    /// Counts the letters from its sender to its receiver, from 1.
    pub number: u64,
    /// The chain over the letters up to and with this one.
    pub chain: Digest,
    /// What the machine posted.
    pub bytes: Vec<u8>,
}

impl Packet {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ENVELOPE);
        out.extend(MAGIC);
        out.push(VERSION);
        // Writing to memory does not fail.
        if self.serialize(&mut out).is_err() {
            out.clear();
        }
        out
    }

    /// Reads one whose letter has at most `most` bytes.
    ///
    /// # Errors
    /// [`Refused::TooLong`], [`Refused::Malformed`], [`Refused::Version`].
    pub fn decode(bytes: &[u8], most: usize) -> Result<Self, Refused> {
        let most = most.saturating_add(ENVELOPE);
        let found = bytes.len();
        if found > most {
            return Err(Refused::TooLong { found, most });
        }
        let head = bytes.split_first_chunk::<5>();
        let ([magic @ .., version], body) = head.ok_or(Refused::Malformed)?;
        if *magic != MAGIC {
            return Err(Refused::Malformed);
        }
        if *version != VERSION {
            return Err(Refused::Version(*version));
        }
        let packet = Self::try_from_slice(body).map_err(|_| Refused::Malformed)?;
        match packet.letter.is_none() && packet.statement.is_none() && packet.reminder.is_none() {
            true => Err(Refused::Malformed),
            false => Ok(packet),
        }
    }
}
