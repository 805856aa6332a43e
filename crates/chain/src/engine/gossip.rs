//! Spreads transactions between validators.
//!
//! A message is a list of encoded transactions, each behind its 32-bit length. Receivers check
//! each as if a client had submitted it and do not pass it on: the validators form a full mesh.
//! What stays unincluded is sent again now and then, for validators that were away: what a block
//! would take first goes first here too.

use std::sync::Arc;
use std::time::Duration;

use commonware_macros::select;
use commonware_p2p::{Receiver, Recipients, Sender};
use tokio::sync::mpsc;

use super::runtime::{Runtime, run_blocking};
use crate::admit::admit;
use crate::core::Core;
use crate::scheme::Identity;

/// Largest gossip message. It holds at least one transaction of the largest size.
pub(crate) const MAX_GOSSIP_BYTES: usize = 256 * 1024;

const RESEND_EVERY: Duration = Duration::from_secs(2);
const RESEND_AT_MOST: usize = 256;

/// Packs transactions into messages of at most [`MAX_GOSSIP_BYTES`].
pub(crate) fn pack<'a>(transactions: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for transaction in transactions {
        let Ok(length) = u32::try_from(transaction.len()) else {
            continue;
        };
        let cost = 4 + transaction.len();
        let message = match messages.last_mut() {
            Some(last) if last.len() + cost <= MAX_GOSSIP_BYTES => last,
            _ => {
                messages.push(Vec::with_capacity(cost));
                let Some(last) = messages.last_mut() else {
                    continue;
                };
                last
            }
        };
        message.extend_from_slice(&length.to_le_bytes());
        message.extend_from_slice(transaction);
    }
    messages
}

/// Splits a message; `None` when it is malformed.
pub(crate) fn unpack(mut message: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut transactions = Vec::new();
    while !message.is_empty() {
        let (length, rest) = message.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > assay_ledger::MAX_TX_BYTES {
            return None;
        }
        let (transaction, rest) = rest.split_at_checked(length)?;
        transactions.push(transaction.to_vec());
        message = rest;
    }
    Some(transactions)
}

/// Sends what arrives on `local` to all validators and admits what they send.
pub(crate) async fn run(
    runtime: impl Runtime,
    core: Arc<Core>,
    mut local: mpsc::UnboundedReceiver<Arc<Vec<u8>>>,
    (mut sender, mut receiver): (
        impl Sender<PublicKey = Identity>,
        impl Receiver<PublicKey = Identity>,
    ),
) {
    let mut resend_at = runtime.current() + RESEND_EVERY;
    loop {
        select! {
            first = local.recv() => {
                let Some(first) = first else { return };
                let mut batch = vec![first];
                while let Ok(next) = local.try_recv() {
                    batch.push(next);
                }
                for message in pack(batch.iter().map(|tx| tx.as_slice())) {
                    sender.send(Recipients::All, message, false);
                }
            },
            received = receiver.recv() => {
                let Ok((peer, message)) = received else { return };
                let Some(transactions) = unpack(message.as_ref()) else {
                    tracing::warn!(%peer, "malformed transaction gossip");
                    continue;
                };
                let core = core.clone();
                let admitted = run_blocking(&runtime, move || {
                    for encoded in transactions {
                        // Refusals are normal here: already in a block, or just not valid now.
                        if let Err(error) = admit(&core, encoded) {
                            tracing::debug!(%peer, %error, "gossiped transaction refused");
                        }
                    }
                });
                if admitted.await.is_none() {
                    return;
                }
            },
            _ = runtime.sleep_until(resend_at) => {
                resend_at = runtime.current() + RESEND_EVERY;
                let waiting = core.pool().foremost(RESEND_AT_MOST);
                for message in pack(waiting.iter().map(|tx| tx.encoded.as_slice())) {
                    sender.send(Recipients::All, message, false);
                }
            },
        }
    }
}
