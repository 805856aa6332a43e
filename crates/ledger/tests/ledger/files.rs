//! File records.

use assay_crypto::Digest;
use assay_ledger::{BoundedString, BoundedVec, FileProblem, FileRefusal, Refusal, query};

use crate::world::{Who, World, file, file_id};

#[test]
fn owners_record_and_move_files() {
    let mut world = World::new();
    let mut record = file(Who::Stranger, "a");
    world.apply(Who::Stranger, world.put(record.clone()));
    let found = query::file(&world.store, &record.id, &Who::Stranger.id()).unwrap();
    assert_eq!(found, Some(record.clone()));
    record.placement = BoundedVec::new(vec![Who::Storage(1).id()]).unwrap();
    record.name = BoundedString::new("b").unwrap();
    world.apply(Who::Stranger, world.put(record.clone()));
    assert_eq!(query::files(&world.store).unwrap(), vec![record.clone()]);
    record.root = Digest::ZERO;
    let problem = FileProblem::OtherContent;
    let refusal = world.refuse(Who::Stranger, world.put(record));
    assert_eq!(
        refusal,
        Refusal::File(FileRefusal::Bad {
            file: file_id("a"),
            problem
        })
    );
}

#[test]
fn records_are_the_senders_own() {
    let mut world = World::new();
    let owner = Who::Requester.id();
    let refusal = world.refuse(Who::Stranger, world.put(file(Who::Requester, "a")));
    assert_eq!(refusal, Refusal::File(FileRefusal::NotOwner { owner }));
    // A record made by somebody else first does not stand in the owner's way.
    world.apply(Who::Stranger, world.put(file(Who::Stranger, "a")));
    world.apply(Who::Requester, world.put(file(Who::Requester, "a")));
    assert_eq!(
        query::file_records(&world.store, &file_id("a"))
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn placements_name_storage_nodes() {
    let mut world = World::new();
    let storage = Who::Storage(0).id();
    let cases = [
        (vec![], FileProblem::NoPlacement),
        (vec![storage, storage], FileProblem::RepeatedNode),
        (
            vec![storage, Who::Provider(0).id()],
            FileProblem::NotStorage,
        ),
    ];
    for (placement, problem) in cases {
        let mut record = file(Who::Stranger, "a");
        record.placement = BoundedVec::new(placement).unwrap();
        let refusal = world.refuse(Who::Stranger, world.put(record));
        assert_eq!(
            refusal,
            Refusal::File(FileRefusal::Bad {
                file: file_id("a"),
                problem
            })
        );
    }
}
