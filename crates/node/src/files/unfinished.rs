//! Uploads that can go on: what an upload must know again after its process is gone.
//!
//! ```text
//! UPLOADS/<id>.upload   entry*, as in a party's journal
//! first entry           version 1, then borsh of `Plan`
//! further entries       those of the upload's machine
//! ```
//!
//! The id follows from who stores what under which name and where, so the same command finds the
//! same file. The file's key is not in it: it is derived from the account's key and the plan's salt. The
//! file is locked while an upload runs, and removed when its record is on the ledger.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use assay_crypto::{Digest, PublicKey, SecretKey, aead::FileKey};
use assay_vault::upload::{Leftover, ResumeError, leftover};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{fresh_seed, locked};
use crate::drive::{Journal, JournalKey, Memory};

/// Version of a plan, its first byte.
const VERSION: u8 = 1;

/// Ending of the files' names.
const ENDING: &str = "upload";

/// What an upload sets out to do.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Plan {
    /// The network.
    pub chain: Digest,
    /// Who stores.
    pub owner: PublicKey,
    /// Where the source lies, as the system writes it.
    pub path: Vec<u8>,
    /// The name on the ledger.
    pub name: String,
    /// The media type on the ledger.
    pub media_type: String,
    /// Copies wanted.
    pub copies: u8,
    /// Plaintext bytes.
    pub length: u64,
    /// What the source was, as far as can be told without reading it.
    pub identity: Digest,
    /// Makes the file's key one that no other upload has.
    pub salt: Digest,
}

impl Plan {
    /// What the file of this upload is called.
    pub fn id(&self) -> String {
        let digest = Digest::of(
            "assay/upload id/v1",
            &[
                self.chain.as_bytes(),
                &self.owner.0,
                &self.path,
                self.name.as_bytes(),
                &[self.copies],
            ],
        );
        digest.to_string()[..16].to_owned()
    }

    /// The file's key.
    pub fn key(&self, owner: &SecretKey) -> FileKey {
        let seed = owner.seed();
        FileKey(Digest::of("assay/upload key/v1", &[&seed[..], self.salt.as_bytes()]).0)
    }

    /// Where the source lies.
    pub fn path(&self) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(&self.path))
    }

    /// Bytes of the first entry.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        // Writing to memory does not fail.
        if self.serialize(&mut bytes).is_err() {
            bytes.clear();
        }
        bytes
    }

    /// Reads the first entry of an upload's file.
    pub fn decode(entry: &[u8]) -> Option<Self> {
        let (version, body) = entry.split_first()?;
        let plan = (*version == VERSION).then(|| Self::try_from_slice(body));
        plan.and_then(Result::ok)
    }
}

/// An upload with its file, locked.
#[derive(Debug)]
pub struct Unfinished {
    /// What it sets out to do.
    pub plan: Plan,
    path: PathBuf,
    /// Where its machine writes.
    journal: Journal,
    /// What its machine wrote in an earlier life.
    past: Vec<Vec<u8>>,
    /// What an earlier upload of another content left, to be deleted.
    pub stale: Option<Leftover>,
}

/// Why an upload could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum UnfinishedError {
    /// Another process is at it.
    #[error("another command is storing this just now (upload {0})")]
    Running(String),
    /// There is no such upload.
    #[error("there is no unfinished upload {0}")]
    Unknown(String),
    /// The file cannot be used.
    #[error("the journal of uploads in {} cannot be used", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no randomness for a key.
    #[error("the system gave no randomness")]
    Randomness(#[source] getrandom::Error),
}

impl Unfinished {
    /// Begins the upload that `plan` describes, or goes on with it: then the plan's salt is that
    /// of the earlier life. `plan.salt` is chosen here.
    ///
    /// # Errors
    /// [`UnfinishedError`].
    pub fn begin(
        folder: &Path,
        mut plan: Plan,
        owner: &SecretKey,
    ) -> Result<Self, UnfinishedError> {
        let id = plan.id();
        let path = folder.join(format!("{id}.{ENDING}"));
        let disk = |source| UnfinishedError::Disk {
            path: path.clone(),
            source,
        };
        let file = locked::open(&path).map_err(disk)?;
        let file = file.ok_or_else(|| UnfinishedError::Running(id.clone()))?;
        let key = sealed_with(owner, &id);
        let opened = Journal::on(file.try_clone().map_err(disk)?, &path, key.clone(), None);
        let (mut journal, mut past) = match opened {
            // The salt is lost with it, so nothing is sealed under the key of that upload again.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                (Journal::anew(file, &path, key).map_err(disk)?, Vec::new())
            }
            opened => opened.map_err(disk)?,
        };
        let mut stale = None;
        if let Some(before) = past.first().and_then(|first| Plan::decode(first)) {
            past.remove(0);
            plan.salt = before.salt;
            if before == plan {
                return Ok(Self {
                    plan,
                    path,
                    journal,
                    past,
                    stale,
                });
            }
            stale = leftover(&past, &before.key(owner)).ok();
        }
        plan.salt = fresh_seed().map_err(UnfinishedError::Randomness)?;
        let begin = |journal: &mut Journal| {
            journal.clear()?;
            journal.append(&plan.encode())?;
            locked::sync_folder_of(&path)
        };
        begin(&mut journal).map_err(disk)?;
        Ok(Self {
            plan,
            path,
            journal,
            past: Vec::new(),
            stale,
        })
    }

    /// Takes an upload by its id, or the beginning of it, to delete it.
    ///
    /// # Errors
    /// [`UnfinishedError`].
    pub fn take(folder: &Path, id: &str, owner: &SecretKey) -> Result<Self, UnfinishedError> {
        let known = list(folder, owner)?;
        let mut fitting = known.iter().filter(|listed| listed.id.starts_with(id));
        let unknown = || UnfinishedError::Unknown(id.to_owned());
        let (Some(listed), None) = (fitting.next(), fitting.next()) else {
            return Err(unknown());
        };
        let path = folder.join(format!("{}.{ENDING}", listed.id));
        let disk = |source| UnfinishedError::Disk {
            path: path.clone(),
            source,
        };
        let file = locked::open_existing(&path).map_err(disk)?;
        let file = file.ok_or_else(|| UnfinishedError::Running(listed.id.clone()))?;
        let key = sealed_with(owner, &listed.id);
        let opened = Journal::on(file, &path, key, None);
        let (journal, mut past) = opened.map_err(disk)?;
        let plan = past.first().and_then(|first| Plan::decode(first));
        past.drain(..past.len().min(1));
        Ok(Self {
            plan: plan.ok_or_else(unknown)?,
            path,
            journal,
            past,
            stale: None,
        })
    }

    /// Whether it was begun in an earlier life.
    pub fn is_resumed(&self) -> bool {
        !self.past.is_empty()
    }

    /// What it may have left at storage nodes so far.
    ///
    /// # Errors
    /// [`ResumeError`] when its journal is damaged.
    pub fn leftover(&self, owner: &SecretKey) -> Result<Leftover, ResumeError> {
        leftover(&self.past, &self.plan.key(owner))
    }

    /// For the upload to write to. The file stays locked until that is dropped.
    pub fn into_memory(self) -> Memory {
        Memory {
            journal: self.journal,
            past: self.past,
        }
    }

    /// It is over: nothing is left to go on with.
    ///
    /// # Errors
    /// [`UnfinishedError::Disk`].
    pub fn forget(self) -> Result<(), UnfinishedError> {
        forget(&self.path)
    }

    /// Where its file lies, for [`forget`] when it has been given away.
    pub fn file(&self) -> PathBuf {
        self.path.clone()
    }
}

/// The memory of an upload under a derived key, which its owner may come with again. It is never
/// removed: as long as the key can come again, so must what was sent under it.
///
/// # Errors
/// A sentence that says why it cannot be had.
pub fn remember(folder: &Path, key: &FileKey, owner: &SecretKey) -> Result<Memory, String> {
    let id = Digest::of("assay/derived upload/v1", &[&key.0]);
    let path = folder.join(format!("{id}.derived"));
    let open = || {
        let file = locked::open(&path)?.ok_or_else(|| {
            io::Error::new(io::ErrorKind::WouldBlock, "it is being stored just now")
        })?;
        let sealed = JournalKey::new(owner, &format!("derived upload {id}"));
        let (journal, past) = Journal::on(file, &path, sealed, None)?;
        locked::sync_folder_of(&path)?;
        Ok(Memory { journal, past })
    };
    open().map_err(|error: io::Error| {
        format!(
            "the upload journal {} cannot be used: {error}",
            path.display()
        )
    })
}

/// What the journal of an upload is sealed with.
fn sealed_with(owner: &SecretKey, id: &str) -> JournalKey {
    JournalKey::new(owner, &format!("upload {id}"))
}

/// Removes the file of an upload that this process has.
///
/// # Errors
/// [`UnfinishedError::Disk`].
pub fn forget(path: &Path) -> Result<(), UnfinishedError> {
    let gone = fs::remove_file(path).and_then(|()| locked::sync_folder_of(path));
    gone.map_err(|source| UnfinishedError::Disk {
        path: path.to_owned(),
        source,
    })
}

/// An upload as its file tells it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name for people.
    pub id: String,
    /// What it sets out to do; `None` if its file is damaged.
    pub plan: Option<Plan>,
    /// What its machine wrote.
    pub past: Vec<Vec<u8>>,
    /// Whether a process is at it.
    pub running: bool,
}

/// Every upload of an account in a folder, by id; others show as damaged.
///
/// # Errors
/// [`UnfinishedError::Disk`].
pub fn list(folder: &Path, owner: &SecretKey) -> Result<Vec<Listed>, UnfinishedError> {
    let disk = |source| UnfinishedError::Disk {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(disk)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(disk)?.path();
        let id = path.file_stem().and_then(|stem| stem.to_str());
        let (Some(id), true) = (id, path.extension().is_some_and(|ending| ending == ENDING)) else {
            continue;
        };
        let running = match locked::open_existing(&path) {
            Ok(file) => file.is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(UnfinishedError::Disk { path, source }),
        };
        let mut past = match Journal::peek(&path, &sealed_with(owner, id)) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Vec::new(),
            read => read.map_err(disk)?,
        };
        let plan = past.first().and_then(|first| Plan::decode(first));
        past.drain(..past.len().min(1));
        found.push(Listed {
            id: id.to_owned(),
            plan,
            past,
            running,
        });
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}
