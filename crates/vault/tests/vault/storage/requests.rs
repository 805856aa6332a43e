//! What a storage node accepts and refuses.

use assay_crypto::Digest;
use assay_vault::storage::{Backend, Charge, MemoryBackend, Service, Shelf, StorageConfig};
use assay_vault::wire::{Refusal, Request, Response};
use assay_vault::{Digests, Piece};

use super::{NOW, commit, file, get, keep, piece, put, record, refused, service, stored};
use crate::support::account;

#[test]
fn what_is_put_can_be_got_and_putting_again_changes_nothing() {
    let mut node = service(10_000);
    let piece = piece(1_000, 1);
    assert_eq!(
        node.handle(NOW, account(1), get(&piece)),
        refused(Refusal::Unknown)
    );
    for _ in 0..2 {
        assert_eq!(node.handle(NOW, account(1), put(&piece)), stored(&piece));
        assert_eq!(node.usage().used, 1_000);
    }
    let got = node.handle(NOW, account(2), get(&piece));
    assert_eq!(
        got,
        Response::Piece {
            piece: piece.clone()
        }
    );
    let digests = Digests::new(vec![Digest::ZERO, piece.digest()]).unwrap();
    let Response::Has { held } = node.handle(NOW, account(2), Request::Has { digests }) else {
        panic!("no answer to has");
    };
    assert_eq!(held.as_slice(), [false, true]);
    let free = node.handle(NOW, account(2), Request::Free);
    assert_eq!(free, Response::Free { bytes: 9_000 });
}

#[test]
fn a_piece_under_another_digest_is_not_written() {
    let mut node = service(10_000);
    let request = Request::Put {
        digest: piece(10, 1).digest(),
        piece: piece(10, 2),
    };
    assert_eq!(
        node.handle(NOW, account(1), request),
        refused(Refusal::WrongDigest)
    );
    let empty = Piece::new(Vec::new()).unwrap();
    assert_eq!(
        node.handle(NOW, account(1), put(&empty)),
        refused(Refusal::WrongDigest)
    );
    assert_eq!(node.usage().used, 0);
    assert_eq!(node.backend().list(Shelf::Pieces).unwrap(), []);
}

#[test]
fn capacity_holds_to_the_byte() {
    let config = StorageConfig {
        pending_per_account: Charge::ANY,
        held_per_account: Charge::ANY,
        ..StorageConfig::new(2_000)
    };
    let (mut node, _) = Service::open(config, MemoryBackend::new(), NOW).unwrap();
    assert_eq!(
        node.handle(NOW, account(1), put(&piece(1_500, 1))),
        stored(&piece(1_500, 1))
    );
    let over = node.handle(NOW, account(1), put(&piece(501, 2)));
    assert_eq!(over, refused(Refusal::Full { free: 500 }));
    assert_eq!(
        node.handle(NOW, account(1), put(&piece(500, 3))),
        stored(&piece(500, 3))
    );
    assert_eq!(node.usage().free, 0);
}

#[test]
fn one_account_cannot_fill_a_node_with_unfinished_uploads() {
    let mut node = service(40_000);
    for seed in 1..=10 {
        let put = put(&piece(1_000, seed));
        assert!(matches!(
            node.handle(NOW, account(1), put),
            Response::Stored { .. }
        ));
    }
    let more = node.handle(NOW, account(1), put(&piece(1_000, 11)));
    assert_eq!(more, refused(Refusal::TooMuchPending));
    // Others are not in its way, and what it gives back it may use again.
    let other = piece(1_000, 12);
    assert_eq!(node.handle(NOW, account(2), put(&other)), stored(&other));
    let digest = piece(1_000, 1).digest();
    let deleted = node.handle(NOW, account(1), Request::Delete { digest });
    assert_eq!(deleted, Response::Deleted { digest });
    let more = piece(1_000, 11);
    assert_eq!(node.handle(NOW, account(1), put(&more)), stored(&more));
}

#[test]
fn a_recorded_file_frees_the_allowance_of_its_owner() {
    let mut node = service(8_000);
    let (first, kept) = keep(&mut node, account(1), 1);
    let (_, slice) = file(2);
    assert_eq!(
        node.handle(NOW, account(1), put(&slice)),
        refused(Refusal::TooMuchPending)
    );
    node.recorded(NOW, record(&first, account(1)));
    assert_eq!(node.handle(NOW, account(1), put(&slice)), stored(&slice));
    // Putting a recorded piece again, by anyone, costs no allowance and gives no claim.
    assert_eq!(node.handle(NOW, account(1), put(&kept)), stored(&kept));
}

#[test]
fn only_who_put_a_piece_deletes_it_and_only_before_it_is_committed() {
    let mut node = service(100_000);
    let piece = piece(1_000, 1);
    let digest = piece.digest();
    let delete = || Request::Delete { digest };
    node.handle(NOW, account(1), put(&piece));
    assert_eq!(
        node.handle(NOW, account(2), delete()),
        refused(Refusal::InUse)
    );
    // Two accounts put the same bytes: each gives up only its own claim.
    node.handle(NOW, account(2), put(&piece));
    assert_eq!(
        node.handle(NOW, account(2), delete()),
        Response::Deleted { digest }
    );
    assert!(matches!(
        node.handle(NOW, account(3), get(&piece)),
        Response::Piece { .. }
    ));
    assert_eq!(
        node.handle(NOW, account(1), delete()),
        Response::Deleted { digest }
    );
    assert_eq!(
        node.handle(NOW, account(3), get(&piece)),
        refused(Refusal::Unknown)
    );
    assert_eq!(node.usage().used, 0);
    // Deleting what is not there is no error: the wish is fulfilled.
    assert_eq!(
        node.handle(NOW, account(1), delete()),
        Response::Deleted { digest }
    );

    let (_, slice) = keep(&mut node, account(1), 3);
    let digest = slice.digest();
    let kept = node.handle(NOW, account(1), Request::Delete { digest });
    assert_eq!(kept, refused(Refusal::InUse));
}

#[test]
fn a_commit_needs_every_piece() {
    let mut node = service(100_000);
    let (file, slice) = file(1);
    let commit = || commit(file.id, &[&slice]);
    let missing = |missing| refused(Refusal::Incomplete { missing });
    assert_eq!(node.handle(NOW, account(1), commit()), missing(2));
    node.handle(NOW, account(1), put(&slice));
    assert_eq!(node.handle(NOW, account(1), commit()), missing(1));
    node.handle(NOW, account(1), put(&file.piece));
    for _ in 0..2 {
        let done = node.handle(NOW, account(1), commit());
        assert_eq!(done, Response::Committed { file: file.id });
        assert_eq!(node.usage().files, 1);
    }
    let none = Request::Commit {
        file: file.id,
        slices: Digests::new(Vec::new()).unwrap(),
    };
    assert_eq!(
        node.handle(NOW, account(1), none),
        refused(Refusal::Malformed)
    );
}

#[test]
fn an_account_is_told_what_it_has_outside_recorded_files() {
    let mut node = service(20_000);
    let pieces: Vec<_> = (1..=3).map(|seed| piece(500, seed)).collect();
    for piece in &pieces {
        node.handle(NOW, account(1), put(piece));
    }
    node.handle(NOW, account(2), put(&pieces[0]));
    let (kept, _) = keep(&mut node, account(1), 7);
    node.recorded(NOW, record(&kept, account(1)));
    let used = node.usage().used;
    let room = |pending| Response::Room {
        free: 20_000 - used,
        pending,
        allowed: 5_000,
        price: assay_ledger::Amount::ZERO,
    };
    let mut digests: Vec<_> = pieces.iter().map(|piece| (piece.digest(), 500)).collect();
    digests.sort_unstable();
    for (n, pending, listed) in [
        (1, 1_500, digests.clone()),
        (2, 500, vec![(pieces[0].digest(), 500)]),
        (3, 0, vec![]),
    ] {
        let who = account(n);
        assert_eq!(node.handle(NOW, who, Request::Room), room(pending));
        let told = node.handle(NOW, who, Request::Pending { after: None });
        let Response::Pending { pieces } = told else {
            panic!("no list");
        };
        assert_eq!(pieces.as_slice(), listed);
    }
    let after = Some(digests[1].0);
    let told = node.handle(NOW, account(1), Request::Pending { after });
    let Response::Pending { pieces } = told else {
        panic!("no list");
    };
    assert_eq!(pieces.as_slice(), &digests[2..]);
}

#[test]
fn what_was_put_together_but_not_recorded_is_deleted_by_who_did_it_alone() {
    let together = |others: &[u8]| {
        let mut node = service(10_000);
        let (file, slice) = file(1);
        for who in [&[1], others].concat() {
            for piece in [&slice, &file.piece] {
                node.handle(NOW, account(who), put(piece));
            }
            node.handle(NOW, account(who), commit(file.id, &[&slice]));
        }
        (node, file, slice)
    };
    let delete = |digest| Request::Delete { digest };
    let (mut node, made, slice) = together(&[]);
    let in_use = refused(Refusal::InUse);
    assert_eq!(node.handle(NOW, account(1), delete(slice.digest())), in_use);
    assert_eq!(node.handle(NOW, account(2), delete(made.id.0)), in_use);
    for digest in [made.id.0, slice.digest()] {
        let deleted = node.handle(NOW, account(1), delete(digest));
        assert_eq!(deleted, Response::Deleted { digest });
    }
    assert_eq!((node.usage().used, node.usage().files), (0, 0));
    assert_eq!(node.backend().list(Shelf::Holdings).unwrap(), []);

    // Not when it is recorded, nor when somebody else has committed the same.
    let (mut node, made, _) = together(&[]);
    node.recorded(NOW, record(&made, account(1)));
    assert_eq!(node.handle(NOW, account(1), delete(made.id.0)), in_use);
    let (mut node, made, _) = together(&[2]);
    for who in [1, 2] {
        assert_eq!(node.handle(NOW, account(who), delete(made.id.0)), in_use);
    }
}
