//! Fine-tuning as a chain of steps: one optimiser step on one batch each.

use std::collections::BTreeMap;

use assay_crypto::tiles::Writer;
use assay_kernel::Kernel;
use assay_ledger::{Counts, StepIndex};
use assay_model::{
    BatchShape, InvalidStep, Method, ModelConfig, ModelFiles, Purpose, Trainer, carried_files,
    merge_note, merged_files,
};
use assay_proof::{Program, ProgramError, StepReport, Task};

use super::HELDOUT;
use super::course::Course;
use super::file::Specification;
use super::state::State;
use crate::build_error::BuildError;
use crate::delivery::Delivery;
use crate::inputs::{Inputs, MODEL, model};
use crate::language;
use crate::step::Step;

/// Samples that a delivery shows.
const SAMPLES: usize = 3;

/// The run of one fine-tuning on this machine.
pub(super) struct Finetuning {
    course: Course,
    trainer: Trainer,
    /// Why the latest step could not be taken.
    fault: Option<String>,
}

impl Finetuning {
    /// Reads model, data and adapter and plans the step.
    pub(super) fn new(task: &Task) -> Result<Self, BuildError> {
        let course = Course::new(task)?;
        let trainer = Trainer::new(
            course.kernel(),
            course.base().clone(),
            course.method(),
            course.settings(),
            course.shape(),
            course.seed(),
        );
        let trainer = trainer.map_err(|e| BuildError::field("data.sequence_length", e))?;
        Ok(Self {
            course,
            trainer,
            fault: None,
        })
    }
}

impl Program for Finetuning {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.course.restart();
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.course.restore(bytes)
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        let (trainer, fault) = (&mut self.trainer, &mut self.fault);
        *fault = None;
        self.course.advance(step, |state, batch, rate| {
            match trainer.step(state, batch, rate) {
                Ok(done) => Ok(Some(done)),
                // The trainer left the state as it was; the chain goes on without this step.
                Err(error @ (InvalidStep::NotFinite { .. } | InvalidStep::NoGradient)) => {
                    *fault = Some(error.to_string());
                    Ok(None)
                }
                Err(error) if error.is_local() => Err(ProgramError::Local(error.to_string())),
                Err(error) => Err(ProgramError::Refused(error.to_string())),
            }
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.course.write(to);
    }

    fn fault(&self) -> Option<String> {
        self.fault.clone()
    }
}

/// Reads the private inputs as [`deliver`] will.
pub(super) fn check_private(
    specification: &[u8],
    inputs: &Inputs,
    private: &Inputs,
) -> Result<(), BuildError> {
    if private.contains_key(HELDOUT) {
        let specification = Specification::decode(specification)?;
        let base = language::base(inputs, specification.precision.into())?;
        language::rows(private, HELDOUT, &base, &specification.data)?;
    }
    Ok(())
}

/// What is said of a run some of whose steps changed nothing.
fn skipped(counts: &Counts, steps: u64) -> String {
    let (invalid, tried) = (counts.invalid, counts.worked());
    let given_up = match tried < steps {
        true => {
            format!(", and the run may have been given up: {tried} of {steps} steps were tried")
        }
        false => String::new(),
    };
    let text = format!(
        "{invalid} of {tried} steps gave a NaN, an infinity or a gradient of zeros and changed nothing{given_up}; lower learning_rate, or set max_grad_norm"
    );
    match invalid * 10 >= tried {
        true => format!("LITTLE WAS LEARNED: {text}"),
        false => text,
    }
}

/// What a person should know of the files and of the `[adapter]` section on this model.
pub(super) fn notes(specification: &[u8], inputs: &Inputs) -> Result<Vec<String>, BuildError> {
    let specification = Specification::decode(specification)?;
    let json = language::config_json(&model(inputs)?)?;
    let model = ModelConfig::from_json(&json);
    let model = model.map_err(|e| BuildError::input(MODEL, e))?;
    let method = specification.method(&model)?;
    let settings = specification.adapter.notes(model.num_hidden_layers);
    let settings = settings.map_err(|error| BuildError::field("adapter", error))?;
    let mut notes = language::notes(inputs)?;
    notes.extend(settings);
    notes.extend(merge_note(&method, &model, &json));
    Ok(notes)
}

/// One step on a model of these sizes.
pub(super) fn step(specification: &Specification, model: ModelConfig) -> Result<Step, BuildError> {
    let training = &specification.training;
    Ok(Step {
        method: Some(specification.method(&model)?),
        shape: BatchShape {
            batch: training.batch_size as usize,
            seq: specification.data.sequence_length as usize,
        },
        purpose: Purpose::Train(training.settings()),
        precision: specification.precision.into(),
        model,
    })
}

/// The shape of the batches on which a run scores itself, if it does.
pub(super) fn watched(specification: &Specification) -> Option<BatchShape> {
    let scored = BatchShape {
        batch: language::SCORE_BATCH,
        seq: specification.data.sequence_length as usize,
    };
    specification.training.evaluation().map(|_| scored)
}

/// The adapter as a PEFT folder, or with full fine-tuning the model's folder, and with held-out data
/// what it is worth.
pub(super) fn deliver(
    specification: &[u8],
    inputs: &Inputs,
    private: &Inputs,
    (counts, state): (&Counts, &[u8]),
) -> Result<Delivery, BuildError> {
    let notes = notes(specification, inputs)?;
    let specification = Specification::decode(specification)?;
    let base = language::base(inputs, specification.precision.into())?;
    let method = specification.method(base.config())?;
    let watch = specification.training.evaluation();
    let state = State::from_bytes(state, &method, base.config(), watch.as_ref())
        .map_err(|e| BuildError::input("result", e))?;
    let steps = specification.training.steps;
    let invalid = counts.invalid;
    if state.train.step() == 0 {
        return Err(BuildError::NothingLearned { steps: invalid });
    }
    let mut figures = BTreeMap::new();
    let mut warnings = Vec::new();
    figures.insert("invalid_steps".to_owned(), invalid as f64);
    if invalid > 0 {
        warnings.push(skipped(counts, steps));
    }
    if let Some(watch) = &state.watch {
        if watch.best_loss.is_finite() {
            figures.insert("validation_loss".to_owned(), watch.best_loss);
            figures.insert("validation_step".to_owned(), watch.best_step as f64);
        } else if watch.best.is_some() {
            return Err(BuildError::NoBest);
        } else {
            warnings.push("no evaluation on data.validation gave a number".to_owned());
        }
    }
    let adapter = state.into_adapter();
    let kernel = Kernel::detect()?;
    if adapter.changes_nothing(&kernel, &base) {
        warnings.push("the result changes nothing: it answers as the base model does".to_owned());
    }
    let tokenizer = base.tokenizer().map_err(|e| BuildError::input(MODEL, e))?;
    // The format that was taught goes with the result, if the model has none of its own.
    let template = (!tokenizer.has_template() && language::converses(inputs))
        .then(|| tokenizer.template_source());
    let files = match method {
        Method::Full => {
            let files = model(inputs)?.read(|_| true)?;
            let merged = merged_files(&kernel, &base, files, &adapter);
            let mut merged = merged.map_err(|e| BuildError::input("result", e))?;
            merged.extend(carried_files(&ModelFiles::new(), template));
            merged.into_iter().collect()
        }
        _ => {
            let mut files = adapter.peft_files(None::<&str>);
            files.extend(carried_files(&language::tokenizer_files(inputs)?, template));
            files
        }
    };
    let mut delivery = Delivery {
        files,
        figures,
        warnings,
        notes,
        ..Delivery::default()
    };
    if !private.contains_key(HELDOUT) {
        return Ok(delivery);
    }
    let data = language::rows(private, HELDOUT, &base, &specification.data)?;
    for (name, adapter) in [("loss_before", None), ("loss_after", Some(&adapter))] {
        let loss = language::score(&kernel, &base, adapter, HELDOUT, &data)?;
        delivery.figures.insert(name.to_owned(), loss);
    }
    let heldout = language::text(private, HELDOUT)?;
    delivery.samples = language::samples(&kernel, &base, &adapter, &heldout, SAMPLES);
    Ok(delivery)
}
