//! The validator as a judge: replays what is in dispute and says what it found.

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_crypto::aead::FileKey;
use assay_ledger::{
    AccountId, Call, Dispute, Order, Phase, Question, Role, SegmentIndex, StepIndex,
};

use super::close;
use crate::desk::Desk;
use crate::inputs::Inputs;
use crate::keys::{GrantUse, ReaderKeys};
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
/// attest that the evidence could not be had.
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
        if self.case.finding.is_none() {
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
        let order = &view.order;
        let grants = order.grants_to(self.me.account);
        let granted = grants.filter(|grant| grant.at >= dispute.opened);
        for (place, grant) in (0..).zip(granted) {
            if self.case.keys.contains_key(&place) {
                continue;
            }
            let granted = GrantUse {
                order: order.id,
                attempt: order.attempt,
                from: grant.from,
                to: self.me.account,
            };
            let keys = granted
                .open::<ReaderKeys>(&self.me.encryption, &grant.sealed)
                .filter(|keys| keys.inputs.len() == order.terms.inputs.len())
                .filter(|keys| match dispute.question {
                    Question::Start => {
                        order.provider() == Some(grant.from)
                            && shows_grant(view, dispute, keys).unwrap_or(false)
                    }
                    _ => true,
                });
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
        let refused = case.keys.keys().filter(|c| case.inputs.refuses(**c));
        case.useless.extend(refused.copied().collect::<Vec<_>>());

        let usable: Vec<(u32, &ReaderKeys)> = case
            .keys
            .iter()
            .filter(|(place, _)| !case.useless.contains(place))
            .filter_map(|(place, keys)| Some((*place, keys.as_ref()?)))
            .collect();
        if view.pressing(now) || (usable.is_empty() && all_granted(view, dispute, &self.me.account))
        {
            case.finding = Some(None);
            return;
        }
        let occasion = case.dispute;
        let sets: Vec<_> = usable
            .iter()
            .map(|(c, keys)| (*c, &keys.inputs[..]))
            .collect();
        case.inputs
            .fetch(order, occasion, &sets, &mut self.desk, now);
        let Some(task) = case.inputs.task(order) else {
            return;
        };
        let tag = |what| Tag {
            attempt: order.attempt,
            occasion,
            what,
        };
        for (candidate, keys) in usable {
            let Some(begin) = Beginning::under(keys, view, dispute) else {
                case.useless.insert(candidate);
                continue;
            };
            let start = match begin.checkpoint {
                None => Some(Start::Initial),
                Some(_) => case.states.get(&candidate).cloned().map(Start::State),
            };
            if let Some(start) = start {
                let tag = tag(What::Replay(candidate));
                if self.desk.ask(tag, now) {
                    let work = Box::new(Work {
                        task: task.clone(),
                        start,
                        from: begin.step,
                        to: target(order, dispute),
                    });
                    self.desk.push(Output::Work { tag, work });
                }
            } else if let (Some((index, key)), Some(owner)) = (begin.checkpoint, order.provider()) {
                let tag = tag(What::Checkpoint(index.0, candidate));
                if let Some(file) = order.state_file(index).filter(|_| self.desk.ask(tag, now)) {
                    self.desk.push(Output::Fetch {
                        tag,
                        file,
                        owner,
                        key: key.clone(),
                        content: None,
                    });
                }
            }
        }
    }

    fn replayed(&mut self, what: What, result: Result<WorkDone, WorkFailure>) {
        let (Some(view), What::Replay(candidate)) = (&self.view, what) else {
            return;
        };
        let case = &mut self.case;
        let keys = case.keys.get(&candidate).and_then(Option::as_ref);
        let begin = view
            .order
            .dispute()
            .and_then(|dispute| Beginning::under(keys?, view, dispute));
        match (result, begin) {
            (Ok(done), Some(begin)) => {
                let expected =
                    begin.checkpoint.is_none() || done.leaves.first() == Some(&begin.leaf);
                match done.leaves.last().filter(|_| expected) {
                    Some(leaf) => case.finding = Some(Some(*leaf)),
                    None => {
                        case.useless.insert(candidate);
                    }
                }
            }
            (Err(WorkFailure::Refused(_)), _) => {
                case.useless.insert(candidate);
            }
            (Err(failure), _) => self.trouble(failure.to_string()),
            _ => {}
        }
    }

    fn trouble(&mut self, why: String) {
        self.desk.push(Output::Progress(Progress::Trouble(why)));
    }
}

/// Where a judge's replay begins.
struct Beginning<'a> {
    /// The checkpoint with the key that was granted for it; none for the state that the
    /// specification begins with, which needs nobody's word.
    checkpoint: Option<(SegmentIndex, &'a FileKey)>,
    step: StepIndex,
    /// The leaf that the stored state must have for a replay to count.
    leaf: Digest,
}

impl<'a> Beginning<'a> {
    /// The disputed segment's own checkpoint if its key is among those granted, else the one
    /// where the auditors' replay of that stretch began.
    fn under(keys: &'a ReaderKeys, view: &View, dispute: &Dispute) -> Option<Beginning<'a>> {
        let order = &view.order;
        let begin = |step: StepIndex, segment: SegmentIndex, leaf| {
            let checkpoint = match step.0 {
                0 => None,
                _ => Some((segment, keys.checkpoint(segment.0)?)),
            };
            Some(Beginning {
                checkpoint,
                step,
                leaf,
            })
        };
        if dispute.question == Question::Result {
            let last = SegmentIndex(order.terms.segments());
            return begin(StepIndex(order.terms.steps), last, dispute.disputed.leaf);
        }
        let segment = view.checkpoint_at(dispute.from.step);
        begin(dispute.from.step, segment, dispute.from.leaf).or_else(|| {
            let stretches = order.stretches();
            let (first, _) = stretches
                .iter()
                .rev()
                .find(|(first, _)| *first <= segment)?;
            let step = order.terms.segment_start(*first);
            begin(step, *first, order.opened(step)?)
        })
    }
}

/// The state whose leaf a judge attests.
fn target(order: &Order, dispute: &Dispute) -> StepIndex {
    match dispute.question {
        Question::Initial => StepIndex(0),
        Question::Start => dispute.from.step,
        Question::Step => dispute.disputed.step,
        Question::Result => StepIndex(order.terms.steps),
    }
}

/// Whether everyone who may grant has done so.
fn all_granted(view: &View, dispute: &Dispute, me: &AccountId) -> bool {
    let order = &view.order;
    let parties = match dispute.question {
        Question::Start => vec![order.provider()],
        _ => vec![
            order.provider(),
            Some(order.requester),
            Some(dispute.challenger),
        ],
    };
    let mut parties = parties.into_iter().flatten();
    parties.all(|party| view.granted(party, *me, dispute.opened))
}

/// Whether sealing these keys again under their witness gives the challenger's grant.
fn shows_grant(view: &View, dispute: &Dispute, keys: &ReaderKeys) -> Option<bool> {
    let order = &view.order;
    let (provider, round) = (order.provider()?, order.round()?);
    let mut grants = order.grants_to(dispute.challenger);
    let on_ledger = grants.find(|grant| grant.from == provider && grant.at >= round.at)?;
    let granted = GrantUse {
        order: order.id,
        attempt: order.attempt,
        from: provider,
        to: dispute.challenger,
    };
    let to = view.keys.get(&(dispute.challenger, Role::Auditor))?;
    let as_granted = ReaderKeys {
        witness: None,
        ..keys.clone()
    };
    let sealed = granted.seal(to, &as_granted, keys.witness?)?;
    Some(sealed == on_ledger.sealed)
}
