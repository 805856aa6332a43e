//! The job file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assay_estimator::{DataFault, Labels, ModelSpec, Samples, Schedule, Specification, TrainSpec};
use schemars::JsonSchema;
use serde::Deserialize;

use super::rows::{Arrays, Columns, Form, Reading, Scale, divisor, held_out, scaled};
use super::{COLUMNS, DATA, HELDOUT, Train};
use crate::build_error::chain;
use crate::error::JobError;
use crate::kind::Job;
use crate::numbers::Share;
use crate::sections::{Audit, Deadlines, MarketTable};
use crate::source::InputSource;

/// A job file that trains a small model on a table or on images.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainFile {
    /// Always `train`.
    #[schemars(extend("const" = "train"))]
    #[expect(dead_code, reason = "read before the kind is known")]
    kind: String,
    /// Your name for the job.
    name: String,
    model: Model,
    data: Data,
    training: Training,
    #[serde(default)]
    audit: Audit,
    #[serde(default)]
    market: MarketTable,
    #[serde(default)]
    deadlines: Deadlines,
    /// Refused as long as no node plays a part in contests.
    #[serde(default)]
    #[schemars(skip)]
    contest: Option<toml::Table>,
}

/// What is trained. How many features and classes it has follows from the data.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Model {
    /// A number `w x + b`.
    Linear {},
    /// One of two classes, by the sign of `w x + b`.
    Logistic {},
    /// One of several classes, by the largest of `W x + b`.
    Softmax {},
    /// Softmax regression on hidden layers with rectifiers.
    Mlp {
        /// Outputs of each hidden layer.
        hidden: Vec<u32>,
    },
    /// Softmax regression on convolutions of 3 x 3 pixels, each with a rectifier and the largest of every
    /// 2 x 2 pixels. A row is an image: channels, height, width.
    Cnn {
        /// Values of a pixel.
        #[serde(default = "one")]
        channels: u32,
        /// Rows of pixels.
        height: u32,
        /// Pixels in a row.
        width: u32,
        /// Channels after each convolution.
        filters: Vec<u32>,
    },
}

fn one() -> u32 {
    1
}

/// The rows: a table (.csv, .tsv, .parquet), or arrays of NumPy (.npz).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Data {
    /// The rows to learn from, relative to this file. Whoever works on the order reads them.
    path: PathBuf,
    /// More rows of the same form, which only you can read: they measure the result.
    heldout: Option<PathBuf>,
    /// Or the share of the rows that is taken out of `path` for that: from 0.001 to 0.9.
    heldout_share: Option<Share>,
    /// Of a table: the column that is to be told.
    label: Option<String>,
    /// Of a table: the texts of that column, the class of each by its place. None where it is a number.
    #[serde(default)]
    classes: Vec<String>,
    /// Of a table: the columns of features; all the others, if left out.
    #[serde(default)]
    features: Vec<String>,
    /// Of a table: columns that are not used.
    #[serde(default)]
    ignore: Vec<String>,
    /// Of a table: columns of texts, each with the texts that it holds, of which each becomes a feature.
    #[serde(default)]
    categories: BTreeMap<String, Vec<String>>,
    /// Of an archive: which arrays are read.
    arrays: Option<Arrays>,
    /// Whether every number is brought to mean 0 and standard deviation 1; usual for tables.
    standardise: Option<bool>,
    /// What every number is divided by instead, such as 255 for pixels.
    divide_by: Option<f32>,
}

/// Stochastic gradient descent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Training {
    /// Optimiser steps.
    steps: u64,
    /// Rows per step.
    batch_size: u32,
    /// Peak learning rate.
    learning_rate: f32,
    /// How much of the last step's direction stays, from 0 to below 1.
    #[serde(default)]
    momentum: f32,
    /// Weight decay.
    #[serde(default)]
    weight_decay: f32,
    /// Gradients longer than this are scaled down to it.
    #[serde(default)]
    max_grad_norm: Option<f32>,
    /// Steps over which the learning rate rises from zero, with `schedule = "linear"`.
    #[serde(default)]
    warmup_steps: u64,
    /// What the learning rate does.
    #[serde(default)]
    schedule: ScheduleName,
}

/// What the learning rate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ScheduleName {
    /// Stays at the peak.
    #[default]
    Constant,
    /// After the warm-up falls in a straight line to zero at the last step.
    Linear,
}

/// Reads a job file, and the rows that it names.
pub(super) fn read(text: &str, folder: &Path) -> Result<Job, JobError> {
    let file: TrainFile = toml::from_str(text).map_err(|e| JobError::Syntax(Box::new(e)))?;
    if file.contest.is_some() {
        let problem = "providers cannot compete for a job yet: the ledger has the rules of contests, and no \
                       node plays a part in them; leave [contest] out";
        return Err(JobError::value("contest", problem.to_owned()));
    }
    let training = file.training.settings()?;
    let scale = file.data.scale()?;
    let share = file.data.share()?;
    let mut reading = file.data.reading()?;
    let path = folder.join(&file.data.path);
    let field = "data.path";
    let (samples, features, numeric) = reading.read(field, &path)?;
    let (train, held) = match share {
        None => (samples, None),
        Some(share) => {
            let [kept, held] = held_out(&samples, share)?;
            (kept, Some((held, field, path.clone())))
        }
    };
    let held = match &file.data.heldout {
        None => held,
        Some(own) => {
            let own = folder.join(own);
            let (samples, _, _) = reading.read("data.heldout", &own)?;
            Some((samples, "data.heldout", own))
        }
    };
    let specification = Specification {
        model: file.model.on(&train)?,
        training,
    };
    let checked = specification.check();
    checked.map_err(|error| JobError::value("model", chain(&error)))?;
    let fits = specification.check_rows(&train);
    fits.map_err(|error| JobError::value("model.kind", chain(&error)))?;
    let unusable = |source: DataFault| JobError::Input {
        field,
        path: path.clone(),
        source: Box::new(source),
    };
    let scaling = scale.of(&train, &numeric).map_err(unusable)?;
    let columns = Columns {
        features,
        classes: file.data.classes,
        scaling: scaling.clone(),
    };
    let data = scaled(field, &path, train, scaling.as_ref())?;
    let inputs = vec![InputSource::made(DATA, field, &path, data)];
    // Serialising names and finite numbers into memory cannot fail.
    let columns = serde_json::to_vec(&columns).unwrap_or_default();
    let mut private = vec![InputSource::made(COLUMNS, field, &path, columns)];
    if let Some((samples, field, path)) = held {
        let bytes = scaled(field, &path, samples, scaling.as_ref())?;
        private.push(InputSource::made(HELDOUT, field, &path, bytes));
    }
    let steps = file.training.steps;
    let audit = file.audit.over(steps);
    Ok(Job {
        kind: &Train,
        name: file.name,
        specification: specification.to_bytes(),
        inputs,
        private,
        steps,
        steps_field: "training.steps",
        market: file.market.over(steps, &audit),
        audit,
        deadlines: file.deadlines,
        rounds: None,
        brought: 0,
    })
}

impl Model {
    /// The model of these rows.
    fn on(&self, samples: &Samples) -> Result<ModelSpec, JobError> {
        let features = samples.width() as u32;
        let classes = match samples.labels() {
            Labels::Values(_) => None,
            Labels::Classes { count, .. } => Some(*count),
        };
        let several = || {
            classes.ok_or_else(|| {
                let text = "it tells classes, and the label is a number; list its texts as data.classes, \
                            or choose \"linear\"";
                JobError::value("model.kind", text)
            })
        };
        Ok(match self {
            Self::Linear {} => ModelSpec::Linear { features },
            Self::Logistic {} => ModelSpec::Logistic { features },
            Self::Softmax {} => ModelSpec::Softmax {
                features,
                classes: several()?,
            },
            Self::Mlp { hidden } => ModelSpec::Mlp {
                features,
                hidden: hidden.clone(),
                classes: several()?,
            },
            Self::Cnn {
                channels,
                height,
                width,
                filters,
            } => ModelSpec::Cnn {
                channels: *channels,
                height: *height,
                width: *width,
                filters: filters.clone(),
                classes: several()?,
            },
        })
    }
}

impl Data {
    fn reading(&self) -> Result<Reading, JobError> {
        let form = Form {
            label: self.label.clone(),
            classes: self.classes.clone(),
            features: self.features.clone(),
            ignore: self.ignore.clone(),
            categories: self.categories.clone(),
            arrays: self.arrays.clone(),
        };
        form.reading(&self.path)
    }

    /// The share of the rows that is held out.
    fn share(&self) -> Result<Option<Share>, JobError> {
        let Some(share) = self.heldout_share else {
            return Ok(None);
        };
        if self.heldout.is_some() {
            let text = "rows are held out of data.path, or data.heldout names them; remove one";
            return Err(JobError::value("data.heldout_share", text));
        }
        Ok(Some(share))
    }

    fn scale(&self) -> Result<Scale, JobError> {
        match (self.divide_by, self.standardise) {
            (Some(_), Some(true)) => {
                let text = "features are divided, or standardised; remove one";
                Err(JobError::value("data.divide_by", text))
            }
            (Some(by), _) => divisor(by),
            (None, Some(false)) => Ok(Scale::AsTheyAre),
            (None, Some(true)) => Ok(Scale::Standardise),
            // What is the same in every place of an image must stay so.
            (None, None) if self.arrays.is_some() => Ok(Scale::AsTheyAre),
            (None, None) => Ok(Scale::Standardise),
        }
    }
}

impl Training {
    fn settings(&self) -> Result<TrainSpec, JobError> {
        let schedule = match self.schedule {
            ScheduleName::Constant if self.warmup_steps == 0 => Schedule::Constant,
            ScheduleName::Constant => {
                let text =
                    "a constant rate has no warm-up; remove it, or set schedule = \"linear\"";
                return Err(JobError::value("training.warmup_steps", text));
            }
            ScheduleName::Linear => Schedule::Linear {
                warmup_steps: self.warmup_steps,
                steps: self.steps,
            },
        };
        Ok(TrainSpec {
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            proximal: 0.0,
            max_grad_norm: self.max_grad_norm,
            schedule,
        })
    }
}
