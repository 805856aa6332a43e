//! Which names a bundle may hold, and in what order.

use std::collections::BTreeSet;

use super::{BundleError, Entry, FOLDER_MODE, ROOT};

/// Longest name, in bytes: what one ustar name field holds.
pub const MAX_NAME_BYTES: usize = 100;
/// Most entries in one bundle.
pub const MAX_ENTRIES: usize = 4_096;

/// The entries so far: in byte order, plain, none inside a file, and no folder that goes without
/// saying.
#[derive(Debug, Default)]
pub struct Names {
    files: BTreeSet<String>,
    count: usize,
    last: Option<Entry>,
}

impl Names {
    /// Takes the next entry.
    ///
    /// # Errors
    /// [`BundleError`] when it may not be the next one.
    pub fn admit(&mut self, entry: &Entry) -> Result<(), BundleError> {
        let name = entry.name.as_str();
        if !is_plain(name) || (entry.is_folder() && entry.length > 0) {
            return Err(BundleError::Name(name.to_owned()));
        }
        if entry.mode > 0o777 {
            return Err(BundleError::Mode {
                name: name.to_owned(),
                mode: entry.mode,
            });
        }
        let in_order = self.last.as_ref().is_none_or(|last| {
            let said = last.is_bare() && name.starts_with(&last.name);
            last.name.as_str() < name && !said
        });
        let under_a_file = name
            .match_indices('/')
            .any(|(end, _)| self.files.contains(&name[..end]));
        let says_nothing = name == ROOT && entry.mode == FOLDER_MODE;
        if !in_order || under_a_file || says_nothing {
            return Err(BundleError::Order(name.to_owned()));
        }
        if self.count == MAX_ENTRIES {
            return Err(BundleError::TooManyFiles);
        }
        self.count += 1;
        if !entry.is_folder() {
            self.files.insert(name.to_owned());
        }
        self.last = Some(entry.clone());
        Ok(())
    }
}

/// Whether a bundle may hold this name: relative, `/` between parts and after a folder, no empty,
/// `.` or `..` part, no control character, `\` or `:`, at most [`MAX_NAME_BYTES`]. [`ROOT`] is
/// the only exception.
pub fn is_plain(name: &str) -> bool {
    let path = name.strip_suffix('/').unwrap_or(name);
    let parts_are_plain = || {
        path.split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
    };
    name.len() <= MAX_NAME_BYTES
        && !name.contains(|c: char| c.is_control() || c == '\\' || c == ':')
        && (name == ROOT || parts_are_plain())
}
