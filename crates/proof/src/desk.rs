//! What a party has asked for and not been answered.

use std::collections::{BTreeMap, BTreeSet};

use assay_ledger::{Call, Height, Order};

use crate::party::{CallTag, Output, Tag, What};

/// Keeps a party from asking twice for the same thing.
#[derive(Default)]
pub(crate) struct Desk {
    open: BTreeSet<Tag>,
    /// Answers of this height: a call that landed shows in the next view at the earliest, and
    /// what failed is not tried again before the next block.
    rested: BTreeMap<Tag, Height>,
    outputs: Vec<Output>,
}

impl Desk {
    /// Whether to make this request now; marks it as made.
    pub(crate) fn ask(&mut self, tag: Tag, now: Height) -> bool {
        if self.rested.get(&tag).is_some_and(|at| now <= *at) {
            return false;
        }
        self.rested.remove(&tag);
        self.open.insert(tag)
    }

    /// Takes an answer; false for one that nobody waits for.
    pub(crate) fn answered(&mut self, tag: &Tag) -> bool {
        self.open.remove(tag)
    }

    /// Lets a request rest until the next block.
    pub(crate) fn rest(&mut self, tag: Tag, now: Height) {
        self.rested.insert(tag, now);
    }

    /// Submits a call unless it is on its way; `call` makes it only when it is needed.
    pub(crate) fn submit(
        &mut self,
        order: &Order,
        (occasion, tag): (u8, CallTag),
        now: Height,
        call: impl FnOnce() -> Option<Call>,
    ) {
        let tag = Tag {
            attempt: order.attempt,
            occasion,
            what: What::Call(tag),
        };
        if !self.ask(tag, now) {
            return;
        }
        match call() {
            Some(call) => self.push(Output::Submit {
                tag,
                call: Box::new(call),
            }),
            None => {
                self.open.remove(&tag);
            }
        }
    }

    /// Queues an output.
    pub(crate) fn push(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// Hands over what is queued.
    pub(crate) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Forgets all requests; late answers will be ignored.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
        self.rested.clear();
    }
}
