//! Handles on inputs: what is known of an input, and a way to its bytes wherever they lie.
//! `docs/decisions/0297-inputs-are-handles.md` says why they are not mapped into memory.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use assay_crypto::content::content_digest;
use assay_crypto::{Digest, Part, ReadAt, Reader};
use assay_ledger::{AccountId, FileId};

/// An input of a job. It is as large as a model, so it is passed around as a handle and read in
/// parts; cloning one copies no bytes of it.
///
/// Whoever makes a handle has checked that its bytes have the content digest, and answers for every
/// later read: it gives the same bytes or fails ([`ReadAt`]).
#[derive(Clone)]
pub struct Handle {
    content: Digest,
    owner: Option<AccountId>,
    audience: Audience,
    source: Source,
    bytes: Arc<dyn ReadAt>,
}

/// Who may read an input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    /// Whoever the owner grants its key: the parties of the order that names it.
    #[default]
    Granted,
    /// Its owner alone: it is never named by an order.
    Owner,
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Granted => "the parties of the order",
            Self::Owner => "its owner",
        })
    }
}

/// Where the bytes of an input come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// They were made in this process.
    Memory,
    /// A file or folder of this machine.
    Local(String),
    /// A file in the vault.
    Vault(FileId),
}

impl Handle {
    /// A handle on bytes whose content digest is known to be `content`.
    pub fn new(bytes: Arc<dyn ReadAt>, content: Digest, source: Source) -> Self {
        Self {
            content,
            owner: None,
            audience: Audience::default(),
            source,
            bytes,
        }
    }

    /// A handle on bytes that are in memory.
    pub fn in_memory(bytes: Vec<u8>) -> Self {
        let content = content_digest(&bytes);
        Self::new(Arc::new(bytes), content, Source::Memory)
    }

    /// The same with its owner.
    pub fn of(self, owner: AccountId) -> Self {
        let owner = Some(owner);
        Self { owner, ..self }
    }

    /// The same for these readers.
    pub fn for_audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// Bytes in it.
    pub fn length(&self) -> u64 {
        self.bytes.length()
    }

    /// Digest of its plaintext, slice by slice: see [`assay_crypto::content`].
    pub fn content(&self) -> Digest {
        self.content
    }

    /// The account that brought it, where there is one.
    pub fn owner(&self) -> Option<AccountId> {
        self.owner
    }

    /// Who may read it.
    pub fn audience(&self) -> Audience {
        self.audience
    }

    /// Where its bytes come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Arc<dyn ReadAt> {
        &self.bytes
    }

    /// Its bytes, if `T` is what holds them.
    pub fn held_by<T: 'static>(&self) -> Option<&T> {
        self.bytes.as_any()?.downcast_ref()
    }

    /// Bytes that it keeps in memory: all of them, or none.
    pub fn resident(&self) -> u64 {
        self.bytes.in_memory().map_or(0, |bytes| bytes.len() as u64)
    }

    /// Reads it from the beginning.
    pub fn reader(&self) -> Reader {
        Reader::new(self.bytes.clone())
    }

    /// A range of it, to be read later.
    pub fn part(&self, range: Range<u64>) -> Part {
        Part::new(self.bytes.clone(), range)
    }

    /// All of it in memory, if it has at most `most` bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] for a longer one, and when it cannot be read.
    pub fn whole(&self, most: u64) -> io::Result<Cow<'_, [u8]>> {
        whole(&*self.bytes, most)
    }
}

/// All bytes in memory, if they are at most `most`.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] for more, and when they cannot be read.
pub fn whole(bytes: &dyn ReadAt, most: u64) -> io::Result<Cow<'_, [u8]>> {
    let length = bytes.length();
    if length > most {
        let text = format!("it has {length} bytes, and {most} are read at once");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    if let Some(bytes) = bytes.in_memory() {
        return Ok(Cow::Borrowed(bytes));
    }
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut read = Vec::new();
    read.try_reserve_exact(length)?;
    read.resize(length, 0);
    bytes.read_at(0, &mut read)?;
    Ok(Cow::Owned(read))
}

/// Inputs with one content are one input, wherever their bytes lie.
impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        (self.content, self.length()) == (other.content, other.length())
    }
}

impl Eq for Handle {}

impl Default for Handle {
    fn default() -> Self {
        Self::in_memory(Vec::new())
    }
}

/// The bytes themselves may be secret, and are many.
impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("length", &self.length())
            .field("content", &self.content)
            .field("owner", &self.owner)
            .field("audience", &self.audience)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;

    use super::*;

    /// Bytes that are not in memory, and may not be read.
    struct Elsewhere(u64);

    impl ReadAt for Elsewhere {
        fn length(&self) -> u64 {
            self.0
        }

        fn read_at(&self, _: u64, out: &mut [u8]) -> io::Result<()> {
            out.fill(5);
            Ok(())
        }

        fn as_any(&self) -> Option<&dyn Any> {
            Some(self)
        }
    }

    #[test]
    fn inputs_with_one_content_are_one_wherever_they_lie() {
        let here = Handle::in_memory(vec![5; 9]);
        let bytes = Arc::new(Elsewhere(9));
        let there = Handle::new(bytes, here.content(), Source::Local("data".to_owned()));
        assert_eq!(here, there);
        assert_eq!(there.whole(9).unwrap(), here.whole(9).unwrap());
        assert_eq!((here.resident(), there.resident()), (9, 0));
        assert!(there.held_by::<Elsewhere>().is_some() && there.held_by::<Vec<u8>>().is_none());
        assert_ne!(here, Handle::in_memory(vec![5; 8]));
    }

    #[test]
    fn more_than_was_asked_for_is_not_read_whole() {
        let bytes = Arc::new(Elsewhere(u64::MAX));
        let handle = Handle::new(bytes, Digest::ZERO, Source::Memory);
        for most in [0, 1 << 20, u64::MAX - 1] {
            let error = handle.whole(most).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{most}");
        }
        assert!(handle.whole(u64::MAX).is_err(), "no machine has so much");
    }
}
