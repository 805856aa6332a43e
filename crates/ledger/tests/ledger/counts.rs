//! Runs whose steps do not all count: they are paid for what they computed, and where they say that
//! nothing was to be computed any more is always looked at.

use assay_ledger::{
    Amount, Call, Counts, FailureReason, OrderCall, OrderId, OrderRefusal, Outcome, Phase, Ppm,
    Reached, Refusal, SegmentIndex, Status, StepIndex, Taken, Terms,
};

use crate::redundant::crew::{copies, crowd};
use crate::world::{Run, Who, World, blocks, ends, starts, terms};

use Taken::{Idle, Invalid, Valid};

/// So many steps of each, one after the other.
fn steps(parts: &[(Taken, usize)]) -> Vec<Taken> {
    let parts = parts.iter().map(|(taken, n)| vec![*taken; *n]);
    parts.flatten().collect()
}

/// An order whose run was audited and accepted.
fn settled(run: &Run) -> (World, OrderId) {
    let mut world = World::new();
    let order = world.ran(run);
    world.audit(order, run, |_, _| run.clone());
    assert_eq!(world.phase(order), Phase::Accepted);
    world.apply(Who::Requester, OrderCall::Accept { order });
    (world, order)
}

#[test]
fn a_run_is_paid_for_what_it_computed() {
    let price = terms().price.0;
    let setup = price / 20;
    let cases = [
        (vec![(Valid, 22)], 22, Outcome::Paid),
        // It stopped early.
        (vec![(Valid, 11), (Idle, 11)], 11, Outcome::Paid),
        // There was nothing to compute.
        (vec![(Idle, 22)], 0, Outcome::Failed),
        // Steps that gave nothing cost as much as others.
        (
            vec![(Valid, 9), (Invalid, 3), (Valid, 10)],
            22,
            Outcome::Paid,
        ),
        // Four in a row, or ten in all: it is given up.
        (
            vec![(Valid, 2), (Invalid, 4), (Idle, 16)],
            6,
            Outcome::Failed,
        ),
        (
            [
                [(Invalid, 3), (Valid, 1)].repeat(3),
                vec![(Invalid, 1), (Idle, 9)],
            ]
            .concat(),
            13,
            Outcome::Failed,
        ),
    ];
    for (parts, worked, outcome) in cases {
        let run = Run::of(&steps(&parts));
        let (world, order) = settled(&run);
        let record = world.order(order);
        assert_eq!(record.head.phase, Phase::Settled);
        assert_eq!(record.head.outcome, Some(outcome), "{parts:?}");
        let earned = setup + (price - setup) * worked / 22;
        let provider = record.provider().unwrap();
        assert_eq!(world.paid(order, provider), earned, "{parts:?}");
        let fees = 2 * terms().auditor_fee.0;
        let back = record
            .head
            .terms
            .escrow(&world.genesis.parameters)
            .unwrap()
            .0
            - earned
            - fees;
        assert_eq!(world.paid(order, Who::Requester.id()), back, "{parts:?}");
        assert_eq!(record.head.escrow, Amount::ZERO);
    }
}

#[test]
fn copies_are_paid_for_what_they_computed() {
    let mut world = crowd();
    let truth = Run::of(&steps(&[(Valid, 7), (Idle, 15)]));
    let order = world.compared(&[truth.clone(), truth]);
    world.apply(Who::Requester, OrderCall::Accept { order });
    let price = copies(2).price.0;
    let earned = price / 20 + (price - price / 20) * 7 / 22;
    for run in &world.order(order).runs {
        assert_eq!(world.paid(order, run.provider), earned);
    }
}

#[test]
fn what_is_earned_is_never_more_than_the_price() {
    let counts = |worked| Counts {
        valid: worked,
        ..Counts::default()
    };
    for price in [1, 7, 1_000_000, u64::MAX] {
        let terms = Terms {
            price: Amount(price),
            ..terms()
        };
        for setup in [Ppm(0), Ppm(50_000), Ppm::ONE] {
            let mut before = 0;
            for worked in 0..=22 {
                let earned = terms.earned(&counts(worked), setup).0;
                assert!((before..=price).contains(&earned), "{price} {worked}");
                before = earned;
            }
            assert_eq!(before, price);
            assert_eq!(terms.earned(&counts(u64::MAX), setup).0, price);
        }
    }
}

/// Whoever claims that a run was over sooner than it was, or that steps came to nothing, is spared
/// work: the segment in which it begins is replayed in every draw, and the others are drawn where
/// there was work.
#[test]
fn where_a_run_was_over_is_replayed_in_every_draw() {
    let over = Run::of(&steps(&[(Valid, 9), (Idle, 13)]));
    let spoiled = Run::of(&steps(&[(Valid, 1), (Invalid, 1), (Valid, 20)]));
    let given_up = Run::of(&steps(&[(Valid, 4), (Invalid, 4), (Idle, 14)]));
    for name in 0..40u8 {
        let drawn = |run: &Run| {
            let mut world = World::new();
            // Each world has other beacons.
            world.advance(u32::from(name));
            let order = world.ran(run);
            world.fill(order);
            world.order(order).round().unwrap().segments.clone()
        };
        let segments = drawn(&over);
        assert!(segments.contains(&SegmentIndex(2)), "{segments:?}");
        assert!(segments.iter().all(|segment| segment.0 <= 2));
        assert!(drawn(&spoiled).contains(&SegmentIndex(0)));
        let segments = drawn(&given_up);
        assert!(segments.contains(&SegmentIndex(1)) && segments.contains(&SegmentIndex(2)));
        assert!(segments.iter().all(|segment| segment.0 <= 2));
    }
}

#[test]
fn counts_that_no_run_can_have_are_not_committed_to() {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let order = world.posted();
    let provider = world.assign(order);
    world.grant_to_provider(order);
    let of = |valid, invalid, idle, in_row| Counts {
        valid,
        invalid,
        idle,
        in_row,
    };
    let odd = [
        (of(21, 0, 0, 0), None),
        (of(22, 0, 1, 0), None),
        (of(u64::MAX, 23, 0, 0), Some(1)),
        // More in a row than there are, or than the run may have.
        (of(20, 2, 0, 3), Some(1)),
        (of(17, 5, 0, 5), Some(1)),
        (of(11, 11, 0, 0), Some(1)),
        // An invalid step that is nowhere, or none that is somewhere, or that was not computed.
        (of(22, 0, 0, 0), Some(3)),
        (of(20, 2, 0, 0), None),
        (of(10, 2, 10, 0), Some(13)),
        (of(20, 2, 0, 0), Some(0)),
    ];
    let good = world.commit_call(order, &truth);
    for (said, first) in odd {
        let mut call = good.clone();
        if let Call::Order(OrderCall::CommitTrace {
            counts,
            first_invalid,
            ..
        }) = &mut call
        {
            (*counts, *first_invalid) = (said, first.map(StepIndex));
        }
        let refusal = match world.would(provider, call) {
            Status::Refused(refusal) => refusal,
            other => panic!("{said:?} {first:?}: {other:?}"),
        };
        let expected = matches!(refusal, Refusal::Order(OrderRefusal::BadCounts { .. }));
        assert!(expected, "{said:?} {first:?}: {refusal:?}");
    }
    world.apply(provider, good);
}

/// What was said of a run when it was committed to binds: leaves that count something else are no
/// openings, and without openings the bond is lost.
#[test]
fn leaves_must_count_what_was_said_of_the_run() {
    let said = Run::of(&steps(&[(Valid, 9), (Idle, 13)]));
    let others = [
        // It went on for longer, or stopped sooner.
        steps(&[(Valid, 22)]),
        steps(&[(Valid, 5), (Idle, 17)]),
        // A step in its first segment gave nothing.
        steps(&[(Valid, 1), (Invalid, 1), (Valid, 7), (Idle, 13)]),
    ];
    for other in others {
        let other = Run::of(&other);
        let mut world = World::new();
        let order = world.posted();
        let provider = world.assign(order);
        world.grant_to_provider(order);
        let mut call = world.commit_call(order, &other);
        if let Call::Order(OrderCall::CommitTrace {
            counts,
            first_invalid,
            ..
        }) = &mut call
        {
            (*counts, *first_invalid) = (said.counts(), said.first_invalid());
        }
        world.apply(provider, call);
        world.fill(order);
        let record = world.order(order);
        let place = world.here(order);
        let open = |openings| OrderCall::OpenStarts { place, openings };
        let fits = |run: &Run| {
            let trace = record.run().unwrap().trace.as_ref().unwrap();
            let starts = starts(&record);
            starts
                .iter()
                .all(|step| trace.admits(*step, &run.reached[step.0 as usize].counts))
        };
        if fits(&other) {
            world.open(order, &other);
            for auditor in world.auditors(order) {
                let results = said.results(&world.order(order));
                world.commit_results(order, auditor, &results);
            }
            let openings = other.openings(&ends(&world.order(order)));
            let place = world.here(order);
            let refusal = world.refuse(provider, OrderCall::OpenEnds { place, openings });
            let counts = matches!(refusal, Refusal::Order(OrderRefusal::OtherCounts { .. }));
            assert!(counts, "{refusal:?}");
            world.advance(blocks(terms().deadlines.open) + 1);
        } else {
            let refusal = world.refuse(provider, open(other.openings(&starts(&record))));
            let counts = matches!(refusal, Refusal::Order(OrderRefusal::OtherCounts { .. }));
            assert!(counts, "{refusal:?}");
            world.advance(blocks(terms().deadlines.open) + 1);
        }
        let failed = world.order(order).runs[0].failed.unwrap();
        assert_eq!(failed.reason, FailureReason::Withheld);
        assert_eq!(failed.slashed, terms().provider_bond);
    }
}

/// A state can be called by other counts only in a leaf of its own, which is not under the root.
#[test]
fn counts_are_part_of_the_leaf() {
    let truth = Run::of(&steps(&[(Valid, 9), (Idle, 13)]));
    let mut world = World::new();
    let order = world.ran(&truth);
    world.fill(order);
    let starts = starts(&world.order(order));
    let place = world.here(order);
    let mut openings = truth.openings(&starts).to_vec();
    let last = openings.last_mut().unwrap();
    let Reached { counts, .. } = &mut last.reached;
    counts.valid += 1;
    let openings = assay_ledger::BoundedVec::new(openings).unwrap();
    let provider = world.provider(order);
    let refusal = world.refuse(provider, OrderCall::OpenStarts { place, openings });
    let path = matches!(refusal, Refusal::Order(OrderRefusal::BadPath { .. }));
    assert!(path, "{refusal:?}");
}
