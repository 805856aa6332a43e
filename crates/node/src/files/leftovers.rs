//! What an account left at storage nodes outside recorded files.

use std::{collections::BTreeSet, time::Duration};

use assay_crypto::{Digest, PublicKey};
use assay_vault::{
    Unreachable,
    wire::{MAX_HAS, Refusal, Request, Response},
};
use tokio::time::sleep;

use super::ask;
use crate::transport::Transport;

/// Lists that one node is asked for: it might never end.
const MAX_LISTS: usize = 64;

/// Times that one node is looked through for what is to be deleted.
const MAX_LOOKS: usize = 32;

/// Looks in a row after which nothing more that goes is expected.
const QUIET_LOOKS: usize = 2;

/// Pause before the next of them.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Pieces of ours that a node keeps outside recorded files, with their lengths in bytes.
pub type Pending = Vec<(Digest, u32)>;

/// What a node keeps of ours outside recorded files.
///
/// # Errors
/// [`Unreachable`] when it does not say.
pub async fn pending(transport: &Transport, node: PublicKey) -> Result<Pending, Unreachable> {
    let mut found = Pending::new();
    for _ in 0..MAX_LISTS {
        let after = found.last().map(|(digest, _)| *digest);
        let Response::Pending { pieces } = ask(transport, node, Request::Pending { after }).await?
        else {
            return Err(Unreachable);
        };
        let pieces = pieces.as_slice();
        // A list that does not go up would make us go round.
        let mut last = after;
        for (digest, bytes) in pieces {
            if last.is_some_and(|last| *digest <= last) {
                return Err(Unreachable);
            }
            last = Some(*digest);
            found.push((*digest, *bytes));
        }
        if pieces.len() < MAX_HAS {
            break;
        }
    }
    Ok(found)
}

/// What became of pieces that were to be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Pieces that are not there any more.
    pub gone: u64,
    /// Pieces that the node keeps, because they belong to a recorded file or to others as well.
    pub kept: u64,
}

/// Asks a node to forget these pieces of ours.
///
/// # Errors
/// [`Unreachable`] when it stops answering.
pub async fn delete(
    transport: &Transport,
    node: PublicKey,
    pieces: Vec<Digest>,
) -> Result<Deleted, Unreachable> {
    let wanted: BTreeSet<Digest> = pieces.iter().copied().collect();
    clear(transport, node, pieces, |piece| wanted.contains(piece)).await
}

/// Asks a node to forget every piece of ours outside recorded files.
///
/// # Errors
/// [`Unreachable`] when it stops answering.
pub async fn delete_all(transport: &Transport, node: PublicKey) -> Result<Deleted, Unreachable> {
    clear(transport, node, Vec::new(), |_| true).await
}

/// Deletes `tries`, and then what of ours the node lists and `wanted` names, until it lists nothing
/// more that goes. One look would not do: what a killed command had sent may arrive after it, and
/// the pieces of a file that was put together go only after the piece that names the file.
async fn clear(
    transport: &Transport,
    node: PublicKey,
    mut tries: Vec<Digest>,
    wanted: impl Fn(&Digest) -> bool,
) -> Result<Deleted, Unreachable> {
    let (mut gone, mut kept) = (BTreeSet::new(), BTreeSet::new());
    let mut quiet = 0;
    for _ in 0..MAX_LOOKS {
        let mut moving = false;
        for digest in std::mem::take(&mut tries) {
            match ask(transport, node, Request::Delete { digest }).await? {
                Response::Deleted { .. } => {
                    kept.remove(&digest);
                    gone.insert(digest);
                    moving = true;
                }
                Response::Refused(refusal @ (Refusal::InUse | Refusal::Busy)) => {
                    kept.insert(digest);
                    moving |= refusal == Refusal::Busy;
                }
                _ => return Err(Unreachable),
            }
        }
        quiet = if moving { 0 } else { quiet + 1 };
        if quiet == QUIET_LOOKS {
            break;
        }
        sleep(LOOK_AGAIN).await;
        let listed = pending(transport, node).await?.into_iter();
        tries = listed
            .map(|(digest, _)| digest)
            .filter(|digest| wanted(digest))
            .collect();
    }
    Ok(Deleted {
        gone: gone.len() as u64,
        kept: kept.len() as u64,
    })
}
