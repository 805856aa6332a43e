//! The job file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assay_aggregate::BadSettings;
use assay_estimator::{Samples, SpecError, Specification, Split};
use assay_ledger::RoundTerms;
use assay_rounds::{Age, Encoding, RoundSpec, SpecProblem, Weights};
use schemars::JsonSchema;
use serde::Deserialize;

use super::aggregation::{Aggregation, Scale};
use super::learning::Learning;
use super::market::{RoundsMarket, Trainers};
use super::run;
use super::spec::{AGE, ENCODING, WEIGHTS};
use crate::build_error::chain;
use crate::error::JobError;
use crate::kind::{Job, Kind};
use crate::numbers::{Share, count};
use crate::sections::{Audit, Deadlines};
use crate::source::InputSource;
use crate::train::rows::{
    Arrays, Columns, Form, MAX_SHARD_BYTES, Reading, divisor, held_out, scaled,
};
use crate::train::{COLUMNS, HELDOUT};

/// A job file that has a small model trained by many, each on rows that it keeps to itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FederatedFile {
    /// Always `federated`.
    #[schemars(extend("const" = "federated"))]
    #[expect(dead_code, reason = "read before the kind is known")]
    kind: String,
    /// Your name for the job.
    name: String,
    /// How many rounds there are.
    #[serde(deserialize_with = "count::<_, _, 1, { RoundTerms::MAX_ROUNDS as u64 }>")]
    #[schemars(range(min = 1, max = RoundTerms::MAX_ROUNDS))]
    rounds: u64,
    /// Steps that each trainer takes in a round.
    #[serde(deserialize_with = "count::<_, _, 1, 65_536>")]
    #[schemars(range(min = 1, max = 65_536))]
    local_steps: u64,
    /// What the merged update is multiplied by before the model moves by it, above 0 and at most 1000.
    #[serde(default = "one")]
    server_rate: f32,
    quantiser: Scale,
    /// How updates are sent: whole.
    #[serde(default)]
    #[schemars(with = "String", extend("const" = "dense"))]
    encoding: Encoding,
    /// What an update weighs: all alike.
    #[serde(default)]
    #[schemars(with = "String", extend("const" = "equal"))]
    weights: Weights,
    /// Late updates: none.
    #[serde(default)]
    #[schemars(skip)]
    age: Age,
    #[serde(default)]
    aggregation: Aggregation,
    learning: Learning,
    trainers: Trainers,
    data: Data,
    #[serde(default)]
    audit: Audit,
    #[serde(default)]
    market: RoundsMarket,
    #[serde(default)]
    deadlines: Deadlines,
}

/// The deadlines of a job file. A trainer that is audited may take its steps again before it opens them, so where the
/// file does not say how long that may take it is as long as the steps.
fn deadlines(text: &str, mut read: Deadlines) -> Deadlines {
    #[derive(Default, Deserialize)]
    struct Said {
        #[serde(default)]
        deadlines: toml::Table,
    }
    let said: Said = toml::from_str(text).unwrap_or_default();
    let says = |name: &str| said.deadlines.contains_key(name);
    match (says("run"), says("open")) {
        (_, true) => {}
        (true, false) => read.open = read.open.max(read.run),
        (false, false) => read.run = read.open,
    }
    read
}

fn one() -> f32 {
    1.0
}

/// How every trainer's file is read: a table (.csv, .tsv, .parquet), or arrays of NumPy (.npz). And rows of yours,
/// of the same form, that measure the result.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FederatedData")]
struct Data {
    /// Rows of yours, relative to this file, if you have some: those of `heldout_share` measure the result, and where
    /// everybody is on one machine the others are dealt to the trainers. On a network trainers name files of
    /// their own.
    path: Option<PathBuf>,
    /// The share of the rows that is taken out of `path` to measure the result: from 0.001 to 0.9.
    heldout_share: Option<Share>,
    /// Or rows in a file of their own, which only you can read.
    heldout: Option<PathBuf>,
    /// Of a table: the column that is to be told.
    label: Option<String>,
    /// Of a table: the texts of that column, the class of each by its place. None where it is a number.
    #[serde(default)]
    classes: Vec<String>,
    /// Of a table: the columns of features, in the order in which everybody reads them.
    #[serde(default)]
    features: Vec<String>,
    /// Of a table: columns of texts, each with the texts that it holds, of which each becomes a feature.
    #[serde(default)]
    categories: BTreeMap<String, Vec<String>>,
    /// Of an archive: which arrays are read.
    arrays: Option<Arrays>,
    /// What every number is divided by, such as 255 for pixels.
    divide_by: Option<f32>,
}

fn parse(text: &str) -> Result<FederatedFile, JobError> {
    toml::from_str(text).map_err(|error| JobError::Syntax(Box::new(error)))
}

/// Reads a job file, and the rows that it names.
pub(super) fn read(
    kind: &'static dyn Kind,
    (text, folder): (&str, &Path),
) -> Result<Job, JobError> {
    let file = parse(text)?;
    let trainers = &file.trainers;
    let spec = RoundSpec {
        learning: file.learning.clone().into(),
        rounds: file.rounds,
        local_steps: file.local_steps,
        server_rate: file.server_rate,
        quorum: trainers.least.into(),
        quantiser: file.quantiser.0,
        encoding: file.encoding,
        aggregation: file.aggregation.0,
        weights: file.weights,
        age: file.age,
    };
    check(&spec)?;
    let deadlines = deadlines(text, file.deadlines);
    let steps = spec.local_steps + 1;
    let audit = file.audit.over(steps);
    let (market, rounds) = file.market.over(&spec, &audit, trainers)?;
    let brought = brought(&spec, trainers.most_rows)?;
    Ok(Job {
        kind,
        name: file.name,
        specification: spec.to_bytes(),
        inputs: Vec::new(),
        private: file.data.private(&spec.learning, folder)?,
        steps,
        steps_field: "local_steps",
        audit,
        market,
        deadlines,
        rounds: Some(rounds),
        brought,
    })
}

/// A trainer's rows, as its runs read them: the bytes of a shard, from a file of its own at `path`, read as
/// `[data]` of the order's job file says.
///
/// # Errors
/// When `text` is no such job file, the file cannot be read so, or its rows are not such as the model takes.
pub fn rows_of(text: &str, path: &Path) -> Result<Vec<u8>, JobError> {
    let file = parse(text)?;
    let rows = Rows::read(&file.data, ("rows", path))?;
    rows.packed(&file.learning.into())
}

/// The rows of `data.path` without those that are held out, dealt alike to so many trainers: what each of them
/// records where everybody is on one machine. Of one file everybody makes the same.
///
/// # Errors
/// When `text` is no such job file or names no such rows, or they cannot be read or are too few.
pub fn deal(text: &str, folder: &Path, trainers: u32) -> Result<Vec<Vec<u8>>, JobError> {
    let file = parse(text)?;
    let Some(path) = &file.data.path else {
        let text = "it names the rows that are dealt to trainers on one machine; name a file";
        return Err(JobError::value(PATH, text));
    };
    let mut rows = Rows::read(&file.data, (PATH, &folder.join(path)))?;
    if let Some(share) = file.data.heldout_share {
        let [kept, _] = held_out(&rows.samples, share)?;
        rows.samples = kept;
    }
    let learning: Specification = file.learning.into();
    let split = Split::iid(rows.samples.rows(), trainers, &[0; 32]);
    let split = split.map_err(|error| JobError::value(PATH, chain(&error)))?;
    let each = split.rows.iter();
    each.map(|of| rows.with(rows.samples.of_rows(of)).packed(&learning))
        .collect()
}

/// Bytes that a run's inputs have at most, if a trainer may have so many rows.
fn brought(spec: &RoundSpec, most_rows: u64) -> Result<u64, JobError> {
    let shard = run::shard_bytes(spec, most_rows);
    if shard > MAX_SHARD_BYTES {
        let features = spec.learning.model.features();
        return Err(JobError::value(
            "trainers.most_rows",
            format!(
                "{most_rows} rows of {features} features are rows * (features + 1) * 4 + 32 = {shard} bytes, and of \
                 one trainer at most {MAX_SHARD_BYTES} are read; write at most {}",
                run::rows_within(spec, MAX_SHARD_BYTES)
            ),
        ));
    }
    Ok(shard.saturating_add(run::model_bytes(spec)?))
}

const PATH: &str = "data.path";

/// The rows of a file, and what they are called and divided by.
#[derive(Debug, Clone)]
struct Rows {
    field: &'static str,
    path: PathBuf,
    samples: Samples,
    columns: Columns,
}

impl Rows {
    fn read(data: &Data, (field, path): (&'static str, &Path)) -> Result<Rows, JobError> {
        let (samples, features, numeric) = data.reading(path)?.read(field, path)?;
        let scaling = match data.divide_by {
            None => None,
            Some(by) => {
                let scaling = divisor(by)?.of(&samples, &numeric);
                scaling.map_err(|error| JobError::value("data.divide_by", chain(&error)))?
            }
        };
        Ok(Rows {
            field,
            path: path.to_owned(),
            samples,
            columns: Columns {
                features,
                classes: data.classes.clone(),
                scaling,
            },
        })
    }

    fn with(&self, samples: Samples) -> Rows {
        Rows {
            samples,
            ..self.clone()
        }
    }

    /// The bytes of a shard that the model takes.
    fn packed(self, learning: &Specification) -> Result<Vec<u8>, JobError> {
        let (field, path) = (self.field, &self.path);
        let fits = learning.check_rows(&self.samples);
        fits.map_err(|source| JobError::Input {
            field,
            path: path.clone(),
            source: Box::new(source),
        })?;
        scaled(field, path, self.samples, self.columns.scaling.as_ref())
    }
}

impl Data {
    fn reading(&self, path: &Path) -> Result<Reading, JobError> {
        if self.arrays.is_none() && self.features.is_empty() {
            let text = "name the columns of features: trainers' tables may have them in any order, and \
                        everybody reads them in this one";
            return Err(JobError::value("data.features", text));
        }
        let form = Form {
            label: self.label.clone(),
            classes: self.classes.clone(),
            features: self.features.clone(),
            ignore: Vec::new(),
            categories: self.categories.clone(),
            arrays: self.arrays.clone(),
        };
        form.reading(path)
    }

    /// The rows that are held out, if there are some, by the requester's own file.
    fn held(&self, folder: &Path) -> Result<Option<Rows>, JobError> {
        match (&self.path, &self.heldout, self.heldout_share) {
            (_, Some(_), Some(_)) => {
                let text = "rows are held out of data.path, or data.heldout names them; remove one";
                Err(JobError::value("data.heldout_share", text))
            }
            (None, None, Some(_)) => {
                let text = "there is no data.path to hold rows out of; name a file, or remove it";
                Err(JobError::value("data.heldout_share", text))
            }
            (Some(path), None, Some(share)) => {
                let rows = Rows::read(self, (PATH, &folder.join(path)))?;
                let [_, held] = held_out(&rows.samples, share)?;
                Ok(Some(rows.with(held)))
            }
            (_, Some(path), None) => {
                Rows::read(self, ("data.heldout", &folder.join(path))).map(Some)
            }
            (_, None, None) => Ok(None),
        }
    }

    /// What only the requester has.
    fn private(
        &self,
        learning: &Specification,
        folder: &Path,
    ) -> Result<Vec<InputSource>, JobError> {
        let Some(rows) = self.held(folder)? else {
            return Ok(Vec::new());
        };
        let (field, path) = (rows.field, rows.path.clone());
        // Serialising names and finite numbers into memory cannot fail.
        let columns = serde_json::to_vec(&rows.columns).unwrap_or_default();
        Ok(vec![
            InputSource::made(COLUMNS, field, &path, columns),
            InputSource::made(HELDOUT, field, &path, rows.packed(learning)?),
        ])
    }
}

/// Refuses numbers that make no sense together, by their fields.
fn check(spec: &RoundSpec) -> Result<(), JobError> {
    let refused = |field, text: &str| Err(JobError::value(field, text));
    if spec.encoding != Encoding::Dense {
        return refused("encoding", ENCODING);
    }
    if spec.age.most > 0 {
        return refused("age", AGE);
    }
    if spec.weights != Weights::Equal {
        return refused("weights", WEIGHTS);
    }
    spec.check().map_err(|problem| {
        let text = chain(&problem);
        match problem {
            SpecProblem::Aggregation(why @ BadSettings::TooFew { .. }) => JobError::value(
                "trainers.least",
                format!(
                    "the rule of `aggregation` must stand with as few updates as a round merges, and with every \
                     number of them up to 4096: {}; raise trainers.least, or expect fewer liars",
                    chain(&why)
                ),
            ),
            SpecProblem::Aggregation(why) => JobError::value("aggregation", chain(&why)),
            SpecProblem::Quantiser(why) => JobError::value("quantiser", chain(&why)),
            SpecProblem::ServerRate(_) => JobError::value("server_rate", text),
            SpecProblem::Size { name, .. } if name == "rounds" || name == "local_steps" => {
                JobError::value(name, text)
            }
            SpecProblem::Learning(of) => JobError::value(part(&of), text),
            _ => JobError::value("trainers.least", text),
        }
    })
}

/// The table that a setting of the learning stands in.
fn part(error: &SpecError) -> &'static str {
    match error {
        SpecError::Size { name, .. } if !["batch_size", "every", "steps"].contains(name) => {
            "learning.model"
        }
        SpecError::Layers { .. } | SpecError::Pools { .. } | SpecError::Parameters { .. } => {
            "learning.model"
        }
        _ => "learning.training",
    }
}
