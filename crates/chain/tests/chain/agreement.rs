//! Agreement, restart, catching up.

use std::time::{Duration, Instant};

use assay_ledger::{Height, Status};

use crate::support::{
    Network, assert_no_fork, balance, bring, key, stop_all, wait_for, wait_height, wait_included,
};

#[test]
fn four_validators_agree_and_apply_transfers() {
    let network = Network::new();
    let chains = network.start_all();
    let mut blocks = chains[3].subscribe();
    let to = key(200).public();
    let ids: Vec<_> = (0..40u64)
        .map(|nonce| {
            // Each through another validator: gossip has to bring them together.
            let transaction = network.transfer(nonce, to, 1 + nonce);
            bring(&chains[nonce as usize % 4], &transaction)
        })
        .collect();
    for chain in &chains {
        wait_included(chain, &ids[39]);
        assert_eq!(balance(chain, &to), (1..=40).sum::<u64>());
    }
    let all: Vec<_> = chains.iter().collect();
    wait_height(&all, chains[0].head().height.0 + 3);
    assert_no_fork(&all);

    // What subscribers see is what is stored, with one receipt for each transaction.
    let mut seen = 0;
    while seen < 40 {
        let block = blocks.blocking_recv().unwrap();
        assert_eq!(block.transactions.len(), block.receipts.len());
        for (transaction, receipt) in block.transactions.iter().zip(&block.receipts) {
            assert_eq!(transaction.id(), receipt.tx);
            assert_eq!(receipt.status, Status::Applied);
            assert_eq!(
                chains[0].transaction(&receipt.tx).unwrap().unwrap().0,
                block.header.height
            );
            seen += 1;
        }
        assert_eq!(
            chains[0]
                .block(block.header.height)
                .unwrap()
                .unwrap()
                .digest,
            block.digest
        );
    }
    assert!(chains[0].metrics().contains("consensus_voter"));
    wait_for("empty pools", || {
        chains.iter().all(|chain| chain.waiting() == 0)
    });

    // Without transactions blocks keep coming, at the configured interval.
    let (from, start) = (chains[0].head().height.0, Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let rate = (chains[0].head().height.0 - from) as f64 / start.elapsed().as_secs_f64();
    assert!(
        (2.0..7.0).contains(&rate),
        "{rate} empty blocks per second at an interval of 200 ms"
    );
    stop_all(&chains);
}

#[test]
fn blocks_but_the_first_carry_fresh_beacons() {
    let network = Network::new();
    let chains = network.start_all();
    wait_height(&[&chains[0]], 8);
    let client = assay_chain::light::LightClient::new(&network.genesis).unwrap();
    let (mut seen, mut absent) = (std::collections::BTreeSet::new(), 0);
    let mut parent = chains[0].block(Height(1)).unwrap().unwrap().header;
    assert_eq!(parent.beacon, None);
    for height in 2..=8 {
        let header = chains[0].block(Height(height)).unwrap().unwrap().header;
        client.verify_beacon(&parent, &header).unwrap();
        // Absent only if the parent was not final in time, which a busy machine seldom shows.
        let Some(beacon) = &header.beacon else {
            absent += 1;
            parent = header;
            continue;
        };
        assert!(seen.insert(beacon.0));
        // The beacon of one height is not accepted at another.
        let mut wrong = header.clone();
        wrong.beacon = chains[0]
            .block(Height(height - 1))
            .unwrap()
            .unwrap()
            .header
            .beacon;
        if wrong.beacon.is_some() {
            client.verify_beacon(&parent, &wrong).unwrap_err();
        }
        parent = header;
    }
    assert!(absent <= 2, "{absent} of 7 blocks have no beacon");
    stop_all(&chains);
}

#[test]
fn all_restart_and_go_on() {
    let network = Network::new();
    let to = key(200).public();
    let mut height = 0;
    for round in 0..3u64 {
        let chains = network.start_all();
        let all: Vec<_> = chains.iter().collect();
        let id = chains[1]
            .submit(network.transfer(round, to, 5).encode())
            .unwrap();
        for chain in &chains {
            assert!(wait_included(chain, &id).0 > height);
            assert_eq!(balance(chain, &to), 5 * (round + 1));
        }
        height = assert_no_fork(&all);
        stop_all(&chains);
    }
}

#[test]
fn a_dead_validator_does_not_stop_the_rest_and_catches_up() {
    let network = Network::new();
    let mut chains = network.start_all();
    wait_height(&chains.iter().collect::<Vec<_>>(), 2);
    let away = chains.remove(2);
    away.stop();
    let left_at = away.head().height.0;

    let to = key(200).public();
    let ids: Vec<_> = (0..30u64)
        .map(|nonce| bring(&chains[0], &network.transfer(nonce, to, 1)))
        .collect();
    wait_height(&[&chains[0], &chains[1], &chains[2]], left_at + 12);
    // Whoever has this block has all of them.
    let last = wait_included(&chains[1], &ids[29]).0;

    let back = network.start(2);
    let target = chains[0].head().height.0.max(last);
    wait_height(&[&back], target);
    assert_eq!(balance(&back, &to), 30);
    chains.push(back);
    let all: Vec<_> = chains.iter().collect();
    // It takes part again: its own submissions are included.
    let id = chains[3]
        .submit(network.transfer(30, to, 1).encode())
        .unwrap();
    wait_included(&chains[0], &id);
    wait_height(&all, target + 8);
    assert!(assert_no_fork(&all) >= target + 8);
    stop_all(&chains);
}

#[test]
fn a_validator_with_an_empty_directory_fetches_everything() {
    let network = Network::new();
    let mut chains = network.start_all();
    let to = key(200).public();
    let id = chains[0]
        .submit(network.transfer(0, to, 9).encode())
        .unwrap();
    wait_included(&chains[3], &id);
    let lost = chains.pop().unwrap();
    lost.stop();
    std::fs::remove_dir_all(network.dir(3)).unwrap();
    let target = chains[0].head().height.0 + 4;
    wait_height(&[&chains[0]], target);
    chains.push(network.start(3));
    let all: Vec<_> = chains.iter().collect();
    wait_height(&all, target);
    assert_eq!(balance(&chains[3], &to), 9);
    assert!(assert_no_fork(&all) >= target);
    stop_all(&chains);
}
