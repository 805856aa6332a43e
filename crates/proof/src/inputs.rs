//! Fetching an order's inputs under one or more sets of keys.

use std::collections::BTreeSet;

use assay_crypto::aead::FileKey;
use assay_ledger::{AccountId, Height, Order, Place, Run};

use crate::desk::Desk;
use crate::handle::Handle;
use crate::party::{Ask, FetchFailure, Tag, What};
use crate::program::{Task, TaskInput};

/// Whose records of an order's inputs say where they may lie, in the order in which they count: the
/// requester's, those of the providers whose runs stand, `me` before the others, and those of the
/// providers that failed. A requester may turn its storage nodes off once a provider has worked, and
/// nobody else's record is one that an honest party made for this order. Last come those who keep the model
/// that a round began with.
pub fn holders(order: &Order, me: AccountId) -> Vec<AccountId> {
    let (standing, failed): (Vec<&Run>, Vec<&Run>) =
        order.runs.iter().partition(|run| run.failed.is_none());
    let providers = standing.iter().chain(&failed).map(|run| run.provider);
    let providers: Vec<AccountId> = providers.collect();
    let mine = providers.iter().filter(|account| **account == me);
    let mut holders = vec![order.head.requester];
    let keepers = order.head.audit_of.iter().flat_map(|of| &of.keepers);
    for account in mine.chain(&providers).chain(keepers) {
        if !holders.contains(account) {
            holders.push(*account);
        }
    }
    holders
}

/// The inputs that are here, and the keys that did not open them.
pub(crate) struct Inputs {
    me: AccountId,
    have: Vec<Option<Handle>>,
    refused: BTreeSet<(u32, u32)>,
}

impl Inputs {
    /// None yet, for this party.
    pub(crate) fn of(me: AccountId) -> Inputs {
        Inputs {
            me,
            have: Vec::new(),
            refused: BTreeSet::new(),
        }
    }

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
                    owners: holders(order, self.me),
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

    /// The input at this place in the terms, if it is here.
    pub(crate) fn handle(&self, place: usize) -> Option<&Handle> {
        self.have.get(place)?.as_ref()
    }

    /// The first input that is not here, by its place in the terms.
    pub(crate) fn missing(&self) -> Option<u8> {
        let at = self.have.iter().position(Option::is_none)?;
        u8::try_from(at).ok()
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
            memory: terms.memory,
            inputs: inputs.collect::<Option<_>>()?,
            seed: run.seed?,
            steps: terms.steps,
            segment_steps: terms.segment_steps,
            stop: terms.stop,
        })
    }
}
