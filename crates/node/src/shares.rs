//! Files that hold a validator's share of the network key.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use assay_chain::{MalformedShare, ThresholdShare};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const VERSION: u32 = 1;

/// Longest share file that is read, in bytes.
const MAX_BYTES: u64 = 4096;

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct ShareFile {
    version: u32,
    share: String,
}

/// Why a share file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The file could not be read or written.
    #[error("cannot use the share file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{0} is not a share file: use the one the dealer wrote for this validator")]
    Format(PathBuf),
    /// The share does not decode.
    #[error("{path} holds a damaged share")]
    Share {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: MalformedShare,
    },
}

/// Writes a share to a new file that only its owner can read.
///
/// # Errors
/// [`ShareError::Io`], also when the file exists.
pub fn save(path: &Path, share: &ThresholdShare) -> Result<(), ShareError> {
    let io = |source| ShareError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io)?;
    }
    let record = ShareFile {
        version: VERSION,
        share: hex::encode(&*share.to_bytes()),
    };
    let text = Zeroizing::new(serde_json::to_vec(&record).map_err(|e| io(e.into()))?);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io)?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(io)
}

/// Reads a share.
///
/// # Errors
/// [`ShareError`] names the file and what is wrong with it.
pub fn load(path: &Path) -> Result<ThresholdShare, ShareError> {
    let io = |source| ShareError::Io {
        path: path.to_owned(),
        source,
    };
    let format = || ShareError::Format(path.to_owned());
    if fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        return Err(format());
    }
    let text = Zeroizing::new(fs::read(path).map_err(io)?);
    let record: ShareFile = serde_json::from_slice(&text).map_err(|_| format())?;
    let bytes = Zeroizing::new(hex::decode(&record.share).map_err(|_| format())?);
    if record.version != VERSION {
        return Err(format());
    }
    ThresholdShare::from_bytes(&bytes).map_err(|source| ShareError::Share {
        path: path.to_owned(),
        source,
    })
}
