//! Runs repeated from their inputs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use assay_crypto::{Digest, SecretKey};
use assay_job::keys;
use assay_job::{Delivery, Inputs, Run};
use assay_ledger::{AccountId, FileId, MemoryStore, Order, Run as Committed, query};
use assay_proof::{Audience, Handle, StepReport, Task, TaskInput, WorkFailure};

use super::blobs::Blobs;
use super::error::OfflineError;
use super::gathered::Gathered;
use super::ledger::Ledger;

/// A run repeated from its inputs.
pub struct Rerun {
    /// Whether every leaf of the repeated run lies under the root on the ledger.
    pub trace_agrees: bool,
    /// Digest of the final state, recomputed.
    pub state_digest: Digest,
    /// Whether the stored result holds that state.
    pub result_agrees: bool,
    /// What the requester gets, recomputed.
    pub delivery: Delivery,
    /// Seconds the run took here.
    pub seconds: f64,
}

/// Repeats the whole run whose result was accepted.
///
/// # Errors
/// [`OfflineError`] when something it needs is missing or does not open.
pub fn rerun(
    ledger: &Ledger,
    blobs: &Blobs,
    key: &SecretKey,
    order: &Order,
    mut on_step: impl FnMut(&StepReport),
) -> Result<Rerun, OfflineError> {
    let began = std::time::Instant::now();
    let (state, gathered) = (ledger.state(), &ledger.gathered);
    let accepted = order.result_run();
    let accepted = accepted.ok_or(OfflineError::NoRun(order.head.id))?;
    let again = repeat(gathered, blobs, key, (order, accepted), &mut on_step)?;
    let seconds = began.elapsed().as_secs_f64();

    let private = private_inputs(state, blobs, key, order)?;
    let Again { run, inputs, .. } = &again;
    let kind = assay_job::kind(order.head.terms.kind.as_str())
        .ok_or_else(|| WorkFailure::Refused(format!("unknown kind {}", order.head.terms.kind)))?;
    Ok(Rerun {
        trace_agrees: again.trace_agrees,
        state_digest: run.state_digest,
        result_agrees: again
            .result_agrees
            .ok_or(OfflineError::NotReleased(order.head.id))?,
        delivery: assay_job::deliver(kind, &order.head.terms.spec, (inputs, &private), &run.state)?,
        seconds,
    })
}

/// A run that was repeated, beside what is stored of it.
pub(super) struct Again {
    pub(super) run: Run,
    inputs: Inputs,
    pub(super) trace_agrees: bool,
    /// Whether the stored result holds the last state, if its key was released.
    pub(super) result_agrees: Option<bool>,
}

/// Repeats a whole run that was committed, with its requester's key.
pub(super) fn repeat(
    gathered: &Gathered,
    blobs: &Blobs,
    key: &SecretKey,
    (order, committed): (&Order, &Committed),
    on_step: &mut dyn FnMut(&StepReport),
) -> Result<Again, OfflineError> {
    let record = |file: &FileId, owner: &AccountId| Ok(gathered.record(*file, *owner).cloned());
    let keys = keys::recover_by(record, key, order)?;
    let trace = committed.trace.as_ref();
    let trace = trace.ok_or(OfflineError::NoRun(order.head.id))?;
    let mut inputs: Inputs = BTreeMap::new();
    for (input, file_key) in order.head.terms.inputs.iter().zip(keys.inputs()) {
        let content = Some(input.content);
        let file = (input.file, Some(order.head.requester));
        let handle = gathered.read(file, |record| {
            blobs.input(record, file_key.clone(), content)
        })?;
        inputs.insert(input.name.to_string(), handle);
    }
    let handles = order.head.terms.inputs.iter();
    let handles = handles.filter_map(|input| inputs.get(input.name.as_str()).cloned());
    let run = compute(order, committed.seed, handles, on_step)?;
    let result_key = keys.result(committed);
    let trace_agrees = run.trace_root == trace.root;
    let result_agrees = match result_key {
        None => None,
        Some(key) => {
            let file = (trace.result, Some(committed.provider));
            match gathered.read(file, |record| blobs.read(record, key.clone())) {
                Ok(stored) => Some(stored == run.state),
                Err(error) if trace_agrees => return Err(error),
                // That its trace is another one is enough to know.
                Err(_) => Some(false),
            }
        }
    };
    Ok(Again {
        trace_agrees,
        result_agrees,
        run,
        inputs,
    })
}

/// Computes a run of an order, on these inputs in the terms' sequence.
pub(super) fn compute(
    order: &Order,
    seed: Option<Digest>,
    handles: impl Iterator<Item = Handle>,
    on_step: &mut dyn FnMut(&StepReport),
) -> Result<Run, OfflineError> {
    let task = task(order, seed, handles);
    let run = assay_job::run(&task, &mut |report| {
        on_step(report);
        ControlFlow::Continue(())
    });
    Ok(run?)
}

fn task(order: &Order, seed: Option<Digest>, handles: impl Iterator<Item = Handle>) -> Task {
    let terms = &order.head.terms;
    let named = terms.inputs.iter().zip(handles);
    Task {
        kind: terms.kind.to_string(),
        spec: terms.spec.to_vec(),
        model: terms.model.to_vec(),
        memory: terms.memory,
        inputs: named
            .map(|(input, handle)| TaskInput {
                name: input.name.to_string(),
                handle,
            })
            .collect(),
        seed: seed.unwrap_or(Digest::ZERO),
        steps: terms.steps,
        segment_steps: terms.segment_steps,
        stop: terms.stop,
    }
}

/// What the requester stored beside the order for nobody but itself.
pub(super) fn private_inputs(
    state: &MemoryStore,
    blobs: &Blobs,
    key: &SecretKey,
    order: &Order,
) -> Result<Inputs, OfflineError> {
    let prefix = keys::private_name(order.head.terms.keys, "");
    let mut inputs = Inputs::new();
    for record in query::files_of(state, &order.head.requester, usize::MAX)?.entries {
        let Some(name) = record.name.strip_prefix(&prefix) else {
            continue;
        };
        let file_key =
            keys::open_own(&record, &key.encryption()).map_err(|error| OfflineError::File {
                file: record.id,
                reason: error.to_string(),
            })?;
        let handle = blobs.input(&record, file_key, None)?;
        inputs.insert(name.to_owned(), handle.for_audience(Audience::Owner));
    }
    Ok(inputs)
}
