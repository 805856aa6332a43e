//! How validators find their verdict: sealed, revealed, paid.

use assay_crypto::Digest;
use assay_ledger::{
    Amount, Attestation, Finding, Hearing, Moment, Occasion, OrderCall, OrderId, OrderRefusal,
    Parameters, Phase, Piece, Place, Ppm, Refusal, Status, StepIndex, Verdict, query,
};

use crate::world::{Run, Who, World, blocks, genesis, parameters, salt, terms};

/// What a validator found: a leaf, or that it was granted no keys.
pub(crate) type Found = (u8, Option<Digest>);

fn finding(leaf: Option<Digest>) -> Finding {
    leaf.map_or(Finding::Missing(Piece::Keys), Finding::Leaf)
}

/// The commitment of a validator to what it found in the dispute at `place`.
pub(crate) fn commitment(place: Place, (by, leaf): Found) -> Digest {
    let by = Who::Validator(by);
    let (validator, found) = (by.id(), finding(leaf));
    Attestation { validator, found }.commitment(&place, &salt(by))
}

/// The call by which it commits.
pub(crate) fn commits(place: Place, found: Found) -> OrderCall {
    let commitment = commitment(place, found);
    OrderCall::CommitFinding { place, commitment }
}

/// The call by which it reveals what it committed to.
pub(crate) fn reveals(place: Place, (by, leaf): Found) -> OrderCall {
    let (found, salt) = (finding(leaf), Some(salt(Who::Validator(by))));
    OrderCall::Attest { place, found, salt }
}

/// The call of one that did not commit.
pub(crate) fn says(place: Place, (_, leaf): Found) -> OrderCall {
    let (found, salt) = (finding(leaf), None);
    OrderCall::Attest { place, found, salt }
}

impl World {
    /// Whose findings are heard in the next block.
    pub(crate) fn hearing(&self, order: OrderId) -> Option<Hearing> {
        let now = query::now(&self.store).unwrap();
        let next = Moment {
            time: now.time.after(self.gap_ms),
            height: now.height.after(1),
        };
        self.order(order).hearing(next)
    }

    fn has_committed(&self, order: OrderId, by: u8) -> bool {
        let order = self.order(order);
        let mut made = order.dispute().into_iter().flat_map(|of| &of.commitments);
        made.any(|made| made.validator == Who::Validator(by).id())
    }

    fn has_attested(&self, order: OrderId, by: u8) -> bool {
        let order = self.order(order);
        let mut made = order.dispute().into_iter().flat_map(|of| &of.attestations);
        made.any(|made| made.validator == Who::Validator(by).id())
    }

    /// These validators commit to what they found, as far as they still can, and say it as soon as they are
    /// heard; those who missed something say so again in a second look. Until all have, or the dispute is
    /// over.
    pub(crate) fn judge(&mut self, order: OrderId, findings: &[Found]) {
        self.look(order, findings);
        if let Occasion::SecondLook(_) = self.here(order).occasion {
            let again = findings.iter().filter(|(_, leaf)| leaf.is_none());
            self.look(order, &again.copied().collect::<Vec<_>>());
        }
    }

    /// As [`World::judge`], once.
    pub(crate) fn look(&mut self, order: OrderId, findings: &[Found]) {
        let place = self.here(order);
        let all = findings.iter().copied();
        let sealed = all.map(|of| (Who::Validator(of.0), commits(place, of).into()));
        self.block(sealed.collect());
        loop {
            let over = self.order(order).dispute_place() != Some(place);
            let left = findings.iter().copied();
            let left: Vec<_> = left.filter(|of| !self.has_attested(order, of.0)).collect();
            if over || left.is_empty() {
                return self.deliver(order);
            }
            let hearing = self.hearing(order);
            let heard = left.into_iter().filter_map(|of| {
                let committed = self.has_committed(order, of.0);
                let call = match hearing? {
                    Hearing::Committed | Hearing::Open if committed => reveals(place, of),
                    Hearing::Open => says(place, of),
                    _ => return None,
                };
                Some((Who::Validator(of.0), call.into()))
            });
            self.block(heard.collect());
        }
    }
}

/// An order in which validators judge leaf 0, of which the provider, or else an auditor, lies; and the true
/// leaf.
pub(crate) fn disputed(provider_lies: bool) -> (World, OrderId, Digest) {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 0, "liar");
    let (provided, found) = match provider_lies {
        true => (&lie, &truth),
        false => (&truth, &lie),
    };
    let order = world.ran(provided);
    world.audit(order, provided, |_, _| found.clone());
    assert_eq!(world.phase(order), Phase::Attesting);
    (world, order, truth.leaves[0])
}

pub(crate) fn earned(world: &World, order: OrderId) -> [u64; 4] {
    [0, 1, 2, 3].map(|i| world.paid(order, Who::Validator(i).id()))
}

fn sealed(order: OrderId) -> Refusal {
    OrderRefusal::FindingsSealed { order }.into()
}

#[test]
fn nobody_says_what_it_found_before_a_quorum_has_committed() {
    let (mut world, order, truth) = disputed(true);
    let place = world.here(order);
    let finding = |i| (i, Some(truth));
    let refusal = |world: &World, by, call| match world.would(Who::Validator(by), call) {
        Status::Refused(refusal) => refusal,
        Status::Applied => panic!("validator {by} is heard"),
    };
    for i in 0..3 {
        for judge in 0..=3 {
            let call = if judge < i { reveals } else { says };
            let found = refusal(&world, judge, call(place, finding(judge)));
            assert_eq!(found, sealed(order));
        }
        world.apply(Who::Validator(i), commits(place, finding(i)));
    }
    // From now on nobody commits, and who did not is heard after those who did.
    let late = refusal(&world, 3, commits(place, finding(3)));
    assert_eq!(late, OrderRefusal::FindingsOpen { order }.into());
    for call in [says, reveals] {
        let found = refusal(&world, 3, call(place, finding(3)));
        assert_eq!(found, sealed(order));
    }
    // What is revealed is what was committed to.
    let other = Some(Digest::of("other", &[]));
    for call in [
        reveals(place, (0, None)),
        reveals(place, (0, other)),
        reveals(place, (1, Some(truth))),
        says(place, finding(0)),
    ] {
        let mismatch = OrderRefusal::CommitmentMismatch { order };
        assert_eq!(refusal(&world, 0, call), mismatch.into());
    }
    for i in 0..3 {
        world.apply(Who::Validator(i), reveals(place, finding(i)));
    }
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Challenger));
}

/// Where fewer than a quorum commit, time opens their findings: three quarters of it. Who committed and
/// does not reveal holds the others up for an eighth, and no longer.
#[test]
fn time_opens_findings_and_nobody_holds_up_the_others_for_long() {
    let (mut world, order, truth) = disputed(true);
    let place = world.here(order);
    let (since, deadline) = {
        let head = world.order(order).head;
        (head.since.time.0, head.deadline.time.0)
    };
    let now = |world: &World| query::now(&world.store).unwrap().time.0;
    for i in 0..2 {
        world.apply(Who::Validator(i), commits(place, (i, Some(truth))));
    }
    while world.hearing(order) == Some(Hearing::Sealed) {
        let refusal = world.refuse(Who::Validator(0), reveals(place, (0, Some(truth))));
        assert_eq!(refusal, sealed(order));
    }
    assert!((now(&world) - since) * 4 < (deadline - since) * 3);
    world.apply(Who::Validator(0), reveals(place, (0, Some(truth))));
    assert!((now(&world) - since) * 4 >= (deadline - since) * 3);
    // The second one never reveals.
    while world.hearing(order) == Some(Hearing::Committed) {
        let refusal = world.refuse(Who::Validator(2), says(place, (2, Some(truth))));
        assert_eq!(refusal, sealed(order));
    }
    let calls = [2, 3].map(|i| (Who::Validator(i), says(place, (i, Some(truth))).into()));
    world.block(calls.to_vec());
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Challenger));
    assert!(now(&world) <= deadline);
    // Only the one that had committed to it, and revealed it, is paid.
    let fee = parameters().judge_fee.0;
    assert_eq!(earned(&world, order), [fee, 0, 0, 0]);
}

/// As many liars as there may be commit first, and fall silent or lie: the others find their verdict in
/// the same way as without them, within the time.
#[test]
fn liars_that_commit_first_keep_nobody_from_a_verdict() {
    for lie in [Some(None), Some(Some(Digest::of("lie", &[]))), None] {
        let (mut world, order, truth) = disputed(true);
        let place = world.here(order);
        let liar = (3, lie.flatten());
        world.apply(Who::Validator(3), commits(place, liar));
        if let Some(lie) = lie {
            let findings = [
                (3, lie),
                (0, Some(truth)),
                (1, Some(truth)),
                (2, Some(truth)),
            ];
            world.judge(order, &findings);
        } else {
            world.judge(order, &[0, 1, 2].map(|i| (i, Some(truth))));
        }
        let record = world.order(order);
        assert_eq!(record.disputes[0].verdict, Some(Verdict::Challenger));
        // Of the honest ones the third came too late to commit.
        let fee = parameters().judge_fee.0;
        assert_eq!(earned(&world, order), [fee, fee, 0, 0], "{lie:?}");
    }
}

/// A judge that never looks copies a commitment, or a finding once it is revealed.
#[test]
fn a_copied_finding_earns_nothing() {
    let fee = parameters().judge_fee.0;
    for knows_in_time in [false, true] {
        let (mut world, order, truth) = disputed(true);
        let (place, finding) = (world.here(order), |i| (i, Some(truth)));
        world.apply(Who::Validator(0), commits(place, finding(0)));
        // The control: if findings were made in the open, it would commit to the same as the first.
        let copied = match knows_in_time {
            true => commitment(place, finding(3)),
            false => commitment(place, finding(0)),
        };
        let call = OrderCall::CommitFinding {
            place,
            commitment: copied,
        };
        world.apply(Who::Validator(3), call);
        world.apply(Who::Validator(1), commits(place, finding(1)));
        let shown = reveals(place, finding(0));
        world.apply(Who::Validator(0), shown.clone());
        world.apply(Who::Validator(1), reveals(place, finding(1)));
        if knows_in_time {
            world.apply(Who::Validator(3), reveals(place, finding(3)));
            assert_eq!(earned(&world, order), [fee, fee, 0, fee]);
            continue;
        }
        // The salt is known by now, and is of no use.
        for call in [shown, reveals(place, finding(3)), says(place, finding(3))] {
            let refusal = world.refuse(Who::Validator(3), call);
            assert_eq!(refusal, OrderRefusal::CommitmentMismatch { order }.into());
        }
        while world.hearing(order) != Some(Hearing::Open) {
            world.advance(1);
        }
        world.apply(Who::Validator(2), says(place, finding(2)));
        let record = world.order(order);
        assert_eq!(record.disputes[0].verdict, Some(Verdict::Challenger));
        assert_eq!(earned(&world, order), [fee, fee, 0, 0]);
    }
}

/// Each judge whose finding is the verdict gets its fee, of what the loser loses beyond rewards; who found
/// something else gets nothing.
#[test]
fn judges_are_paid_by_whoever_loses() {
    let fee = parameters().judge_fee.0;
    let pot = |world: &World| query::supply(&world.store).unwrap().pot.0;
    for provider_lies in [true, false] {
        let (mut world, order, truth) = disputed(provider_lies);
        let liar = (0, Some(Digest::of("wrong", &[])));
        let others = [1, 2, 3].map(|i| (i, Some(truth)));
        world.judge(order, &[&others[..1], &[liar], &others[1..]].concat());
        // The last one of them did not get to commit.
        assert_eq!(earned(&world, order), [0, fee, fee, 0]);
        let lost = match provider_lies {
            true => terms().provider_bond.0,
            false => terms().auditor_bond.0,
        };
        let rewarded = parameters().reward_rate.of(Amount(lost)).0;
        assert_eq!(pot(&world), lost - rewarded - 2 * fee);
    }
}

#[test]
fn a_complaint_pays_its_judges_of_its_deposit_or_of_the_bond() {
    let fee = parameters().judge_fee.0;
    let deposit = parameters().complaint_deposit.0;
    for founded in [true, false] {
        let mut world = World::new();
        let order = world.accepted();
        let provider = world.provider(order);
        world.apply(Who::Requester, OrderCall::Complain { order });
        let last = Run::truth(&terms()).at(StepIndex(terms().steps));
        let found = (!founded).then_some(last);
        let before = world.paid(order, Who::Requester.id());
        world.judge(order, &[0, 1, 2].map(|i| (i, found)));
        assert_eq!(earned(&world, order), [fee, fee, fee, 0]);
        let returned = world.paid(order, Who::Requester.id()) - before;
        let to_provider = world.paid(order, provider.id());
        match founded {
            true => assert_eq!((returned, to_provider), (deposit, 0)),
            false => assert_eq!(to_provider, terms().price.0 + deposit - 3 * fee),
        }
    }
}

/// Without a verdict nobody found it.
#[test]
fn nobody_is_paid_for_findings_that_come_to_no_verdict() {
    let (mut world, order, truth) = disputed(true);
    world.judge(order, &[(0, Some(truth)), (1, Some(truth)), (2, None)]);
    world.advance(blocks(terms().deadlines.attest) + 1);
    assert_eq!(world.order(order).disputes[0].verdict, Some(Verdict::None));
    assert_eq!(earned(&world, order), [0; 4]);
}

/// The fee that is stated can be paid in every case, and the deadline leaves time to reveal.
#[test]
fn a_network_in_which_judges_could_not_be_paid_or_heard_is_refused() {
    let quorum = 3;
    let least = Amount::tokens(1).0 / 2;
    let with = |change: &dyn Fn(&mut Parameters)| {
        let mut parameters = parameters();
        change(&mut parameters);
        genesis(parameters).state().is_ok()
    };
    assert!(with(&|p| p.judge_fee = Amount(least / quorum)));
    assert!(!with(&|p| p.judge_fee = Amount(least / quorum + 1)));
    assert!(!with(&|p| p.judge_fee = Amount(u64::MAX)));
    assert!(!with(
        &|p| p.complaint_deposit = Amount(p.judge_fee.0 * quorum - 1)
    ));
    assert!(!with(&|p| p.reward_rate = Ppm(1_000_000)));
    assert!(with(&|p| p.floors.attest = 4 * p.floors.reveal));
    assert!(!with(&|p| p.floors.attest = 4 * p.floors.reveal - 1));
}
