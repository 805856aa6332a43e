//! Files in the vault, from the side of those who store and read them.
//!
//! The protocols are the machines [`assay_vault::upload`] and [`assay_vault::download`]; this
//! module gives them sockets, a clock and a thread to seal on. Whoever stores decides what goes
//! on the ledger: an upload ends by handing a finished [`FileRecord`](assay_ledger::FileRecord),
//! and the call that records it with what the storage nodes signed, to its caller.

mod agree;
mod download;
mod leftovers;
pub mod place;
#[cfg(test)]
mod resume_tests;
pub mod source;
pub mod spool;
#[cfg(test)]
pub(crate) mod tests;
pub mod unfinished;
mod upload;

use std::time::Duration;

use assay_crypto::{Digest, PublicKey, aead::FileKey};
use assay_ledger::Amount;
use assay_vault::{
    Unreachable,
    placement::Candidate,
    wire::{Request, Response},
};
use tokio::{task::JoinSet, time::sleep};

pub use self::{
    agree::{Kept, Known, MOST_PRICE, STANDARD_PRICE, agreements},
    download::{download, fetch, fetch_sealed},
    leftovers::{Deleted, Pending, delete, delete_all, pending},
    upload::{NewFile, StoreError, Stored, sealed_length, upload},
};
use crate::transport::{Manner, Question, Transport};

/// A fresh file key.
///
/// # Errors
/// When the system has no randomness to give.
pub fn fresh_key() -> Result<FileKey, getrandom::Error> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(FileKey(key))
}

/// Fresh randomness as a digest, for seeds of local choices.
///
/// # Errors
/// When the system has no randomness to give.
pub fn fresh_seed() -> Result<Digest, getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Digest(seed))
}

/// Pauses before nodes that did not answer are asked again, in milliseconds.
const ASK_AGAIN_MS: [u64; 3] = [200, 800, 3_000];

/// What a storage node would take from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The node.
    pub node: PublicKey,
    /// Bytes free on it.
    pub free: u64,
    /// Bytes of ours there that belong to no recorded file.
    pub pending: u64,
    /// The most that these may come to.
    pub allowed: u64,
    /// What it asks for keeping a GiB an hour, in micro-tokens.
    pub price: Amount,
}

impl Room {
    /// Bytes that it would take from us now.
    pub fn open(&self) -> u64 {
        self.free.min(self.allowed.saturating_sub(self.pending))
    }
}

/// Asks every node how much room it has for us, those that do not answer again while fewer than
/// `wanted` have; nodes that never do are left out.
pub async fn rooms(transport: &Transport, nodes: &[PublicKey], wanted: usize) -> Vec<Room> {
    let mut found = Vec::new();
    let mut silent = nodes.to_vec();
    let mut pauses = ASK_AGAIN_MS.into_iter();
    loop {
        let mut asked = JoinSet::new();
        for node in silent.drain(..) {
            let transport = transport.clone();
            asked.spawn(async move { (node, ask(&transport, node, Request::Room).await) });
        }
        for (node, answer) in asked.join_all().await {
            match answer {
                Ok(Response::Room {
                    free,
                    pending,
                    allowed,
                    price,
                }) => found.push(Room {
                    node,
                    free,
                    pending,
                    allowed,
                    price,
                }),
                _ => silent.push(node),
            }
        }
        if found.len() >= wanted || silent.is_empty() {
            return found;
        }
        let Some(pause) = pauses.next() else {
            return found;
        };
        sleep(Duration::from_millis(pause)).await;
    }
}

/// The nodes of [`rooms`] as candidates to hold a file, without those that ask more than is paid.
pub async fn candidates(
    transport: &Transport,
    known: &[Known],
    wanted: usize,
    most_price: Amount,
) -> Vec<Candidate> {
    let nodes: Vec<PublicKey> = known.iter().map(|of| of.node).collect();
    let rooms = rooms(transport, &nodes, wanted).await;
    let affordable = rooms.iter().filter(|room| room.price <= most_price);
    let candidates = affordable.filter_map(|room| {
        let known = known.iter().find(|of| of.node == room.node)?;
        Some(known.candidate(room))
    });
    candidates.collect()
}

impl Question for Request {
    const PROTOCOL: &'static str = "vault/1";
    type Answer = Response;

    fn name(&self) -> &'static str {
        match self {
            Self::Free => "vault_free",
            Self::Put { .. } => "vault_put",
            Self::Get { .. } => "vault_get",
            Self::Has { .. } => "vault_has",
            Self::Commit { .. } => "vault_commit",
            Self::Delete { .. } => "vault_delete",
            Self::Room => "vault_room",
            Self::Pending { .. } => "vault_pending",
            Self::Accept(_) => "vault_accept",
            Self::Slices { .. } => "vault_slices",
        }
    }

    fn manner(&self) -> Manner {
        match self {
            Self::Put { .. } | Self::Commit { .. } | Self::Delete { .. } | Self::Accept(_) => {
                Manner::ForAccounts
            }
            _ => Manner::Plain,
        }
    }
}

/// One storage request. Whatever keeps the answer from coming counts as unreachable; the machine
/// knows what to do then.
async fn ask(
    transport: &Transport,
    node: PublicKey,
    request: Request,
) -> Result<Response, Unreachable> {
    let answer = transport.request(node, &request).await;
    answer.map_err(|error| {
        tracing::debug!(%node, %error, "storage request failed");
        Unreachable
    })
}
