//! Reading a stopped validator's directory.

use std::path::Path;

use assay_chain::history::History;
use assay_chain::replay::{Replay, ReplayError};
use assay_chain::{Block, Checkpoint, CheckpointError, Invalid, history};
use assay_crypto::Digest;
use assay_ledger::Height;
use redb::{Database, ReadableDatabase as _, TableDefinition};

use crate::support::{Network, key, stop_all, wait_for, wait_height, wait_included};

#[test]
fn a_stopped_chain_can_be_read_and_replayed() {
    let network = Network::new();
    let chains = network.start_all();
    let to = key(200).public();
    for nonce in 0..10u64 {
        let id = chains[0]
            .submit(network.transfer(nonce, to, 3).encode())
            .unwrap();
        wait_included(&chains[0], &id);
    }
    wait_height(&[&chains[0]], chains[0].head().height.0 + 2);
    stop_all(&chains);
    drop(chains);

    let history = history::open(&network.dir(0)).unwrap();
    assert_eq!(history.genesis(), &network.genesis);
    let mut replay = history.replay().unwrap();
    let mut transfers = 0;
    while let Some(block) = replay.advance().unwrap() {
        transfers += block.transactions.len();
    }
    assert_eq!(transfers, 10);
    assert_eq!(replay.replay().header().height, history.head());
    let account = assay_ledger::query::account(replay.replay().state(), &to).unwrap();
    assert_eq!(account.balance.0, 30);
    let supply = assay_ledger::query::counted_supply(replay.replay().state()).unwrap();
    assert_eq!(supply.total, Some(supply.genesis));
    // Evidence for all but possibly the very last blocks.
    let client = assay_chain::light::LightClient::new(&network.genesis).unwrap();
    for height in 1..history.head().0 {
        client
            .verify(&history.certified(Height(height)).unwrap().unwrap())
            .unwrap();
    }
    assert!(history::open(&network.dir(9)).is_err());
    a_replay_goes_on_from_a_checkpoint(&history, replay.replay());
}

/// From the state in the middle, of which nothing is believed, to the same head.
fn a_replay_goes_on_from_a_checkpoint(history: &History, whole: &Replay) {
    let (genesis, head) = (history.genesis(), whole.header().height.0);
    let middle = Height(head / 2);
    let mut replay = Replay::begin(genesis).unwrap();
    let block = |at: u64| history.block(Height(at)).unwrap().unwrap().block;
    for height in 1..=middle.0 {
        replay.advance(block(height)).unwrap();
    }
    let evidence = |at: Height| history.certified(at).unwrap().unwrap();
    assert_eq!(replay.checkpoint(evidence(Height(middle.0 - 1))), None);
    let checkpoint = replay.checkpoint(evidence(middle)).unwrap();
    let bytes = checkpoint.to_bytes();
    assert_eq!(Checkpoint::decode(&bytes).unwrap(), checkpoint);

    let mut resumed = Replay::resume(genesis, checkpoint).unwrap();
    for height in middle.0 + 1..=head {
        resumed.advance(block(height)).unwrap();
    }
    assert_eq!(resumed.header(), whole.header());
    assert_eq!(resumed.state().pairs(), whole.state().pairs());

    for at in (0..bytes.len()).step_by(bytes.len() / 97) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let damaged = Checkpoint::decode(&bytes);
        let believed = damaged.is_ok_and(|of| Replay::resume(genesis, of).is_ok());
        assert!(!believed, "byte {at}");
    }
    let cut = Checkpoint::decode(&bytes[..bytes.len() - 1]);
    assert_eq!(cut, Err(CheckpointError::Damaged));
    assert_eq!(Checkpoint::decode(b"{}"), Err(CheckpointError::Magic));
}

#[test]
fn a_validator_whose_archive_cannot_be_opened_says_so() {
    let network = Network::new();
    let engine = network.dir(0).join("engine");
    std::fs::create_dir_all(&engine).unwrap();
    // A file where the archive has a directory.
    std::fs::write(engine.join("certificates-metadata"), b"").unwrap();
    let chain = network.start(0);
    wait_for("the validator to stop", || chain.failure().is_some());
    let failure = chain.failure().unwrap();
    assert!(failure.contains("archive of certificates"), "{failure}");
}

const BLOCKS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("blocks");
const RECEIPTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("receipts");
const CERTIFICATES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("certificates");

type Rows = TableDefinition<'static, u64, &'static [u8]>;

/// Replaces the row of `height` and returns what was there.
fn swap(dir: &Path, rows: Rows, height: u64, bytes: &[u8]) -> Vec<u8> {
    let database = Database::open(dir.join("ledger.redb")).unwrap();
    let before = {
        let read = database.begin_read().unwrap();
        let table = read.open_table(rows).unwrap();
        table.get(height).unwrap().unwrap().value().to_vec()
    };
    let write = database.begin_write().unwrap();
    write
        .open_table(rows)
        .unwrap()
        .insert(height, bytes)
        .unwrap();
    write.commit().unwrap();
    before
}

fn replay_error(dir: &Path) -> ReplayError {
    let history = history::open(dir).unwrap();
    let mut replay = history.replay().unwrap();
    loop {
        match replay.advance() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("nothing was noticed"),
            Err(error) => return error,
        }
    }
}

#[test]
fn a_block_that_lies_is_refused_for_the_right_reason() {
    let network = Network::new();
    let chains = network.start_all();
    let to = key(200).public();
    wait_height(&[&chains[0]], 3);
    let id = chains[0]
        .submit(network.transfer(0, to, 3).encode())
        .unwrap();
    let height = wait_included(&chains[0], &id).0;
    wait_height(&[&chains[0]], height + 2);
    stop_all(&chains);
    drop(chains);
    let dir = network.dir(0);
    let good = history::open(&dir)
        .unwrap()
        .block(Height(height))
        .unwrap()
        .unwrap()
        .block;
    assert_eq!(good.transactions.len(), 1);

    // Replaying uses the same judgement as voting, so these are the lies of a dishonest leader.
    let refused = |lie: &dyn Fn(&mut Block)| {
        let mut block = good.clone();
        lie(&mut block);
        swap(&dir, BLOCKS, height, &block.to_bytes());
        let error = replay_error(&dir);
        swap(&dir, BLOCKS, height, &good.to_bytes());
        match error {
            ReplayError::Invalid { height: at, source } if at == height => source,
            error => panic!("{error:?}"),
        }
    };
    let replace = |block: &mut Block, transaction: Vec<u8>| {
        block.transactions = vec![transaction];
        block.header.tx_root = Block::tx_root(&block.transactions);
    };
    assert_eq!(
        refused(&|block| block.header.parent = Digest::ZERO),
        Invalid::Parent
    );
    assert_eq!(
        refused(&|block| block.header.height.0 += 1),
        Invalid::Parent
    );
    assert_eq!(refused(&|block| block.header.view = 1), Invalid::View(1));
    assert!(matches!(
        refused(&|block| block.header.timestamp_ms = 1),
        Invalid::Timestamp { found: 1, .. }
    ));
    let mut wrong = good.header.beacon.unwrap();
    wrong.0[20] ^= 1;
    assert_eq!(
        refused(&|block| block.header.beacon = Some(wrong)),
        Invalid::Beacon
    );
    assert_eq!(
        refused(&|block| block.transactions.clear()),
        Invalid::TransactionRoot
    );
    assert!(matches!(
        refused(&|block| replace(block, vec![1, 2, 3])),
        Invalid::Transaction { index: 0, .. }
    ));
    let mut unsigned = network.transfer(0, to, 3);
    unsigned.signature.0[0] ^= 1;
    assert!(matches!(
        refused(&|block| replace(block, unsigned.encode())),
        Invalid::Transaction { index: 0, .. }
    ));
    assert!(matches!(
        refused(&|block| replace(block, network.transfer(1, to, 3).encode())),
        Invalid::Transaction { index: 0, .. }
    ));
    assert!(matches!(
        refused(&|block| replace(block, network.transfer(0, to, 4).encode())),
        Invalid::StateRoot { .. }
    ));
    assert!(matches!(
        refused(&|block| block.header.state_root = Digest::ZERO),
        Invalid::StateRoot { .. }
    ));
    assert!(matches!(
        refused(&|block| block.header.receipts_root = Digest::ZERO),
        Invalid::ReceiptsRoot { .. }
    ));

    // What is stored beside the block is checked too.
    let receipts = swap(&dir, RECEIPTS, height, &[0; 8]);
    assert!(matches!(replay_error(&dir), ReplayError::Receipts(at) if at == height));
    swap(&dir, RECEIPTS, height, &receipts);
    let mut forged = swap(&dir, CERTIFICATES, height, &[]);
    let certificate = forged.clone();
    *forged.last_mut().unwrap() ^= 1;
    swap(&dir, CERTIFICATES, height, &forged);
    assert!(matches!(replay_error(&dir), ReplayError::Evidence { .. }));
    swap(&dir, CERTIFICATES, height, &certificate);
    let history = history::open(&dir).unwrap();
    let mut replay = history.replay().unwrap();
    while replay.advance().unwrap().is_some() {}
    drop(history);

    // Without certificates nothing is proven; with those below a height, all below it.
    let certified = || history::open(&dir).unwrap().last_certified().unwrap().0;
    let all = certified();
    assert!(all > height, "{all} {height}");
    let strip = |from: u64| {
        let database = Database::open(dir.join("ledger.redb")).unwrap();
        let write = database.begin_write().unwrap();
        let mut table = write.open_table(CERTIFICATES).unwrap();
        table.retain(|at, _| at < from).unwrap();
        drop(table);
        write.commit().unwrap();
    };
    strip(height);
    assert!(certified() < height);
    strip(0);
    assert_eq!(certified(), 0);
}
