//! Files in the user's own directory that one process uses at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use rustix::fs::OFlags;

/// Tries to open a file that another process has, or whose name changes hands under our eyes.
const ATTEMPTS: usize = 8;

/// Pause between two of them.
const PAUSE: Duration = Duration::from_millis(10);

/// Opens or creates `path`, readable by nobody else, for this process alone; `None` while another
/// process has it. Its folder is made. A name that leads elsewhere is refused.
///
/// # Errors
/// What the operating system said.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut options = OpenOptions::new();
    options
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    take(path, &options)
}

/// [`open`] for a file that must be there already.
///
/// # Errors
/// What the operating system said, [`io::ErrorKind::NotFound`] among it.
pub(crate) fn open_existing(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .append(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    take(path, &options)
}

fn take(path: &Path, options: &OpenOptions) -> io::Result<Option<File>> {
    for _ in 0..ATTEMPTS {
        let file = options.open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            let text = format!("{} is no regular file: remove it", path.display());
            return Err(io::Error::other(text));
        }
        match file.try_lock() {
            Ok(()) => {}
            // Another command may be listing what is here, which takes no time.
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(PAUSE);
                continue;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it may have removed it between our opening and locking it.
        let here = fs::symlink_metadata(path);
        if here.is_ok_and(|here| (here.dev(), here.ino()) == (found.dev(), found.ino())) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Makes what happened to the names in a folder durable.
///
/// # Errors
/// What the operating system said.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
