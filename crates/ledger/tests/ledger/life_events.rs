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
        FileEvent::Ended { owner, .. } => format!("file ended {}", name(owner)),
        FileEvent::Paid { node, amount, .. } => format!("file paid {} {amount}", name(node)),
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
        OrderEvent::Asked { role, accounts } => format!("asked {role} {}", names(accounts)),
        OrderEvent::Answered { account, accept } => match accept {
            true => format!("accepted {}", name(account)),
            false => format!("turned down {}", name(account)),
        },
        OrderEvent::Missed { account } => format!("missed {}", name(account)),
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
        OrderEvent::Delivered { provider } => format!("delivered {}", name(provider)),
        OrderEvent::FindingCommitted { validator } => format!("committed {}", name(validator)),
        OrderEvent::Attested { validator, .. } => format!("attested {}", name(validator)),
        OrderEvent::Unseen { pieces } => format!("unseen {pieces:?}"),
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
        OrderEvent::Reimbursed { account, amount } => {
            format!("reimbursed {} {amount}", name(account))
        }
        OrderEvent::Contradicted { run } => format!("contradicted run {run}"),
        OrderEvent::Joined { trainer, number } => format!("joined {} as {number}", name(trainer)),
        OrderEvent::Left { trainer } => format!("left {}", name(trainer)),
        OrderEvent::PutOut { trainer } => format!("put out {}", name(trainer)),
        OrderEvent::RoundBegun { round, trainers } => format!("round {round} of {trainers}"),
        OrderEvent::UpdateCommitted { round, trainer, .. } => {
            format!("update {round} {}", name(trainer))
        }
        OrderEvent::Held { validator } => format!("held {}", name(validator)),
        OrderEvent::Gathered { round, sent, held } => {
            format!("gathered {round}: {held} of {sent}")
        }
        OrderEvent::TrainersDrawn { round, trainers } => {
            format!("drawn {round} {}", names(trainers))
        }
        OrderEvent::ModelAttested { validator, .. } => format!("attested {}", name(validator)),
        OrderEvent::FirstModel { .. } => "first model".to_owned(),
        OrderEvent::Merged { round, updates, .. } => format!("merged {round}: {updates}"),
        OrderEvent::NotMerged {
            round,
            sent,
            counted,
        } => format!("merged nothing in {round}: {counted} of {sent}"),
        OrderEvent::Ended { outcome } => format!("ended {outcome:?}"),
        OrderEvent::KeyDealt { .. } => "key dealt".to_owned(),
        OrderEvent::ShareChecked { validator, good } => match good {
            true => format!("holds {}", name(validator)),
            false => format!("holds nothing {}", name(validator)),
        },
        OrderEvent::Claimed { provider } => format!("claimed {}", name(provider)),
        OrderEvent::ContestBegun { claims } => format!("contest of {claims}"),
        OrderEvent::ShareShown { validator } => format!("share {}", name(validator)),
        OrderEvent::KeyOpened => "key opened".to_owned(),
        OrderEvent::ScoresShown { validator } => format!("scores {}", name(validator)),
        OrderEvent::Scored { provider, score } => format!("scored {} {score:?}", name(provider)),
        OrderEvent::ScoreChallenged {
            provider,
            by,
            score,
        } => format!("challenged {} by {} {score:?}", name(provider), name(by)),
        OrderEvent::Recounted { provider, score } => {
            format!("recounted {} {score:?}", name(provider))
        }
    }
}

pub(crate) fn lines<'a>(told: impl Iterator<Item = &'a Told>) -> String {
    told.map(|told| line(told) + "\n").collect()
}

/// Compares line by line, so that a difference shows its surroundings.
pub(crate) fn expect(told: &str, expected: &str) {
    let difference = difference(told, expected);
    assert!(difference.is_empty(), "{difference}");
}

/// What was told and what was expected; nothing where they are the same.
fn difference(told: &str, expected: &str) -> String {
    let expected: String = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    match told == expected {
        true => String::new(),
        false => format!("told:\n{told}\nexpected:\n{expected}"),
    }
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
    let leaf = Some(truth.at(disputed));
    world.judge(order, &[0, 1, 2].map(|i| (i, leaf)));
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
    let mut differences = String::new();
    for ((phase, reach), (_, expected)) in REACH.into_iter().zip(LEFT_ALONE) {
        let mut world = World::new();
        let order = reach(&mut world, &truth);
        wait(&mut world, order);
        let own = world.told.iter().filter(|told| told.tx.is_none());
        let difference = difference(&lines(own), expected);
        if !difference.is_empty() {
            differences.push_str(&format!("left alone when {phase}, {difference}"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
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
        "8 block paid Requester 11.5
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
            12 block paid Provider(2) 0.5
            12 block paid Requester 11.0
            12 block ended NotGranted
            12 block asked provider Provider(2) Provider(0) Provider(1)
            12 block phase asked
        ",
    );
}

const SETTLED: &str = "
    1 0 file Requester
    2 0 file Requester
    3 0 posted escrow 11.5
    3 0 phase posted
    4 block asked provider Provider(2) Provider(0) Provider(1)
    4 block phase asked
    5 0 accepted Provider(2)
    5 0 drawn Provider(2) run 0
    5 0 phase taken
    6 block phase assigned
    7 0 granted Requester to Provider(2)
    7 0 phase running
    8 0 file Provider(2)
    8 1 file Provider(2)
    8 2 file Provider(2)
    8 3 file Provider(2)
    8 4 file Provider(2)
    8 5 file Provider(2)
    8 6 file Provider(2)
    9 0 trace Provider(2)
    9 0 phase committed
    10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
    10 block phase called
    11 0 accepted Auditor(4)
    11 1 accepted Auditor(1)
    11 1 phase seated
    12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
    12 block phase opening
    13 1 granted Provider(2) to Auditor(4)
    13 2 granted Provider(2) to Auditor(1)
    13 2 phase auditing
    14 0 committed Auditor(4)
    15 0 committed Auditor(1)
    15 0 phase closing
    16 0 phase revealing
    17 0 revealed Auditor(4)
    18 0 revealed Auditor(1)
    18 0 phase delivering
    19 0 delivered Provider(2)
    19 0 phase accepted
    32 block paid Provider(2) 10.0
    32 block paid Auditor(4) 0.5
    32 block paid Auditor(1) 0.5
    32 block paid Requester 0.5
    32 block ended Paid
";

const CHEATED: &str = "
    1 0 file Requester
    2 0 file Requester
    3 0 posted escrow 11.5
    3 0 phase posted
    4 block asked provider Provider(2) Provider(0) Provider(1)
    4 block phase asked
    5 0 accepted Provider(2)
    5 0 drawn Provider(2) run 0
    5 0 phase taken
    6 block phase assigned
    7 0 granted Requester to Provider(2)
    7 0 phase running
    8 0 file Provider(2)
    8 1 file Provider(2)
    8 2 file Provider(2)
    8 3 file Provider(2)
    8 4 file Provider(2)
    8 5 file Provider(2)
    8 6 file Provider(2)
    9 0 trace Provider(2)
    9 0 phase committed
    10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
    10 block phase called
    11 0 accepted Auditor(4)
    11 1 accepted Auditor(1)
    11 1 phase seated
    12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
    12 block phase opening
    13 1 granted Provider(2) to Auditor(4)
    13 2 granted Provider(2) to Auditor(1)
    13 2 phase auditing
    14 0 committed Auditor(4)
    15 0 committed Auditor(1)
    15 0 phase closing
    16 0 phase revealing
    17 0 revealed Auditor(4)
    18 0 revealed Auditor(1)
    18 0 disputed run 0 by Auditor(4) Step segment 0
    18 0 phase bisecting
    20 0 narrowed 0 2
    20 0 phase bisecting
    22 0 narrowed 0 1
    22 0 phase attesting
    23 0 committed Validator(0)
    23 1 committed Validator(1)
    23 2 committed Validator(2)
    24 0 attested Validator(0)
    24 1 attested Validator(1)
    24 2 attested Validator(2)
    24 2 decided Challenger
    24 2 slashed Provider(2) provider 20.0 Provider(WrongResult)
    24 2 paid Auditor(4) 5.0
    24 2 paid Auditor(1) 5.0
    24 2 paid Validator(0) 0.005
    24 2 paid Validator(1) 0.005
    24 2 paid Validator(2) 0.005
    24 2 failed run 0 Provider(2) WrongResult
    24 2 phase posted
    25 block asked provider Provider(1) Provider(0)
    25 block phase asked
    26 0 accepted Provider(1)
    26 0 drawn Provider(1) run 1
    26 0 phase taken
    27 block phase assigned
    28 0 granted Requester to Provider(1)
    28 0 phase running
    29 0 file Provider(1)
    29 1 file Provider(1)
    29 2 file Provider(1)
    29 3 file Provider(1)
    29 4 file Provider(1)
    29 5 file Provider(1)
    29 6 file Provider(1)
    30 0 trace Provider(1)
    30 0 phase committed
    31 block asked auditor Auditor(4) Auditor(1) Auditor(0) Auditor(3) Auditor(2)
    31 block phase called
    32 0 accepted Auditor(4)
    32 1 accepted Auditor(1)
    32 1 phase seated
    33 block drawn Auditor(4) Auditor(1) segments [4, 5]
    33 block phase opening
    34 1 granted Provider(1) to Auditor(4)
    34 2 granted Provider(1) to Auditor(1)
    34 2 phase auditing
    35 0 committed Auditor(4)
    36 0 committed Auditor(1)
    36 0 phase closing
    37 0 phase revealing
    38 0 revealed Auditor(4)
    39 0 revealed Auditor(1)
    39 0 phase delivering
    40 0 delivered Provider(1)
    40 0 phase accepted
    41 0 paid Provider(1) 10.0
    41 0 paid Auditor(4) 0.5
    41 0 paid Auditor(1) 0.5
    41 0 paid Requester 0.5
    41 0 ended Paid
";

const LEFT_ALONE: [(Phase, &str); 16] = [
    (
        Phase::Posted,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            35 block missed Provider(2)
            35 block missed Provider(0)
            35 block missed Provider(1)
            35 block phase posted
            35 block paid Requester 11.5
            35 block ended NoProvider
        ",
    ),
    (
        Phase::Asked,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            35 block missed Provider(2)
            35 block missed Provider(0)
            35 block missed Provider(1)
            35 block phase posted
            35 block paid Requester 11.5
            35 block ended NoProvider
        ",
    ),
    (
        Phase::Taken,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            12 block paid Provider(2) 0.5
            12 block paid Requester 11.0
            12 block ended NotGranted
        ",
    ),
    (
        Phase::Assigned,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            12 block paid Provider(2) 0.5
            12 block paid Requester 11.0
            12 block ended NotGranted
        ",
    ),
    (
        Phase::Running,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            14 block slashed Provider(2) provider 4.0 Provider(Late)
            14 block failed run 0 Provider(2) Late
            14 block phase posted
            15 block asked provider Provider(0) Provider(1)
            15 block phase asked
            46 block missed Provider(0)
            46 block missed Provider(1)
            46 block phase posted
            47 block paid Requester 11.5
            47 block ended NoProvider
        ",
    ),
    (
        Phase::Committed,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            41 block missed Auditor(4)
            41 block missed Auditor(1)
            41 block missed Auditor(3)
            41 block missed Auditor(2)
            41 block missed Auditor(0)
            41 block phase committed
            42 block phase committed
            43 block drawn Validator(3) Validator(0) segments [3, 5]
            43 block phase opening
            51 block slashed Provider(2) provider 20.0 Provider(Withheld)
            51 block failed run 0 Provider(2) Withheld
            51 block phase posted
            56 block paid Requester 11.5
            56 block ended NoProvider
        ",
    ),
    (
        Phase::Called,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            41 block missed Auditor(4)
            41 block missed Auditor(1)
            41 block missed Auditor(3)
            41 block missed Auditor(2)
            41 block missed Auditor(0)
            41 block phase committed
            42 block phase committed
            43 block drawn Validator(3) Validator(0) segments [3, 5]
            43 block phase opening
            51 block slashed Provider(2) provider 20.0 Provider(Withheld)
            51 block failed run 0 Provider(2) Withheld
            51 block phase posted
            56 block paid Requester 11.5
            56 block ended NoProvider
        ",
    ),
    (
        Phase::Seated,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
            12 block phase opening
            20 block slashed Provider(2) provider 20.0 Provider(Withheld)
            20 block failed run 0 Provider(2) Withheld
            20 block phase posted
            21 block asked provider Provider(0) Provider(1)
            21 block phase asked
            52 block missed Provider(0)
            52 block missed Provider(1)
            52 block phase posted
            53 block paid Requester 11.5
            53 block ended NoProvider
        ",
    ),
    (
        Phase::Opening,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
            12 block phase opening
            20 block slashed Provider(2) provider 20.0 Provider(Withheld)
            20 block failed run 0 Provider(2) Withheld
            20 block phase posted
            21 block asked provider Provider(0) Provider(1)
            21 block phase asked
            52 block missed Provider(0)
            52 block missed Provider(1)
            52 block phase posted
            53 block paid Requester 11.5
            53 block ended NoProvider
        ",
    ),
    (
        Phase::Auditing,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
            12 block phase opening
            22 block slashed Auditor(4) auditor 5.0 NoCommitment
            22 block slashed Auditor(1) auditor 5.0 NoCommitment
            22 block phase committed
            23 block asked auditor Auditor(0) Auditor(2) Auditor(3)
            23 block phase called
            54 block missed Auditor(0)
            54 block missed Auditor(2)
            54 block missed Auditor(3)
            54 block phase committed
            55 block phase committed
            56 block drawn Validator(1) Validator(0) segments [1, 3, 4]
            56 block phase opening
            64 block slashed Provider(2) provider 20.0 Provider(Withheld)
            64 block failed run 0 Provider(2) Withheld
            64 block phase posted
            65 block asked provider Provider(0) Provider(1)
            65 block phase asked
            96 block missed Provider(0)
            96 block missed Provider(1)
            96 block phase posted
            97 block paid Requester 11.5
            97 block ended NoProvider
        ",
    ),
    (
        Phase::Closing,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
            12 block phase opening
            23 block slashed Provider(2) provider 20.0 Provider(Withheld)
            23 block paid Auditor(4) 5.0
            23 block paid Auditor(1) 5.0
            23 block failed run 0 Provider(2) Withheld
            23 block phase posted
            24 block asked provider Provider(1) Provider(0)
            24 block phase asked
            55 block missed Provider(1)
            55 block missed Provider(0)
            55 block phase posted
            56 block paid Requester 11.5
            56 block ended NoProvider
        ",
    ),
    (
        Phase::Revealing,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
            12 block phase opening
            26 block slashed Auditor(4) auditor 5.0 NoReveal
            26 block slashed Auditor(1) auditor 5.0 NoReveal
            26 block phase committed
            27 block asked auditor Auditor(3) Auditor(0) Auditor(2)
            27 block phase called
            58 block missed Auditor(3)
            58 block missed Auditor(0)
            58 block missed Auditor(2)
            58 block phase committed
            59 block phase committed
            60 block drawn Validator(1) Validator(3) segments [0, 4, 5]
            60 block phase opening
            68 block slashed Provider(2) provider 20.0 Provider(Withheld)
            68 block failed run 0 Provider(2) Withheld
            68 block phase posted
            69 block asked provider Provider(1) Provider(0)
            69 block phase asked
            100 block missed Provider(1)
            100 block missed Provider(0)
            100 block phase posted
            101 block paid Requester 11.5
            101 block ended NoProvider
        ",
    ),
    (
        Phase::Bisecting,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
            12 block phase opening
            29 block decided Neither
            29 block slashed Auditor(4) auditor 5.0 SilentChallenge
            29 block slashed Provider(2) provider 20.0 Provider(Silent)
            29 block failed run 0 Provider(2) Silent
            29 block phase posted
            30 block asked provider Provider(1) Provider(0)
            30 block phase asked
            61 block missed Provider(1)
            61 block missed Provider(0)
            61 block phase posted
            62 block paid Requester 11.5
            62 block ended NoProvider
        ",
    ),
    (
        Phase::Attesting,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
            12 block phase opening
            30 block decided None
            30 block disputed run 0 by Auditor(1) Initial segment 0
            30 block phase attesting
            42 block decided None
            42 block phase committed
            43 block asked auditor Auditor(3) Auditor(2) Auditor(0)
            43 block phase called
            74 block missed Auditor(3)
            74 block missed Auditor(2)
            74 block missed Auditor(0)
            74 block phase committed
            75 block phase committed
            76 block drawn Validator(2) Validator(3) segments [0, 2, 3, 5]
            76 block phase opening
            84 block slashed Provider(2) provider 20.0 Provider(Withheld)
            84 block failed run 0 Provider(2) Withheld
            84 block phase posted
            85 block asked provider Provider(1) Provider(0)
            85 block phase asked
            116 block missed Provider(1)
            116 block missed Provider(0)
            116 block phase posted
            117 block paid Requester 11.5
            117 block ended NoProvider
        ",
    ),
    (
        Phase::Delivering,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
            12 block phase opening
            26 block slashed Provider(2) provider 20.0 Provider(Withheld)
            26 block failed run 0 Provider(2) Withheld
            26 block phase posted
            27 block asked provider Provider(0) Provider(1)
            27 block phase asked
            58 block missed Provider(0)
            58 block missed Provider(1)
            58 block phase posted
            59 block paid Requester 11.5
            59 block ended NoProvider
        ",
    ),
    (
        Phase::Accepted,
        "
            4 block asked provider Provider(2) Provider(0) Provider(1)
            4 block phase asked
            6 block phase assigned
            10 block asked auditor Auditor(4) Auditor(1) Auditor(3) Auditor(2) Auditor(0)
            10 block phase called
            12 block drawn Auditor(4) Auditor(1) segments [0, 3, 4]
            12 block phase opening
            32 block paid Provider(2) 10.0
            32 block paid Auditor(4) 0.5
            32 block paid Auditor(1) 0.5
            32 block paid Requester 0.5
            32 block ended Paid
        ",
    ),
];
