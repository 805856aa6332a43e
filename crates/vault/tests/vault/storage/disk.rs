//! Disks that rot, fail and take their time.

use std::rc::Rc;

use assay_crypto::Digest;
use assay_vault::storage::{
    Backend, BackendError, Input, MemoryBackend, Output, Service, Shelf, StorageConfig, StorageNode,
};
use assay_vault::wire::{Refusal, Request, Response};
use assay_vault::{Piece, Tag};

use super::{DAY, NOW, commit, file, get, keep, on, piece, put, record, refused, stored};
use crate::support::account;

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
