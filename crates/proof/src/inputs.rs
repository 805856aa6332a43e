//! Fetching an order's inputs under one or more sets of keys.

use std::collections::BTreeSet;

use assay_crypto::aead::FileKey;
use assay_ledger::{Height, Order, Place, Run};

use crate::desk::Desk;
use crate::handle::Handle;
use crate::party::{Ask, FetchFailure, Tag, What};
use crate::program::{Task, TaskInput};

/// The inputs that are here, and the keys that did not open them.
#[derive(Default)]
pub(crate) struct Inputs {
    have: Vec<Option<Handle>>,
    refused: BTreeSet<(u32, u32)>,
}

impl Inputs {
    /// Asks for what is missing, under the first set of keys that was not refused for it.
    pub(crate) fn fetch(
        &mut self,
        order: &Order,
        occasion: Place,
        keys: &[(u32, &[FileKey])],
        desk: &mut Desk,
        now: Height,
    ) {
        self.have.resize(order.head.terms.inputs.len(), None);
        for (place, input) in order.head.terms.inputs.iter().enumerate() {
            if self.have[place].is_some() {
                continue;
            }
            let at = place as u32;
            let next = keys.iter().find_map(|(candidate, keys)| {
                let untried = !self.refused.contains(&(at, *candidate));
                untried.then_some((*candidate, keys.get(place)?))
            });
            let Some((candidate, key)) = next else {
                continue;
            };
            let tag = Tag {
                place: occasion,
                what: What::Input(at, candidate),
            };
            desk.ask(tag, now, || {
                Some(Ask::FetchInput {
                    file: input.file,
                    owner: order.head.requester,
                    key: key.clone(),
                    content: input.content,
                })
            });
        }
    }

    /// Takes the answer to one of those requests.
    pub(crate) fn fetched(
        &mut self,
        (place, candidate): (u32, u32),
        result: Result<Handle, FetchFailure>,
    ) {
        match result {
            Ok(handle) => {
                if let Some(slot) = self.have.get_mut(place as usize) {
                    slot.get_or_insert(handle);
                }
            }
            Err(FetchFailure::Corrupt(_)) => {
                self.refused.insert((place, candidate));
            }
            Err(FetchFailure::Unavailable(_) | FetchFailure::TooLarge(_)) => {}
        }
    }

    /// Gives every set of keys another chance, since other ones stand in their places now.
    pub(crate) fn new_keys(&mut self) {
        self.refused.clear();
    }

    /// Whether this set of keys failed to open some input that is not here.
    pub(crate) fn refuses(&self, candidate: u32) -> bool {
        let mut refused = self.refused.iter().filter(|(_, c)| *c == candidate);
        refused.any(|(place, _)| self.have.get(*place as usize).is_none_or(Option::is_none))
    }

    /// The task of a run, once every input is here.
    pub(crate) fn task(&self, order: &Order, run: &Run) -> Option<Task> {
        let terms = &order.head.terms;
        if self.have.len() != terms.inputs.len() {
            return None;
        }
        let inputs = terms.inputs.iter().zip(&self.have).map(|(input, handle)| {
            Some(TaskInput {
                name: input.name.to_string(),
                handle: handle.clone()?,
            })
        });
        Some(Task {
            kind: terms.kind.to_string(),
            spec: terms.spec.to_vec(),
            model: terms.model.to_vec(),
            inputs: inputs.collect::<Option<_>>()?,
            seed: run.seed,
            steps: terms.steps,
            segment_steps: terms.segment_steps,
            stop: terms.stop,
        })
    }
}
