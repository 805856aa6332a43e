//! The local files that stand for a job's inputs.

use std::path::{Path, PathBuf};

use crate::error::JobError;
use crate::language;

/// Largest input a job may bring, in bytes of plaintext.
pub const MAX_INPUT_BYTES: u64 = 4 << 30;

/// One input of a job: its name on the ledger and where its bytes lie here.
#[derive(Debug, Clone)]
pub struct InputSource {
    /// Name by which the program asks for it.
    pub name: &'static str,
    /// Field of the job file that named it.
    pub field: &'static str,
    /// Where it lies.
    pub path: PathBuf,
    form: Form,
}

/// How the bytes of an input are read.
#[derive(Debug, Clone, Copy)]
enum Form {
    File,
    ModelFolder,
}

impl InputSource {
    /// One file; a relative path starts at the folder of the job file.
    pub fn file(name: &'static str, field: &'static str, folder: &Path, path: &Path) -> Self {
        Self {
            name,
            field,
            path: folder.join(path),
            form: Form::File,
        }
    }

    /// The files of a Hugging Face model folder, as one deterministic archive.
    pub fn model(name: &'static str, field: &'static str, folder: &Path, path: &Path) -> Self {
        Self {
            name,
            field,
            path: folder.join(path),
            form: Form::ModelFolder,
        }
    }

    /// Reads the bytes that go into the vault.
    ///
    /// # Errors
    /// When something is missing, unreadable or larger than [`MAX_INPUT_BYTES`].
    pub fn read(&self) -> Result<Vec<u8>, JobError> {
        match self.form {
            Form::ModelFolder => language::pack_model(self.field, &self.path),
            Form::File => {
                let unreadable = |source| JobError::Unreadable {
                    field: self.field,
                    path: self.path.clone(),
                    source,
                };
                let bytes = std::fs::metadata(&self.path).map_err(unreadable)?.len();
                if bytes > MAX_INPUT_BYTES {
                    return Err(JobError::TooLarge {
                        field: self.field,
                        path: self.path.clone(),
                        bytes,
                        limit: MAX_INPUT_BYTES,
                    });
                }
                std::fs::read(&self.path).map_err(unreadable)
            }
        }
    }
}
