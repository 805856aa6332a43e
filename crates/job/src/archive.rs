//! Folders as one input: archives that are read in place, and put together while they are read.
//!
//! A model is many times as long as what a run keeps of it. So no archive is ever copied: where a
//! folder lies on this machine, its archive is its files with headers between them, and where an
//! archive came from the vault, its files are ranges of it.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use assay_crypto::{Part, ReadAt};
use assay_model::{ModelFiles, ModelSource};
use assay_proof::{Handle, whole};
use assay_vault::bundle::{self, BundleError, Entry, Layout, Spot};

use crate::build_error::BuildError;

/// Most bytes that the files of an archive beside its weights may have together: settings,
/// tokenizers, templates. They are read into memory.
pub(crate) const MAX_SETTINGS_BYTES: u64 = 256 << 20;

/// An archive that is read in place.
pub(crate) struct Archive<'a> {
    /// The input that it is.
    name: &'static str,
    handle: &'a Handle,
    places: Vec<(String, Range<u64>)>,
}

impl<'a> Archive<'a> {
    /// Looks where the files of the input called `name` lie.
    ///
    /// # Errors
    /// When it is no archive, or cannot be read.
    pub(crate) fn open(name: &'static str, handle: &'a Handle) -> Result<Self, BuildError> {
        let mut reader = handle.reader();
        match bundle::list(&mut reader) {
            Ok(places) => Ok(Self {
                name,
                handle,
                places,
            }),
            Err(error) if reader.failed() => Err(BuildError::unread(name, error)),
            Err(error) => Err(BuildError::input(name, error)),
        }
    }

    /// A file of it.
    pub(crate) fn file(&self, name: &str) -> Option<Part> {
        let found = self.places.iter().find(|(known, _)| known == name)?;
        Some(self.handle.part(found.1.clone()))
    }

    /// Bytes of all files whose names are not those of weights.
    pub(crate) fn settings_bytes(&self) -> u64 {
        let settings = self.settings(|_| true);
        settings.map(|(_, place)| place.end - place.start).sum()
    }

    /// Those files beside the weights that `keep` wants.
    ///
    /// # Errors
    /// When they are more than [`MAX_SETTINGS_BYTES`], or cannot be read.
    pub(crate) fn read(&self, keep: impl Fn(&str) -> bool) -> Result<ModelFiles, BuildError> {
        let (mut files, mut left) = (ModelFiles::new(), MAX_SETTINGS_BYTES);
        for (name, place) in self.settings(keep) {
            let length = place.end - place.start;
            let limit = MAX_SETTINGS_BYTES;
            let too_large = || BuildError::input(self.name, BundleError::TooLarge { limit });
            left = left.checked_sub(length).ok_or_else(too_large)?;
            let part = self.handle.part(place.clone());
            let bytes = whole(&part, length);
            let bytes = bytes.map_err(|error| BuildError::unread(self.name, error))?;
            files.insert(name.clone(), bytes.into_owned());
        }
        Ok(files)
    }

    /// The model in it, its weights left where they are.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn model(&self) -> Result<ModelSource, BuildError> {
        let weights = self.places.iter();
        let weights = weights.filter(|(name, _)| ModelSource::is_weights(name));
        let part =
            |place: &Range<u64>| -> Arc<dyn ReadAt> { Arc::new(self.handle.part(place.clone())) };
        Ok(ModelSource {
            files: self.read(|_| true)?,
            weights: weights
                .map(|(name, place)| (name.clone(), part(place)))
                .collect(),
        })
    }

    fn settings(&self, keep: impl Fn(&str) -> bool) -> impl Iterator<Item = &(String, Range<u64>)> {
        let places = self.places.iter();
        places.filter(move |(name, _)| !ModelSource::is_weights(name) && keep(name))
    }
}

/// The archive of files that lie anywhere, put together while it is read.
pub(crate) struct Packed {
    layout: Layout,
    /// The contents of its entries.
    files: Vec<Arc<dyn ReadAt>>,
}

impl Packed {
    /// The archive of these files by name: byte for byte what [`bundle::pack`] makes of them.
    ///
    /// # Errors
    /// [`BundleError`] when a name is not plain or there are too many files.
    pub(crate) fn new(files: BTreeMap<String, Arc<dyn ReadAt>>) -> Result<Self, BundleError> {
        let mut layout = Layout::default();
        for (name, bytes) in &files {
            let entry = Entry::file(name, bytes.length());
            if entry.is_folder() {
                return Err(BundleError::Name(entry.name));
            }
            layout.push(entry)?;
        }
        let files = files.into_values().collect();
        Ok(Self { layout, files })
    }

    /// The archive of a model.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn model(source: ModelSource) -> Result<Self, BundleError> {
        let mut files = source.weights;
        for (name, bytes) in source.files {
            files.insert(name, Arc::new(bytes));
        }
        Self::new(files)
    }
}

impl ReadAt for Packed {
    fn length(&self) -> u64 {
        self.layout.length()
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.length()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut at, mut out) = (at, out);
        while !out.is_empty() {
            let fits = |left: u64| usize::try_from(left).map_or(out.len(), |n| n.min(out.len()));
            let spot = self.layout.spot(at).map_err(io::Error::other)?;
            let count = match &spot {
                Spot::Header(block, from) => out.len().min(block.len() - from),
                Spot::Zeros(left) | Spot::Content { left, .. } => fits(*left),
            };
            let (now, later) = out.split_at_mut(count);
            match spot {
                Spot::Header(block, from) => now.copy_from_slice(&block[from..from + count]),
                Spot::Zeros(_) => now.fill(0),
                Spot::Content { entry, at, .. } => self.files[entry].read_at(at, now)?,
            }
            at += count as u64;
            out = later;
        }
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        self.files.iter().try_for_each(|file| file.check())
    }
}

#[cfg(test)]
mod tests {
    use assay_proof::Source;

    use super::*;

    fn files() -> ModelFiles {
        let file = |name: &str, length: usize| {
            let bytes = (0..length).map(|at| (at % 251) as u8).collect();
            (name.to_owned(), bytes)
        };
        [
            file("config.json", 700),
            file("model-1.safetensors", 3_000),
            file("model-2.safetensors", 1_024),
            file("tokenizer.json", 0),
        ]
        .into()
    }

    #[test]
    fn a_packed_folder_reads_as_its_archive_at_every_place() {
        let archive = bundle::pack(&files()).unwrap();
        let packed = Packed::model(files().into()).unwrap();
        assert_eq!(packed.length(), archive.len() as u64);
        for step in [1, 511, 512, 513, 5_000, archive.len()] {
            for from in (0..archive.len()).step_by(97) {
                let to = archive.len().min(from + step);
                let mut out = vec![1; to - from];
                packed.read_at(from as u64, &mut out).unwrap();
                assert!(out == archive[from..to], "{from}..{to}");
            }
        }
        for at in [archive.len() as u64, u64::MAX] {
            assert!(packed.read_at(at, &mut [0]).is_err());
        }
    }

    #[test]
    fn a_model_comes_back_from_its_archive_with_its_weights_left_in_place() {
        let packed = Packed::model(files().into()).unwrap();
        let handle = Handle::new(Arc::new(packed), Default::default(), Source::Memory);
        let archive = Archive::open("model", &handle).unwrap();
        let model = archive.model().unwrap();
        assert_eq!(archive.settings_bytes(), 700);
        assert_eq!(model.files.len(), 2);
        assert_eq!(model.into_files().unwrap(), files());
    }

    /// An archive whose reads fail after its first bytes.
    struct Failing(Vec<u8>);

    impl ReadAt for Failing {
        fn length(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
            match at < 512 {
                true => self.0.read_at(at, out),
                false => Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_this_machines_failure_and_what_is_no_archive_is_everybodys() {
        let archive = bundle::pack(&files()).unwrap();
        let on = |bytes: Arc<dyn ReadAt>| Handle::new(bytes, Default::default(), Source::Memory);
        let failing = on(Arc::new(Failing(archive.clone())));
        let error = Archive::open("model", &failing).err().unwrap();
        assert!(matches!(error, BuildError::Unread { .. }), "{error}");
        let cut = on(Arc::new(archive[..archive.len() - 1].to_vec()));
        let error = Archive::open("model", &cut).err().unwrap();
        assert!(matches!(error, BuildError::Input { .. }), "{error}");
    }
}
