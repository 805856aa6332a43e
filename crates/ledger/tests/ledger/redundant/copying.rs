//! Nobody can take another's run for its own, or change what it committed to.

use assay_crypto::Digest;
use assay_ledger::{
    BoundedVec, DeclineReason, FailureReason, FileId, OrderCall, OrderRefusal, Phase, Refusal,
    RunIndex, StepIndex, Trace,
};

use super::crew::{copies, crowd, files, gain, tokens, truth};
use crate::world::{Who, World, lock, salt};

fn mismatch(order: assay_ledger::OrderId) -> Refusal {
    Refusal::Order(OrderRefusal::CommitmentMismatch { order })
}

/// The reveal of one run as its provider makes it, sent by another for its own run.
fn taken(reveal: OrderCall, to: assay_ledger::Place) -> OrderCall {
    let mut call = reveal;
    if let OrderCall::RevealRun { place, .. } = &mut call {
        *place = to;
    }
    call
}

#[test]
fn nobody_can_reveal_what_another_committed_to() {
    let mut world = crowd();
    let order = world.drawn(&copies(3));
    world.hand_all(order);
    let first = world.commitment(order, 0, &truth());
    world.commit_run(order, 0, &truth());
    // The second takes the first one's commitment; the third commits to the first one's trace as
    // it would be in another run.
    let (copyist, other) = (world.runner(order, 1), world.runner(order, 2));
    let place = world.order(order).work(RunIndex(1));
    world.apply(
        copyist,
        OrderCall::CommitRun {
            place,
            commitment: first,
        },
    );
    let (checkpoints, result) = files(other);
    let trace = (&truth().root(), &checkpoints[..], &result);
    let elsewhere = world.order(order).work(RunIndex(7));
    let commitment = Trace::commitment(
        &elsewhere,
        other.id(),
        trace,
        (&lock(other).public(), &salt(other)),
    );
    let place = world.order(order).work(RunIndex(2));
    world.apply(other, OrderCall::CommitRun { place, commitment });
    assert_eq!(world.phase(order), Phase::Revealing);
    world.reveal_run(order, 0, &truth());
    let shown = world.reveal_run_call(order, 0, &truth());
    for run in [1, 2] {
        let who = world.runner(order, run);
        world.record(who);
        let place = world.order(order).work(RunIndex(run));
        // Neither what the first showed, nor the same run with files of its own.
        assert_eq!(
            world.refuse(who, taken(shown.clone(), place)),
            mismatch(order)
        );
        let own = world.reveal_run_call(order, run, &truth());
        assert_eq!(world.refuse(who, own), mismatch(order));
    }
    // Nor for the first one's run, which is not theirs.
    assert!(matches!(
        world.refuse(copyist, shown),
        Refusal::Order(OrderRefusal::OtherPlace { .. })
    ));
    world.expire(order);
    for run in [1, 2] {
        let failure = world.order(order).runs[run].failed.unwrap();
        assert_eq!(failure.reason, FailureReason::Withheld);
        assert_eq!(gain(&world, world.runner(order, run as u32)), tokens(-20));
    }
}

#[test]
fn a_commitment_of_another_order_is_worth_nothing() {
    let mut world = World::new();
    let first = world.drawn(&copies(3));
    world.hand_all(first);
    let second = world.drawn(&copies(3));
    world.hand_all(second);
    // All three providers have a run in both orders.
    let who = world.runner(second, 0);
    let in_first = world.order(first).run_of(who.id()).unwrap().index;
    let commitment = world.commitment(first, in_first.0, &truth());
    let place = world.order(second).work(RunIndex(0));
    world.apply(who, OrderCall::CommitRun { place, commitment });
    for run in [1, 2] {
        world.commit_run(second, run, &truth());
    }
    world.record(who);
    let reveal = world.reveal_run_call(second, 0, &truth());
    assert_eq!(world.refuse(who, reveal), mismatch(second));
}

#[test]
fn a_reveal_that_differs_from_its_commitment_is_refused() {
    let mut world = crowd();
    let order = world.committed(&[truth(), truth()]);
    let who = world.runner(order, 0);
    world.record(who);
    world.record(world.runner(order, 1));
    let other = Digest::of("other", &[]);
    type Change = fn(&mut Digest, &mut Vec<FileId>, &mut FileId, &mut Digest, Digest);
    let changes: [Change; 7] = [
        |root, _, _, _, other| *root = other,
        |_, checkpoints, _, _, other| checkpoints[0] = FileId(other),
        |_, checkpoints, _, _, _| checkpoints.swap(1, 2),
        |_, checkpoints, _, _, _| checkpoints.truncate(5),
        |_, checkpoints, result, _, _| checkpoints.push(*result),
        |_, _, result, _, other| *result = FileId(other),
        |_, _, _, salt, other| *salt = other,
    ];
    for change in changes {
        let mut call = world.reveal_run_call(order, 0, &truth());
        if let OrderCall::RevealRun {
            root,
            checkpoints,
            result,
            salt,
            ..
        } = &mut call
        {
            let mut names = checkpoints.to_vec();
            change(root, &mut names, result, salt, other);
            *checkpoints = BoundedVec::new(names).unwrap();
        }
        assert_eq!(world.refuse(who, call), mismatch(order));
    }
    // The leaves are not part of the commitment, and must lie under its root.
    let lie = super::crew::lie(5, "liar");
    let ends: [(&[u64], _); 5] = [
        (&[], truth()),
        (&[0], truth()),
        (&[22, 0], truth()),
        (&[0, 21], truth()),
        (&[0, 22], lie),
    ];
    for (ends, of) in ends {
        let mut call = world.reveal_run_call(order, 0, &truth());
        if let OrderCall::RevealRun { openings, .. } = &mut call {
            let wrong = ends.iter().map(|step| of.opening(StepIndex(*step)));
            *openings = BoundedVec::new(wrong.collect::<Vec<_>>()).unwrap();
        }
        assert!(matches!(
            world.refuse(who, call),
            Refusal::Order(
                OrderRefusal::WrongOpenings { .. }
                    | OrderRefusal::BadPath { .. }
                    | OrderRefusal::BadCounts { .. }
            )
        ));
    }
    let call = world.reveal_run_call(order, 0, &truth());
    world.apply(who, call.clone());
    let done = Refusal::Order(OrderRefusal::AlreadyDone { order });
    assert_eq!(world.refuse(who, call), done);
}

#[test]
fn files_that_the_provider_did_not_record_are_not_revealed() {
    let mut world = crowd();
    let order = world.committed(&[truth(), truth()]);
    let (who, other) = (world.runner(order, 0), world.runner(order, 1));
    world.record(other);
    let call = world.reveal_run_call(order, 0, &truth());
    assert!(matches!(world.refuse(who, call), Refusal::File(_)));
}

/// Nor can it be given back any more.
#[test]
fn a_commitment_is_not_changed_later() {
    let mut world = crowd();
    let order = world.drawn(&copies(2));
    world.hand_all(order);
    world.commit_run(order, 0, &super::crew::lie(5, "liar"));
    let who = world.runner(order, 0);
    let place = world.order(order).work(RunIndex(0));
    let done = Refusal::Order(OrderRefusal::AlreadyDone { order });
    let better = world.commit_run_call(order, 0, &truth());
    assert_eq!(world.refuse(who, better), done);
    let reason = DeclineReason::Inputs;
    let decline = OrderCall::Decline { place, reason };
    assert_eq!(world.refuse(who, decline), done);
    // It is not shown before all are committed, and not committed in the open.
    world.record(who);
    let reveal = world.reveal_run_call(order, 0, &truth());
    let (checkpoints, result) = files(who);
    let open = OrderCall::CommitTrace {
        place,
        root: truth().root(),
        checkpoints,
        result,
        counts: truth().counts(),
        first_invalid: None,
        lock: lock(who).public(),
    };
    for call in [reveal, open] {
        assert!(matches!(
            world.refuse(who, call),
            Refusal::Order(OrderRefusal::WrongPhase { .. })
        ));
    }
    // Whoever has no run commits to none.
    let stranger = super::crew::crowd_of().find(|who| {
        let order = world.order(order);
        order.run_of(who.id()).is_none()
    });
    let call = world.commit_run_call(order, 1, &truth());
    for who in [stranger.unwrap(), Who::Requester] {
        assert!(matches!(
            world.refuse(who, call.clone()),
            Refusal::Order(OrderRefusal::NotYourMove { .. })
        ));
    }
    // Nor for another's run.
    assert!(matches!(
        world.refuse(world.runner(order, 0), call),
        Refusal::Order(OrderRefusal::OtherPlace { .. })
    ));
}

/// A run has one provider, so naming both is more than is needed; but what a digest says must not
/// hang on how runs are numbered.
#[test]
fn a_commitment_depends_on_all_it_is_bound_to() {
    let place = |order: &str, run| assay_ledger::Place {
        order: assay_ledger::OrderId(Digest::of("order", &[order.as_bytes()])),
        run: RunIndex(run),
        occasion: assay_ledger::Occasion::Work,
    };
    let [a, b] = ["a", "b"].map(|name| Digest::of("part", &[name.as_bytes()]));
    let files = [[FileId(a), FileId(b)], [FileId(b), FileId(a)]];
    let commit = |changed: usize| {
        let pick = |part: usize, of: [Digest; 2]| of[usize::from(part == changed)];
        let place = match changed {
            0 => place("other", 0),
            1 => place("order", 1),
            _ => place("order", 0),
        };
        let who = [Who::Provider(0), Who::Provider(1)][usize::from(changed == 2)];
        let checkpoints = match changed {
            4 => &files[1][..],
            5 => &files[0][..1],
            _ => &files[0][..],
        };
        let (root, result) = (pick(3, [a, b]), FileId(pick(6, [a, b])));
        let trace = (&root, checkpoints, &result);
        let lock = lock(Who::Provider(u8::from(changed == 9))).public();
        Trace::commitment(&place, who.id(), trace, (&lock, &pick(7, [a, b])))
    };
    let all: std::collections::BTreeSet<_> = (0..=9).map(commit).map(|digest| digest.0).collect();
    assert_eq!(all.len(), 10);
}
