//! The one header of an entry.

use std::io;

use tar::{EntryType, Header};

use super::{BLOCK, BundleError, FILE_MODE, FOLDER_MODE, MAX_NAME_BYTES};

/// What the header of an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// With `/` between folders; the name of a folder ends with `/`.
    pub name: String,
    /// Permission bits, at most 0777.
    pub mode: u32,
    /// Bytes of content; none for a folder.
    pub length: u64,
}

impl Entry {
    /// A file with the usual permissions.
    pub fn file(name: &str, length: u64) -> Self {
        Self {
            name: name.to_owned(),
            mode: FILE_MODE,
            length,
        }
    }

    /// Whether this is a folder.
    pub fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    /// Whether the first version of the format, which had no folders and permissions, has it.
    pub fn is_basic(&self) -> bool {
        !self.is_folder() && self.mode == FILE_MODE
    }

    /// Whether this is a folder with nothing to say but that it is there.
    pub(super) fn is_bare(&self) -> bool {
        self.is_folder() && self.mode == FOLDER_MODE
    }

    /// The 512 bytes before its content.
    ///
    /// # Errors
    /// [`BundleError`] when the name or the permissions do not fit.
    pub fn header(&self) -> Result<[u8; BLOCK], BundleError> {
        if self.name.len() > MAX_NAME_BYTES {
            return Err(BundleError::Name(self.name.clone()));
        }
        if self.mode > 0o777 {
            return Err(BundleError::Mode {
                name: self.name.clone(),
                mode: self.mode,
            });
        }
        let mut header = Header::new_ustar();
        // The name is written as it is: `set_path` would split or tidy it.
        header.as_mut_bytes()[..self.name.len()].copy_from_slice(self.name.as_bytes());
        header.set_entry_type(if self.is_folder() {
            EntryType::Directory
        } else {
            EntryType::Regular
        });
        header.set_size(self.length);
        header.set_mode(self.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        Ok(*header.as_bytes())
    }

    /// Reads a header that [`Self::header`] wrote.
    pub(super) fn read(block: &[u8; BLOCK]) -> Result<Self, BundleError> {
        let found = Header::from_byte_slice(block);
        let path = found.path_bytes();
        let name = String::from_utf8(path.to_vec())
            .map_err(|_| BundleError::Name(String::from_utf8_lossy(&path).into_owned()))?;
        let is_folder = match found.entry_type() {
            EntryType::Regular => false,
            EntryType::Directory => true,
            _ => return Err(BundleError::NotAFile { name }),
        };
        if is_folder != name.ends_with('/') {
            return Err(if is_folder {
                BundleError::NotAFile { name }
            } else {
                BundleError::Name(name)
            });
        }
        let entry = Self {
            name,
            mode: found.mode()?,
            length: found.entry_size()?,
        };
        if !entry.is_folder() || entry.length == 0 {
            // Permissions above the limit are refused by the comparison below.
            let mode = entry.mode & 0o777;
            let canonical = Self { mode, ..entry };
            if canonical.header()? == *block {
                return Ok(canonical);
            }
        }
        Err(BundleError::Archive(io::Error::new(
            io::ErrorKind::InvalidData,
            "a header says more than a name, a length and permissions",
        )))
    }
}
