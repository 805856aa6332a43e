//! One storage node: what it keeps, refuses and forgets.

use std::rc::Rc;

use crate::support::{account, bytes, key, sealer};
use assay_crypto::Digest;
use assay_vault::ids::{AccountId, FileId};
use assay_vault::storage::{
    Backend, BackendError, Input, MemoryBackend, Output, Record, Service, Shelf, StorageConfig,
    StorageNode,
};
use assay_vault::wire::{Refusal, Request, Response};
use assay_vault::{Digests, Millis, Piece, SealedFile, Tag};

const NOW: Millis = Millis(1_000);
const DAY: u64 = 24 * 60 * 60 * 1_000;

fn service(capacity: u64) -> Service<Rc<MemoryBackend>> {
    on(&Rc::new(MemoryBackend::new()), capacity)
}

fn on(disk: &Rc<MemoryBackend>, capacity: u64) -> Service<Rc<MemoryBackend>> {
    Service::open(StorageConfig::new(capacity), Rc::clone(disk), NOW)
        .unwrap()
        .0
}

fn piece(length: usize, seed: u8) -> Piece {
    Piece::new(bytes(length, seed)).unwrap()
}

fn put(piece: &Piece) -> Request {
    Request::Put {
        digest: piece.digest(),
        piece: piece.clone(),
    }
}

fn get(piece: &Piece) -> Request {
    Request::Get {
        digest: piece.digest(),
    }
}

fn stored(piece: &Piece) -> Response {
    Response::Stored {
        digest: piece.digest(),
    }
}

fn refused(refusal: Refusal) -> Response {
    Response::Refused(refusal)
}

/// A one-slice file, with its slice.
fn file(seed: u8) -> (SealedFile, Piece) {
    let mut sealer = sealer(&bytes(1_000, seed), key(seed));
    let slice = sealer.next_slice().unwrap().unwrap();
    (sealer.finish().unwrap(), slice.piece)
}

fn commit(id: FileId, slices: &[&Piece]) -> Request {
    Request::Commit {
        file: id,
        slices: Digests::new(slices.iter().map(|p| p.digest()).collect()).unwrap(),
    }
}

fn record(file: &SealedFile, owner: AccountId) -> Record {
    Record {
        file: file.id,
        root: file.manifest.root(),
        owner,
    }
}

/// Puts and commits a file.
fn keep(node: &mut Service<Rc<MemoryBackend>>, owner: AccountId, seed: u8) -> (SealedFile, Piece) {
    let (file, slice) = file(seed);
    for piece in [&slice, &file.piece] {
        assert_eq!(node.handle(NOW, owner, put(piece)), stored(piece));
    }
    let committed = node.handle(NOW, owner, commit(file.id, &[&slice]));
    assert_eq!(committed, Response::Committed { file: file.id });
    (file, slice)
}

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
        pending_per_account: u64::MAX,
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
    let (first, _) = keep(&mut node, account(1), 1);
    let (_, slice) = file(2);
    assert_eq!(
        node.handle(NOW, account(1), put(&slice)),
        refused(Refusal::TooMuchPending)
    );
    node.recorded(NOW, record(&first, account(1)));
    assert_eq!(node.handle(NOW, account(1), put(&slice)), stored(&slice));
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

#[test]
fn bit_rot_is_admitted_and_repaired_by_the_next_put() {
    let disk = Rc::new(MemoryBackend::new());
    let mut node = on(&disk, 100_000);
    let (kept, slice) = keep(&mut node, account(1), 1);
    node.recorded(NOW, record(&kept, account(1)));
    let full = node.usage();
    let mut rotten = slice.bytes().to_vec();
    rotten[5] ^= 1;
    disk.put(Shelf::Pieces, &slice.digest(), &rotten).unwrap();

    assert_eq!(
        node.handle(NOW, account(2), get(&slice)),
        refused(Refusal::Damaged)
    );
    assert_eq!(
        node.handle(NOW, account(2), get(&slice)),
        refused(Refusal::Unknown)
    );
    let commit_again = node.handle(NOW, account(1), commit(kept.id, &[&slice]));
    assert_eq!(commit_again, refused(Refusal::Incomplete { missing: 1 }));
    assert_eq!(node.handle(NOW, account(1), put(&slice)), stored(&slice));
    assert!(matches!(
        node.handle(NOW, account(2), get(&slice)),
        Response::Piece { .. }
    ));
    assert_eq!(node.usage(), full);
}

/// A disk with a switch.
#[derive(Default)]
struct Failing {
    disk: MemoryBackend,
    error: std::cell::RefCell<Option<BackendError>>,
}

impl Failing {
    fn check(&self) -> Result<(), BackendError> {
        self.error.borrow().clone().map_or(Ok(()), Err)
    }
}

impl Backend for Failing {
    fn put(&self, shelf: Shelf, digest: &Digest, bytes: &[u8]) -> Result<(), BackendError> {
        self.check()?;
        self.disk.put(shelf, digest, bytes)
    }
    fn get(&self, shelf: Shelf, digest: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        self.check()?;
        self.disk.get(shelf, digest)
    }
    fn delete(&self, shelf: Shelf, digest: &Digest) -> Result<(), BackendError> {
        self.check()?;
        self.disk.delete(shelf, digest)
    }
    fn list(&self, shelf: Shelf) -> Result<Vec<(Digest, u64)>, BackendError> {
        self.check()?;
        self.disk.list(shelf)
    }
}

#[test]
fn a_failing_disk_is_admitted_and_forgotten_once_it_works() {
    let disk = Failing::default();
    let (mut node, _) = Service::open(StorageConfig::new(100_000), &disk, NOW).unwrap();
    let (file, slice) = file(1);
    let broken = || Some(BackendError::Failed("I/O error".to_owned()));

    disk.error.replace(Some(BackendError::Full));
    let full = node.handle(NOW, account(1), put(&slice));
    assert_eq!(full, refused(Refusal::Full { free: 0 }));
    disk.error.replace(broken());
    assert_eq!(
        node.handle(NOW, account(1), put(&slice)),
        refused(Refusal::DiskFailed)
    );
    assert_eq!(node.usage().used, 0);

    disk.error.replace(None);
    node.handle(NOW, account(1), put(&slice));
    node.handle(NOW, account(1), put(&file.piece));
    disk.error.replace(broken());
    let commit = || commit(file.id, &[&slice]);
    assert_eq!(
        node.handle(NOW, account(1), commit()),
        refused(Refusal::DiskFailed)
    );
    assert_eq!(node.usage().files, 0);
    assert_eq!(
        node.handle(NOW, account(1), get(&slice)),
        refused(Refusal::DiskFailed)
    );
    let digest = slice.digest();
    let kept = node.handle(NOW, account(1), Request::Delete { digest });
    assert_eq!(kept, refused(Refusal::DiskFailed));

    disk.error.replace(None);
    assert!(matches!(
        node.handle(NOW, account(1), get(&slice)),
        Response::Piece { .. }
    ));
    let done = node.handle(NOW, account(1), commit());
    assert_eq!(done, Response::Committed { file: file.id });
    node.collect(NOW + 2 * DAY);
    assert_eq!(node.usage().used, 0);
}

#[test]
fn requests_wait_for_the_disk_and_share_its_work() {
    let config = StorageConfig {
        in_flight: 2,
        ..StorageConfig::new(100_000)
    };
    let mut node = StorageNode::new(config);
    let (a, b, c) = (piece(10, 1), piece(10, 2), piece(10, 3));
    let request = |tag, request| Input::Request {
        from: account(1),
        tag: Tag(tag),
        request,
    };
    let replies = |out: &[Output]| -> Vec<u64> {
        out.iter()
            .filter_map(|output| match output {
                Output::Reply { tag, .. } => Some(tag.0),
                _ => None,
            })
            .collect()
    };
    let written = |piece: &Piece| Input::Written {
        shelf: Shelf::Pieces,
        digest: piece.digest(),
        result: Ok(()),
    };
    assert!(matches!(
        node.step(NOW, request(1, put(&a)))[..],
        [Output::Write { .. }]
    ));
    assert!(
        node.step(NOW, request(2, put(&a))).is_empty(),
        "one write for both"
    );
    // Not readable before it is durable.
    assert_eq!(replies(&node.step(NOW, request(3, get(&a)))), [3]);
    assert!(matches!(
        node.step(NOW, request(4, put(&b)))[..],
        [Output::Write { .. }]
    ));
    let busy = node.step(NOW, request(5, put(&c)));
    assert_eq!(
        busy,
        [Output::Reply {
            tag: Tag(5),
            response: refused(Refusal::Busy)
        }]
    );
    assert_eq!(replies(&node.step(NOW, written(&a))), [1, 2]);
    assert!(matches!(
        node.step(NOW, request(6, get(&a)))[..],
        [Output::Read { .. }]
    ));
    assert!(
        node.step(NOW, request(7, get(&a))).is_empty(),
        "one read for both"
    );
    let read = Input::Read {
        digest: a.digest(),
        result: Ok(Some(a.bytes().to_vec())),
    };
    assert_eq!(replies(&node.step(NOW, read)), [6, 7]);

    // While a piece is being removed it is neither offered nor accepted.
    let digest = a.digest();
    let removing = node.step(NOW, request(8, Request::Delete { digest }));
    assert!(matches!(removing[..], [Output::Remove { .. }]));
    for (tag, retry) in [(9, put(&a)), (10, get(&a))] {
        assert_eq!(replies(&node.step(NOW, request(tag, retry))), [tag]);
    }
    let removed = Input::Removed {
        shelf: Shelf::Pieces,
        digest,
        result: Ok(()),
    };
    assert_eq!(replies(&node.step(NOW, removed)), [8]);
    assert_eq!(node.usage().used, 10);
}
