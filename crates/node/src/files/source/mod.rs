//! What is stored: files and directories as they lie on this machine.
//!
//! What is stored is what was read, whole and unchanged, or nothing is:
//!
//! - Only regular files and directories are read. What something is, is looked up before it is
//!   opened and again afterwards, and nothing is opened that could make the reader wait.
//! - Key files and validators' shares are not stored, whatever their names.
//! - A file is remembered with its device, inode, length and times ([`Stamp`]). Every read
//!   compares them again, as many bytes must come as were promised, and before the file is
//!   recorded its name must still lead to it. A directory must still hold the same names.
//! - A directory is read as an archive that is nowhere written down ([`Tree`]): its plaintext
//!   leaves no copy, however the program ends.

mod file;
mod stamp;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use std::{
    io::{self, Cursor, Read, Seek},
    path::{Path, PathBuf},
};

use assay_crypto::Reader;

pub use self::{file::FileSource, stamp::Stamp, tree::Tree};

/// Something to store. It can be read again from any place, since a slice may be asked for twice.
pub trait Source: Read + Seek + Send + 'static {
    /// Fails when what was read is no longer what is there. Asked when everything has been read,
    /// before anything is recorded.
    ///
    /// # Errors
    /// [`SourceError::Changed`].
    fn check(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Bytes in memory change for nobody.
impl Source for Cursor<Vec<u8>> {}

/// Bytes wherever they lie.
impl Source for Reader {
    fn check(&mut self) -> Result<(), SourceError> {
        self.get_ref().check().map_err(SourceError::Gone)
    }
}

/// Why something is not stored.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The system does not let it be read.
    #[error("cannot read {}", shown(path))]
    Unreadable {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is neither a file nor a directory.
    #[error(
        "{} is {what}: only regular files and directories can be stored",
        shown(path)
    )]
    Kind {
        /// What.
        path: PathBuf,
        /// What it is, with an article.
        what: &'static str,
    },
    /// It has more bytes than it says.
    #[error(
        "{} says that it has no bytes but gives some, as files under /proc and /sys do: copy it \
         to a regular file and store that",
        shown(path)
    )]
    Endless {
        /// What.
        path: PathBuf,
    },
    /// It holds a secret key, which is not for anybody that a file may be granted to.
    #[error(
        "{} is a secret key of Assay, and whoever may read the stored file could use it: keep its \
         copies elsewhere",
        shown(path)
    )]
    Secret {
        /// What.
        path: PathBuf,
    },
    /// It is no longer what it was when reading began.
    #[error(
        "{} changed while it was read: {what}; store it when nothing writes to it",
        shown(path)
    )]
    Changed {
        /// What.
        path: PathBuf,
        /// How.
        what: String,
    },
    /// Something that was read is no longer there.
    #[error("what is stored is not there any more as it was read")]
    Gone(#[source] io::Error),
    /// Things in a directory that cannot come back as they are.
    #[error("{} holds what cannot be stored: {}", shown(path), listed(.offenders, *.more))]
    Refused {
        /// The directory.
        path: PathBuf,
        /// What, and why; no more than are worth reading.
        offenders: Vec<(PathBuf, String)>,
        /// How many further ones there are.
        more: usize,
    },
    /// More files than a bundle holds.
    #[error(
        "{} holds more than {} files and folders, the most that a directory may have to be \
         stored: pack it with `tar` and store the archive",
        shown(path),
        assay_vault::bundle::MAX_ENTRIES
    )]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
}

impl From<SourceError> for io::Error {
    fn from(error: SourceError) -> Self {
        io::Error::other(crate::told(&error))
    }
}

/// A path for people: as it is, or with whatever a terminal might act upon escaped.
pub fn shown(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => format!("{path:?}"),
    }
}

fn listed(offenders: &[(PathBuf, String)], more: usize) -> String {
    let mut lines: Vec<String> = offenders
        .iter()
        .map(|(path, why)| format!("{} ({why})", shown(path)))
        .collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join(", ")
}
