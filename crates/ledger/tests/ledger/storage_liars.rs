//! Owners that take room for nothing, and records of what nobody agreed to. Each attack stands beside
//! the same one where nothing is in its way.

use assay_crypto::Digest;
use assay_ledger::{
    Acceptance, Amount, BoundedVec, ChainId, FileProblem, FileRecord, FileRefusal, Keeping,
    LedgerTime, Parameters, Refusal, Status, query,
};

use crate::keeping::put;
use crate::world::{BALANCE, BOND, Who, World, file, file_id, ms, parameters};

const LIAR: Who = Who::Stranger;
const HOUR_MS: u64 = 3_600_000;

fn many(n: usize) -> FileRecord {
    FileRecord {
        length_class: 64 << 30,
        ..file(LIAR, &format!("many {n}"))
    }
}

/// Records files until one is refused; how many, and why no more.
fn fill(world: &mut World, price: Amount, most: usize) -> (usize, Option<Refusal>) {
    let month = world.genesis.parameters.max_kept_ms / 8;
    for n in 0..most {
        let call = world.put_for(many(n), month, price);
        match world.would(LIAR, call.clone()) {
            Status::Applied => drop(world.apply(LIAR, call)),
            Status::Refused(refusal) => return (n, Some(refusal)),
        }
    }
    (most, None)
}

fn recorded(world: &World, node: Who) -> u64 {
    let files = query::files(&world.store).unwrap().into_iter();
    let there = files.filter(|record| record.placement.contains(&node.id()));
    there.map(|record| record.length_class).sum()
}

/// Whoever fills the network pays for it, byte by byte and hour by hour, and no node takes more than
/// its bond stands for.
#[test]
fn nobody_fills_the_network_for_nothing() {
    let mut world = World::new();
    // A tenth of a token an hour for each GiB: the liar's thousand tokens do not go far.
    let (filled, why) = fill(&mut world, Amount(100_000), 100);
    assert!(filled < 1, "{filled}");
    assert!(why.unwrap().to_string().contains("balance"));

    // For next to nothing it fills what is bonded, and not a byte more.
    let mut world = World::new();
    let (filled, why) = fill(&mut world, Amount(1), 100);
    let stands_for = (BOND.0 << 30) / parameters().storage_bond_per_gib.0;
    assert_eq!(filled as u64, stands_for / ((64 << 30) + 336));
    assert!(matches!(
        why,
        Some(Refusal::File(FileRefusal::NoRoom { node, .. })) if node == Who::Storage(0).id()
    ));
    assert!(recorded(&world, Who::Storage(0)) <= stands_for);
    let escrow = query::supply(&world.store).unwrap().escrow;
    assert!(escrow > Amount::ZERO, "{escrow:?}");

    // The control: where a bond stands for anything and nodes ask nothing, nothing is in its way.
    let mut world = World::with(Parameters {
        storage_bond_per_gib: Amount(1),
        ..parameters()
    });
    assert_eq!(fill(&mut world, Amount::ZERO, 100), (100, None));
    let fees = 100 * crate::world::FEE.0;
    assert_eq!(world.balance(LIAR).0, BALANCE.0 - fees);
}

/// A node that bonds little is given little, whatever it says of its disk; to have more it must bond
/// more.
#[test]
fn a_small_bond_takes_a_small_share() {
    let mut world = World::new();
    let parameters = parameters();
    let small = Who::Storage(0);
    let room = |world: &World| parameters.storage_room(&world.registration(small));
    assert_eq!(room(&world), 1_000 << 30);
    let mut record = many(0);
    record.placement = BoundedVec::new(vec![small.id()]).unwrap();
    record.length_class = (1_000 << 30) - 336;
    let one_more = FileRecord {
        length_class: record.length_class + 1,
        ..record.clone()
    };
    let too_much = world.put_for(one_more, HOUR_MS, Amount(1));
    let refusal = world.refuse(LIAR, too_much);
    let (node, bytes) = (small.id(), (1_000 << 30) + 1);
    let full = FileRefusal::NoRoom {
        node,
        room: 1_000 << 30,
        bytes,
    };
    assert_eq!(refusal, full.into());
    world.apply(LIAR, world.put_for(record, HOUR_MS, Amount(1)));
    assert_eq!(room(&world), 0);
}

/// Attempts to record a file with something that its node did not sign for just this.
#[test]
fn a_record_needs_what_its_nodes_signed_for_it() {
    let mut world = World::new();
    let record = FileRecord {
        placement: BoundedVec::new(vec![Who::Storage(0).id()]).unwrap(),
        ..file(LIAR, "a")
    };
    let node = Who::Storage(0);
    let until = LedgerTime(HOUR_MS);
    let by = LedgerTime(ms(600));
    let keeping = world.keeping(&record, until);
    let sign = |keeping: &Keeping| Acceptance::sign(&node.secret(), keeping, Amount(7), by);
    let honest = sign(&keeping);
    let other = |change: &dyn Fn(&mut Keeping)| {
        let mut keeping = keeping;
        change(&mut keeping);
        sign(&keeping)
    };
    let lies: [(&str, Acceptance); 12] = [
        (
            "another network",
            other(&|of| of.chain = ChainId(Digest::ZERO)),
        ),
        ("another owner", other(&|of| of.owner = Who::Requester.id())),
        ("another file", other(&|of| of.file = file_id("b"))),
        ("other bytes", other(&|of| of.root = Digest::ZERO)),
        ("fewer slices", other(&|of| of.slices -= 1)),
        ("fewer bytes", other(&|of| of.length_class -= 1)),
        ("a shorter time", other(&|of| of.until.0 -= 1)),
        ("a longer time", other(&|of| of.until.0 += 1)),
        (
            "a lower price",
            Acceptance {
                price: Amount(6),
                ..honest
            },
        ),
        (
            "used later",
            Acceptance {
                by: by.after(1),
                ..honest
            },
        ),
        (
            "another node",
            Acceptance::sign(&Who::Storage(1).secret(), &keeping, Amount(7), by),
        ),
        (
            "nobody",
            Acceptance {
                signature: assay_crypto::Signature([0; 64]),
                ..honest
            },
        ),
    ];
    let refusal = FileRefusal::NotAccepted {
        file: file_id("a"),
        node: node.id(),
    };
    for (what, lie) in lies {
        let call = put(record.clone(), until, false, &[lie]);
        let would = world.would(LIAR, call);
        assert_eq!(would, Status::Refused(refusal.clone().into()), "{what}");
    }
    // Nor does it do to bring fewer, or more, than nodes are named.
    for agreed in [vec![], vec![honest; 2]] {
        let call = put(record.clone(), until, false, &agreed);
        let (file, problem) = (file_id("a"), FileProblem::Unaccepted);
        assert_eq!(
            world.would(LIAR, call),
            Status::Refused(FileRefusal::Bad { file, problem }.into())
        );
    }
    // The control: what the node did sign is taken.
    world.apply(LIAR, put(record, until, false, &[honest]));
}

/// An agreement is used within its minutes or not at all: neither hoarded until the node has collected
/// the pieces, nor used again after the record was ended.
#[test]
fn an_agreement_is_no_use_later() {
    let mut world = World::new();
    let record = file(LIAR, "a");
    let until = LedgerTime(10 * HOUR_MS);
    let agreed = world.agreed(&record, until, Amount(1));
    let call = put(record, until, false, &agreed);
    world.gap_ms = 10_000;
    world.apply(LIAR, call.clone());
    world.apply(LIAR, assay_ledger::FileCall::Delete { file: file_id("a") });
    // The control: within its minutes, while the pieces are still there, it can be used again.
    assert_eq!(world.would(LIAR, call.clone()), Status::Applied);
    while world.ledger_time() < agreed[0].by {
        world.advance(1);
    }
    let late = FileRefusal::AcceptedBefore {
        node: Who::Storage(0).id(),
        by: agreed[0].by,
        now: world.ledger_time().after(10_000),
    };
    assert_eq!(world.refuse(LIAR, call), late.into());
}
