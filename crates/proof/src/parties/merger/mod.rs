//! The validator in an order with rounds: says which updates can be had, and what they make of the model.

mod task;

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::content::content_digest;
use assay_crypto::tiles::Tiled;
use assay_ledger::{
    AccountId, Bits, FileId, Height, OrderCall, OrderId, Phase, Place, Rounds, StateFile,
    StepIndex, Trainer,
};
use assay_machine::Machine;

pub use self::task::{MERGING, update_name};
use super::shared::close;
use crate::desk::Desk;
use crate::handle::Handle;
use crate::keys::{model_key, update_key};
use crate::party::{
    Answer, Ask, CallTag, Context, FetchFailure, Identity, Input, Output, Tag, Traced, What,
};
use crate::view::View;
use crate::work::{Start, Work, WorkDone, WorkFailure};

/// A validator watching an order with rounds.
///
/// It fetches every update that was sent, compares it with what its trainer committed to, and says which it
/// holds. What it holds and others did not have it brings to other storage nodes, so that all can merge. Then it
/// computes the next model from those that count, stores it where everybody can read it, and says which it
/// is; so it does with the model that the first round begins with. Where the updates make none it says that the
/// model stays. It remembers nothing over a restart: all of it is there to be had again.
pub struct Merger {
    me: Identity,
    desk: Desk,
    case: Case,
    finished: bool,
}

/// What is known in one round.
#[derive(Default)]
struct Case {
    place: Option<Place>,
    /// Files of updates, by their trainers' numbers.
    updates: BTreeMap<u16, Vec<u8>>,
    /// Trainers whose files are not what they committed to.
    bad: BTreeSet<u16>,
    /// How often a file was asked for in vain, and when last.
    tries: BTreeMap<u16, (u32, Option<Height>)>,
    /// Updates that it has brought to others.
    shared: BTreeSet<u16>,
    model: Option<Handle>,
    /// What the updates make of it.
    merged: Option<Vec<u8>>,
    stored: Option<FileId>,
    /// They make nothing of it.
    unmerged: bool,
    /// It is more than this machine can do.
    unable: bool,
}

impl Machine for Merger {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        match input {
            Input::Seed(seed) => self.desk.seed(seed),
            Input::Journal(_) | Input::Message { .. } => {}
            Input::News | Input::Wake => self.act(at.view),
            Input::Answer(tag, answer) => {
                if self.desk.answered(&tag) {
                    self.take(at.view, tag, answer);
                }
                self.act(at.view);
            }
        }
        self.desk.take()
    }
}

impl Merger {
    /// A validator that knows nothing yet.
    pub fn new(me: Identity) -> Merger {
        Merger {
            me,
            desk: Desk::default(),
            case: Case::default(),
            finished: false,
        }
    }

    /// Notes what came of a request.
    fn take(&mut self, view: &View, tag: Tag, answer: Answer) {
        let now = view.height;
        match (tag.what, answer) {
            (What::Input(..), Answer::Input(result)) => {
                self.desk.missed(tag, now, &result);
                self.case.model = result.ok().or(self.case.model.take());
            }
            (What::Checkpoint(number, _), Answer::Fetched(result)) => {
                self.desk.missed(tag, now, &result);
                self.fetched(view, (number, tag.what), result);
            }
            (_, Answer::Worked(result)) => self.worked(tag, view, result),
            (What::Copy(0), Answer::Stored(Ok(file))) => self.case.stored = Some(file),
            (What::Copy(above), Answer::Stored(Ok(_))) => {
                let number = u16::try_from(above - 1).unwrap_or(u16::MAX);
                self.case.shared.insert(number);
            }
            (_, Answer::Stored(Err(why))) => {
                self.desk.trouble(why);
                self.desk.rest(tag, now);
            }
            _ => self.desk.rest(tag, now),
        }
    }

    fn fetched(
        &mut self,
        view: &View,
        (number, what): (u32, What),
        result: Result<Vec<u8>, FetchFailure>,
    ) {
        let of_trainer = matches!(what, What::Checkpoint(_, tries) if is_own(tries));
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        let Some(sender) = view.senders.iter().find(|of| of.number == number) else {
            return;
        };
        let sent = sender.sent.as_ref().map(|sent| sent.update);
        let is_it = |file: &[u8]| {
            let state = StateFile::decode(file);
            state.is_ok_and(|(_, state)| Some(Tiled::of(state)) == sent)
        };
        let gathers = view.order.head.phase == Phase::Gathering;
        match result {
            Ok(file) if is_it(&file) => drop(self.case.updates.insert(number, file)),
            // What others say is there says nothing about it, and what counts is somewhere.
            Ok(_) | Err(FetchFailure::Corrupt(_)) if of_trainer && gathers => {
                self.case.bad.insert(number);
            }
            _ => {
                let tries = self.case.tries.entry(number).or_default();
                *tries = (tries.0 + 1, Some(view.height));
            }
        }
    }

    fn worked(&mut self, tag: Tag, view: &View, result: Result<WorkDone, WorkFailure>) {
        match result {
            Ok(done) if done.last.counts.invalid == 0 => {
                let state = StateFile::decode(&done.state).map(|(_, state)| state.to_vec());
                self.case.merged = state.ok();
            }
            Ok(_) => {
                self.case.unmerged = true;
                self.desk.trouble("the updates of the round make no model");
            }
            Err(failure) => {
                self.case.unable |= !matches!(failure, WorkFailure::Local(_));
                self.desk.trouble(failure);
                self.desk.rest(tag, view.height);
            }
        }
    }

    fn act(&mut self, view: &View) {
        let order = &view.order;
        if self.finished {
            return;
        }
        if let Some(outcome) = close(order) {
            self.finished = true;
            return self.desk.push(Output::End(outcome));
        }
        let (Some(rounds), Some(place)) = (&order.head.rounds, order.round_under_way()) else {
            return;
        };
        if self.case.place != Some(place) {
            self.desk.clear();
            self.case = Case {
                place: Some(place),
                ..Case::default()
            };
        }
        match order.head.phase {
            Phase::Gathering => {
                self.fetch(view, rounds, place, &rounds.sent);
                self.hold(view, rounds, place);
            }
            Phase::Closed | Phase::Checking => self.prepare(view, rounds, place),
            Phase::Merging => {
                self.prepare(view, rounds, place);
                self.merge(view, rounds, place);
            }
            _ => {}
        }
    }

    /// Has what is to be merged here, and shares what others did not have.
    fn prepare(&mut self, view: &View, rounds: &Rounds, place: Place) {
        // What counts is somewhere, whatever its trainer recorded.
        self.case.bad.clear();
        self.fetch(view, rounds, place, &rounds.counted);
        self.share(view, rounds, place);
    }

    /// Fetches these updates, from where their trainers, or those who said that they hold them, have them.
    fn fetch(&mut self, view: &View, rounds: &Rounds, place: Place, wanted: &Bits) {
        let case = &self.case;
        let missing = |of: &&Trainer| {
            let number = of.number;
            let known = case.updates.contains_key(&number) || case.bad.contains(&number);
            wanted.has(number) && !known
        };
        for sender in view.senders.iter().filter(missing) {
            let (number, Some(sent)) = (sender.number, &sender.sent) else {
                continue;
            };
            let holders = rounds.holds.iter().filter(|of| of.updates.has(number));
            let holders: Vec<AccountId> = holders.map(|of| of.validator).collect();
            let (tries, last) = self.case.tries.get(&number).copied().unwrap_or_default();
            if last == Some(view.height) {
                // The next block is another try.
                continue;
            }
            let at = (tries / 2) as usize;
            let owner = match holders.get(at.checked_rem(holders.len()).unwrap_or(0)) {
                Some(holder) if !is_own(tries) => *holder,
                _ => sender.account,
            };
            let file = sent.trace.result;
            let key = update_key(OrderId::of_audit(place.order, rounds.round, number));
            let what = What::Checkpoint(number.into(), tries);
            self.desk.ask(Tag { place, what }, view.height, || {
                Some(Ask::Fetch { file, owner, key })
            });
        }
    }

    /// Says what it holds, once that is everything, or half of the time is over.
    fn hold(&mut self, view: &View, rounds: &Rounds, place: Place) {
        let me = self.me.account;
        if rounds.holds.iter().any(|of| of.validator == me) {
            return;
        }
        let case = &self.case;
        let known = |number: u16| case.updates.contains_key(&number) || case.bad.contains(&number);
        if !rounds.sent.numbers().all(known) && !view.is_past_half() {
            return;
        }
        let updates: Bits = case.updates.keys().copied().collect();
        self.desk.submit(place, CallTag::Hold, view.height, || {
            Some(OrderCall::Hold { place, updates })
        });
    }

    /// Brings updates that count, and that not everybody had, to other storage nodes.
    fn share(&mut self, view: &View, rounds: &Rounds, place: Place) {
        let all = view.validators.len();
        let liars = all.saturating_sub(1) / 3;
        // Where all say that they have it, all that are honest do. Of those that do, one more than can lie is
        // enough.
        let mine = |number: u16| {
            let mut holders: Vec<AccountId> = rounds
                .holds
                .iter()
                .filter(|of| of.updates.has(number))
                .map(|of| of.validator)
                .collect();
            holders.sort_unstable();
            let first = holders
                .iter()
                .take(liars + 1)
                .any(|of| *of == self.me.account);
            first && holders.len() < all
        };
        for number in rounds.counted.numbers() {
            let Some(bytes) = self.case.updates.get(&number) else {
                continue;
            };
            if !mine(number) || self.case.shared.contains(&number) {
                continue;
            }
            let sender = view.senders.iter().find(|of| of.number == number);
            let sent = sender.and_then(|of| of.sent.as_ref());
            let key = update_key(OrderId::of_audit(place.order, rounds.round, number));
            let what = What::Copy(u32::from(number) + 1);
            self.desk.ask(Tag { place, what }, view.height, || {
                Some(Ask::Keep {
                    name: format!("{}/{}/update-{number}", place.order, place.run),
                    file: sent?.trace.result,
                    key,
                    bytes: Handle::in_memory(bytes.clone()),
                    again: true,
                })
            });
        }
    }

    /// Computes the model, stores it, and says which it is.
    fn merge(&mut self, view: &View, rounds: &Rounds, place: Place) {
        let (me, now) = (self.me.account, view.height);
        let said = rounds.merges.iter().any(|of| of.validator == me);
        if said || self.case.unable {
            return;
        }
        if let Some(model) = rounds.model.as_ref().filter(|_| self.case.unmerged) {
            let (file, content) = (model.file, model.content);
            return self.desk.submit(place, CallTag::AttestModel, now, || {
                Some(OrderCall::AttestModel {
                    place,
                    file,
                    content,
                    keeper: *model.keepers.first()?,
                })
            });
        }
        let tag = |what| Tag { place, what };
        let Some(merged) = self.case.merged.clone() else {
            let Some(task) = self.task(view, rounds, place) else {
                return;
            };
            let to = StepIndex(u64::from(rounds.model.is_some()));
            self.desk.ask(tag(What::Segment(0)), now, || {
                Some(Ask::Work(Box::new(Work {
                    task,
                    start: Start::Initial,
                    from: StepIndex(0),
                    to,
                })))
            });
            return;
        };
        let content = content_digest(&merged);
        let Some(file) = self.case.stored else {
            self.desk.ask(tag(What::Copy(0)), now, || {
                Some(Ask::Store {
                    name: format!("{}/{}/model", place.order, place.run),
                    key: model_key(place.order, &content),
                    bytes: merged,
                })
            });
            return;
        };
        self.desk.submit(place, CallTag::AttestModel, now, || {
            Some(OrderCall::AttestModel {
                place,
                file,
                content,
                keeper: me,
            })
        });
    }
}

/// Whether a try asks for what the trainer itself recorded; every other one asks those that say they hold it.
fn is_own(tries: u32) -> bool {
    tries.is_multiple_of(2)
}
