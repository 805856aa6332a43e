//! Key files: one Ed25519 seed each, readable by its owner only.
//!
//! ```json
//! {"version": 1, "public": "<64 hex digits>", "seed": "<64 hex digits>"}
//! ```
//!
//! The public half is there for people and is checked against the seed. An encrypted file was
//! left out: servers would keep the passphrase beside it. Seeds never reach logs, errors or
//! `Debug` output, and the text is wiped from memory after reading.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use assay_crypto::{PublicKey, SecretKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::secret_file;

/// Version written into key files.
const VERSION: u32 = 1;

/// Longest file of a secret that is read, in bytes.
pub(crate) const MAX_BYTES: u64 = 4096;

/// Why a key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such file.
    #[error("no key file at {0}: make one with `assay keys new --out {0}`")]
    Missing(PathBuf),
    /// Writing would destroy a key.
    #[error("{0} exists already and may hold a key with money behind it: choose another name")]
    Exists(PathBuf),
    /// Others can read the file.
    #[error("{path} can be read by others (mode {mode:o}): run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a key file of this version.
    #[error("{path} is not a key file: {problem}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong; never quotes the content.
        problem: &'static str,
    },
    /// The system refused.
    #[error("cannot use key file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u32,
    #[zeroize(skip)]
    public: PublicKey,
    seed: String,
}

/// A new key from the system's randomness.
///
/// # Errors
/// When the system has none to give.
pub fn generate() -> Result<SecretKey, getrandom::Error> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut())?;
    Ok(SecretKey::from_seed(*seed))
}

/// Writes `key` to a new file with mode 0600; parent directories are created.
///
/// # Errors
/// [`KeyError::Exists`] rather than overwriting; [`KeyError::Io`].
pub fn save(path: &Path, key: &SecretKey) -> Result<(), KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let seed = key.seed();
    let record = KeyFile {
        version: VERSION,
        public: key.public(),
        seed: hex::encode(seed.as_slice()),
    };
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
    serde_json::to_writer_pretty(&mut *text, &record).map_err(|e| io(e.into()))?;
    text.push(b'\n');
    secret_file::create(path, &text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        _ => io(error),
    })
}

/// Reads a key file.
///
/// # Errors
/// [`KeyError`]: missing, readable by others, malformed, or its halves do not belong together.
pub fn load(path: &Path) -> Result<SecretKey, KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let bad = |problem| KeyError::Format {
        path: path.to_owned(),
        problem,
    };
    // A pipe would be waited for.
    match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(KeyError::Missing(path.to_owned()));
        }
        Ok(found) if !found.is_file() => return Err(bad("it is no regular file")),
        _ => {}
    }
    let file = File::open(path).map_err(io)?;
    if let Some(mode) = exposed(&file.metadata().map_err(io)?) {
        return Err(KeyError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(io)?;
    // serde's own message may quote the seed, so it is not passed on.
    let record: KeyFile = serde_json::from_slice(&text)
        .map_err(|_| bad("it must hold exactly `version`, `public` and `seed`"))?;
    if record.version != VERSION {
        return Err(bad(
            "its version is unknown to this program; update the program",
        ));
    }
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(&record.seed, seed.as_mut())
        .map_err(|_| bad("`seed` must be 64 hexadecimal digits"))?;
    let key = SecretKey::from_seed(*seed);
    if key.public() != record.public {
        return Err(bad(
            "`public` does not belong to `seed`; restore the file from a copy",
        ));
    }
    Ok(key)
}

/// Whether these bytes are a key file, whoever's and however old.
pub(crate) fn is_key_file(text: &[u8]) -> bool {
    text.len() as u64 <= MAX_BYTES && serde_json::from_slice::<KeyFile>(text).is_ok()
}

/// The permission bits of a secret's file, if others than its owner have any of them.
pub(crate) fn exposed(about: &fs::Metadata) -> Option<u32> {
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777;
    #[cfg(not(unix))]
    let (mode, _) = (0, about);
    (mode & 0o077 != 0).then_some(mode)
}

/// Reads the key file, or writes a fresh key there if there is none.
///
/// # Errors
/// As [`load`] and [`save`].
pub fn load_or_create(path: &Path) -> Result<SecretKey, KeyError> {
    match load(path) {
        Err(KeyError::Missing(_)) => {
            let io = |e| KeyError::Io {
                path: path.to_owned(),
                source: io::Error::other(e),
            };
            let key = generate().map_err(io)?;
            save(path, &key)?;
            Ok(key)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_key_comes_back_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/key.json");
        let key = load_or_create(&path).unwrap();
        assert_eq!(load(&path).unwrap().public(), key.public());
        assert!(matches!(save(&path, &key), Err(KeyError::Exists(_))));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.json");
        save(&path, &SecretKey::from_seed([1; 32])).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load(&path).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn mistakes_are_named_without_quoting_the_seed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.json");
        assert!(
            load(&path)
                .err()
                .unwrap()
                .to_string()
                .contains("assay keys new")
        );
        let seed = "7".repeat(64);
        let other = SecretKey::from_seed([9; 32]).public();
        let wrong = [
            format!(r#"{{"version":1,"public":"{other}","seed":"{seed}"}}"#),
            format!(r#"{{"version":2,"public":"{other}","seed":"{seed}"}}"#),
            format!(r#"{{"version":1,"public":"{other}","seed":"{seed}77"}}"#),
            format!(r#"{{"seed":"{seed}"}}"#),
            seed.clone(),
        ];
        for text in wrong {
            fs::remove_file(&path).ok();
            save(&path, &SecretKey::from_seed([1; 32])).unwrap();
            fs::write(&path, text).unwrap();
            let error = load(&path).err().unwrap();
            assert!(matches!(error, KeyError::Format { .. }), "{error}");
            assert!(!format!("{error:?}").contains("7777"), "{error:?}");
        }
    }
}
