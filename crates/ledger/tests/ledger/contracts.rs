//! What storage nodes agreed to: who is paid for what, and when it ends.

use assay_crypto::Digest;
use assay_ledger::{
    AccountCall, Amount, BoundedVec, Event, FileCall, FileContract, FileEvent, FileRecord,
    FileRefusal, LedgerTime, OrderCall, Parameters, Refusal, Role, Status, query,
};

use crate::keeping::put;
use crate::watch;
use crate::world::{BALANCE, BOND, FEE, Run, Who, World, file, file_id, ms, parameters, terms};

const OWNER: Who = Who::Stranger;
const HOUR_MS: u64 = 3_600_000;

/// A network in which a GiB takes a tenth of a token of bond, and a file of a gibibyte.
fn world() -> World {
    World::with(Parameters {
        max_deadline_ms: 50 * HOUR_MS,
        max_kept_ms: 100 * HOUR_MS,
        ..parameters()
    })
}

fn gibibyte(name: &str) -> FileRecord {
    FileRecord {
        length_class: (1 << 30) - 336,
        ..file(OWNER, name)
    }
}

fn contract(world: &World, name: &str) -> Option<FileContract> {
    query::file_contract(&world.store, &file_id(name), &OWNER.id()).unwrap()
}

/// Lets blocks pass until this ledger time is reached.
fn wait(world: &mut World, until: LedgerTime) {
    world.gap_ms = 10_000;
    while world.ledger_time() < until {
        world.advance(1);
    }
    world.gap_ms = 1_000;
}

fn gained(world: &World, who: Who) -> i64 {
    world.balance(who).0 as i64 - BALANCE.0 as i64
}

#[test]
fn nodes_are_paid_when_the_time_is_over_and_their_bonds_come_free() {
    let mut world = world();
    let record = gibibyte("a");
    world.apply(OWNER, world.put_for(record, HOUR_MS, Amount(100)));
    let begun = contract(&world, "a").unwrap();
    assert_eq!(begun.bytes, 1 << 30);
    // Ledger time begins with the first block.
    assert_eq!(begun.until.since(begun.since), HOUR_MS);
    assert_eq!(begun.escrow, Amount(200));
    assert_eq!(gained(&world, OWNER), -200 - FEE.0 as i64);
    for node in [Who::Storage(0), Who::Storage(1)] {
        assert_eq!(world.registration(node).locked, Amount(100_000));
    }
    watch::check_timers(&world.store);
    wait(&mut world, begun.until);
    assert_eq!(contract(&world, "a"), None);
    assert_eq!(query::files(&world.store).unwrap(), []);
    assert_eq!(
        query::files_of(&world.store, &OWNER.id(), 9)
            .unwrap()
            .entries,
        []
    );
    for node in [Who::Storage(0), Who::Storage(1)] {
        assert_eq!(world.registration(node).locked, Amount::ZERO);
        assert_eq!(gained(&world, node), 100);
    }
    let own = world.told.iter().filter(|told| told.tx.is_none());
    let own: Vec<&Event> = own.map(|told| &told.event).collect();
    let (file, owner) = (file_id("a"), OWNER.id());
    let paid = |node: Who| FileEvent::Paid {
        file,
        node: node.id(),
        amount: Amount(100),
    };
    let expected = [
        paid(Who::Storage(0)).into(),
        paid(Who::Storage(1)).into(),
        FileEvent::Ended { file, owner }.into(),
    ];
    assert_eq!(own, expected.iter().collect::<Vec<&Event>>());
    watch::check_timers(&world.store);
    assert_eq!(world.replay(), world.root);
}

#[test]
fn whoever_ends_a_record_early_pays_for_the_time_that_passed() {
    let mut world = world();
    world.apply(
        OWNER,
        world.put_for(gibibyte("a"), 10 * HOUR_MS, Amount(100)),
    );
    let begun = contract(&world, "a").unwrap();
    wait(&mut world, begun.since.after(HOUR_MS));
    let file = file_id("a");
    // Only the owner ends it: of everybody else it is another record.
    let owner = Who::Requester.id();
    let unknown = FileRefusal::Unknown { file, owner };
    let other = world.refuse(Who::Requester, FileCall::Delete { file });
    assert_eq!(other, unknown.into());
    world.apply(OWNER, FileCall::Delete { file });
    // An hour and a few blocks, rounded up.
    assert_eq!(gained(&world, Who::Storage(0)), 101);
    assert_eq!(gained(&world, Who::Storage(1)), 101);
    assert_eq!(gained(&world, OWNER), -202 - 2 * FEE.0 as i64);
    assert_eq!(world.registration(Who::Storage(0)).locked, Amount::ZERO);
    assert_eq!(
        (contract(&world, "a"), query::files(&world.store).unwrap()),
        (None, vec![])
    );
    watch::check_timers(&world.store);
    let again = world.refuse(OWNER, FileCall::Delete { file });
    let owner = OWNER.id();
    assert_eq!(again, FileRefusal::Unknown { file, owner }.into());
}

#[test]
fn a_record_is_renewed_and_moved_by_agreeing_anew() {
    let mut world = world();
    world.apply(
        OWNER,
        world.put_for(gibibyte("a"), 10 * HOUR_MS, Amount(100)),
    );
    let begun = contract(&world, "a").unwrap();
    wait(&mut world, begun.since.after(5 * HOUR_MS));
    let mut moved = gibibyte("a");
    moved.placement = BoundedVec::new(vec![Who::Storage(1).id()]).unwrap();
    world.apply(OWNER, world.put_for(moved, 20 * HOUR_MS, Amount(50)));
    assert_eq!(gained(&world, Who::Storage(0)), 501);
    assert_eq!(gained(&world, Who::Storage(1)), 501);
    assert_eq!(world.registration(Who::Storage(0)).locked, Amount::ZERO);
    let renewed = contract(&world, "a").unwrap();
    assert_eq!((renewed.shares.len(), renewed.escrow), (1, Amount(1_000)));
    watch::check_timers(&world.store);
    // The first time passes, and it stays.
    wait(&mut world, begun.until.after(ms(1)));
    assert!(contract(&world, "a").is_some());
    wait(&mut world, renewed.until);
    assert_eq!(gained(&world, Who::Storage(1)), 501 + 1_000);
    assert_eq!(query::files(&world.store).unwrap(), []);
}

#[test]
fn a_firm_record_ends_at_its_time_and_not_before() {
    let mut world = world();
    let until = world.ledger_time().after(HOUR_MS);
    let record = file(OWNER, "a");
    let until_then = |world: &World, until, firm| {
        let agreed = world.agreed(&record, until, Amount(100));
        put(record.clone(), until, firm, &agreed)
    };
    world.apply(OWNER, until_then(&world, until, true));
    let file = file_id("a");
    let firm = Refusal::from(FileRefusal::Firm { file, until });
    assert_eq!(world.refuse(OWNER, FileCall::Delete { file }), firm);
    let sooner = LedgerTime(until.0 - 1);
    assert_eq!(world.refuse(OWNER, until_then(&world, sooner, true)), firm);
    assert_eq!(
        world.refuse(OWNER, until_then(&world, until.after(1), false)),
        firm
    );
    let later = until.after(HOUR_MS);
    world.apply(OWNER, until_then(&world, later, true));
    wait(&mut world, later);
    assert_eq!(contract(&world, "a"), None);
}

#[test]
fn times_that_no_record_lasts_are_refused() {
    let world = world();
    let record = file(OWNER, "a");
    // Ledger time begins with the first block, which is the one of the call.
    let (now, latest) = (LedgerTime(0), LedgerTime(100 * HOUR_MS));
    for until in [now, latest.after(1), LedgerTime(u64::MAX)] {
        let call = put(
            record.clone(),
            until,
            false,
            &world.agreed(&record, until, Amount(1)),
        );
        let refusal = FileRefusal::KeptTime { until, now, latest };
        assert_eq!(world.would(OWNER, call), Status::Refused(refusal.into()));
    }
    for until in [now.after(1), latest] {
        let call = put(
            record.clone(),
            until,
            false,
            &world.agreed(&record, until, Amount(1)),
        );
        assert_eq!(world.would(OWNER, call), Status::Applied);
    }
}

#[test]
fn whoever_cannot_pay_records_nothing() {
    let mut world = world();
    let dear = Amount(BALANCE.0);
    let refusal = world.refuse(OWNER, world.put_for(gibibyte("a"), 2 * HOUR_MS, dear));
    assert!(refusal.to_string().contains("balance"), "{refusal}");
    let endless = Amount(u64::MAX);
    let refusal = world.refuse(OWNER, world.put_for(gibibyte("a"), 2 * HOUR_MS, endless));
    assert!(refusal.to_string().contains("overflows"), "{refusal}");
    assert_eq!(world.registration(Who::Storage(0)).locked, Amount::ZERO);
}

#[test]
fn a_node_that_leaves_keeps_what_it_agreed_to_until_it_is_over() {
    let mut world = world();
    world.apply(OWNER, world.put_for(gibibyte("a"), HOUR_MS, Amount(100)));
    let until = contract(&world, "a").unwrap().until;
    let role = Role::Storage;
    world.apply(Who::Storage(0), AccountCall::Unregister { role });
    world.advance(10);
    // All but what stands for the file came back.
    assert_eq!(
        gained(&world, Who::Storage(0)),
        (BOND.0 - 100_000 - FEE.0) as i64
    );
    assert_eq!(world.registration(Who::Storage(0)).bond, Amount(100_000));
    // It takes no more.
    let refusal = world.refuse(OWNER, world.put_for(gibibyte("b"), HOUR_MS, Amount(100)));
    assert!(refusal.to_string().contains("not registered"), "{refusal}");
    wait(&mut world, until);
    world.advance(10);
    let all = (BOND.0 + 100 - FEE.0) as i64;
    assert_eq!(gained(&world, Who::Storage(0)), all);
    let left = query::registration(&world.store, role, &Who::Storage(0).id()).unwrap();
    assert_eq!(left, None);
}

/// Many records that end at one time end over several blocks, and nobody waits for money longer than
/// that.
#[test]
fn a_block_ends_a_bounded_number_of_records() {
    let mut world = World::with(Parameters {
        max_timers: 4,
        ..parameters()
    });
    let until = world.ledger_time().after(ms(5));
    let calls = (0..10).map(|n| {
        let record = file(OWNER, &format!("file {n}"));
        let agreed = world.agreed(&record, until, Amount(1));
        (OWNER, put(record, until, false, &agreed).into())
    });
    world.block(calls.collect());
    let mut left = Vec::new();
    for _ in 0..9 {
        world.advance(1);
        left.push(query::files(&world.store).unwrap().len());
    }
    assert_eq!(left, [10, 10, 10, 10, 6, 2, 0, 0, 0]);
    // A micro-token each, whatever the block.
    assert_eq!(gained(&world, Who::Storage(0)), 10);
}

/// A provider that is paid for a result that goes at once sold nothing.
#[test]
fn a_commitment_needs_files_that_stay() {
    let mut world = World::new();
    let order = world.posted();
    world.assign(order);
    world.grant_to_provider(order);
    let run = Run::truth(&terms());
    let commit = world.commit_call(order, &run);
    let provider = world.provider(order);
    let name = "checkpoint 0";
    let least = parameters().kept_ms;
    let brief = |world: &World, ms: u64, firm: bool| {
        let record = FileRecord {
            root: Digest::of("test/content", &[b"other"]),
            id: file_id("other"),
            ..file(provider, name)
        };
        let until = world.ledger_time().after(ms);
        let agreed = world.agreed(&record, until, Amount::ZERO);
        put(record, until, firm, &agreed)
    };
    let with_other = |call: &assay_ledger::Call| {
        let mut call = call.clone();
        if let assay_ledger::Call::Order(OrderCall::CommitTrace { result, .. }) = &mut call {
            *result = file_id("other");
        }
        call
    };
    let lasting = |ms, firm| {
        let mut world = world.clone();
        world.apply(provider, brief(&world, ms, firm));
        world.would(provider, with_other(&commit))
    };
    // Asked for a block before it is recorded, and committed to in the block after.
    let enough = least + ms(2);
    for (ms, firm) in [(enough - 1, true), (enough, false), (100 * enough, false)] {
        let Status::Refused(Refusal::File(FileRefusal::NotKept { file, .. })) = lasting(ms, firm)
        else {
            panic!("{ms} {firm}");
        };
        assert_eq!(file, file_id("other"));
    }
    assert_eq!(lasting(enough, true), Status::Applied);
}
