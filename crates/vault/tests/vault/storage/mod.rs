//! One storage node: what it keeps, refuses and forgets.

mod accepts;
mod charges;
mod disk;
mod histories;
mod records;
mod requests;

use std::rc::Rc;

use crate::support::{bytes, key, sealer};
use assay_ledger::{AccountId, FileId};
use assay_vault::storage::{MemoryBackend, Record, Service, StorageConfig};
use assay_vault::wire::{Refusal, Request, Response};
use assay_vault::{Digests, Millis, Piece, SealedFile};

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
