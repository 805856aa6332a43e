//! The validator as a judge: replays what is in dispute and says what it found.

mod beginning;
mod grants;

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_ledger::{Call, Dispute, Phase, Question};

use self::beginning::{Beginning, target};
use super::close;
use crate::desk::Desk;
use crate::inputs::Inputs;
use crate::keys::ReaderKeys;
use crate::party::{
    CallTag, Context, FetchFailure, Identity, Input, Output, Party, Progress, Tag, What,
};
use crate::view::View;
use crate::work::{Start, Work, WorkDone, WorkFailure};

/// A validator watching one order.
///
/// Requester, provider and challenger each grant it keys. One grant under which the inputs open
/// and the stored state has the leaf that both parties accept is enough, whoever it came from;
/// a grant that opens nothing proves nothing. Only when all have failed, or time is up, does it
/// attest that the evidence could not be had. One whose machine is too small attests nothing.
///
/// About [`Question::Start`] only the provider's grant counts, and only when it comes with the
/// witness that the challenger was granted these very keys.
pub struct Validator {
    me: Identity,
    view: Option<Box<View>>,
    desk: Desk,
    case: Case,
    finished: bool,
}

/// What is known about one dispute.
#[derive(Default)]
struct Case {
    attempt: u8,
    dispute: u8,
    /// Granted keys by their place among this validator's grants; `None` for useless ones.
    keys: BTreeMap<u32, Option<ReaderKeys>>,
    inputs: Inputs,
    /// States fetched under a grant's key, until replayed.
    states: BTreeMap<u32, Vec<u8>>,
    /// Grants whose keys, state or leaf turned out wrong.
    useless: BTreeSet<u32>,
    finding: Option<Option<Digest>>,
    /// The job is more than this machine can hold: it attests nothing.
    unable: bool,
}

impl Party for Validator {
    fn step(&mut self, context: &Context, input: Input) -> Vec<Output> {
        if let Some(view) = self.take(context, input) {
            self.view = Some(view);
        }
        if let Some(view) = self.view.take() {
            self.act(&view, context);
            self.view = Some(view);
        }
        self.desk.take()
    }
}

impl Validator {
    /// A validator. It keeps no journal: what it attested is on the ledger.
    pub fn new(me: Identity) -> Validator {
        Validator {
            me,
            view: None,
            desk: Desk::default(),
            case: Case::default(),
            finished: false,
        }
    }

    fn take(&mut self, context: &Context, input: Input) -> Option<Box<View>> {
        let now = context.now;
        match input {
            Input::Order(view) => return Some(view),
            Input::Submitted { tag, .. } => {
                self.desk.answered(&tag);
                self.desk.rest(tag, now);
            }
            Input::Fetched { tag, result } if self.desk.answered(&tag) => {
                if let Err(failure) = &result {
                    self.trouble(failure.to_string());
                    self.desk.rest(tag, now);
                }
                self.case.unable |= matches!(result, Err(FetchFailure::TooLarge(_)));
                match (tag.what, result) {
                    (What::Input(place, candidate), result) => {
                        self.case.inputs.fetched((place, candidate), result);
                    }
                    (What::Checkpoint(_, candidate), Ok(bytes)) => {
                        self.case.states.insert(candidate, bytes);
                    }
                    (What::Checkpoint(_, candidate), Err(FetchFailure::Corrupt(_))) => {
                        self.case.useless.insert(candidate);
                    }
                    _ => {}
                }
            }
            Input::Worked { tag, result } if self.desk.answered(&tag) => {
                self.desk.rest(tag, now);
                self.replayed(tag.what, result);
            }
            _ => {}
        }
        None
    }

    fn act(&mut self, view: &View, context: &Context) {
        let order = &view.order;
        if self.finished {
            return;
        }
        if let Some(outcome) = close(order) {
            self.finished = true;
            return self.desk.push(Output::Finished(outcome));
        }
        let Some(dispute) = order.dispute().filter(|_| order.phase == Phase::Attesting) else {
            return;
        };
        let mut attested = dispute.attestations.iter();
        if attested.any(|attestation| attestation.validator == self.me.account) {
            return;
        }
        if (self.case.attempt, self.case.dispute) != (order.attempt, view.disputes()) {
            self.case = Case {
                attempt: order.attempt,
                dispute: view.disputes(),
                ..Case::default()
            };
            self.desk.clear();
        }
        if self.case.finding.is_none() && !self.case.unable {
            self.open_grants(view, dispute);
            self.examine(view, dispute, context);
        }
        if let Some(leaf) = self.case.finding {
            let tag = (view.disputes(), CallTag::Attest);
            self.desk.submit(order, tag, context.now, || {
                Some(Call::Attest {
                    order: order.id,
                    leaf,
                })
            });
        }
    }

    /// Opens grants that arrived since the last look.
    fn open_grants(&mut self, view: &View, dispute: &Dispute) {
        let grants = view.order.grants_to(self.me.account);
        let granted = grants.filter(|grant| grant.at >= dispute.opened);
        for (place, grant) in (0..).zip(granted) {
            if self.case.keys.contains_key(&place) {
                continue;
            }
            let keys = grants::open(&self.me, view, dispute, grant);
            if keys.is_none() {
                self.case.useless.insert(place);
            }
            self.case.keys.insert(place, keys);
        }
    }

    /// Asks for what is missing, or finds that there is nothing to be had.
    fn examine(&mut self, view: &View, dispute: &Dispute, context: &Context) {
        let (order, now) = (&view.order, context.now);
        let case = &mut self.case;
        for (place, keys) in &case.keys {
            let begins = |keys| Beginning::under(keys, view, dispute).is_some();
            if case.inputs.refuses(*place) || !keys.as_ref().is_some_and(begins) {
                case.useless.insert(*place);
            }
        }
        let usable: Vec<(u32, &ReaderKeys)> = case
            .keys
            .iter()
            .filter(|(place, _)| !case.useless.contains(place))
            .filter_map(|(place, keys)| Some((*place, keys.as_ref()?)))
            .collect();
        let sets: Vec<_> = usable
            .iter()
            .map(|(c, keys)| (*c, &keys.inputs[..]))
            .collect();
        case.inputs
            .fetch(order, case.dispute, &sets, &mut self.desk, now);

        let tag = |what| Tag {
            attempt: order.attempt,
            occasion: case.dispute,
            what,
        };
        let task = case.inputs.task(order);
        let mut replaying = false;
        for (candidate, keys) in &usable {
            let Some(begin) = Beginning::under(keys, view, dispute) else {
                continue;
            };
            let start = match begin.checkpoint {
                None => Some(Start::Initial),
                Some(_) => case.states.get(candidate).cloned().map(Start::State),
            };
            match (start, &task, begin.checkpoint, order.provider()) {
                (Some(start), Some(task), _, _) => {
                    replaying = true;
                    let tag = tag(What::Replay(*candidate));
                    if self.desk.ask(tag, now) {
                        let work = Box::new(Work {
                            task: task.clone(),
                            start,
                            from: begin.step,
                            to: target(order, dispute),
                        });
                        self.desk.push(Output::Work { tag, work });
                    }
                }
                (None, _, Some((index, key)), Some(owner)) => {
                    let tag = tag(What::Checkpoint(index.0, *candidate));
                    let file = order.state_file(index);
                    if let Some(file) = file.filter(|_| self.desk.ask(tag, now)) {
                        self.desk.push(Output::Fetch {
                            tag,
                            file,
                            owner,
                            key: key.clone(),
                            content: None,
                        });
                    }
                }
                _ => {}
            }
        }
        let hopeless = usable.is_empty() && grants::all_granted(view, dispute, &self.me.account);
        // A judge that is merely slow abstains: to attest that nothing could be had would be a lie.
        if hopeless || view.pressing(now) && !replaying {
            case.finding = Some(None);
        }
    }

    fn replayed(&mut self, what: What, result: Result<WorkDone, WorkFailure>) {
        let (Some(view), What::Replay(candidate)) = (&self.view, what) else {
            return;
        };
        let Some(dispute) = view.order.dispute() else {
            return;
        };
        let case = &mut self.case;
        let keys = case.keys.get(&candidate).and_then(Option::as_ref);
        let begin = keys.and_then(|keys| Beginning::under(keys, view, dispute));
        match (result, begin) {
            (Ok(done), Some(begin)) => {
                let expected =
                    begin.checkpoint.is_none() || done.leaves.first() == Some(&begin.leaf);
                let found = match dispute.question {
                    Question::Start => done.leaves.first(),
                    _ => done.leaves.last(),
                };
                match found.filter(|_| expected) {
                    Some(leaf) => case.finding = Some(Some(*leaf)),
                    None => {
                        case.useless.insert(candidate);
                    }
                }
            }
            (Err(WorkFailure::Refused(_)), _) => {
                case.useless.insert(candidate);
            }
            (Err(failure), _) => {
                case.unable |= matches!(failure, WorkFailure::Unable(_));
                self.trouble(failure.to_string());
            }
            _ => {}
        }
    }

    fn trouble(&mut self, why: String) {
        self.desk.push(Output::Progress(Progress::Trouble(why)));
    }
}
