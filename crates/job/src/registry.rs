//! The kinds that this build knows, and whatever goes by their names.

use std::path::Path;

use assay_ledger::{Terms, rules};
use assay_model::ModelShape;
use assay_proof::{Program, ProgramError, Programs, Task};
use serde::Deserialize;

use crate::build_error::BuildError;
use crate::bytes::Bytes;
use crate::error::JobError;
use crate::evaluate::Evaluate;
use crate::federated::Federated;
use crate::finetune::Finetune;
use crate::inputs::{Lengths, by_name};
use crate::kind::{Job, Kind};
use crate::price::{Price, Sizes};
use crate::train::Train;

/// Every kind this build knows. A new kind is registered here and in `assay-ledger`'s rules.
pub const KINDS: &[&dyn Kind] = &[&Finetune, &Evaluate, &Train, &Federated];

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|k| k.name() == name)
}

/// Reads a job file of any kind; relative paths start at `folder`.
///
/// # Errors
/// When the file is not a job file of a known kind, or a field is wrong.
pub fn read(text: &str, folder: &Path) -> Result<Job, JobError> {
    #[derive(Deserialize)]
    struct Head {
        kind: String,
    }
    let head: Head = toml::from_str(text).map_err(|e| JobError::Syntax(Box::new(e)))?;
    let Some(kind) = kind(&head.kind) else {
        let known: Vec<_> = KINDS.iter().map(|k| k.name()).collect();
        return Err(JobError::UnknownKind {
            found: head.kind,
            known: known.join(", "),
        });
    };
    kind.read(text, folder)
}

/// Builds programs of every registered kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Registry;

impl Programs for Registry {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        let (kind, _) = priced(task)?;
        kind.program(task).map_err(ProgramError::from)
    }
}

/// The kind of a task, and the shape of its model: the one that the order tells, which must be that of
/// the model's files. A provider that took the work by the order's word would otherwise get other work
/// (`docs/decisions/0301-terms-tell-the-model.md`). Of a kind that works on none nothing is told.
pub(crate) fn agreed(task: &Task) -> Result<(&'static dyn Kind, Option<ModelShape>), ProgramError> {
    let name = &task.kind;
    let kind = kind(name).ok_or_else(|| BuildError::UnknownKind(name.clone()))?;
    let found = kind.model(&by_name(task))?;
    let told = told(kind, &task.model)?;
    let named = |shape: Option<ModelShape>| shape.into_iter().flat_map(|shape| shape.named());
    for ((field, told), (_, found)) in named(told).zip(named(found)) {
        if told != found {
            let problem = BuildError::OtherModel { field, told, found };
            return Err(problem.into());
        }
    }
    Ok((kind, told))
}

/// The kind of a task, and what a run takes: no more than its order says, which those who take part have
/// compared with what they offer (`docs/decisions/0330-offers-of-memory-and-methods.md`).
fn priced(task: &Task) -> Result<(&'static dyn Kind, Price), ProgramError> {
    let (kind, model) = agreed(task)?;
    let sizes = Sizes::of_kind(kind.name(), &by_name(task))?;
    let price = kind.price(&task.spec, model.as_ref(), &sizes)?;
    let (takes, said) = (Bytes(price.anywhere), Bytes(task.memory));
    match price.anywhere > task.memory {
        true => Err(BuildError::MoreMemory { takes, said }.into()),
        false => Ok((kind, price)),
    }
}

/// The shape that the terms of an order tell of its model, if the kind works on one.
pub(crate) fn told(kind: &dyn Kind, bytes: &[u8]) -> Result<Option<ModelShape>, BuildError> {
    match rules::on_model(kind.name()) {
        true => ModelShape::from_bytes(bytes)
            .map(Some)
            .map_err(|error| BuildError::Told(Box::new(error))),
        false if bytes.is_empty() => Ok(None),
        false => Err(BuildError::NoModel(kind.name())),
    }
}

/// JSON Schema of a job file of any kind.
pub fn schema() -> serde_json::Value {
    let kinds: Vec<_> = KINDS.iter().map(|k| k.schema().to_value()).collect();
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Assay job file",
        "oneOf": kinds,
    })
}

impl Price {
    /// What a run of an order takes at least, told from its terms and the least that each of its inputs
    /// can be. It grows with every length.
    ///
    /// # Errors
    /// When no run can be made of such terms: no machine has the kind, or each will refuse alike to
    /// build the program.
    pub fn of_terms(terms: &Terms, inputs: &Lengths) -> Result<Self, BuildError> {
        let name = terms.kind.as_str();
        let kind = kind(name).ok_or_else(|| BuildError::UnknownKind(name.to_owned()))?;
        let model = told(kind, &terms.model)?;
        kind.price(&terms.spec, model.as_ref(), &Sizes::told(name, inputs))
    }
}

/// The registered kinds on a machine that gives a run so many bytes: what takes more is refused
/// with its price before any of it is built.
#[derive(Debug, Clone, Copy)]
pub struct Limited {
    /// Bytes a run may take.
    pub memory: u64,
}

impl Programs for Limited {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        let (kind, price) = priced(task)?;
        if price.total() > self.memory {
            let memory = Bytes(self.memory);
            return Err(ProgramError::TooLarge(format!(
                "it takes {price}, and this machine gives {memory}"
            )));
        }
        kind.program(task).map_err(ProgramError::from)
    }
}
