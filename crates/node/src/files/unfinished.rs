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
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use assay_crypto::{Digest, PublicKey, SecretKey, aead::FileKey};
use assay_vault::upload::{Leftover, ResumeError, leftover};
use borsh::{BorshDeserialize, BorshSerialize};

use super::fresh_seed;
use crate::{
    disk::{Files, System, sync_names},
    drive::{Journal, JournalKey, Memory},
};

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

/// The folder of the journals of an account's uploads. Clones are the same folder.
#[derive(Clone, Debug)]
pub struct Uploads {
    files: Arc<dyn Files>,
    folder: PathBuf,
}

/// An upload with its file, locked.
#[derive(Debug)]
pub struct Unfinished {
    /// What it sets out to do.
    pub plan: Plan,
    uploads: Uploads,
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

impl Uploads {
    /// A folder of the operating system's.
    pub fn new(folder: &Path) -> Self {
        Self::on(Arc::new(System), folder)
    }

    /// [`Self::new`] on any files.
    pub fn on(files: Arc<dyn Files>, folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self { files, folder }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.{ENDING}"))
    }

    /// Begins the upload that `plan` describes, or goes on with it: then the plan's salt is that
    /// of the earlier life. `plan.salt` is chosen here.
    ///
    /// # Errors
    /// [`UnfinishedError`].
    pub fn begin(&self, mut plan: Plan, owner: &SecretKey) -> Result<Unfinished, UnfinishedError> {
        let id = plan.id();
        let path = self.path(&id);
        let disk = |source| UnfinishedError::Disk {
            path: path.clone(),
            source,
        };
        let file = self.files.locked_log(&path, true).map_err(disk)?;
        let file = file.ok_or_else(|| UnfinishedError::Running(id.clone()))?;
        // If it is damaged the salt is lost with it, so nothing is sealed under the key of that
        // upload again.
        let opened = Journal::on_or_anew(file, &path, sealed_with(owner, &id));
        let (mut journal, mut past) = opened.map_err(disk)?;
        let mut stale = None;
        let before = past.first().and_then(|first| Plan::decode(first));
        if let Some(before) = &before {
            past.remove(0);
            plan.salt = before.salt;
        }
        if before.as_ref() != Some(&plan) {
            stale = before.and_then(|before| leftover(&past, &before.key(owner)).ok());
            past.clear();
            plan.salt = fresh_seed().map_err(UnfinishedError::Randomness)?;
            let begun = journal
                .clear()
                .and_then(|()| journal.append(&plan.encode()));
            begun.map_err(disk)?;
        }
        sync_names(&*self.files, &path).map_err(disk)?;
        Ok(Unfinished {
            plan,
            uploads: self.clone(),
            path,
            journal,
            past,
            stale,
        })
    }

    /// Takes an upload by its id, or the beginning of it, to delete it.
    ///
    /// # Errors
    /// [`UnfinishedError`].
    pub fn take(&self, id: &str, owner: &SecretKey) -> Result<Unfinished, UnfinishedError> {
        let known = self.list(owner)?;
        let mut fitting = known.iter().filter(|listed| listed.id.starts_with(id));
        let unknown = || UnfinishedError::Unknown(id.to_owned());
        let (Some(listed), None) = (fitting.next(), fitting.next()) else {
            return Err(unknown());
        };
        let path = self.path(&listed.id);
        let disk = |source| UnfinishedError::Disk {
            path: path.clone(),
            source,
        };
        let file = self.files.locked_log(&path, false).map_err(disk)?;
        let file = file.ok_or_else(|| UnfinishedError::Running(listed.id.clone()))?;
        let key = sealed_with(owner, &listed.id);
        let opened = Journal::on(file, &path, key, None);
        let (journal, mut past) = opened.map_err(disk)?;
        let plan = past.first().and_then(|first| Plan::decode(first));
        past.drain(..past.len().min(1));
        Ok(Unfinished {
            plan: plan.ok_or_else(unknown)?,
            uploads: self.clone(),
            path,
            journal,
            past,
            stale: None,
        })
    }

    /// The memory of an upload under a derived key, which its owner may come with again. It is
    /// never removed: as long as the key can come again, so must what was sent under it.
    ///
    /// # Errors
    /// A sentence that says why it cannot be had.
    pub fn remember(&self, key: &FileKey, owner: &SecretKey) -> Result<Memory, String> {
        let id = Digest::of("assay/derived upload/v1", &[&key.0]);
        let path = self.folder.join(format!("{id}.derived"));
        let open = || {
            let file = self.files.locked_log(&path, true)?.ok_or_else(|| {
                io::Error::new(io::ErrorKind::WouldBlock, "it is being stored just now")
            })?;
            let sealed = JournalKey::new(owner, &format!("derived upload {id}"));
            let (journal, past) = Journal::on(file, &path, sealed, None)?;
            sync_names(&*self.files, &path)?;
            Ok(Memory { journal, past })
        };
        open().map_err(|error: io::Error| {
            format!(
                "the upload journal {} cannot be used: {error}",
                path.display()
            )
        })
    }

    /// Removes the file of an upload that this process has, or that nobody has.
    ///
    /// # Errors
    /// [`UnfinishedError::Disk`].
    pub fn forget(&self, path: &Path) -> Result<(), UnfinishedError> {
        let gone = self.files.remove(path);
        let gone = gone.and_then(|()| self.files.sync_dir(&self.folder));
        gone.map_err(|source| UnfinishedError::Disk {
            path: path.to_owned(),
            source,
        })
    }

    /// Every upload of an account, by id; others show as damaged.
    ///
    /// # Errors
    /// [`UnfinishedError::Disk`].
    pub fn list(&self, owner: &SecretKey) -> Result<Vec<Listed>, UnfinishedError> {
        let disk = |source| UnfinishedError::Disk {
            path: self.folder.clone(),
            source,
        };
        let entries = match self.files.list(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(disk)?,
        };
        let mut found = Vec::new();
        for (name, _) in entries {
            let path = self.folder.join(name);
            let id = path.file_stem().and_then(|stem| stem.to_str());
            let is_upload = path.extension().is_some_and(|ending| ending == ENDING);
            let (Some(id), true) = (id, is_upload) else {
                continue;
            };
            let running = match self.files.locked_log(&path, false) {
                Ok(file) => file.is_none(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(UnfinishedError::Disk { path, source }),
            };
            let id = id.to_owned();
            let mut past = match Journal::peek_on(&*self.files, &path, &sealed_with(owner, &id)) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => Vec::new(),
                read => read.map_err(disk)?,
            };
            let plan = past.first().and_then(|first| Plan::decode(first));
            past.drain(..past.len().min(1));
            found.push(Listed {
                id,
                path,
                plan,
                past,
                running,
            });
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }
}

impl Unfinished {
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
        self.uploads.forget(&self.path)
    }

    /// Where its file lies, for [`Uploads::forget`] when it has been given away.
    pub fn file(&self) -> PathBuf {
        self.path.clone()
    }
}

/// What the journal of an upload is sealed with.
fn sealed_with(owner: &SecretKey, id: &str) -> JournalKey {
    JournalKey::new(owner, &format!("upload {id}"))
}

/// An upload as its file tells it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name for people.
    pub id: String,
    /// Where its file lies.
    pub path: PathBuf,
    /// What it sets out to do; `None` if its file is damaged.
    pub plan: Option<Plan>,
    /// What its machine wrote.
    pub past: Vec<Vec<u8>>,
    /// Whether a process is at it.
    pub running: bool,
}
