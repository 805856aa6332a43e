//! Files that hold a validator's share of the network key.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use assay_chain::{MalformedShare, ThresholdShare};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::keys::{MAX_BYTES, exposed};
use crate::secret_file;

const VERSION: u32 = 1;

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
    /// Others can read the file.
    #[error("{path} can be read by others (mode {mode:o}): run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
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
pub(crate) fn save(path: &Path, share: &ThresholdShare) -> Result<(), ShareError> {
    let io = |source| ShareError::Io {
        path: path.to_owned(),
        source,
    };
    let record = ShareFile {
        version: VERSION,
        share: hex::encode(&*share.to_bytes()),
    };
    let text = Zeroizing::new(serde_json::to_vec(&record).map_err(|e| io(e.into()))?);
    secret_file::create(path, &text).map_err(io)
}

/// Reads a share.
///
/// # Errors
/// [`ShareError`] names the file and what is wrong with it.
pub(crate) fn load(path: &Path) -> Result<ThresholdShare, ShareError> {
    let io = |source| ShareError::Io {
        path: path.to_owned(),
        source,
    };
    let format = || ShareError::Format(path.to_owned());
    let file = fs::File::open(path).map_err(io)?;
    let about = file.metadata().map_err(io)?;
    if let Some(mode) = exposed(&about) {
        return Err(ShareError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    if about.len() > MAX_BYTES {
        return Err(format());
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(io)?;
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

/// Whether these bytes are a share file, whoever's.
pub(crate) fn is_share_file(text: &[u8]) -> bool {
    text.len() as u64 <= MAX_BYTES && serde_json::from_slice::<ShareFile>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn share() -> ThresholdShare {
        let keys: Vec<_> = (1..=4)
            .map(|n| assay_crypto::SecretKey::from_seed([n; 32]).public())
            .collect();
        let mut keys = keys;
        keys.sort();
        let dealt = assay_chain::deal(&keys, [9; 32]).unwrap();
        let (_, share) = dealt.shares.into_iter().next().unwrap();
        share
    }

    #[test]
    fn a_share_comes_back_and_its_file_is_its_owners_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("deep/share.json");
        let share = share();
        save(&path, &share).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(*load(&path).unwrap().to_bytes(), *share.to_bytes());
        assert!(save(&path, &share).is_err(), "never overwritten");
    }

    #[test]
    fn a_share_that_others_can_read_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("share.json");
        save(&path, &share()).unwrap();
        for mode in [0o644, 0o640, 0o604, 0o620, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load(&path).err().unwrap().to_string();
            assert!(error.contains("chmod 600"), "{mode:o}: {error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        load(&path).unwrap();
    }
}
