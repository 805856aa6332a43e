//! Whose account is charged for what, and what a stranger cannot make a node keep.

use std::rc::Rc;

use assay_crypto::Digest;
use assay_ledger::FileId;
use assay_vault::storage::{Backend, Charge, MemoryBackend, Service, Shelf, StorageConfig};
use assay_vault::wire::{Refusal, Request, Response};
use assay_vault::{Digests, MAX_SLICES, Piece};

use super::{DAY, NOW, commit, file, get, keep, piece, put, record, refused, service, stored};
use crate::support::account;

fn commit_of(file: FileId, slices: Vec<Digest>) -> Request {
    Request::Commit {
        file,
        slices: Digests::new(slices).unwrap(),
    }
}

/// One stored byte, three hundred commits that name it as often as a commit can.
#[test]
fn commits_of_one_repeated_piece_cost_the_node_nothing() {
    let mut node = service(1 << 30);
    let byte = piece(1, 7);
    assert_eq!(node.handle(NOW, account(1), put(&byte)), stored(&byte));
    let before = node.usage();
    for count in 0..300 {
        let slices = vec![byte.digest(); MAX_SLICES as usize - count];
        let request = commit_of(FileId(byte.digest()), slices);
        assert_eq!(
            node.handle(NOW, account(1), request),
            refused(Refusal::Repeated)
        );
    }
    // Nor once, where the manifest is the slice.
    let request = commit_of(FileId(byte.digest()), vec![byte.digest()]);
    assert_eq!(
        node.handle(NOW, account(1), request),
        refused(Refusal::Repeated)
    );
    assert_eq!(node.usage(), before);
    assert_eq!(node.backend().list(Shelf::Holdings).unwrap(), []);
}

/// The same few pieces in ever another order are ever another row: each is charged to who commits.
#[test]
fn rows_count_against_who_commits_them_until_they_are_collected() {
    let config = StorageConfig {
        pending_per_account: Charge {
            bytes: 2_000,
            entries: 1_000,
        },
        ..StorageConfig::new(1 << 20)
    };
    let (mut node, _) = Service::open(config, Rc::new(MemoryBackend::new()), NOW).unwrap();
    let pieces: Vec<Piece> = (0..8).map(|seed| piece(10, seed)).collect();
    for piece in &pieces {
        assert_eq!(node.handle(NOW, account(1), put(piece)), stored(piece));
    }
    let digests: Vec<Digest> = pieces[1..].iter().map(Piece::digest).collect();
    let turned = |by: usize| {
        let mut digests = digests.clone();
        digests.rotate_left(by);
        commit_of(FileId(pieces[0].digest()), digests)
    };
    // A row of seven slices has 261 bytes; 80 are pieces.
    let file = FileId(pieces[0].digest());
    for by in 0..7 {
        let done = node.handle(NOW, account(2), turned(by));
        assert_eq!(done, Response::Committed { file }, "{by}");
        // Again is free: it is the same row.
        assert_eq!(node.handle(NOW, account(2), turned(by)), done);
    }
    let swapped = {
        let mut digests = digests.clone();
        digests.swap(0, 1);
        commit_of(file, digests)
    };
    let more = node.handle(NOW, account(2), swapped.clone());
    assert_eq!(more, refused(Refusal::TooMuchPending));
    // Nor may it put anything more, and others are not in its way.
    let long = piece(200, 9);
    assert_eq!(
        node.handle(NOW, account(2), put(&long)),
        refused(Refusal::TooMuchPending)
    );
    assert_eq!(
        node.handle(NOW, account(3), swapped),
        Response::Committed { file }
    );
    node.collect(NOW + DAY);
    assert_eq!(node.usage().used, 0);
    assert_eq!(
        node.handle(NOW + DAY, account(2), put(&long)),
        stored(&long)
    );
}

/// Pieces of one byte: each takes a file and memory, and counts so.
#[test]
fn dust_is_bounded_by_number() {
    let config = StorageConfig {
        entries: 60,
        pending_per_account: Charge {
            bytes: 1 << 20,
            entries: 20,
        },
        ..StorageConfig::new(1 << 30)
    };
    let (mut node, _) = Service::open(config, Rc::new(MemoryBackend::new()), NOW).unwrap();
    let dust = |n: u64| Piece::new(n.to_le_bytes().to_vec()).unwrap();
    for account_ in 1..=3u8 {
        for n in 0..20 {
            let grain = dust(u64::from(account_) * 100 + n);
            assert_eq!(
                node.handle(NOW, account(account_), put(&grain)),
                stored(&grain)
            );
        }
        let more = node.handle(
            NOW,
            account(account_),
            put(&dust(u64::from(account_) * 100 + 50)),
        );
        let full = account_ == 3;
        let refusal = if full {
            Refusal::Full { free: 0 }
        } else {
            Refusal::TooMuchPending
        };
        assert_eq!(more, refused(refusal), "account {account_}");
    }
    assert_eq!(node.usage().free, 0);
    // Digests in rows count too.
    let slices: Vec<Digest> = (1..5).map(|n| dust(100 + n).digest()).collect();
    let row = commit_of(FileId(dust(100).digest()), slices);
    assert_eq!(
        node.handle(NOW, account(4), row),
        refused(Refusal::Full { free: 0 })
    );
    node.collect(NOW + DAY);
    assert_eq!(node.usage().used, 0);
    assert_eq!(node.usage().free, 1 << 30);
}

/// What is recorded is no longer an unfinished upload, but its owner's all the same.
#[test]
fn recorded_bytes_count_against_the_owner_of_the_record() {
    let config = StorageConfig {
        pending_per_account: Charge::ANY,
        held_per_account: Charge {
            bytes: 3_000,
            entries: 100,
        },
        ..StorageConfig::new(1 << 20)
    };
    let (mut node, _) = Service::open(config, Rc::new(MemoryBackend::new()), NOW).unwrap();
    let (first, slice) = keep(&mut node, account(1), 1);
    node.recorded(NOW, record(&first, account(1)));
    let (second, more) = file(2);
    assert_eq!(node.handle(NOW, account(1), put(&more)), stored(&more));
    assert_eq!(
        node.handle(NOW, account(1), put(&piece(1_000, 9))),
        refused(Refusal::TooMuchPending)
    );
    // Somebody else recording the same file is charged for it as well, and not in its place.
    node.recorded(NOW, record(&first, account(2)));
    node.recorded(NOW, record(&first, account(2)));
    for who in [1, 2] {
        let large = piece(2_500, 10 + who);
        assert_eq!(
            node.handle(NOW, account(who), put(&large)),
            refused(Refusal::TooMuchPending)
        );
    }
    // Gone from the ledger, gone from the account.
    node.expired(NOW, record(&first, account(2)));
    let large = piece(2_500, 12);
    assert_eq!(node.handle(NOW, account(2), put(&large)), stored(&large));
    node.expired(NOW, record(&first, account(1)));
    node.collect(NOW + DAY);
    assert_eq!(
        node.handle(NOW + DAY, account(3), get(&slice)),
        refused(Refusal::Unknown)
    );
    let late = NOW + DAY;
    for piece in [&more, &second.piece] {
        assert_eq!(node.handle(late, account(1), put(piece)), stored(piece));
    }
    let done = node.handle(late, account(1), commit(second.id, &[&more]));
    assert_eq!(done, Response::Committed { file: second.id });
}

/// A record that is there before its pieces: whoever commits is not charged, the owner is.
#[test]
fn a_file_recorded_before_it_is_committed_is_its_owners() {
    let config = StorageConfig {
        pending_per_account: Charge {
            bytes: 2_000,
            entries: 100,
        },
        ..StorageConfig::new(1 << 20)
    };
    let (mut node, _) = Service::open(config, Rc::new(MemoryBackend::new()), NOW).unwrap();
    let (first, slice) = file(1);
    node.recorded(NOW, record(&first, account(1)));
    for piece in [&slice, &first.piece] {
        assert_eq!(node.handle(NOW, account(2), put(piece)), stored(piece));
    }
    let done = node.handle(NOW, account(2), commit(first.id, &[&slice]));
    assert_eq!(done, Response::Committed { file: first.id });
    // The helper's allowance is whole again.
    let all = piece(2_000, 5);
    assert_eq!(node.handle(NOW, account(2), put(&all)), stored(&all));
}
