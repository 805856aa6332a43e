//! A validator of an order in both of its parts: a judge, and an auditor where auditors cannot be had.

use assay_crypto::Digest;
use assay_ledger::{AccountId, Occasion, Order};
use assay_machine::Machine;
use assay_proof::parties::{Auditor, Validator};
use assay_proof::{CallTag, Context, Identity, Input, Output, Tag, Traced, What};

/// Judges disputes; takes a seat in an audit when it is drawn for one, and gets up when that is over.
pub struct HonestValidator {
    me: Identity,
    judge: Validator,
    auditor: Option<Auditor>,
    /// What the auditor had written before it was seated in this life.
    journal: Vec<Vec<u8>>,
    seed: Digest,
}

impl HonestValidator {
    /// A validator with an empty journal.
    pub fn new(me: Identity) -> HonestValidator {
        HonestValidator {
            judge: Validator::new(me.clone()),
            me,
            auditor: None,
            journal: Vec::new(),
            seed: Digest::ZERO,
        }
    }

    /// Begins to audit if it has a seat.
    fn sit(&mut self, at: &Context<'_>) {
        if self.auditor.is_some() || !has_seat(&at.view.order, self.me.account) {
            return;
        }
        let mut auditor = Auditor::new(self.me.clone());
        self.seed = Digest::of("assay/sim/seat/v1", &[&self.seed.0]);
        let past = self.journal.iter().cloned().map(Input::Journal);
        for input in std::iter::once(Input::Seed(self.seed.0)).chain(past) {
            // Seed and journal make no machine ask for anything.
            drop(auditor.step(at, input));
        }
        self.auditor = Some(auditor);
    }

    fn audit(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let Some(auditor) = &mut self.auditor else {
            return Vec::new();
        };
        let mut outputs = auditor.step(at, input);
        for output in &outputs {
            match output {
                Output::Journal(entry) => self.journal.push(entry.clone()),
                // The order goes on with others, and it may be drawn again.
                Output::End(_) => self.auditor = None,
                _ => {}
            }
        }
        outputs.retain(|output| !matches!(output, Output::End(_)));
        signed(outputs, AUDITORS)
    }

    fn judge(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        signed(self.judge.step(at, input), JUDGES)
    }
}

fn has_seat(order: &Order, account: AccountId) -> bool {
    let mut seats = order.run().into_iter().flat_map(|run| run.seats());
    seats.any(|seat| seat.auditor == account)
}

/// Whether the judge has asked for this: auditors speak in disputes too, but replay nothing there.
fn is_judges(tag: &Tag) -> bool {
    let spoken = matches!(
        tag.what,
        What::Call(CallTag::Bisect(..) | CallTag::Grant(_))
    );
    let occasion = tag.place.occasion;
    matches!(occasion, Occasion::Dispute(_) | Occasion::SecondLook(_)) && !spoken
}

/// In front of what each part writes down, which is of no use to the other.
const JUDGES: u8 = 0;
const AUDITORS: u8 = 1;

/// Says in each journal entry whose it is.
fn signed(mut outputs: Vec<Output>, by: u8) -> Vec<Output> {
    for output in &mut outputs {
        if let Output::Journal(entry) = output {
            entry.insert(0, by);
        }
    }
    outputs
}

impl Machine for HonestValidator {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        match input {
            Input::Seed(seed) => {
                self.seed = Digest(seed);
                self.judge(at, Input::Seed(seed))
            }
            Input::Journal(entry) => match entry.split_first() {
                Some((&JUDGES, entry)) => self.judge(at, Input::Journal(entry.to_vec())),
                Some((_, entry)) => {
                    self.journal.push(entry.to_vec());
                    Vec::new()
                }
                None => Vec::new(),
            },
            Input::Message { .. } => Vec::new(),
            Input::News | Input::Wake => {
                self.sit(at);
                let mut outputs = self.audit(at, Input::News);
                outputs.extend(self.judge(at, Input::News));
                outputs
            }
            Input::Answer(tag, answer) => match is_judges(&tag) {
                true => self.judge(at, Input::Answer(tag, answer)),
                false => self.audit(at, Input::Answer(tag, answer)),
            },
        }
    }
}
