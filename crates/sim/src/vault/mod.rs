//! Storage nodes on a virtual clock, and drivers for the machines that store and read files.
//!
//! A [`World`] has [`Node`]s, honest or from [`liars::storage`](crate::liars::storage), and a clock
//! that moves to the next answer. [`World::upload`] and [`World::download`] drive the vault's machines
//! over it, and tell everything that happened.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a harness fails the test that uses it by panicking"
)]

mod download;
mod node;
mod upload;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::Cursor;

use assay_crypto::{Digest, SecretKey, aead::FileKey, stream::Stream};
use assay_ledger::AccountId;
use assay_machine::{Context, Protocol};
use assay_vault::placement::Candidate;
use assay_vault::wire::{Request, Response};
use assay_vault::{Coding, Expected, Millis, Sealer, Tag, Unreachable};

pub use download::Downloaded;
pub use node::{Answer, Honest, Node, agreed};
pub use upload::{MANIFEST, Uploaded};

/// Who stores.
pub const OWNER: u8 = 200;

/// Two copies of everything.
pub const COPIES: Coding = Coding::Replicated { copies: 2 };

/// A file on the ledger.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What its pieces must come to.
    pub expected: Expected,
    /// Who holds it.
    pub placement: Vec<AccountId>,
}

/// Storage nodes and a clock.
#[derive(Default)]
pub struct World {
    /// The time.
    pub now: Millis,
    /// Who can be asked.
    pub nodes: BTreeMap<AccountId, Box<dyn Node>>,
    events: BinaryHeap<Reverse<(Millis, u64)>>,
    replies: BTreeMap<u64, (Tag, Result<Response, Unreachable>)>,
    sequence: u64,
}

/// An account that follows from a number.
pub fn account(n: u8) -> AccountId {
    SecretKey::from_seed([n; 32]).public()
}

/// A file's key that follows from a number.
pub fn key(n: u8) -> FileKey {
    FileKey([n; 32])
}

/// `length` bytes that nothing compresses or confuses, the same for equal arguments.
pub fn bytes(length: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Stream::new(Digest([seed; 32]), "test bytes", 0).fill(&mut bytes);
    bytes
}

/// Seals `plain` for two copies.
pub fn sealer(plain: &[u8], key: FileKey) -> Sealer<Cursor<Vec<u8>>> {
    Sealer::new(Cursor::new(plain.to_vec()), key, COPIES)
}

impl World {
    /// `honest` honest nodes of 1 GiB, named 1, 2, 3 ...
    pub fn new(honest: u8) -> Self {
        let mut world = Self::default();
        for n in 1..=honest {
            world.add(n, Honest::new(1 << 30));
        }
        world
    }

    /// Adds a node, or puts it in another one's place.
    pub fn add(&mut self, n: u8, node: impl Node + 'static) -> AccountId {
        self.nodes.insert(account(n), Box::new(node));
        account(n)
    }

    /// Every node, each claiming a gibibyte.
    pub fn candidates(&self) -> Vec<Candidate> {
        self.nodes
            .keys()
            .map(|node| Candidate {
                node: *node,
                owner: *node,
                free: 1 << 30,
                bonded: 1 << 30,
            })
            .collect()
    }

    fn at<P: Protocol<View = ()>>(&self) -> Context<'static, P> {
        Context {
            now: self.now,
            view: &(),
        }
    }

    fn send(&mut self, tag: Tag, to: AccountId, request: Request) {
        let answer = match self.nodes.get_mut(&to) {
            Some(node) => node.answer(self.now, account(OWNER), request),
            None => Answer::Broken,
        };
        let (delay, reply) = match answer {
            Answer::After(delay, response) => (delay, Ok(response)),
            Answer::Broken => (1, Err(Unreachable)),
            Answer::Silence => return,
        };
        self.sequence += 1;
        self.replies.insert(self.sequence, (tag, reply));
        let at = self.now + delay;
        self.events.push(Reverse((at, self.sequence)));
    }

    fn wake_at(&mut self, at: Millis) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence)));
    }

    /// Moves the clock to the next event: a reply, or `None` for a wake-up.
    fn next_event(&mut self) -> Option<(Tag, Result<Response, Unreachable>)> {
        let Reverse((at, sequence)) = self.events.pop().expect("the machine waits for nothing");
        self.now = self.now.max(at);
        self.replies.remove(&sequence)
    }

    fn forget_events(&mut self) {
        self.events.clear();
        self.replies.clear();
    }
}
