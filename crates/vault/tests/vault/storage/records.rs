//! What a storage node keeps, forgets, and knows after a restart.

use std::rc::Rc;

use assay_crypto::Digest;
use assay_vault::storage::{Backend, MemoryBackend, Record, Service, Shelf, StorageConfig};
use assay_vault::wire::Response;

use super::{DAY, NOW, commit, file, get, keep, on, piece, put, record, service};
use crate::support::account;

#[test]
fn recorded_files_stay_the_rest_goes_after_the_grace_period() {
    let mut node = service(100_000);
    let (kept, slice) = keep(&mut node, account(1), 1);
    node.recorded(NOW, record(&kept, account(1)));
    let full = node.usage();
    keep(&mut node, account(1), 2);
    node.handle(NOW, account(1), put(&piece(100, 3)));

    node.collect(NOW + (DAY - 1));
    assert_eq!(node.usage().files, 2);
    node.collect(NOW + DAY);
    assert_eq!(node.usage(), full);
    assert_eq!(node.backend().list(Shelf::Pieces).unwrap().len(), 2);
    assert_eq!(node.backend().list(Shelf::Holdings).unwrap().len(), 1);

    // An expired record gives the pieces one more grace period.
    let later = NOW + 9 * DAY;
    node.collect(later);
    assert_eq!(node.usage(), full);
    node.expired(later, record(&kept, account(1)));
    node.collect(later + (DAY - 1));
    assert!(matches!(
        node.handle(later, account(1), get(&slice)),
        Response::Piece { .. }
    ));
    node.collect(later + DAY);
    assert_eq!(node.usage().used, 0);
}

#[test]
fn a_stranger_who_records_the_same_file_id_protects_and_removes_nothing() {
    let mut node = service(100_000);
    let (honest, slice) = keep(&mut node, account(1), 1);
    node.recorded(NOW, record(&honest, account(1)));
    // Another root under the same id, before and after the honest record.
    let lie = Record {
        root: Digest::ZERO,
        owner: account(2),
        ..record(&honest, account(2))
    };
    node.recorded(NOW, lie);
    node.expired(NOW, lie);
    node.expired(NOW, record(&honest, account(2)));
    node.collect(NOW + DAY);
    assert!(matches!(
        node.handle(NOW, account(1), get(&slice)),
        Response::Piece { .. }
    ));

    // A commit of the honest id with other slices is a row of its own, and is collected.
    let (_, foreign) = file(2);
    node.handle(NOW, account(2), put(&foreign));
    node.handle(NOW, account(2), commit(honest.id, &[&foreign]));
    assert_eq!(node.usage().files, 2);
    node.recorded(NOW, record(&honest, account(1)));
    node.collect(NOW + 3 * DAY);
    assert_eq!(node.usage().files, 1);
    assert!(matches!(
        node.handle(NOW, account(1), get(&slice)),
        Response::Piece { .. }
    ));
}

#[test]
fn a_restarted_node_knows_what_belongs_together() {
    let disk = Rc::new(MemoryBackend::new());
    let mut node = on(&disk, 100_000);
    let (kept, slice) = keep(&mut node, account(1), 1);
    node.recorded(NOW, record(&kept, account(1)));
    keep(&mut node, account(1), 2);
    let before = node.usage();

    let mut node = on(&disk, 100_000);
    assert_eq!(node.usage(), before);
    node.recorded(NOW, record(&kept, account(1)));
    node.collect(NOW + DAY);
    assert!(matches!(
        node.handle(NOW, account(1), get(&slice)),
        Response::Piece { .. }
    ));
    assert_eq!(node.usage().files, 1);
}

#[test]
fn a_damaged_row_is_reported_and_a_new_commit_replaces_it() {
    let disk = Rc::new(MemoryBackend::new());
    let (kept, slice) = keep(&mut on(&disk, 100_000), account(1), 1);
    let (row, _) = disk.list(Shelf::Holdings).unwrap()[0];
    let mut bytes = disk.get(Shelf::Holdings, &row).unwrap().unwrap();
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        disk.put(Shelf::Holdings, &row, &bytes).unwrap();
        let opened = Service::open(StorageConfig::new(100_000), Rc::clone(&disk), NOW);
        assert_eq!(opened.unwrap().1, [row]);
        bytes[at] ^= 1;
    }
    bytes[7] ^= 1;
    disk.put(Shelf::Holdings, &row, &bytes).unwrap();
    let mut node = on(&disk, 100_000);
    assert_eq!(node.usage().files, 0);
    node.recorded(NOW, record(&kept, account(1)));
    let again = node.handle(NOW, account(1), commit(kept.id, &[&slice]));
    assert_eq!(again, Response::Committed { file: kept.id });
    node.collect(NOW + 2 * DAY);
    assert!(matches!(
        node.handle(NOW, account(1), get(&slice)),
        Response::Piece { .. }
    ));
}
