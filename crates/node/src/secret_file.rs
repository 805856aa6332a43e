//! Files that hold a secret: only their owner reads them, and once written they survive a power cut.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::disk;

/// Writes a new file with mode 0600; parent directories are created.
///
/// # Errors
/// When the file exists, or cannot be made durable; what was written of it is then removed, since half
/// a secret would pass for one that has money behind it.
pub(crate) fn create(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file
        .write_all(text)
        .and_then(|()| file.sync_all())
        .and_then(|()| disk::sync_names(&disk::System, path));
    written.inspect_err(|_| drop(fs::remove_file(path)))
}
