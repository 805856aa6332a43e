//! Those who use a simulated network: a client that keeps it busy, and the parties of an order.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use assay_chain::{Chain, FinalizedBlock};
use assay_crypto::PublicKey;
use assay_ledger::{AccountCall, Amount, Height, Transaction, TxId};
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};

use super::{Chains, World, lock};
use crate::orders::World as Orders;

/// How often the client looks whether its transaction is in a block.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// After which it asks another validator.
const ASK_AGAIN: Duration = Duration::from_millis(500);

impl World {
    /// Starts a client that has one transaction waiting at any time.
    pub(crate) fn keep_busy(&self) {
        let (chains, watch) = (self.chains.clone(), self.watch.clone());
        let (client, honest) = (self.client.clone(), self.honest.clone());
        let genesis = self
            .places
            .first()
            .map(|place| place.member.genesis().chain_id());
        let Some(genesis) = genesis else { return };
        self.context
            .child("client")
            .spawn(move |context| async move {
                let mut turn = 0usize;
                let mut last: Option<(u64, SystemTime)> = None;
                loop {
                    let nonce = watch.lock().next_nonce;
                    let now = context.current();
                    let waits = last.is_some_and(|(sent, at)| {
                        sent == nonce && now.duration_since(at).is_ok_and(|since| since < ASK_AGAIN)
                    });
                    if !waits {
                        let transaction = Transaction::sign(
                            &client,
                            genesis,
                            nonce,
                            Amount(10_000),
                            AccountCall::Transfer {
                                to: PublicKey([9; 32]),
                                amount: Amount(1),
                            },
                        );
                        turn += 1;
                        submit(&lock(&chains), &honest, turn, &transaction.encode());
                        last = Some((nonce, now));
                    }
                    context.sleep(LOOK_EVERY).await;
                }
            });
    }

    /// Brings the calls of an order's parties to honest validators, and shows the parties every block
    /// that one of these has made final.
    pub(crate) fn serve(&self, orders: Orders) {
        let (chains, honest) = (self.chains.clone(), self.honest.clone());
        self.context
            .child("orders")
            .spawn(move |context| async move {
                let mut turn = 0usize;
                let mut sent: BTreeMap<TxId, SystemTime> = BTreeMap::new();
                loop {
                    while let Some(block) = next_block(&chains, &honest, orders.height()) {
                        if let Err(error) = orders.follow(&block) {
                            return orders.broke(&error);
                        }
                    }
                    let now = context.current();
                    for transaction in orders.waiting() {
                        let last = sent.get(&transaction.id());
                        let rests = last.is_some_and(|at| {
                            now.duration_since(*at).is_ok_and(|since| since < ASK_AGAIN)
                        });
                        if !rests {
                            turn += 1;
                            submit(&lock(&chains), &honest, turn, &transaction.encode());
                            sent.insert(transaction.id(), now);
                        }
                    }
                    context.sleep(LOOK_EVERY).await;
                }
            });
    }
}

/// The block after `height`, from the first honest validator that has it.
fn next_block(chains: &Chains, honest: &[usize], height: Height) -> Option<FinalizedBlock> {
    let chains = lock(chains);
    let up = honest.iter().filter_map(|port| chains.get(*port)?.as_ref());
    let next = Height(height.0 + 1);
    up.into_iter()
        .find_map(|chain| chain.block(next).ok().flatten())
}

/// Hands a transaction to an honest validator that is up.
fn submit(chains: &[Option<Chain>], honest: &[usize], turn: usize, encoded: &[u8]) {
    for step in 0..honest.len() {
        let port = honest.get((turn + step) % honest.len());
        if let Some(Some(chain)) = port.and_then(|port| chains.get(*port)) {
            // A refusal means that the validator is behind, or that the transaction is known.
            let _ = chain.submit(encoded.to_vec());
            return;
        }
    }
}
