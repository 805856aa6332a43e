//! A validator of an order in both of its parts: a judge, and an auditor where auditors cannot be had.

use assay_crypto::Digest;
use assay_ledger::{AccountId, Occasion, Order};
use assay_machine::Machine;
use assay_proof::parties::{Auditor, Validator};
use assay_proof::{CallTag, Context, Identity, Input, Output, Tag, Traced, What};

/// Judges disputes; takes a seat in an audit when it is drawn for one, and gets up when that is over.
pub struct Bench {
    me: Identity,
    judge: Validator,
    auditor: Option<Auditor>,
    /// What the auditor had written before it was seated in this life.
    journal: Vec<Vec<u8>>,
    seed: Digest,
}

impl Bench {
    /// A validator with an empty journal.
    pub fn new(me: Identity) -> Bench {
        Bench {
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
        outputs
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
    matches!(tag.place.occasion, Occasion::Dispute(_)) && !spoken
}

impl Machine for Bench {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        match input {
            Input::Seed(seed) => {
                self.seed = Digest(seed);
                self.judge.step(at, Input::Seed(seed))
            }
            Input::Journal(entry) => {
                self.journal.push(entry);
                Vec::new()
            }
            Input::Message { .. } => Vec::new(),
            Input::News | Input::Wake => {
                self.sit(at);
                let mut outputs = self.audit(at, Input::News);
                outputs.extend(self.judge.step(at, Input::News));
                outputs
            }
            Input::Answer(tag, answer) => match is_judges(&tag) {
                true => self.judge.step(at, Input::Answer(tag, answer)),
                false => self.audit(at, Input::Answer(tag, answer)),
            },
        }
    }
}
