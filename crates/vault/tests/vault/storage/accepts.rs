//! What a node signs before a file is recorded on it, and what it does not.

use std::rc::Rc;

use assay_crypto::{Digest, SecretKey};
use assay_ledger::{Acceptance, Amount, ChainId, FileId, Keeping, LedgerTime};
use assay_vault::storage::{ACCEPT_MS, Backend, Keeper, MemoryBackend, Service, Shelf};
use assay_vault::wire::{Asked, Refusal, Request, Response};
use assay_vault::{Millis, SealedFile};

use super::{DAY, NOW, commit, file, get, keep, on, put, refused, service};
use crate::support::account;

const PRICE: Amount = Amount(100);
const TIME: LedgerTime = LedgerTime(50_000);

fn chain() -> ChainId {
    ChainId(Digest::of("test/chain", &[]))
}

fn keeper() -> Keeper {
    Keeper {
        key: SecretKey::from_seed([77; 32]),
        chain: chain(),
        price: PRICE,
        longest_ms: 1_000_000,
        now: Some(TIME),
    }
}

fn asked(file: &SealedFile) -> Asked {
    let expected = file.expected();
    Asked {
        file: file.id,
        root: expected.root,
        slices: expected.slices,
        length_class: expected.length_class,
        until: TIME.after(1_000),
    }
}

fn ask(node: &mut Service<Rc<MemoryBackend>>, who: u8, asked: Asked) -> Response {
    node.handle(NOW, account(who), Request::Accept(asked))
}

fn accepted(response: Response) -> Acceptance {
    match response {
        Response::Accepted(acceptance) => acceptance,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_node_signs_for_what_it_has_and_for_whoever_asks() {
    let mut node = service(1 << 20);
    let (file, _) = keep(&mut node, account(1), 7);
    let asked = asked(&file);
    // Before it knows its account, and then before it knows the time, it agrees to nothing.
    assert_eq!(ask(&mut node, 1, asked), refused(Refusal::Busy));
    node.keep_as(Keeper {
        now: None,
        ..keeper()
    });
    assert_eq!(ask(&mut node, 1, asked), refused(Refusal::Busy));
    node.ledger_time(TIME);
    for owner in [1, 2] {
        let acceptance = accepted(ask(&mut node, owner, asked));
        let keeping = Keeping {
            chain: chain(),
            owner: account(owner),
            file: asked.file,
            root: asked.root,
            slices: asked.slices,
            length_class: asked.length_class,
            until: asked.until,
        };
        let by = TIME.after(ACCEPT_MS);
        assert_eq!((acceptance.price, acceptance.by), (PRICE, by));
        assert_eq!(acceptance.verify(&keeper().key.public(), &keeping), Ok(()));
        let other = Keeping {
            owner: account(3),
            ..keeping
        };
        assert!(acceptance.verify(&keeper().key.public(), &other).is_err());
    }
    let Response::Room { price, .. } = node.handle(NOW, account(1), Request::Room) else {
        panic!("no room is told");
    };
    assert_eq!(price, PRICE);
}

/// Whoever would pay for less than there is, or for nothing that there is, gets no signature.
#[test]
fn a_record_must_say_what_there_is() {
    let mut node = service(1 << 20);
    node.keep_as(keeper());
    let (file, _) = keep(&mut node, account(1), 7);
    let honest = asked(&file);
    // The true length may be hidden in its class, but no more than that.
    let least = Asked {
        length_class: 800,
        ..honest
    };
    for (lie, refusal) in [
        (least, Refusal::Understated),
        (
            Asked {
                length_class: 0,
                ..honest
            },
            Refusal::Understated,
        ),
        (
            Asked {
                slices: 0,
                ..honest
            },
            Refusal::Understated,
        ),
        (
            Asked {
                slices: 2,
                ..honest
            },
            Refusal::Understated,
        ),
        (
            Asked {
                slices: u32::MAX,
                ..honest
            },
            Refusal::Understated,
        ),
        (
            Asked {
                root: Digest::ZERO,
                ..honest
            },
            Refusal::Unknown,
        ),
        (
            Asked {
                file: FileId(Digest::ZERO),
                ..honest
            },
            Refusal::Unknown,
        ),
        (
            Asked {
                until: TIME,
                ..honest
            },
            Refusal::BadTime,
        ),
        (
            Asked {
                until: TIME.after(1_000_001),
                ..honest
            },
            Refusal::BadTime,
        ),
    ] {
        assert_eq!(ask(&mut node, 1, lie), refused(refusal), "{lie:?}");
    }
    // The control: the truth is signed for.
    accepted(ask(&mut node, 1, honest));
}

#[test]
fn what_is_not_here_or_damaged_is_not_agreed_to() {
    let disk = Rc::new(MemoryBackend::new());
    let mut node = on(&disk, 1 << 20);
    node.keep_as(keeper());
    let (file, slice) = file(7);
    let asked = asked(&file);
    assert_eq!(ask(&mut node, 1, asked), refused(Refusal::Unknown));
    for piece in [&slice, &file.piece] {
        node.handle(NOW, account(1), put(piece));
    }
    assert_eq!(ask(&mut node, 1, asked), refused(Refusal::Unknown));
    node.handle(NOW, account(1), commit(file.id, &[&slice]));
    accepted(ask(&mut node, 1, asked));
    disk.put(Shelf::Pieces, &slice.digest(), b"rot").unwrap();
    node.handle(NOW, account(1), get(&slice));
    let incomplete = Refusal::Incomplete { missing: 1 };
    assert_eq!(ask(&mut node, 1, asked), refused(incomplete));
}

/// What was agreed to is there for as long as the agreement can be used.
#[test]
fn an_agreement_begins_the_grace_period_again() {
    let mut node = service(1 << 20);
    node.keep_as(keeper());
    let (file, slice) = keep(&mut node, account(1), 7);
    let late = Millis(NOW.0 + DAY - 1);
    let asked = Request::Accept(asked(&file));
    accepted(node.handle(late, account(1), asked));
    node.collect(Millis(late.0 + ACCEPT_MS));
    let found = node.handle(late, account(1), get(&slice));
    assert!(matches!(found, Response::Piece { .. }), "{found:?}");
    node.collect(Millis(late.0 + DAY));
    node.collect(Millis(late.0 + 3 * DAY));
    let gone = node.handle(late, account(1), get(&slice));
    assert_eq!(gone, refused(Refusal::Unknown));
}
