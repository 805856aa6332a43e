//! What the kinds of job on language models share: bases, data sets, scores and samples.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use assay_crypto::{Digest, ReadAt};
use assay_data::{
    DataSet, Format, MAX_BYTES as MAX_DATA_BYTES, Message, NO_TEMPLATE, Options, Record, Role,
    Tokenizer,
};
use assay_kernel::Kernel;
use assay_model::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, Adapter, Base, BatchShape, Evaluator, GenerateSettings,
    Generator, GradientError, InvalidStep, LoadError, MethodError, ModelConfig, ModelFiles,
    ModelShape, ModelSource, Precision, Score, adapter_notes, take_adapter_tokenizer,
};
use assay_proof::Handle;
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Packed};
use crate::build_error::BuildError;
use crate::delivery::Sample;
use crate::error::JobError;
use crate::inputs::{ADAPTER, Inputs, MODEL, input, model};

/// Rows that are scored at once.
pub(crate) const SCORE_BATCH: usize = 8;
/// Longest sample, in tokens.
const SAMPLE_TOKENS: usize = 24;

/// How records become token sequences.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reading {
    pub(crate) completion_only: bool,
    pub(crate) sequence_length: u32,
    pub(crate) truncation: bool,
}

impl Reading {
    fn options(&self, base: &Base) -> Options {
        Options {
            sequence_length: self.sequence_length as usize,
            completion_only: self.completion_only,
            truncation: self.truncation,
            vocab_size: base.config().vocab_size,
        }
    }
}

/// Refuses `packing = true`, which other programs know.
pub(crate) fn check_packing(packing: bool) -> Result<(), JobError> {
    match packing {
        false => Ok(()),
        true => Err(JobError::value(
            "data.packing",
            "records in one sequence would see each other, so their losses would depend on their \
             neighbours; leave it out: every record then has a sequence to itself",
        )),
    }
}

/// The text of a data set.
pub(crate) fn text<'a>(
    inputs: &'a Inputs,
    name: &'static str,
) -> Result<Cow<'a, [u8]>, BuildError> {
    let text = input(inputs, name)?.whole(MAX_DATA_BYTES as u64);
    text.map_err(|error| match error.kind() {
        // On every machine alike.
        io::ErrorKind::FileTooLarge => BuildError::input(name, error),
        _ => BuildError::unread(name, error),
    })
}

/// The files of a model folder that matter as one archive, the same one every time, with the
/// chat format and the tokenizer that an adapter was taught. Its weights stay where they are.
pub(crate) fn pack_model(
    field: &'static str,
    folder: &Path,
    adapter: Option<&Path>,
) -> Result<Packed, JobError> {
    let mut model = ModelSource::open(folder).map_err(|source| JobError::Model {
        field,
        source: Box::new(source),
    })?;
    if let Some(adapter) = adapter {
        take_adapter_tokenizer(&mut model.files, adapter).map_err(|source| JobError::Adapter {
            field: "adapter.path",
            source: Box::new(source),
        })?;
    }
    Packed::model(model).map_err(|e| JobError::value(field, e.to_string()))
}

/// The shape of the base model in an archive, of which nothing else is looked at.
pub(crate) fn config(model: &Archive<'_>) -> Result<ModelConfig, BuildError> {
    ModelConfig::from_json(&config_json(model)?).map_err(|e| BuildError::input(MODEL, e))
}

/// What everybody may know of the base model among the inputs.
pub(crate) fn shape(inputs: &Inputs) -> Result<ModelShape, BuildError> {
    Ok(ModelShape::of(&config(&model(inputs)?)?))
}

/// `config.json` of the base model in an archive.
pub(crate) fn config_json(model: &Archive<'_>) -> Result<Vec<u8>, BuildError> {
    const CONFIG: &str = "config.json";
    let found = model.read(|name| name == CONFIG)?.remove(CONFIG);
    let missing = || BuildError::input(MODEL, LoadError::MissingFile(CONFIG.to_owned()));
    found.ok_or_else(missing)
}

/// Those files of the base model that say how texts become tokens.
pub(crate) fn tokenizer_files(inputs: &Inputs) -> Result<ModelFiles, BuildError> {
    model(inputs)?.read(assay_data::is_tokenizer_file)
}

/// Whether any of the inputs holds conversations, which a chat template writes out.
pub(crate) fn converses(inputs: &Inputs) -> bool {
    let data = inputs.iter();
    let mut data = data.filter(|(name, _)| ![MODEL, ADAPTER].contains(&name.as_str()));
    data.any(|(_, handle)| {
        let bytes = handle.whole(MAX_DATA_BYTES as u64).unwrap_or_default();
        let records = assay_data::read(&bytes, Format::of_bytes(&bytes)).unwrap_or_default();
        let mut records = records.iter();
        records.any(|(_, record)| matches!(record, Record::Chat { .. }))
    })
}

/// What a person should know of the files before they pay for work on them: contradictions between
/// those of the model, a chat format that is not its own, and what of an adapter's settings is passed
/// over.
///
/// # Errors
/// When the model is missing, or its tokenizer or the adapter's settings cannot be read.
pub(crate) fn notes(inputs: &Inputs) -> Result<Vec<String>, BuildError> {
    let files = tokenizer_files(inputs)?;
    let tokenizer = Tokenizer::from_model_files(&files).map_err(|e| BuildError::input(MODEL, e))?;
    let mut notes = tokenizer.notes().to_vec();
    if !tokenizer.has_template() && converses(inputs) {
        notes.push(NO_TEMPLATE.to_owned());
    }
    if let Some(adapter) = inputs.get(ADAPTER) {
        let files = Archive::open(ADAPTER, adapter)?.read(|name| name == ADAPTER_CONFIG)?;
        let settings = files.get(ADAPTER_CONFIG).map(Vec::as_slice);
        let model = config(&model(inputs)?)?;
        let more = adapter_notes(settings.unwrap_or_default(), &model);
        notes.extend(more.map_err(|e| BuildError::input(ADAPTER, e))?);
    }
    Ok(notes)
}

/// Bases that somebody in this process holds, by archive and precision.
type Held = HashMap<(Digest, Precision), Weak<Base>>;

/// The base model in an archive, its projections held in this precision.
///
/// All parties in a process that work on one archive share one base: a devnet would otherwise hold
/// a large model, and what is packed of it, once for each of its roles.
pub(crate) fn base(inputs: &Inputs, precision: Precision) -> Result<Arc<Base>, BuildError> {
    static HELD: Mutex<Option<Held>> = Mutex::new(None);
    let archive = model(inputs)?;
    let key = (input(inputs, MODEL)?.content(), precision);
    // Whoever comes second waits for the first, instead of reading the archive again.
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let held = held.get_or_insert_default();
    if let Some(base) = held.get(&key).and_then(Weak::upgrade) {
        return Ok(base);
    }
    let base = Base::load(archive.model()?, precision);
    let base = Arc::new(base.map_err(|e| BuildError::load(MODEL, e))?);
    if precision != Precision::Float32 {
        let held = base.check_held();
        held.map_err(|error| BuildError::field("model.precision", error))?;
    }
    held.retain(|_, base| base.strong_count() > 0);
    held.insert(key, Arc::downgrade(&base));
    Ok(base)
}

/// The adapter in an archive.
pub(crate) fn adapter(handle: &Handle, base: &Base) -> Result<Adapter, BuildError> {
    let archive = Archive::open(ADAPTER, handle)?;
    let files = archive.read(|name| name == ADAPTER_CONFIG)?;
    let config = files.get(ADAPTER_CONFIG).map(Vec::as_slice);
    let weights = archive.file(ADAPTER_WEIGHTS);
    let weights: &dyn ReadAt = match &weights {
        Some(weights) => weights,
        None => &[].as_slice(),
    };
    Adapter::from_peft(config.unwrap_or_default(), weights, base.config())
        .map_err(|e| BuildError::load(ADAPTER, e))
}

/// The rows of a data set.
pub(crate) fn rows(
    inputs: &Inputs,
    name: &'static str,
    base: &Base,
    reading: &Reading,
) -> Result<DataSet, BuildError> {
    let bytes = text(inputs, name)?;
    let records = assay_data::read(&bytes, Format::of_bytes(&bytes));
    let records = records.map_err(|e| BuildError::input(name, e))?;
    let tokenizer = base.tokenizer().map_err(|e| BuildError::input(MODEL, e))?;
    DataSet::build(&records, tokenizer, &reading.options(base))
        .map_err(|e| BuildError::input(name, e))
}

/// Mean loss in nats over every counted token of a data set, which is the input called `name`.
pub(crate) fn score(
    kernel: &Kernel,
    base: &Arc<Base>,
    adapter: Option<&Adapter>,
    name: &'static str,
    data: &DataSet,
) -> Result<f64, BuildError> {
    let shape = BatchShape {
        batch: SCORE_BATCH,
        seq: data.sequence_length(),
    };
    let failed = |error: GradientError| match error {
        GradientError::Step(error) if error.is_local() => BuildError::Machine(error),
        GradientError::Step(InvalidStep::NotFinite { .. })
        | GradientError::Method(MethodError::RowLength { .. }) => BuildError::NoScore {
            name,
            source: Box::new(error),
        },
        error => BuildError::input(name, error),
    };
    let mut evaluator = Evaluator::new(kernel, base.clone(), adapter, shape).map_err(failed)?;
    let mut total = Score::default();
    for index in 0..data.batches(SCORE_BATCH) {
        let batch = data.batch(index, SCORE_BATCH);
        let score = evaluator.score(&batch);
        total.add(score.map_err(|error| failed(error.into()))?);
    }
    total.mean().ok_or(BuildError::NothingScored(name))
}

/// The first prompts of a data set, answered greedily by the base and with the adapter.
pub(crate) fn samples(
    kernel: &Kernel,
    base: &Arc<Base>,
    adapter: &Adapter,
    bytes: &[u8],
    count: usize,
) -> Vec<Sample> {
    let records = assay_data::read(bytes, Format::of_bytes(bytes)).unwrap_or_default();
    let prompts = records.iter().filter_map(|(_, record)| match record {
        Record::Text(_) => None,
        Record::Chat(chat) => chat.messages.iter().find(|m| *m.role() == Role::User),
    });
    // Spread over the data, since neighbours come from one source.
    let prompts: Vec<&Message> = prompts.collect();
    let stride = (prompts.len() / count.max(1)).max(1);
    let settings = GenerateSettings {
        stop_strings: vec!["\n".into()],
        ..GenerateSettings::greedy(SAMPLE_TOKENS)
    };
    let start = |adapter| Generator::new(kernel, base.clone(), adapter, usize::MAX).ok();
    let (mut plain, mut adapted) = (start(None), start(Some(adapter)));
    let respond = |prompt: &Message, generator: &mut Option<Generator>| {
        let asked = std::slice::from_ref(prompt);
        // A sample is for the eye: a prompt that is too long for the model is passed over.
        let answer = generator
            .as_mut()
            .and_then(|generator| generator.answer(asked, &settings, |_| ()).ok());
        answer.map(|answer| answer.text).unwrap_or_default()
    };
    prompts
        .iter()
        .step_by(stride)
        .take(count)
        .map(|prompt| Sample {
            prompt: prompt.text(),
            base: respond(prompt, &mut plain),
            adapted: respond(prompt, &mut adapted),
        })
        .collect()
}
