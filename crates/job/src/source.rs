//! The local files that stand for a job's inputs.

use std::collections::BTreeMap;
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
    Folder(&'static [&'static str]),
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

    /// The named files of a folder, as one deterministic archive.
    pub fn folder(
        name: &'static str,
        field: &'static str,
        folder: &Path,
        path: &Path,
        files: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            field,
            path: folder.join(path),
            form: Form::Folder(files),
        }
    }

    /// Reads the bytes that go into the vault.
    ///
    /// # Errors
    /// When something is missing, unreadable or larger than [`MAX_INPUT_BYTES`].
    pub fn read(&self) -> Result<Vec<u8>, JobError> {
        match self.form {
            Form::ModelFolder => language::pack_model(self.field, &self.path),
            Form::File => self.read_file(&self.path),
            Form::Folder(names) => {
                let mut files = BTreeMap::new();
                for name in names {
                    let bytes = self.read_file(&self.path.join(name));
                    let bytes = bytes.map_err(|error| self.explained(name, error))?;
                    files.insert((*name).to_owned(), bytes);
                }
                assay_vault::bundle::pack(&files)
                    .map_err(|error| JobError::value(self.field, error.to_string()))
            }
        }
    }

    /// What lies in the folder in place of a missing file.
    fn explained(&self, name: &str, error: JobError) -> JobError {
        match &error {
            JobError::Unreadable { source, .. } => {
                match assay_model::missing_from_adapter(&self.path, name, source) {
                    Some(problem) => JobError::value(self.field, problem),
                    None => error,
                }
            }
            _ => error,
        }
    }

    fn read_file(&self, path: &Path) -> Result<Vec<u8>, JobError> {
        let (field, path) = (self.field, path.to_owned());
        let metadata = std::fs::metadata(&path);
        let read = metadata.and_then(|metadata| match metadata.len() {
            bytes if bytes > MAX_INPUT_BYTES => Ok(Err(bytes)),
            _ => std::fs::read(&path).map(Ok),
        });
        match read {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(bytes)) => Err(JobError::TooLarge {
                field,
                path,
                bytes,
                limit: MAX_INPUT_BYTES,
            }),
            Err(source) => Err(JobError::Unreadable {
                field,
                path,
                source,
            }),
        }
    }
}
