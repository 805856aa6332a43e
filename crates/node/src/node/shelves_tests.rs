use std::sync::Arc;

use assay_ledger::{
    Acceptance, AccountCall, Amount, BoundedString, BoundedVec, Call, FileCall, Keeping, Role,
    Transaction,
};
use assay_vault::{
    Digests, Piece,
    storage::{Keeper, StorageConfig},
    wire::{Asked, Refusal, Request, Response},
};

use super::*;
use assay_api::test_chain::{TestChain, key};

const NODE: u8 = 2;
const OTHER: u8 = 3;
const OWNER: u8 = 4;

/// A storage node whose grace period is over at once, beside another one.
struct Lab {
    chain: Arc<TestChain>,
    storage: StorageRole,
    shelves: Shelves,
    _dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let chain = TestChain::new();
        let dir = tempfile::tempdir().unwrap();
        let config = StorageConfig {
            grace_ms: 0,
            ..StorageConfig::new(1 << 20)
        };
        let storage = StorageRole::open(dir.path(), config).unwrap();
        let shelves = Shelves::new(key(NODE).public(), Height(0));
        let mut lab = Self {
            chain,
            storage,
            shelves,
            _dir: dir,
        };
        for node in [NODE, OTHER] {
            lab.call(
                node,
                AccountCall::Register {
                    role: Role::Storage,
                    bond: Amount::tokens(10),
                    encryption_key: key(node).encryption().public(),
                    address: BoundedString::new("127.0.0.1:7001").unwrap(),
                    offer: None,
                },
            );
        }
        lab
    }

    /// Brings a call into a block of its own.
    fn call(&mut self, who: u8, call: impl Into<Call>) {
        let state = self.chain.state();
        let nonce = query::account(&*state, &key(who).public()).unwrap().nonce;
        let id = self.chain.genesis().chain_id();
        let transaction = Transaction::sign(&key(who), id, nonce, Amount(100_000), call);
        self.chain.tick(vec![transaction]);
    }

    fn blocks(&self, count: u64) {
        (0..count).for_each(|_| self.chain.tick(vec![]));
    }

    async fn follow(&mut self) {
        let now = self.chain.head().timestamp_ms;
        self.follow_at(now).await.unwrap();
    }

    async fn follow_at(&mut self, now_ms: u64) -> Result<(), ChainError> {
        self.shelves
            .follow(&*self.chain, &self.storage, now_ms)
            .await
    }

    /// Keeps a file of one slice on the node.
    async fn keep(&self, seed: u8) -> (FileId, Piece) {
        let pieces = [10, 20].map(|length| Piece::new(vec![seed; length]).unwrap());
        for piece in &pieces {
            let digest = piece.digest();
            let piece = piece.clone();
            let put = Request::Put { digest, piece };
            let stored = self.storage.handle(key(OWNER).public(), put).await;
            assert_eq!(stored, Response::Stored { digest });
        }
        let [manifest, slice] = pieces;
        let file = FileId(manifest.digest());
        let commit = Request::Commit {
            file,
            slices: Digests::new(vec![slice.digest()]).unwrap(),
        };
        let committed = self.storage.handle(key(OWNER).public(), commit).await;
        assert_eq!(committed, Response::Committed { file });
        (file, slice)
    }

    /// Records a kept file as placed on these nodes.
    fn record(&mut self, file: FileId, slice: &Piece, nodes: &[u8]) {
        let placed: Vec<_> = nodes.iter().map(|node| key(*node).public()).collect();
        let record = FileRecord {
            id: file,
            owner: key(OWNER).public(),
            name: BoundedString::new("a file").unwrap(),
            length_class: 1_024,
            slices: 1,
            root: assay_crypto::merkle::root(vec![slice.digest()]),
            placement: BoundedVec::new(placed).unwrap(),
            media_type: BoundedString::new("application/octet-stream").unwrap(),
            key_envelope: Default::default(),
        };
        let chain = self.chain.genesis().chain_id();
        let now = query::now(&*self.chain.state()).unwrap().time;
        let until = now.after(1_000_000_000);
        let keeping = Keeping::of(chain, &record, until);
        let agreed = nodes
            .iter()
            .map(|node| Acceptance::sign(&key(*node), &keeping, Amount::ZERO, until));
        let put = FileCall::Put {
            record: Box::new(record.clone()),
            until,
            firm: false,
            acceptances: BoundedVec::new(agreed.collect::<Vec<_>>()).unwrap(),
        };
        self.call(OWNER, put);
        let kept = query::file(&*self.chain.state(), &file, &record.owner);
        assert_eq!(kept.unwrap(), Some(record));
    }

    async fn has(&self, piece: &Piece) -> bool {
        let digest = piece.digest();
        let got = self
            .storage
            .handle(key(9).public(), Request::Get { digest })
            .await;
        matches!(got, Response::Piece { .. })
    }
}

#[tokio::test]
async fn a_recorded_file_stays_and_a_file_that_moved_away_goes() {
    let mut lab = Lab::new();
    lab.follow().await;
    let (file, slice) = lab.keep(1).await;
    let (_, litter) = lab.keep(2).await;
    lab.record(file, &slice, &[NODE]);
    lab.follow().await;
    lab.blocks(COLLECT_EVERY);
    lab.follow().await;
    assert!(lab.has(&slice).await);
    assert!(!lab.has(&litter).await, "nobody recorded it");

    lab.record(file, &slice, &[OTHER]);
    lab.follow().await;
    assert!(
        lab.has(&slice).await,
        "nothing goes between two collections"
    );
    lab.blocks(COLLECT_EVERY);
    lab.follow().await;
    assert!(!lab.has(&slice).await);
    assert_eq!(lab.storage.usage().used, 0);
}

#[tokio::test]
async fn a_file_that_moves_away_and_back_between_two_looks_stays() {
    let mut lab = Lab::new();
    let (file, slice) = lab.keep(1).await;
    lab.record(file, &slice, &[NODE]);
    lab.follow().await;
    lab.record(file, &slice, &[OTHER]);
    lab.record(file, &slice, &[OTHER, NODE]);
    lab.blocks(COLLECT_EVERY);
    lab.follow().await;
    assert!(lab.has(&slice).await);
}

/// Whatever the number of blocks at a time, and on whichever height they end.
#[tokio::test]
async fn collections_come_by_blocks_passed_and_not_by_luck() {
    for stride in [1, 7, 64, 499, 501, 1_200] {
        let mut lab = Lab::new();
        lab.blocks(stride % 5);
        lab.shelves = Shelves::new(key(NODE).public(), lab.chain.head().height);
        lab.follow().await;
        let (_, litter) = lab.keep(1).await;
        let mut passed = 0;
        while passed < COLLECT_EVERY {
            assert!(
                lab.has(&litter).await,
                "after {passed} blocks, {stride} at a time"
            );
            lab.blocks(stride);
            passed += stride;
            lab.follow().await;
        }
        assert!(!lab.has(&litter).await, "{stride} at a time");
    }
}

#[tokio::test]
async fn blocks_that_are_no_longer_kept_are_made_good_for_by_the_state() {
    let mut lab = Lab::new();
    let (kept, slice) = lab.keep(1).await;
    let (moved, gone) = lab.keep(2).await;
    lab.record(moved, &gone, &[NODE]);
    lab.follow().await;
    lab.record(kept, &slice, &[NODE]);
    lab.record(moved, &gone, &[OTHER]);
    lab.chain.forget_blocks();
    lab.blocks(COLLECT_EVERY);
    lab.follow().await;
    assert!(lab.has(&slice).await, "recorded in a block that nobody has");
    assert!(
        !lab.has(&gone).await,
        "moved away in a block that nobody has"
    );
}

#[tokio::test]
async fn a_node_that_is_cut_off_throws_nothing_away() {
    let mut lab = Lab::new();
    lab.follow().await;
    let (_, litter) = lab.keep(1).await;
    lab.blocks(2 * COLLECT_EVERY);
    let late = lab.chain.head().timestamp_ms + CURRENT_MS;
    lab.follow_at(late).await.unwrap();
    assert!(lab.has(&litter).await);
    // Nor one that cannot read what is recorded.
    lab.chain.set_broken(true);
    lab.shelves.seen = None;
    let error = lab
        .follow_at(lab.chain.head().timestamp_ms)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("the disk failed"), "{error}");
    assert!(lab.has(&litter).await);
    lab.chain.set_broken(false);
    lab.follow().await;
    assert!(!lab.has(&litter).await);
}

/// A restarted node learns of every record before it throws anything away.
#[tokio::test]
async fn a_restarted_node_knows_what_is_recorded() {
    let mut lab = Lab::new();
    let (file, slice) = lab.keep(1).await;
    lab.record(file, &slice, &[NODE, OTHER]);
    lab.blocks(COLLECT_EVERY);
    lab.shelves = Shelves::new(key(NODE).public(), Height(0));
    lab.follow().await;
    assert!(lab.has(&slice).await);
}

/// From the question to the pay: the node agrees once it knows the time, the record ends, the node is
/// paid, and what it kept goes.
#[tokio::test]
async fn a_file_is_accepted_recorded_paid_and_let_go() {
    let mut lab = Lab::new();
    let (file, slice) = lab.keep(1).await;
    let chain = lab.chain.genesis().chain_id();
    let keeper = Keeper {
        key: key(NODE),
        chain,
        price: Amount(1_000_000),
        longest_ms: 1_000_000,
        now: None,
    };
    lab.storage.keep_as(keeper).await;
    let now = query::now(&*lab.chain.state()).unwrap().time;
    let asked = Asked {
        file,
        root: assay_crypto::merkle::root(vec![slice.digest()]),
        slices: 1,
        length_class: 1_024,
        until: now.after(20_000),
    };
    let owner = key(OWNER).public();
    let busy = lab.storage.handle(owner, Request::Accept(asked)).await;
    assert_eq!(busy, Response::Refused(Refusal::Busy), "no time is known");
    lab.follow().await;
    let Response::Accepted(agreed) = lab.storage.handle(owner, Request::Accept(asked)).await else {
        panic!("it does not agree");
    };
    let record = FileRecord {
        id: file,
        owner,
        name: BoundedString::new("a file").unwrap(),
        length_class: asked.length_class,
        slices: asked.slices,
        root: asked.root,
        placement: BoundedVec::new([key(NODE).public()]).unwrap(),
        media_type: BoundedString::new("application/octet-stream").unwrap(),
        key_envelope: Default::default(),
    };
    let put = FileCall::Put {
        record: Box::new(record.clone()),
        until: asked.until,
        firm: true,
        acceptances: BoundedVec::new([agreed]).unwrap(),
    };
    lab.call(OWNER, put);
    let kept = query::file(&*lab.chain.state(), &file, &owner).unwrap();
    assert_eq!(kept, Some(record));
    let before = query::account(&*lab.chain.state(), &key(NODE).public()).unwrap();
    lab.follow().await;
    lab.blocks(COLLECT_EVERY);
    let after = query::account(&*lab.chain.state(), &key(NODE).public()).unwrap();
    assert!(after.balance > before.balance, "{after:?} {before:?}");
    assert_eq!(query::files(&*lab.chain.state()).unwrap(), []);
    lab.follow().await;
    assert!(!lab.has(&slice).await);
}
