//! The trainer: does its part of every round of an order, on rows of its own.

use assay_crypto::Digest;
use assay_crypto::aead::FileKey;
use assay_ledger::{Call, OrderCall, OrderId, Phase, Trainer as Record};
use assay_machine::Machine;
use borsh::{BorshDeserialize, BorshSerialize};

use super::provider::Provider;
use super::shared::close;
use crate::keys::{InputKeys, model_key};
use crate::party::{Ask, Context, Identity, Input, Output, Progress, Traced};
use crate::view::View;

/// A trainer watching an order with rounds that it has joined.
///
/// In each round it does what a [`Provider`] does, on its part of the round: the order that its audit would
/// be ([`assay_ledger::Order::of_trainer`]). It takes the steps from the round's model on its rows, stores a checkpoint at
/// every boundary and the update where everybody can read it, and commits. Where it is drawn, that order is on
/// the ledger, and a [`Provider`] of its own answers for the steps there.
pub struct Trainer {
    me: Identity,
    /// Opens its rows.
    rows: FileKey,
    /// Its part of the latest round.
    part: Option<(OrderId, Provider)>,
    /// What the journal says of a part, until the order shows that it is the one under way.
    kept: Vec<Entry>,
    seed: Option<[u8; 32]>,
    finished: bool,
}

/// A trainer's journal entry: one of a part of a round.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Entry {
    part: OrderId,
    entry: Vec<u8>,
}

impl Trainer {
    /// A trainer with an empty journal, whose rows open with this key.
    pub fn new(me: Identity, rows: FileKey) -> Trainer {
        Trainer {
            me,
            rows,
            part: None,
            kept: Vec::new(),
            seed: None,
            finished: false,
        }
    }

    /// Its part of the round under way, if there is something left to do in it.
    fn part(&self, view: &View) -> Option<View> {
        let record: &Record = view.trainer.as_ref()?;
        let rounds = view.order.head.rounds.as_ref()?;
        let due = view.order.head.phase == Phase::Training
            && record.takes_part(rounds.round)
            && !rounds.sent.has(record.number);
        let order = view.order.of_trainer(record).filter(|_| due)?;
        Some(View {
            order,
            grants: Vec::new(),
            ..view.clone()
        })
    }

    /// Goes on with the part of the round under way.
    fn act(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let Some(part) = self.part(at.view) else {
            return Vec::new();
        };
        let id = part.order.head.id;
        let length = at.view.order.head.terms.rounds.map(|of| of.update_bytes);
        let mut outputs = Vec::new();
        let at = Context {
            now: at.now,
            view: &part,
        };
        if self.part.as_ref().is_none_or(|(known, _)| *known != id) {
            let model = at.view.order.head.terms.inputs.first();
            let parent = at.view.order.head.audit_of.as_ref();
            let Some((model, parent)) = model.zip(parent) else {
                return Vec::new();
            };
            let model = model_key(parent.order, &model.content);
            let keys = InputKeys::of_trainer(model, self.rows.clone());
            let mut provider = Provider::of_own(self.me.clone(), keys);
            if let Some(seed) = self.seed {
                // Each part has randomness of its own.
                let seed = Digest::of("assay/trainer/seed/v1", &[&seed, &id.0.0]).0;
                outputs.extend(provider.step(&at, Input::Seed(seed)));
            }
            for kept in std::mem::take(&mut self.kept) {
                if kept.part == id {
                    outputs.extend(provider.step(&at, Input::Journal(kept.entry)));
                }
            }
            self.part = Some((id, provider));
        }
        if let Some((_, provider)) = &mut self.part {
            outputs.extend(provider.step(&at, input));
        }
        outputs
            .into_iter()
            .filter_map(|output| of(id, output, length.unwrap_or(0)))
            .collect()
    }
}

/// Whether a call commits to an update. Where a run came to none (nothing was learned, or a value is outside of the
/// scale), its last state is another, which no ledger takes.
fn is_update(call: &Call, length: u32) -> bool {
    match call {
        Call::Order(OrderCall::CommitUpdate { openings, .. }) => {
            openings.last().is_some_and(|last| {
                let reached = &last.reached;
                reached.counts.valid > 0 && reached.state.length == u64::from(length)
            })
        }
        _ => true,
    }
}

/// What a part's output is to the trainer's driver.
fn of(part: OrderId, output: Output, length: u32) -> Option<Output> {
    match output {
        Output::Ask(_, Ask::Submit(call)) if !is_update(&call, length) => {
            let why = "these rows make no update in this round: nothing was learned, or a value is outside of the \
                       job's scale";
            Some(Output::Report(Progress::Trouble(why.to_owned())))
        }
        Output::Journal(entry) => {
            let entry = Entry { part, entry };
            // Serialising into memory cannot fail.
            Some(Output::Journal(borsh::to_vec(&entry).unwrap_or_default()))
        }
        // A part ends with its round, the trainer with the order.
        Output::End(_) => None,
        other => Some(other),
    }
}

impl Machine for Trainer {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        match input {
            Input::Seed(seed) => self.seed = Some(seed),
            Input::Journal(entry) => {
                if let Ok(entry) = borsh::from_slice::<Entry>(&entry) {
                    // Only the latest part can be under way.
                    if self.kept.first().is_some_and(|of| of.part != entry.part) {
                        self.kept.clear();
                    }
                    self.kept.push(entry);
                }
            }
            Input::Message { .. } => {}
            Input::Answer(tag, answer) => {
                // One that a round left behind is nobody's.
                let mine = self
                    .part
                    .as_ref()
                    .is_some_and(|(part, _)| *part == tag.place.order);
                let input = match mine {
                    true => Input::Answer(tag, answer),
                    false => Input::Wake,
                };
                return self.act(at, input);
            }
            Input::News | Input::Wake => {
                let gone = at.view.trainer.as_ref().is_some_and(|of| !of.is_bound());
                let outcome = close(&at.view.order);
                let outcome = outcome.or(gone.then_some(crate::party::Outcome::Dismissed));
                if let Some(outcome) = outcome.filter(|_| !self.finished) {
                    self.finished = true;
                    return vec![Output::End(outcome)];
                }
                return self.act(at, Input::News);
            }
        }
        Vec::new()
    }
}
