//! The auditor: replays drawn segments, commits, reveals, and stands by what it found.

mod replay;

use std::collections::BTreeMap;

use assay_crypto::Digest;
use assay_ledger::{
    AuditResults, BoundedVec, Order, OrderCall, Phase, Question, Role, RunIndex, SegmentIndex,
    StepIndex,
};
use assay_machine::Machine;
use borsh::{BorshDeserialize, BorshSerialize};

use self::replay::Replay;
use super::asked::Consent;
use super::shared::{Handover, close};
use crate::desk::Desk;
use crate::inputs::Inputs;
use crate::keys::{GrantUse, ReaderKeys};
use crate::party::{
    Answer, CallTag, Context, FetchFailure, Identity, Input, Outcome, Output, Progress, Tag,
    Traced, What,
};
use crate::view::View;
use crate::work::WorkFailure;

/// An auditor watching one order.
///
/// Asked to, it takes a seat if its machine can do what the public terms ask for.
///
/// Once segments are drawn for it it recomputes leaf 0 from the specification, fetches the checkpoint at which each
/// stretch of drawn segments starts, checks it against the opened leaf and replays the stretch.
/// It commits to what it found before it can know what the provider claims, and reveals when all
/// have committed. If the two differ it bisects with its own leaves and grants the validators the
/// keys it was granted. Where its journal was rolled back to an earlier copy it replays again.
///
/// Where it cannot begin (keys, inputs or checkpoint do not open, or time runs out) it says so in
/// place of a leaf. Where only its machine is too small for the job it says nothing.
pub struct Auditor {
    me: Identity,
    desk: Desk,
    consent: Consent,
    keys: Option<ReaderKeys>,
    inputs: Inputs,
    replay: Replay,
    /// What was committed to, by attempt: an auditor is drawn at most once for each.
    records: BTreeMap<RunIndex, Record>,
    attempt: RunIndex,
    /// The job is more than this machine can hold: it finds nothing in this attempt.
    unable: bool,
    finished: bool,
}

/// An auditor's journal entry: everything it needs after its commitment.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Record {
    attempt: RunIndex,
    results: AuditResults,
    salt: Digest,
    /// For each replayed segment the leaves of its states, first and last included.
    leaves: Vec<(SegmentIndex, Vec<Digest>)>,
}

impl Record {
    fn leaf(&self, order: &Order, segment: SegmentIndex, step: StepIndex) -> Option<Digest> {
        let (_, leaves) = self.leaves.iter().find(|(index, _)| *index == segment)?;
        let offset = step
            .0
            .checked_sub(order.head.terms.segment_start(segment).0)?;
        leaves.get(usize::try_from(offset).ok()?).copied()
    }
}

impl Machine for Auditor {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        match input {
            Input::Seed(seed) => self.desk.seed(seed),
            Input::Journal(entry) => {
                if let Ok(record) = borsh::from_slice::<Record>(&entry) {
                    self.records.insert(record.attempt, record);
                }
            }
            Input::Message { .. } => {}
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

impl Auditor {
    /// An auditor with an empty journal.
    pub fn new(me: Identity) -> Auditor {
        Auditor {
            inputs: Inputs::of(me.account),
            me,
            desk: Desk::default(),
            consent: Consent::default(),
            keys: None,
            replay: Replay::default(),
            records: BTreeMap::new(),
            attempt: RunIndex(0),
            unable: false,
            finished: false,
        }
    }

    /// Notes what came of a request.
    fn take(&mut self, view: &View, tag: Tag, answer: Answer) {
        let now = view.height;
        match answer {
            Answer::Submitted(_) => self.desk.rest(tag, now),
            Answer::Input(result) => {
                self.desk.missed(tag, now, &result);
                self.unable |= matches!(result, Err(FetchFailure::TooLarge(_)));
                if let What::Input(place, candidate) = tag.what {
                    self.inputs.fetched((place, candidate), result);
                }
            }
            Answer::Fetched(result) => {
                self.desk.missed(tag, now, &result);
                match (tag.what, result) {
                    (What::Checkpoint(segment, _), Ok(state)) => {
                        self.replay.fetched(SegmentIndex(segment), state);
                    }
                    (What::Checkpoint(segment, _), Err(FetchFailure::Corrupt(_))) => {
                        self.replay.block(SegmentIndex(segment));
                    }
                    _ => {}
                }
            }
            Answer::Worked(result) => match (tag.what, result) {
                (What::First, Ok(done)) => {
                    self.replay.initial = Some(done.leaves.first().copied());
                }
                (What::First, Err(WorkFailure::Refused(_))) => self.replay.initial = Some(None),
                (What::Segment(segment), Ok(done)) => {
                    let segment = SegmentIndex(segment);
                    self.replay.replayed(segment, done);
                    let round = view.order.round();
                    let drawn = round.map_or(0, |round| round.segments.len() as u32);
                    let progress = Progress::Segment(segment, drawn);
                    self.desk.push(Output::Report(progress));
                }
                (What::Segment(segment), Err(WorkFailure::Refused(_))) => {
                    self.replay.block(SegmentIndex(segment));
                }
                (_, Err(failure)) => {
                    self.unable |= matches!(failure, WorkFailure::Unable(_));
                    self.desk.rest(tag, now);
                    self.desk.trouble(failure);
                }
                _ => {}
            },
            Answer::Weighed(result) => self.consent.weighed(tag, result, &mut self.desk),
            // It stores nothing, and looks at no result.
            Answer::Stored(_) | Answer::Examined(_) => {}
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
        if order.attempt() != self.attempt {
            self.attempt = order.attempt();
            self.keys = None;
            self.unable = false;
            self.inputs.new_keys();
            self.replay = Replay::default();
            self.desk.clear();
        }
        let me = self.me.account;
        if self.consent.act(view, (me, Role::Auditor), &mut self.desk) {
            return;
        }
        let mut seats = order.run().into_iter().flat_map(|run| run.seats());
        if !seats.any(|seat| seat.auditor == me) && is_audited(order.head.phase) {
            // Others have the seats: it is asked again only with another list.
            self.finished = true;
            return self.desk.push(Output::End(Outcome::Dismissed));
        }
        let Some(seat) = order.seat(me).filter(|seat| seat.stands()) else {
            return;
        };
        let challenger = order.dispute().map(|dispute| dispute.challenger);
        match order.head.phase {
            Phase::Auditing if seat.commitment.is_none() => self.audit(view),
            Phase::Auditing | Phase::Closing => drop(self.has_replayed(view)),
            Phase::Revealing if seat.results.is_none() => self.reveal(view),
            Phase::Bisecting if challenger == Some(self.me.account) => self.bisect(view),
            Phase::Attesting if challenger == Some(self.me.account) => {
                self.grant_validators(view);
            }
            _ => {}
        }
    }

    /// Replays what is drawn, then commits.
    fn audit(&mut self, view: &View) {
        if !self.has_replayed(view) {
            return;
        }
        let (now, place) = (view.height, view.round());
        let Some(record) = self.records.get(&place.run) else {
            return;
        };
        let results = &record.results;
        let commitment = results.commitment(&place, self.me.account, &record.salt);
        self.desk.submit(place, CallTag::CommitAudit, now, || {
            Some(OrderCall::CommitAudit { place, commitment })
        });
    }

    /// Replays what is drawn, unless it is on record; says whether it is. What a journal has lost that was
    /// rolled back comes out the same again, and so does the salt: there is no second commitment to make.
    fn has_replayed(&mut self, view: &View) -> bool {
        let (order, now, place) = (&view.order, view.height, view.round());
        let Some(run) = order.run() else {
            return false;
        };
        if self.records.contains_key(&run.index) {
            return true;
        }
        if self.unable {
            // To say that it could not begin would blame the provider for this machine's size.
            return false;
        }
        self.replay.plan(order, run);
        self.open_grant(view);
        if let Some(keys) = &self.keys {
            let sets = [(0, &keys.inputs[..])];
            self.inputs.fetch(order, place, &sets, &mut self.desk, now);
        }
        let task = self.inputs.task(order, run);
        let blind = self.keys.is_none() || self.inputs.refuses(0);
        // What it has committed to is no matter of time any more.
        let seat = order.seat(self.me.account);
        let pressing = seat.is_some_and(|seat| seat.commitment.is_none()) && view.pressing();
        if blind || task.is_none() && pressing {
            self.replay.give_up();
        } else if pressing {
            // Who is merely slow goes on: to say that it could not begin would be a lie.
            self.replay.give_up_waiting();
        }
        if let (Some(keys), Some(task)) = (&self.keys, task) {
            self.replay.go_on(view, run, (keys, &task), &mut self.desk);
        }
        let Some((initial, segments)) = self.replay.results() else {
            return false;
        };
        let Ok(segments) = BoundedVec::new(segments) else {
            return false;
        };
        let parts: [&[u8]; 3] = [
            &place.order.0.0,
            &place.run.0.to_le_bytes(),
            &place.occasion.bytes(),
        ];
        let record = Record {
            attempt: run.index,
            results: AuditResults { initial, segments },
            salt: Digest(self.me.encryption.derive("assay/audit/salt/v2", &parts)),
            leaves: self.replay.take_leaves(),
        };
        // Serialising into memory cannot fail.
        let entry = borsh::to_vec(&record).unwrap_or_default();
        self.desk.push(Output::Journal(entry));
        self.records.insert(run.index, record);
        true
    }

    /// Opens the provider's grant; without success the keys stay away.
    fn open_grant(&mut self, view: &View) {
        let order = &view.order;
        let (Some(from), Some(place)) = (order.provider(), order.round_place()) else {
            return;
        };
        if self.keys.is_some() {
            return;
        }
        let to = self.me.account;
        let grant = view.grant(place, from, to);
        let granted = GrantUse { place, from, to };
        self.keys = grant
            .and_then(|grant| granted.open::<ReaderKeys>(&self.me.encryption, &grant.sealed))
            .filter(|keys| keys.inputs.len() == order.head.terms.inputs.len());
    }

    fn reveal(&mut self, view: &View) {
        if !self.has_replayed(view) {
            return;
        }
        let place = view.round();
        let Some(record) = self.records.get(&place.run) else {
            return;
        };
        let tag = CallTag::RevealAudit;
        self.desk.submit(place, tag, view.height, || {
            Some(OrderCall::RevealAudit {
                place,
                results: record.results.clone(),
                salt: record.salt,
            })
        });
    }

    fn bisect(&mut self, view: &View) {
        let order = &view.order;
        let Some(dispute) = order.dispute().filter(|d| d.challenger_move.is_none()) else {
            return;
        };
        let Some(middle) = dispute.middle() else {
            return;
        };
        if !self.has_replayed(view) {
            return;
        }
        let record = self.records.get(&dispute.run);
        let Some(leaf) = record.and_then(|r| r.leaf(order, dispute.segment, middle)) else {
            return self
                .desk
                .trouble("the replay did not come to the disputed step");
        };
        let tag = CallTag::Bisect(dispute.agreed.step.0, dispute.disputed.step.0);
        let place = view.dispute();
        self.desk.submit(place, tag, view.height, || {
            Some(OrderCall::Bisect {
                place,
                step: middle,
                leaf,
                path: None,
            })
        });
    }

    /// Passes on the keys it was granted; where it was granted none, nobody can be helped by it.
    fn grant_validators(&mut self, view: &View) {
        let start = |question| question == Question::Start;
        if view.order.dispute().is_none_or(|d| start(d.question)) {
            return;
        }
        self.open_grant(view);
        let Some(keys) = &self.keys else { return };
        let handover = Handover {
            view,
            me: &self.me,
            place: view.dispute(),
        };
        handover.give_validators(&mut self.desk, keys);
    }
}

/// Whether every seat of the present audit is taken.
fn is_audited(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Opening | Phase::Auditing | Phase::Closing | Phase::Revealing
    )
}
