//! What a journal's file holds.
//!
//! ```text
//! file  = "ASJOURN" | version, 2 | salt: 32 random bytes | entry*
//! entry = head | body
//! head  = length of the body: u32 LE | 16 random bytes | check: 8 bytes
//! body  = ChaCha20-Poly1305 of what was written, nonce the entry's index, with the chain before it
//!
//! K     = H(key of the account for this journal, salt)
//! c_0   = H(salt)                    c_n = H(c_{n-1}, entry n)
//! check = H(K, c_{n-1}, length, random)        key of the body = H(K, c_{n-1}, random)
//! ```
//!
//! A disk writes a sector whole or not at all, but several in any order, and those that it has not
//! written when the power goes read as zeros. So a head is on the disk before a body that does not
//! end in its sector: zeros in a head with something behind it are damage, and zeros for a sector
//! of the last body an entry that never came.

use std::io;

use assay_crypto::{
    Digest,
    aead::{self, FileKey},
};

use super::{Head, JournalFault, JournalKey};

pub(super) const MAGIC: [u8; 8] = *b"ASJOURN\x02";
/// Bytes before the entries.
pub(super) const OPENING: usize = MAGIC.len() + 32;
/// Bytes before an entry's body.
pub(super) const HEAD: usize = 4 + 16 + 8;
/// Bytes that a disk writes whole or not at all. Larger sectors are several of these.
pub(super) const SECTOR: usize = 512;

/// What a file holds; nothing in one that was not begun.
pub(super) struct Contents {
    pub(super) entries: Vec<Vec<u8>>,
    /// Bytes of the opening and the whole entries.
    pub(super) whole: usize,
    pub(super) seal: Seal,
}

impl Contents {
    pub(super) fn read(
        bytes: &[u8],
        key: &JournalKey,
        known: Option<Head>,
    ) -> Result<Option<Self>, JournalFault> {
        let lacks = |found: u64| match known {
            Some(Head { entries: known, .. }) if found < known => {
                Err(JournalFault::Old { found, known })
            }
            _ => Ok(()),
        };
        let Some((opening, _)) = bytes.split_first_chunk::<OPENING>() else {
            let begun = MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]);
            return match begun || is_blank(bytes) {
                true => lacks(0).map(|()| None),
                false => Err(JournalFault::NotAJournal),
            };
        };
        let (magic, salt) = opening.split_at(MAGIC.len());
        if magic != MAGIC {
            return match is_blank(bytes) {
                true => lacks(0).map(|()| None),
                false => Err(JournalFault::NotAJournal),
            };
        }
        let mut found = Self {
            entries: Vec::new(),
            whole: OPENING,
            seal: Seal::new(key, salt),
        };
        loop {
            let head = found.seal.head;
            if known.is_some_and(|known| known.entries == head.entries && known != head) {
                return Err(JournalFault::Forked(head.entries));
            }
            let Some((entry, length)) = found.seal.open(bytes, found.whole)? else {
                break;
            };
            found.entries.push(entry);
            found.whole += length;
        }
        lacks(found.seal.head.entries).map(|()| Some(found))
    }
}

/// What the next entry is sealed with.
#[derive(Clone, Debug)]
pub(super) struct Seal {
    key: FileKey,
    pub(super) head: Head,
}

impl Seal {
    pub(super) fn new(key: &JournalKey, salt: &[u8]) -> Self {
        Self {
            key: FileKey(Digest::of("assay/journal key/v2", &[&key.0.0, salt]).0),
            head: Head {
                entries: 0,
                chain: Digest::of("assay/journal/v2", &[salt]),
            },
        }
    }

    /// The bytes of the next entry.
    pub(super) fn seal(&mut self, entry: &[u8], random: [u8; 32]) -> io::Result<Vec<u8>> {
        let (random, _) = random.split_at(16);
        let length = ((entry.len() + aead::OVERHEAD) as u32).to_le_bytes();
        let mut record = Vec::with_capacity(HEAD + entry.len() + aead::OVERHEAD);
        record.extend(length);
        record.extend(random);
        record.extend(self.check(&length, random));
        let (key, Head { entries, chain }) = (self.body_key(random), self.head);
        let body = aead::encrypt(&key, entries, &chain.0, entry);
        record.extend(body.map_err(io::Error::other)?);
        self.advance(&record);
        Ok(record)
    }

    /// The entry that begins at `from` in a file, and the bytes it takes; nothing where it never
    /// came or did not come whole.
    fn open(&mut self, file: &[u8], from: usize) -> Result<Option<(Vec<u8>, usize)>, JournalFault> {
        let Head { entries, chain } = self.head;
        let altered = JournalFault::Altered(entries);
        let bytes = &file[from..];
        let Some((head, rest)) = bytes.split_at_checked(HEAD) else {
            return Ok(None);
        };
        let (length, more) = head.split_at(4);
        let (random, check) = more.split_at(16);
        if self.check(length, random) != check {
            // A file may have grown before its last bytes came.
            return if is_blank(rest) {
                Ok(None)
            } else {
                Err(altered)
            };
        }
        let length = length
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | usize::from(*byte));
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let Ok(entry) = aead::decrypt(&self.body_key(random), entries, &chain.0, body) else {
            let tag = length.saturating_sub(aead::OVERHEAD);
            let is_last = is_blank(&rest[length..]);
            let missing = is_blank(&body[tag..]) || lacks_a_sector(body, from + HEAD);
            return if is_last && missing {
                Ok(None)
            } else {
                Err(altered)
            };
        };
        let taken = HEAD + length;
        self.advance(&bytes[..taken]);
        Ok(Some((entry, taken)))
    }

    fn check(&self, length: &[u8], random: &[u8]) -> [u8; 8] {
        let parts = [&self.key.0[..], &self.head.chain.0, length, random];
        let mut check = [0; 8];
        check.copy_from_slice(&Digest::of("assay/journal check/v2", &parts).0[..8]);
        check
    }

    fn body_key(&self, random: &[u8]) -> FileKey {
        let parts = [&self.key.0[..], &self.head.chain.0, random];
        FileKey(Digest::of("assay/journal entry key/v2", &parts).0)
    }

    fn advance(&mut self, record: &[u8]) {
        self.head = Head {
            entries: self.head.entries + 1,
            chain: Digest::of("assay/journal entry/v2", &[&self.head.chain.0, record]),
        };
    }
}

/// Whether the part in one sector of bytes that begin at `from` in a file is all zeros.
fn lacks_a_sector(mut bytes: &[u8], from: usize) -> bool {
    let mut room = SECTOR - from % SECTOR;
    while !bytes.is_empty() {
        let (part, rest) = bytes.split_at(room.min(bytes.len()));
        if is_blank(part) {
            return true;
        }
        (bytes, room) = (rest, SECTOR);
    }
    false
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
