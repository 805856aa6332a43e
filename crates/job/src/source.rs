//! The local files that stand for a job's inputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_crypto::{ReadAt, content::content_digest_of};
use assay_data::{DataError, Format, MAX_BYTES as MAX_DATA_BYTES};
use assay_proof::{Handle, Source};

use crate::error::JobError;
use crate::language;

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
#[derive(Debug, Clone)]
enum Form {
    Data,
    /// With the adapter whose chat format and tokenizer count, if there is one.
    ModelFolder(Option<PathBuf>),
    Folder(&'static [&'static str]),
    /// Made of a file while the job file was read.
    Made(Arc<Vec<u8>>),
}

impl InputSource {
    /// A data set: one file of a format that its name tells, which is turned into the form in which
    /// data travel. A relative path starts at the folder of the job file.
    pub fn data(name: &'static str, field: &'static str, folder: &Path, path: &Path) -> Self {
        Self {
            name,
            field,
            path: folder.join(path),
            form: Form::Data,
        }
    }

    /// The files of a Hugging Face model folder, as one deterministic archive. An adapter that the
    /// work begins with brings the chat format it was taught.
    pub fn model(
        name: &'static str,
        field: &'static str,
        folder: &Path,
        path: &Path,
        adapter: Option<&Path>,
    ) -> Self {
        Self {
            name,
            field,
            path: folder.join(path),
            form: Form::ModelFolder(adapter.map(|adapter| folder.join(adapter))),
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

    /// What was made of a file while the job file was read.
    pub(crate) fn made(
        name: &'static str,
        field: &'static str,
        path: &Path,
        bytes: Vec<u8>,
    ) -> Self {
        Self {
            name,
            field,
            path: path.to_owned(),
            form: Form::Made(Arc::new(bytes)),
        }
    }

    /// A handle on the bytes that go into the vault: a model's stay where they are, others are read.
    ///
    /// # Errors
    /// When something is missing, unreadable, more data than are read, or another kind of file than
    /// its name says.
    pub fn read(&self) -> Result<Handle, JobError> {
        let bytes: Arc<dyn ReadAt> = match &self.form {
            Form::ModelFolder(adapter) => {
                let folder = &self.path;
                Arc::new(language::pack_model(
                    self.field,
                    folder,
                    adapter.as_deref(),
                )?)
            }
            Form::Data => Arc::new(self.read_data()?),
            Form::Made(bytes) => bytes.clone(),
            Form::Folder(names) => {
                let mut files = BTreeMap::new();
                for name in *names {
                    files.insert((*name).to_owned(), self.read_file(&self.path, name)?);
                }
                let packed = assay_vault::bundle::pack(&files);
                Arc::new(packed.map_err(|error| JobError::value(self.field, error.to_string()))?)
            }
        };
        let content = content_digest_of(&*bytes).map_err(|source| JobError::Unreadable {
            field: self.field,
            path: self.path.clone(),
            source,
        })?;
        let source = Source::Local(self.path.display().to_string());
        Ok(Handle::new(bytes, content, source))
    }

    /// A file of a folder that belongs to a model.
    fn read_file(&self, folder: &Path, name: &str) -> Result<Vec<u8>, JobError> {
        assay_model::read_file(folder, name).map_err(|source| JobError::Adapter {
            field: self.field,
            source: Box::new(source),
        })
    }

    fn read_data(&self) -> Result<Vec<u8>, JobError> {
        let wrong = |source: DataError| JobError::Data {
            field: self.field,
            path: self.path.clone(),
            source: Box::new(source),
        };
        // That there is no such file, or that it is a folder, is said before what its name promises.
        let bytes = read_file(self.field, &self.path, MAX_DATA_BYTES as u64)?;
        let format = Format::of_name(&self.path.to_string_lossy()).map_err(wrong)?;
        assay_data::canonical(bytes, format).map_err(wrong)
    }
}

/// A file that a field of a job file names.
///
/// # Errors
/// When it is missing, no file, longer than `limit` bytes, or cannot be read.
pub(crate) fn read_file(field: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>, JobError> {
    let unreadable = |source| JobError::Unreadable {
        field,
        path: path.to_owned(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(|source| match std::fs::read_link(path) {
        Ok(target) => JobError::Dangling {
            field,
            path: path.to_owned(),
            target,
        },
        Err(_) => unreadable(source),
    })?;
    if metadata.is_dir() {
        return Err(JobError::value(
            field,
            format!(
                "{} is a folder; name one file in it, such as a .jsonl, .csv or .parquet",
                path.display()
            ),
        ));
    }
    if !metadata.is_file() {
        let path = path.display();
        let problem = format!("{path} is a pipe, socket or device; save its content as a file");
        return Err(JobError::value(field, problem));
    }
    if metadata.len() > limit {
        return Err(JobError::TooLarge {
            field,
            path: path.to_owned(),
            bytes: metadata.len(),
            limit,
        });
    }
    std::fs::read(path).map_err(unreadable)
}
