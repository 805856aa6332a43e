//! Reading a stopped validator's directory.

use assay_chain::history;
use assay_ledger::Height;

use crate::support::{Network, key, stop_all, wait_height, wait_included};

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
    assert_eq!(replay.header().height, history.head());
    let account = assay_ledger::query::account(replay.state(), &to);
    assert_eq!(account.balance.0, 30);
    let supply = assay_ledger::query::supply(replay.state());
    assert_eq!(supply.total, Some(supply.genesis));
    // Evidence for all but possibly the very last blocks.
    let client = assay_chain::light::LightClient::new(&network.genesis).unwrap();
    for height in 1..history.head().0 {
        client
            .verify(&history.certified(Height(height)).unwrap().unwrap())
            .unwrap();
    }
    assert!(history::open(&network.dir(9)).is_err());
}
