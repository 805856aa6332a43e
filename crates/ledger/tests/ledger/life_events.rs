//! What whole lives leave in the receipts: every event, in its order and place.
//!
//! A line is the height, `block` or the transaction's place in it, and what happened.

use assay_ledger::{
    AccountCall, AccountEvent, AccountId, Amount, Event, FileEvent, OrderCall, OrderEvent, Phase,
    Role,
};

use crate::life::{REACH, wait};
use crate::world::{BOND, Run, Told, Who, World, blocks, terms};

fn name(account: &AccountId) -> String {
    format!("{:?}", Who::of(*account))
}

fn names(accounts: &[AccountId]) -> String {
    accounts.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn line(told: &Told) -> String {
    let event = match &told.event {
        Event::Account(event) => of_account(event),
        Event::File(event) => of_file(event),
        Event::Order { event, .. } => of_order(event),
    };
    match told.tx {
        None => format!("{} block {event}", told.height),
        Some(tx) => format!("{} {tx} {event}", told.height),
    }
}

fn of_account(event: &AccountEvent) -> String {
    match event {
        AccountEvent::Transferred { from, to, amount } => {
            format!("transferred {amount} {} to {}", name(from), name(to))
        }
        AccountEvent::Registered { account, role, .. } => {
            format!("registered {} {role}", name(account))
        }
        AccountEvent::Owned { node, owner } => {
            format!("owned {} by {}", name(node), name(owner))
        }
        AccountEvent::Unregistered { account, role } => {
            format!("unregistered {} {role}", name(account))
        }
        AccountEvent::Unbonded {
            account,
            role,
            amount,
        } => format!("unbonded {} {role} {amount}", name(account)),
    }
}

fn of_file(event: &FileEvent) -> String {
    match event {
        FileEvent::Put { owner, .. } => format!("file {}", name(owner)),
        FileEvent::Grant {
            owner,
            grantee,
            state,
            ..
        } => format!("file grant {} to {} {state}", name(owner), name(grantee)),
    }
}

fn of_order(event: &OrderEvent) -> String {
    match event {
        OrderEvent::OrderPosted { escrow, .. } => format!("posted escrow {escrow}"),
        OrderEvent::PhaseEntered { phase } => format!("phase {phase}"),
        OrderEvent::ProviderDrawn { run, provider } => {
            format!("drawn {} run {run}", name(provider))
        }
        OrderEvent::Granted { from, to } => format!("granted {} to {}", name(from), name(to)),
        OrderEvent::Declined { provider, .. } => format!("declined {}", name(provider)),
        OrderEvent::TraceCommitted { provider, .. } => format!("trace {}", name(provider)),
        OrderEvent::RunCommitted { provider } => format!("committed {}", name(provider)),
        OrderEvent::AuditDrawn { auditors, segments } => {
            let segments: Vec<_> = segments.iter().map(|segment| segment.0).collect();
            format!("drawn {} segments {segments:?}", names(auditors))
        }
        OrderEvent::AuditCommitted { auditor } => format!("committed {}", name(auditor)),
        OrderEvent::AuditRevealed { auditor } => format!("revealed {}", name(auditor)),
        OrderEvent::Disputed {
            run,
            challenger,
            question,
            segment,
        } => format!(
            "disputed run {run} by {} {question:?} segment {segment}",
            name(challenger),
        ),
        OrderEvent::Narrowed { agreed, disputed } => format!("narrowed {agreed} {disputed}"),
        OrderEvent::Attested { validator, .. } => format!("attested {}", name(validator)),
        OrderEvent::Decided { verdict } => format!("decided {verdict:?}"),
        OrderEvent::Slashed {
            account,
            role,
            amount,
            reason,
        } => format!("slashed {} {role} {amount} {reason:?}", name(account)),
        OrderEvent::Paid { account, amount } => format!("paid {} {amount}", name(account)),
        OrderEvent::RunFailed {
            run,
            provider,
            reason,
        } => format!("failed run {run} {} {reason:?}", name(provider)),
        OrderEvent::Ended { outcome } => format!("ended {outcome:?}"),
    }
}

pub(crate) fn lines<'a>(told: impl Iterator<Item = &'a Told>) -> String {
    told.map(|told| line(told) + "\n").collect()
}

/// Compares line by line, so that a difference shows its surroundings.
pub(crate) fn expect(told: &str, expected: &str) {
    let expected: String = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(told == expected, "told:\n{told}\nexpected:\n{expected}");
}

#[test]
fn a_settled_life_is_told_whole() {
    let mut world = World::new();
    let order = world.accepted();
    wait(&mut world, order);
    expect(&lines(world.told.iter()), SETTLED);
}

#[test]
fn a_cheaters_life_is_told_whole() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 1, "provider");
    let order = world.ran(&lie);
    world.audit(order, &lie, |_, _| truth.clone());
    world.bisect(order, &lie, &truth);
    let disputed = world.order(order).dispute().unwrap().disputed.step;
    for i in 0..3 {
        let leaf = Some(truth.at(disputed));
        let place = world.here(order);
        world.apply(Who::Validator(i), OrderCall::Attest { place, leaf });
    }
    world.assign(order);
    world.grant_to_provider(order);
    world.commit(order, &truth);
    world.audit(order, &truth, |_, _| truth.clone());
    world.apply(Who::Requester, OrderCall::Accept { order });
    expect(&lines(world.told.iter()), CHEATED);
}

/// What blocks do by themselves in lives that are left alone at some phase.
#[test]
fn each_deadlines_life_is_told_in_its_blocks() {
    let truth = Run::truth(&terms());
    assert_eq!(
        REACH.map(|(phase, _)| phase),
        LEFT_ALONE.map(|(phase, _)| phase)
    );
    for ((phase, reach), (_, expected)) in REACH.into_iter().zip(LEFT_ALONE) {
        let mut world = World::new();
        let order = reach(&mut world, &truth);
        wait(&mut world, order);
        let own = world.told.iter().filter(|told| told.tx.is_none());
        println!("left alone when {phase}");
        expect(&lines(own), expected);
    }
}

#[test]
fn a_freed_bond_is_told_by_the_block_that_frees_it() {
    let mut world = World::new();
    let role = Role::Auditor;
    world.apply(Who::Auditor(2), AccountCall::Unregister { role });
    world.advance(blocks(world.genesis.parameters.unbonding_ms));
    expect(
        &lines(world.told.iter()),
        "1 0 unregistered Auditor(2) auditor
         6 block unbonded Auditor(2) auditor 100.0",
    );
}

/// The phase that waits for a provider ends by itself when nobody can be drawn.
#[test]
fn a_life_without_anybody_to_draw_is_told() {
    let mut dear = terms();
    dear.provider_bond = Amount(BOND.0 + 1);
    let mut world = World::new();
    let order = world.post(&dear);
    wait(&mut world, order);
    let own = world.told.iter().filter(|told| told.tx.is_none());
    expect(
        &lines(own),
        "8 block paid Requester 11.0
         8 block ended NoProvider",
    );
}

/// Events stand in the order of the blocks' own steps: deadlines, then draws.
#[test]
fn two_orders_in_one_block_are_told_one_after_the_other() {
    let mut world = World::new();
    let first = world.posted();
    world.assign(first);
    world.advance(blocks(terms().deadlines.grant) - 1);
    world.apply(Who::Requester, OrderCall::Post(Box::new(terms())));
    let before = world.told.len();
    world.advance(1);
    expect(
        &lines(world.told[before..].iter()),
        "
            10 block paid Requester 11.0
            10 block ended NotGranted
            10 block drawn Provider(0) run 0
            10 block phase assigned
        ",
    );
}

const SETTLED: &str = "
    1 0 file Requester
    2 0 file Requester
    3 0 posted escrow 11.0
    3 0 phase posted
    4 block drawn Provider(1) run 0
    4 block phase assigned
    5 0 granted Requester to Provider(1)
    5 0 phase running
    6 0 file Provider(1)
    6 1 file Provider(1)
    6 2 file Provider(1)
    6 3 file Provider(1)
    6 4 file Provider(1)
    6 5 file Provider(1)
    6 6 file Provider(1)
    7 0 trace Provider(1)
    7 0 phase committed
    8 block drawn Auditor(0) Auditor(2) segments [0, 3, 4]
    8 block phase opening
    9 1 granted Provider(1) to Auditor(0)
    9 2 granted Provider(1) to Auditor(2)
    9 2 phase auditing
    10 0 committed Auditor(0)
    11 0 committed Auditor(2)
    11 0 phase closing
    12 0 phase revealing
    13 0 revealed Auditor(0)
    14 0 revealed Auditor(2)
    14 0 phase accepted
    27 block paid Provider(1) 10.0
    27 block paid Auditor(0) 0.5
    27 block paid Auditor(2) 0.5
    27 block ended Paid
";

const CHEATED: &str = "
    1 0 file Requester
    2 0 file Requester
    3 0 posted escrow 11.0
    3 0 phase posted
    4 block drawn Provider(1) run 0
    4 block phase assigned
    5 0 granted Requester to Provider(1)
    5 0 phase running
    6 0 file Provider(1)
    6 1 file Provider(1)
    6 2 file Provider(1)
    6 3 file Provider(1)
    6 4 file Provider(1)
    6 5 file Provider(1)
    6 6 file Provider(1)
    7 0 trace Provider(1)
    7 0 phase committed
    8 block drawn Auditor(0) Auditor(2) segments [0, 3, 4]
    8 block phase opening
    9 1 granted Provider(1) to Auditor(0)
    9 2 granted Provider(1) to Auditor(2)
    9 2 phase auditing
    10 0 committed Auditor(0)
    11 0 committed Auditor(2)
    11 0 phase closing
    12 0 phase revealing
    13 0 revealed Auditor(0)
    14 0 revealed Auditor(2)
    14 0 disputed run 0 by Auditor(0) Step segment 0
    14 0 phase bisecting
    16 0 narrowed 0 2
    16 0 phase bisecting
    18 0 narrowed 0 1
    18 0 phase attesting
    19 0 attested Validator(0)
    20 0 attested Validator(1)
    21 0 attested Validator(2)
    21 0 decided Challenger
    21 0 slashed Provider(1) provider 20.0 Provider(WrongResult)
    21 0 paid Auditor(0) 5.0
    21 0 paid Auditor(2) 5.0
    21 0 failed run 0 Provider(1) WrongResult
    21 0 phase posted
    22 block drawn Provider(2) run 1
    22 block phase assigned
    23 0 granted Requester to Provider(2)
    23 0 phase running
    24 0 file Provider(2)
    24 1 file Provider(2)
    24 2 file Provider(2)
    24 3 file Provider(2)
    24 4 file Provider(2)
    24 5 file Provider(2)
    24 6 file Provider(2)
    25 0 trace Provider(2)
    25 0 phase committed
    26 block drawn Auditor(2) Auditor(4) segments [0, 2, 5]
    26 block phase opening
    27 1 granted Provider(2) to Auditor(2)
    27 2 granted Provider(2) to Auditor(4)
    27 2 phase auditing
    28 0 committed Auditor(2)
    29 0 committed Auditor(4)
    29 0 phase closing
    30 0 phase revealing
    31 0 revealed Auditor(2)
    32 0 revealed Auditor(4)
    32 0 phase accepted
    33 0 paid Provider(2) 10.0
    33 0 paid Auditor(2) 0.5
    33 0 paid Auditor(4) 0.5
    33 0 ended Paid
";

const LEFT_ALONE: [(Phase, &str); 11] = [
    (
        Phase::Posted,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            10 block paid Requester 11.0
            10 block ended NotGranted
        ",
    ),
    (
        Phase::Assigned,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            10 block paid Requester 11.0
            10 block ended NotGranted
        ",
    ),
    (
        Phase::Running,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            12 block slashed Provider(1) provider 4.0 Provider(Late)
            12 block failed run 0 Provider(1) Late
            12 block phase posted
            13 block drawn Provider(2) run 1
            13 block phase assigned
            19 block paid Requester 11.0
            19 block ended NotGranted
        ",
    ),
    (
        Phase::Committed,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            8 block drawn Auditor(0) Auditor(2) segments [0, 3, 4]
            8 block phase opening
            16 block slashed Provider(1) provider 20.0 Provider(Withheld)
            16 block failed run 0 Provider(1) Withheld
            16 block phase posted
            17 block drawn Provider(2) run 1
            17 block phase assigned
            23 block paid Requester 11.0
            23 block ended NotGranted
        ",
    ),
    (
        Phase::Opening,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            8 block drawn Auditor(0) Auditor(2) segments [0, 3, 4]
            8 block phase opening
            16 block slashed Provider(1) provider 20.0 Provider(Withheld)
            16 block failed run 0 Provider(1) Withheld
            16 block phase posted
            17 block drawn Provider(2) run 1
            17 block phase assigned
            23 block paid Requester 11.0
            23 block ended NotGranted
        ",
    ),
    (
        Phase::Auditing,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            8 block drawn Auditor(0) Auditor(2) segments [0, 3, 4]
            8 block phase opening
            18 block slashed Auditor(0) auditor 5.0 NoCommitment
            18 block slashed Auditor(2) auditor 5.0 NoCommitment
            18 block phase committed
            19 block drawn Auditor(4) Auditor(1) segments [0, 1, 3, 4]
            19 block phase opening
            27 block slashed Provider(1) provider 20.0 Provider(Withheld)
            27 block failed run 0 Provider(1) Withheld
            27 block phase posted
            28 block drawn Provider(2) run 1
            28 block phase assigned
            34 block paid Requester 11.0
            34 block ended NotGranted
        ",
    ),
    (
        Phase::Closing,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            8 block drawn Auditor(0) Auditor(2) segments [0, 3, 4]
            8 block phase opening
            19 block slashed Provider(1) provider 20.0 Provider(Withheld)
            19 block paid Auditor(0) 5.0
            19 block paid Auditor(2) 5.0
            19 block failed run 0 Provider(1) Withheld
            19 block phase posted
            20 block drawn Provider(2) run 1
            20 block phase assigned
            26 block paid Requester 11.0
            26 block ended NotGranted
        ",
    ),
    (
        Phase::Revealing,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            8 block drawn Auditor(0) Auditor(2) segments [0, 3, 4]
            8 block phase opening
            22 block slashed Auditor(0) auditor 5.0 NoReveal
            22 block slashed Auditor(2) auditor 5.0 NoReveal
            22 block phase committed
            23 block drawn Auditor(4) Auditor(3) segments [0, 3, 5]
            23 block phase opening
            31 block slashed Provider(1) provider 20.0 Provider(Withheld)
            31 block failed run 0 Provider(1) Withheld
            31 block phase posted
            32 block drawn Provider(0) run 1
            32 block phase assigned
            38 block paid Requester 11.0
            38 block ended NotGranted
        ",
    ),
    (
        Phase::Bisecting,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            8 block drawn Auditor(0) Auditor(2) segments [0, 3, 4]
            8 block phase opening
            25 block decided Neither
            25 block slashed Auditor(0) auditor 5.0 SilentChallenge
            25 block slashed Provider(1) provider 20.0 Provider(Silent)
            25 block failed run 0 Provider(1) Silent
            25 block phase posted
            26 block drawn Provider(2) run 1
            26 block phase assigned
            32 block paid Requester 11.0
            32 block ended NotGranted
        ",
    ),
    (
        Phase::Attesting,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            8 block drawn Auditor(0) Auditor(2) segments [0, 3, 4]
            8 block phase opening
            26 block decided None
            26 block disputed run 0 by Auditor(2) Initial segment 0
            26 block phase attesting
            38 block decided None
            38 block phase committed
            39 block drawn Auditor(4) Auditor(1) segments [2, 4, 5]
            39 block phase opening
            47 block slashed Provider(1) provider 20.0 Provider(Withheld)
            47 block failed run 0 Provider(1) Withheld
            47 block phase posted
            48 block drawn Provider(2) run 1
            48 block phase assigned
            54 block paid Requester 11.0
            54 block ended NotGranted
        ",
    ),
    (
        Phase::Accepted,
        "
            4 block drawn Provider(1) run 0
            4 block phase assigned
            8 block drawn Auditor(0) Auditor(2) segments [0, 3, 4]
            8 block phase opening
            27 block paid Provider(1) 10.0
            27 block paid Auditor(0) 0.5
            27 block paid Auditor(2) 0.5
            27 block ended Paid
        ",
    ),
];
