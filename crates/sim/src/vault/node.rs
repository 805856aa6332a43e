//! Storage nodes as those see them who ask.

use std::cell::RefCell;
use std::rc::Rc;

use assay_crypto::{Digest, SecretKey, Signature};
use assay_ledger::{Acceptance, AccountId, Amount, ChainId, LedgerTime};
use assay_vault::Millis;
use assay_vault::storage::{Keeper, MemoryBackend, Service, StorageConfig};
use assay_vault::wire::{Request, Response};

/// How a node reacts to one request.
pub enum Answer {
    /// Answers after some milliseconds.
    After(u64, Response),
    /// Breaks the connection.
    Broken,
    /// Says nothing.
    Silence,
}

/// An agreement that is signed by nobody: the driver looks at no signature, the ledger does.
pub fn agreed() -> Acceptance {
    Acceptance {
        price: Amount::ZERO,
        by: LedgerTime(0),
        signature: Signature([0; 64]),
    }
}

/// A storage node, honest or not.
pub trait Node {
    /// Reacts to one request.
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer;
}

/// The honest node; its disk outlives it, so that it can be restarted.
pub struct Honest(pub Service<Rc<MemoryBackend>>);

impl Honest {
    /// A node with an empty disk of so many bytes.
    pub fn new(capacity: u64) -> Self {
        Self::on(Rc::new(MemoryBackend::new()), capacity, Millis(0))
    }

    /// A node that takes over a disk.
    pub fn on(disk: Rc<MemoryBackend>, capacity: u64, now: Millis) -> Self {
        let (mut service, damaged) =
            Service::open(StorageConfig::new(capacity), disk, now).unwrap();
        assert!(damaged.is_empty());
        service.keep_as(Keeper {
            key: SecretKey::from_seed([1; 32]),
            chain: ChainId(Digest::ZERO),
            price: Amount::ZERO,
            longest_ms: u64::MAX,
            now: Some(LedgerTime(0)),
        });
        Self(service)
    }
}

impl Node for Honest {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        // What travels is bytes: whatever does not survive its own encoding fails here.
        let request = Request::decode(&request.encode()).unwrap();
        let response = self.0.handle(now, from, request);
        Answer::After(5, Response::decode(&response.encode()).unwrap())
    }
}

impl<N: Node> Node for Rc<RefCell<N>> {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        self.borrow_mut().answer(now, from, request)
    }
}
