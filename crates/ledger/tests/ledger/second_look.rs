//! What validators could not get is shown again before it counts against anybody.

use assay_ledger::{
    Amount, FailureReason, Finding, Occasion, OrderCall, OrderRefusal, Outcome, Phase, Piece,
    Refusal, SegmentIndex, Status, StepIndex, Verdict,
};

use crate::judges::{commits, disputed, earned, reveals, says};
use crate::world::{BOND, Run, Who, World, blocks, parameters, salt, sealed, terms};

/// The first look, in which two of four validators missed something.
fn missed() -> (World, assay_ledger::OrderId, assay_crypto::Digest) {
    let (mut world, order, truth) = disputed(false);
    let leaf = Some(truth);
    world.look(order, &[(0, leaf), (1, None), (2, None)]);
    (world, order, truth)
}

#[test]
fn one_validator_more_than_can_lie_opens_a_second_look() {
    let (mut world, order, truth) = disputed(false);
    let first = world.here(order);
    let begun = world.order(order).head.since;
    // One alone opens none.
    let findings = [(0, Some(truth)), (1, None), (2, None)];
    for found in findings {
        world.apply(Who::Validator(found.0), commits(first, found));
    }
    world.apply(Who::Validator(1), reveals(first, (1, None)));
    world.apply(Who::Validator(0), reveals(first, (0, Some(truth))));
    assert_eq!(world.here(order), first);
    world.apply(Who::Validator(2), reveals(first, (2, None)));
    let here = world.here(order);
    assert_eq!(here.occasion, Occasion::SecondLook(0));
    let record = world.order(order);
    assert_eq!(
        (record.head.phase, record.disputes.len()),
        (Phase::Attesting, 1)
    );
    assert!(record.head.since > begun);
    let dispute = &record.disputes[0];
    let pieces: Vec<_> = dispute.named.iter().map(|of| of.found.missing()).collect();
    assert_eq!(pieces, [Some(Piece::Keys); 2]);
    // What was found stands, and whoever found it has nothing more to say.
    assert_eq!(dispute.attestations.len(), 1);
    assert_eq!(dispute.attestations[0].found, Finding::Leaf(truth));
    let done = OrderRefusal::AlreadyDone { order };
    let again = world.would(Who::Validator(0), commits(here, (0, Some(truth))));
    assert_eq!(again, Status::Refused(done.into()));
    // What was committed to at the first look is not heard at the second.
    let late = world.would(Who::Validator(3), commits(first, (3, None)));
    assert!(matches!(
        late,
        Status::Refused(Refusal::Order(OrderRefusal::OtherPlace { .. }))
    ));
    // Keys are granted anew.
    let grant = |place| OrderCall::Grant {
        place,
        grantee: Who::Validator(1).id(),
        sealed: sealed("again"),
    };
    world.apply(Who::Requester, grant(here));
}

#[test]
fn who_was_missed_at_first_and_is_found_then_keeps_its_bond() {
    let (mut world, order, truth) = missed();
    let provider = world.provider(order);
    world.look(order, &[(1, Some(truth)), (2, Some(truth))]);
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Provider));
    assert_eq!(world.registration(provider).bond, BOND);
    assert_eq!(world.failures(order), []);
    // Whoever found it at either look is paid.
    let fee = parameters().judge_fee.0;
    assert_eq!(earned(&world, order), [fee, fee, fee, 0]);
}

#[test]
fn what_is_missing_again_beats_who_had_to_show_it() {
    let (mut world, order, _) = missed();
    let provider = world.provider(order);
    world.look(order, &[(1, None), (2, None)]);
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Challenger));
    let reason = world.failures(order)[0].1.reason;
    assert_eq!(reason, FailureReason::Unavailable);
    let left = BOND.0 - terms().provider_bond.0;
    assert_eq!(world.registration(provider).bond, Amount(left));
    let fee = parameters().judge_fee.0;
    assert_eq!(earned(&world, order), [0, fee, fee, 0]);
}

/// There is one second look: whoever makes time run out in it decides nothing either.
#[test]
fn a_second_look_without_a_verdict_decides_for_nobody() {
    let (mut world, order, truth) = missed();
    let provider = world.provider(order);
    world.look(order, &[(1, None), (2, Some(truth))]);
    world.advance(blocks(terms().deadlines.attest) + 1);
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::None));
    assert_eq!(world.registration(provider).bond, BOND);
    assert_eq!(earned(&world, order), [0; 4]);
}

/// As many liars as there may be say that nothing was shown to them, at every look: the others decide.
#[test]
fn liars_to_whom_nothing_was_shown_change_nothing() {
    let (mut world, order, truth) = disputed(false);
    let leaf = Some(truth);
    world.judge(order, &[(3, None), (0, leaf), (1, leaf), (2, leaf)]);
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Provider));
    assert_eq!(record.disputes[0].named, []);
}

/// Who complains has to be shown right by a quorum, at the second look too.
#[test]
fn a_complaint_wins_nothing_by_two_that_were_shown_nothing() {
    for missing in [2, 3] {
        let mut world = World::new();
        let order = world.accepted();
        world.apply(Who::Requester, OrderCall::Complain { order });
        let nothing: Vec<_> = (0..missing).map(|i| (i, None)).collect();
        world.judge(order, &nothing);
        world.advance(blocks(terms().deadlines.attest) + 1);
        let record = world.order(order);
        let expected = match missing {
            2 => Verdict::None,
            _ => Verdict::Challenger,
        };
        assert_eq!(record.disputes[0].verdict, Some(expected));
        assert_eq!(record.head.outcome == Some(Outcome::Paid), missing == 2);
    }
}

/// Each names what it misses; they need not miss the same.
#[test]
fn a_finding_names_the_piece_that_was_missing() {
    let (mut world, order, _) = disputed(false);
    let place = world.here(order);
    let pieces = [Piece::Input(1), Piece::State(SegmentIndex(2))];
    let attest = |by: u8| OrderCall::Attest {
        place,
        found: Finding::Missing(pieces[usize::from(by)]),
        salt: Some(salt(Who::Validator(by))),
    };
    for by in 0..2u8 {
        let finding = assay_ledger::Attestation {
            validator: Who::Validator(by).id(),
            found: Finding::Missing(pieces[usize::from(by)]),
        };
        let commitment = finding.commitment(&place, &salt(Who::Validator(by)));
        let call = OrderCall::CommitFinding { place, commitment };
        world.apply(Who::Validator(by), call);
    }
    let truth = Run::truth(&terms()).at(StepIndex(0));
    world.apply(Who::Validator(2), commits(place, (2, Some(truth))));
    // Another piece than it committed to is another finding.
    let other = world.would(Who::Validator(0), says(place, (0, None)));
    assert!(matches!(other, Status::Refused(_)));
    for by in 0..2 {
        world.apply(Who::Validator(by), attest(by));
    }
    let named = world.order(order).disputes[0].named.clone();
    let named: Vec<_> = named.iter().filter_map(|of| of.found.missing()).collect();
    assert_eq!(named, pieces);
}
