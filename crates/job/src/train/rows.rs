//! From files to rows, and from the inputs of an order back to them.

use std::collections::BTreeMap;
use std::path::Path;

use assay_data::table::Table;
use assay_data::{Format, MAX_BYTES as MAX_TABLE_BYTES};
use assay_estimator::export::MAX_DESCRIPTION_BYTES;
use assay_estimator::{
    DataFault, Images, MAX_NPZ_BYTES, Samples, Scaling, Shard, Specification, TableSpec, hold_out,
    read_npz,
};
use assay_kernel::Kernel;
use assay_proof::Handle;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::COLUMNS;
use crate::build_error::BuildError;
use crate::error::JobError;
use crate::inputs::{Inputs, input};
use crate::numbers::Share;
use crate::source::read_file;

/// The longest shard that is read, in bytes.
pub(crate) const MAX_SHARD_BYTES: u64 = 2 << 30;

/// What a shard of numbers does not say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Columns {
    pub(crate) features: Vec<String>,
    pub(crate) classes: Vec<String>,
    pub(crate) scaling: Option<Scaling>,
}

/// What the columns of a table are, or which arrays of an archive are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    pub(crate) label: Option<String>,
    pub(crate) classes: Vec<String>,
    pub(crate) features: Vec<String>,
    pub(crate) ignore: Vec<String>,
    pub(crate) categories: BTreeMap<String, Vec<String>>,
    pub(crate) arrays: Option<Arrays>,
}

/// Two arrays of an archive.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrays {
    /// The rows: an array whose first axis counts them.
    rows: String,
    /// Their classes, counted from 0.
    labels: String,
    /// How many classes there are.
    classes: u32,
}

impl Form {
    /// How a file of this name is read.
    pub(crate) fn reading(&self, path: &Path) -> Result<Reading, JobError> {
        let archive = (path.extension()).is_some_and(|ending| ending.eq_ignore_ascii_case("npz"));
        match (&self.arrays, &self.label) {
            (Some(arrays), None) if archive => Ok(Reading::Arrays {
                rows: arrays.rows.clone(),
                labels: arrays.labels.clone(),
                classes: arrays.classes,
            }),
            (None, Some(label)) if !archive => Ok(Reading::Table(TableSpec {
                label: label.clone(),
                classes: self.classes.clone(),
                features: self.features.clone(),
                ignore: self.ignore.clone(),
                categories: self.categories.clone(),
            })),
            _ if archive => {
                let text = "an archive of arrays needs `arrays = { rows = .., labels = .., classes = .. }` \
                            and has no `label`";
                Err(JobError::value("data.arrays", text))
            }
            _ => {
                let text =
                    "a table needs the name of the column that is to be told, and has no `arrays`";
                Err(JobError::value("data.label", text))
            }
        }
    }
}

/// The rows that are kept, and those that are held out, by a seed that is always the same.
pub(crate) fn held_out(samples: &Samples, share: Share) -> Result<[Samples; 2], JobError> {
    let (kept, held) = hold_out(samples.rows(), share.per_mille(), &[0; 32]);
    if kept.is_empty() || held.is_empty() {
        let rows = samples.rows();
        let text = format!("of {rows} rows, one part would have none; add rows, or change it");
        return Err(JobError::value("data.heldout_share", text));
    }
    Ok([samples.of_rows(&kept), samples.of_rows(&held)])
}

/// What every number is divided by, as a job file writes it.
pub(crate) fn divisor(divisor: f32) -> Result<Scale, JobError> {
    if !(divisor.is_finite() && divisor > 0.0) {
        let text = format!("{divisor} is out of range; write a number above 0");
        return Err(JobError::value("data.divide_by", text));
    }
    Ok(Scale::DivideBy(divisor))
}

/// What is read of a file.
#[derive(Debug, Clone)]
pub(crate) enum Reading {
    /// The columns of a table.
    Table(TableSpec),
    /// Two arrays of an archive, and how many classes there are.
    Arrays {
        rows: String,
        labels: String,
        classes: u32,
    },
}

impl Reading {
    /// The rows of a file, the names of their features where they have some, and which of these are numbers.
    /// From then on it reads every file in the order of this one.
    pub(crate) fn read(
        &mut self,
        field: &'static str,
        path: &Path,
    ) -> Result<(Samples, Vec<String>, Vec<bool>), JobError> {
        let unusable = |source: DataFault| JobError::Input {
            field,
            path: path.to_owned(),
            source: Box::new(source),
        };
        match self {
            Self::Table(spec) => {
                let format = Format::of_name(&path.to_string_lossy());
                let format = format.map_err(|error| unusable(error.into()))?;
                let bytes = read_file(field, path, MAX_TABLE_BYTES as u64)?;
                let open = || Table::open(bytes.clone(), format).map_err(DataFault::from);
                let read = || {
                    let resolved = spec.resolved(&open()?)?;
                    let samples = resolved.read(open()?)?;
                    Ok((resolved, samples))
                };
                let (resolved, samples) = read().map_err(unusable)?;
                let (names, numeric) = (names(&resolved), resolved.numeric());
                *spec = resolved;
                Ok((samples, names, numeric))
            }
            Self::Arrays {
                rows,
                labels,
                classes,
            } => {
                let bytes = read_file(field, path, MAX_NPZ_BYTES as u64)?;
                let arrays = read_npz(&bytes, &[rows, labels]).map_err(unusable)?;
                let images = Images {
                    divide_by: 1.0,
                    classes: *classes,
                };
                let samples = match &arrays[..] {
                    [rows, labels] => images.samples(rows, labels),
                    _ => Err(DataFault::NoRows),
                };
                let samples = samples.map_err(unusable)?;
                let numeric = vec![true; samples.width()];
                Ok((samples, Vec::new(), numeric))
            }
        }
    }
}

/// What the features of a row are called.
fn names(spec: &TableSpec) -> Vec<String> {
    let each = spec
        .features
        .iter()
        .flat_map(|name| match spec.categories.get(name) {
            None => vec![name.clone()],
            Some(texts) => texts.iter().map(|text| format!("{name}={text}")).collect(),
        });
    each.collect()
}

/// How features are scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// They are not.
    AsTheyAre,
    /// Each number to mean 0 and standard deviation 1, over the rows that are trained on.
    Standardise,
    /// All numbers alike.
    DivideBy(f32),
}

impl Scale {
    /// The constants, from the rows that are trained on.
    pub(crate) fn of(
        self,
        train: &Samples,
        numeric: &[bool],
    ) -> Result<Option<Scaling>, DataFault> {
        match self {
            Self::AsTheyAre => Ok(None),
            Self::Standardise => Scaling::of(train, numeric).map(Some),
            Self::DivideBy(divisor) => {
                let factor = |numeric: &bool| if *numeric { 1.0 / divisor } else { 1.0 };
                let scaling = Scaling {
                    mean: vec![0.0; numeric.len()],
                    factor: numeric.iter().map(factor).collect(),
                };
                scaling.check().map(|()| Some(scaling))
            }
        }
    }
}

/// Rows, scaled, as the bytes of a shard.
pub(crate) fn scaled(
    field: &'static str,
    path: &Path,
    samples: Samples,
    scaling: Option<&Scaling>,
) -> Result<Vec<u8>, JobError> {
    let samples = match scaling {
        None => samples,
        Some(scaling) => {
            let kernel = Kernel::detect().map_err(BuildError::from)?;
            let scaled = scaling.apply(&kernel, &samples);
            scaled.map_err(|source| JobError::Input {
                field,
                path: path.to_owned(),
                source: Box::new(source),
            })?
        }
    };
    Ok(Shard::new(samples).to_bytes())
}

/// The rows of an input, which must be such as the model takes.
pub(crate) fn shard(
    specification: &Specification,
    name: &'static str,
    handle: &Handle,
) -> Result<Shard, BuildError> {
    bounded(name, handle, MAX_SHARD_BYTES)?;
    let bytes = handle.whole(MAX_SHARD_BYTES);
    let bytes = bytes.map_err(|error| BuildError::unread(name, error))?;
    // Before anything is made of the rows: what they take is priced by the model's features.
    let (wanted, announced) = (
        specification.model.features(),
        Shard::announced_width(&bytes),
    );
    if let Some(found) = announced
        && found != wanted as u64
    {
        let text = format!("a row has {found} features, and the model takes {wanted}");
        return Err(BuildError::input(name, text));
    }
    let shard = Shard::from_bytes(&bytes).map_err(|error| BuildError::input(name, error))?;
    let fits = specification.check_rows(shard.samples());
    fits.map_err(|error| BuildError::input(name, error))?;
    Ok(shard)
}

/// Refuses an input that is longer than any of its kind is: every machine sees that alike, and none has failed.
pub(crate) fn bounded(name: &'static str, handle: &Handle, most: u64) -> Result<(), BuildError> {
    let length = handle.length();
    if length > most {
        let text = format!("it has {length} bytes, and at most {most} are read");
        return Err(BuildError::input(name, text));
    }
    Ok(())
}

/// What is odd about the rows that are trained on.
pub(crate) fn notes(samples: &Samples) -> Vec<String> {
    let notices = samples.notices().into_iter();
    notices
        .map(|notice| format!("data.path: {notice}"))
        .collect()
}

/// What the requester knows of its columns; nothing where it is somebody else who asks.
pub(crate) fn columns(private: &Inputs) -> Result<Columns, BuildError> {
    if !private.contains_key(COLUMNS) {
        return Ok(Columns::default());
    }
    let bytes = input(private, COLUMNS)?.whole(MAX_DESCRIPTION_BYTES as u64);
    let bytes = bytes.map_err(|error| BuildError::unread(COLUMNS, error))?;
    serde_json::from_slice(&bytes).map_err(|error| BuildError::input(COLUMNS, error))
}
