//! What a party has asked for and not been answered.

use assay_ledger::{Height, OrderCall, Place};
use assay_machine::{Dice, Requests};

use crate::party::{Ask, CallTag, FetchFailure, Output, Progress, Tag, What};

/// Collects a party's outputs and keeps it from asking twice for the same thing.
#[derive(Default)]
pub(crate) struct Desk {
    requests: Requests<Tag, Height>,
    dice: Dice,
    outputs: Vec<Output>,
}

impl Desk {
    /// Takes the seed of this life.
    pub(crate) fn seed(&mut self, seed: [u8; 32]) {
        self.dice.seed(seed);
    }

    /// Fresh randomness, known to this party alone.
    pub(crate) fn random(&mut self) -> Option<[u8; 32]> {
        self.dice.draw()
    }

    /// Makes a request, unless it is on its way or rests, and says whether it did; `request` is
    /// called only when it is needed.
    pub(crate) fn ask(
        &mut self,
        tag: Tag,
        now: Height,
        request: impl FnOnce() -> Option<Ask>,
    ) -> bool {
        if !self.requests.ask(tag, now) {
            return false;
        }
        let request = request();
        let made = request.is_some();
        match request {
            Some(request) => self.push(Output::Ask(tag, request)),
            None => self.requests.withdraw(&tag),
        }
        made
    }

    /// Submits a call as [`Self::ask`] does.
    pub(crate) fn submit(
        &mut self,
        place: Place,
        tag: CallTag,
        now: Height,
        call: impl FnOnce() -> Option<OrderCall>,
    ) {
        let what = What::Call(tag);
        self.ask(Tag { place, what }, now, || {
            Some(Ask::Submit(Box::new(call()?.into())))
        });
    }

    /// Takes an answer; false for one that nobody waits for.
    pub(crate) fn answered(&mut self, tag: &Tag) -> bool {
        self.requests.answered(tag)
    }

    /// Lets a request rest until the next block.
    pub(crate) fn rest(&mut self, tag: Tag, now: Height) {
        self.requests.rest(tag, now);
    }

    /// Tells of a file that could not be had, and lets the request rest.
    pub(crate) fn missed<T>(&mut self, tag: Tag, now: Height, result: &Result<T, FetchFailure>) {
        if let Err(failure) = result {
            self.trouble(failure);
            self.rest(tag, now);
        }
    }

    /// Tells of something that is in the way.
    pub(crate) fn trouble(&mut self, why: impl ToString) {
        self.push(Output::Report(Progress::Trouble(why.to_string())));
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
        self.requests.clear();
    }
}
