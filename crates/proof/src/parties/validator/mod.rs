//! The validator as a judge: replays what is in dispute and says what it found.

mod beginning;
mod findings;
mod grants;

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_ledger::{
    AccountId, Dispute, Examined, Finding, Grant, Moment, Phase, Piece, Place, Question, RunIndex,
    SegmentIndex,
};
use assay_machine::Machine;

use self::beginning::{Beginning, target};
use self::findings::Findings;
use super::shared::close;
use crate::desk::Desk;
use crate::inputs::Inputs;
use crate::keys::ReaderKeys;
use crate::party::{
    Answer, Ask, Context, FetchFailure, Identity, Input, Output, Tag, Traced, What,
};
use crate::view::View;
use crate::work::{Start, Work, WorkDone, WorkFailure};

/// Ledger time and blocks after its last grant before a judge may say that something could not be had.
const LEAST_MS: u64 = 5_000;
const LEAST_BLOCKS: u32 = 5;

/// A validator watching one order.
///
/// Requester, provider and challenger each grant it keys. One grant under which the inputs open
/// and the stored state has the leaf that both parties accept is enough, whoever it came from;
/// a grant that opens nothing proves nothing. Only when all have failed, or half of the time is over, does it
/// find that the evidence could not be had, and never sooner than some blocks and seconds after the
/// last grant, however short the phase: a judge that had no time to look found nothing. It says what it was
/// that was missing, and where that is shown again it looks again. One whose machine is too small attests
/// nothing.
///
/// It commits to what it found before anybody shows a finding, with a salt that its journal keeps, and
/// reveals it when the ledger says so.
///
/// About [`Question::Start`] only the provider's grant counts, and only when it comes with the
/// witness that the challenger was granted these very keys.
///
/// About [`Question::Result`] nothing is replayed: it fetches the file, opens it under the key that was
/// released, and compares what it holds with the state that the last leaf binds.
pub struct Validator {
    me: Identity,
    desk: Desk,
    findings: Findings,
    case: Case,
    finished: bool,
}

/// What is known about one dispute.
struct Case {
    place: Option<Place>,
    /// Granted keys by their place among this validator's grants; `None` for useless ones.
    keys: BTreeMap<u32, Option<Granted>>,
    inputs: Inputs,
    /// States fetched under a grant's key, until replayed.
    states: BTreeMap<u32, Vec<u8>>,
    /// Grants whose keys, state or leaf turned out wrong.
    useless: BTreeSet<u32>,
    finding: Option<Finding>,
    /// The job is more than this machine can hold: it attests nothing.
    unable: bool,
    /// How many grants there were, and since when.
    granted: (usize, Option<Moment>),
}

impl Case {
    /// Nothing yet of the dispute at this place.
    fn at(place: Option<Place>, me: AccountId) -> Case {
        Case {
            place,
            keys: BTreeMap::new(),
            inputs: Inputs::of(me),
            states: BTreeMap::new(),
            useless: BTreeSet::new(),
            finding: None,
            unable: false,
            granted: (0, None),
        }
    }

    /// Whether it had the time to look. A judge that is merely slow abstains: to attest that nothing could be
    /// had would be a lie.
    fn has_looked(&self, view: &View) -> bool {
        self.granted.1.is_some_and(|since| {
            let least = since.deadline(LEAST_MS, LEAST_BLOCKS);
            view.time >= least.time && view.height >= least.height
        })
    }
}

/// Keys, and the run whose checkpoints they open.
struct Granted {
    keys: ReaderKeys,
    run: RunIndex,
}

impl Machine for Validator {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        match input {
            Input::Seed(seed) => self.desk.seed(seed),
            Input::Journal(entry) => self.findings.remember(&entry),
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

impl Validator {
    /// A validator with an empty journal.
    pub fn new(me: Identity) -> Validator {
        Validator {
            case: Case::at(None, me.account),
            me,
            desk: Desk::default(),
            findings: Findings::default(),
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
                self.case.unable |= matches!(result, Err(FetchFailure::TooLarge(_)));
                if let What::Input(place, candidate) = tag.what {
                    self.case.inputs.fetched((place, candidate), result);
                }
            }
            Answer::Fetched(result) => {
                self.desk.missed(tag, now, &result);
                match (tag.what, result) {
                    (What::Checkpoint(_, candidate), Ok(bytes)) => {
                        self.case.states.insert(candidate, bytes);
                    }
                    (What::Checkpoint(_, candidate), Err(FetchFailure::Corrupt(_))) => {
                        self.case.useless.insert(candidate);
                    }
                    _ => {}
                }
            }
            Answer::Worked(result) => {
                self.desk.rest(tag, now);
                self.replayed(view, tag.what, result);
            }
            Answer::Examined(result) => {
                self.desk.missed(tag, now, &result);
                self.examined(view, tag.what, result);
            }
            // It stores nothing.
            Answer::Stored(_) | Answer::Weighed(_) => {}
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
        let Some(dispute) = order
            .dispute()
            .filter(|_| order.head.phase == Phase::Attesting)
        else {
            return;
        };
        let mut attested = dispute.attestations.iter();
        if attested.any(|attestation| attestation.validator == self.me.account) {
            return;
        }
        let place = view.dispute();
        if self.case.place != Some(place) {
            self.case = Case::at(Some(place), self.me.account);
            self.desk.clear();
        }
        self.case.finding = self.findings.at(place).or(self.case.finding);
        if self.case.finding.is_none() && !self.case.unable {
            self.open_grants(view, dispute);
            match dispute.question {
                Question::Result => self.look(view, dispute),
                _ => self.examine(view, dispute),
            }
        }
        if let Some(found) = self.case.finding {
            let to = (&self.me, dispute);
            self.findings.say(view, to, found, &mut self.desk);
        }
    }

    /// Opens grants that arrived since the last look.
    fn open_grants(&mut self, view: &View, dispute: &Dispute) {
        let now = Moment {
            time: view.time,
            height: view.height,
        };
        let granted: Vec<&Grant> = view.grants_to(view.dispute(), self.me.account).collect();
        if granted.len() != self.case.granted.0 || self.case.granted.1.is_none() {
            self.case.granted = (granted.len(), Some(now));
        }
        for (place, grant) in (0..).zip(granted) {
            if self.case.keys.contains_key(&place) {
                continue;
            }
            let keys = grants::open(&self.me, view, dispute, grant);
            if keys.is_none() {
                self.case.useless.insert(place);
            }
            // A provider opens its own checkpoints; everybody else those of the challenged run.
            let own = view.order.run_of(grant.from).map(|run| run.index);
            let run = own.filter(|own| Some(*own) == dispute.rival);
            let run = run.unwrap_or(dispute.run);
            let granted = keys.map(|keys| Granted { keys, run });
            self.case.keys.insert(place, granted);
        }
    }

    /// Asks for what is missing, or finds that there is nothing to be had.
    fn examine(&mut self, view: &View, dispute: &Dispute) {
        let (order, now, place) = (&view.order, view.height, view.dispute());
        let Some(run) = order.run_at(dispute.run) else {
            return;
        };
        let case = &mut self.case;
        for (place, keys) in &case.keys {
            let begins = |of: &Granted| Beginning::under(&of.keys, view, dispute).is_some();
            if case.inputs.refuses(*place) || !keys.as_ref().is_some_and(begins) {
                case.useless.insert(*place);
            }
        }
        let usable: Vec<(u32, &Granted)> = case
            .keys
            .iter()
            .filter(|(place, _)| !case.useless.contains(place))
            .filter_map(|(place, keys)| Some((*place, keys.as_ref()?)))
            .collect();
        let sets: Vec<_> = usable
            .iter()
            .map(|(c, of)| (*c, &of.keys.inputs[..]))
            .collect();
        case.inputs.fetch(order, place, &sets, &mut self.desk, now);

        let tag = |what| Tag { place, what };
        let task = case.inputs.task(order, run);
        let mut replaying = false;
        for (candidate, of) in &usable {
            let Some(begin) = Beginning::under(&of.keys, view, dispute) else {
                continue;
            };
            let start = match begin.checkpoint {
                None => Some(Start::Initial),
                Some(_) => case.states.get(candidate).cloned().map(Start::State),
            };
            match (start, &task, begin.checkpoint) {
                (Some(start), Some(task), _) => {
                    replaying = true;
                    self.desk.ask(tag(What::Replay(*candidate)), now, || {
                        Some(Ask::Work(Box::new(Work {
                            task: task.clone(),
                            start,
                            from: begin.step,
                            to: target(order, dispute),
                        })))
                    });
                }
                (None, _, Some((index, key))) => {
                    let tag = tag(What::Checkpoint(index.0, *candidate));
                    self.desk.ask(tag, now, || {
                        let run = order.run_at(of.run)?;
                        Some(Ask::Fetch {
                            file: run.state_file(index)?,
                            owner: run.provider,
                            key: key.clone(),
                        })
                    });
                }
                _ => {}
            }
        }
        let proven = case.keys.values().any(Option::is_some);
        let hopeless = usable.is_empty() && grants::all_granted(view, dispute, &self.me.account);
        if case.has_looked(view) && (hopeless || view.is_past_half() && !replaying) {
            let piece = match (proven, case.inputs.missing()) {
                (false, _) => Piece::Keys,
                (true, Some(input)) => Piece::Input(input),
                (true, None) => Piece::State(view.begins_at(dispute)),
            };
            case.finding = Some(Finding::Missing(piece));
        }
    }

    /// Asks for what a delivered result holds, under the key that was released for it, or finds that it is not
    /// to be had.
    fn look(&mut self, view: &View, dispute: &Dispute) {
        let (order, now, place) = (&view.order, view.height, view.dispute());
        let last = SegmentIndex(order.head.terms.segments());
        let Some(run) = order.run_at(dispute.run) else {
            return;
        };
        let case = &mut self.case;
        let mut proven = false;
        for (candidate, of) in &case.keys {
            let key = of.as_ref().and_then(|of| of.keys.checkpoint(last.0));
            let Some(key) = key else { continue };
            proven = true;
            if case.useless.contains(candidate) {
                continue;
            }
            let what = What::Result(*candidate);
            self.desk.ask(Tag { place, what }, now, || {
                Some(Ask::Examine {
                    file: run.trace.as_ref()?.result,
                    owner: run.provider,
                    key: key.clone(),
                    state: run.last?,
                })
            });
        }
        let hopeless = case.useless.len() == case.keys.len()
            && grants::all_granted(view, dispute, &self.me.account);
        // Who complains has to show what was released to it: otherwise a complaint would win by being about
        // nothing.
        if proven && case.has_looked(view) && (hopeless || view.is_past_half()) {
            case.finding = Some(Finding::Missing(Piece::State(last)));
        }
    }

    fn examined(&mut self, view: &View, what: What, result: Result<Examined, FetchFailure>) {
        let (Some(dispute), What::Result(candidate)) = (view.order.dispute(), what) else {
            return;
        };
        let case = &mut self.case;
        match result {
            Ok(Examined::Good(_)) => case.finding = Some(Finding::Leaf(dispute.disputed.leaf)),
            // Which other one it is does not matter, and all say the same.
            Ok(Examined::Bad(_)) => case.finding = Some(Finding::Leaf(Digest::ZERO)),
            Err(FetchFailure::Corrupt(_)) => {
                case.useless.insert(candidate);
            }
            Err(FetchFailure::TooLarge(_)) => case.unable = true,
            Err(FetchFailure::Unavailable(_)) => {}
        }
    }

    fn replayed(&mut self, view: &View, what: What, result: Result<WorkDone, WorkFailure>) {
        let (Some(dispute), What::Replay(candidate)) = (view.order.dispute(), what) else {
            return;
        };
        let case = &mut self.case;
        let keys = case.keys.get(&candidate).and_then(Option::as_ref);
        let begin = keys.and_then(|of| Beginning::under(&of.keys, view, dispute));
        match (result, begin) {
            (Ok(done), Some(begin)) => {
                let expected =
                    begin.checkpoint.is_none() || done.leaves.first() == Some(&begin.leaf);
                let found = match dispute.question {
                    Question::Start => done.leaves.first(),
                    _ => done.leaves.last(),
                };
                match found.filter(|_| expected) {
                    Some(leaf) => case.finding = Some(Finding::Leaf(*leaf)),
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
                self.desk.trouble(failure);
            }
            _ => {}
        }
    }
}
