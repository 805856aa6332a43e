//! Asking storage nodes to agree, before a file is recorded on them.

use std::time::Duration;

use assay_ledger::{
    Acceptance, AccountId, Amount, BoundedVec, ChainId, FileCall, FileRecord, Keeping, LedgerTime,
    ReadError, Registration, Store, query,
};
use assay_vault::{
    Fault,
    placement::Candidate,
    upload::NodeFailed,
    wire::{Asked, Refusal, Request, Response},
};
use tokio::{task::JoinSet, time::sleep};

use super::{ASK_AGAIN_MS, Room, ask};
use crate::transport::Transport;

/// What a storage node asks unless its configuration says otherwise, in micro-tokens for a GiB and an
/// hour: 0.072 tokens for a GiB and 30 days.
pub const STANDARD_PRICE: Amount = Amount(100);

/// The most that is paid unless somebody says otherwise.
pub const MOST_PRICE: Amount = Amount(1_000);

/// Until when a file is recorded, on which network, and what that may cost.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// The network.
    pub chain: ChainId,
    /// The record ends at this ledger time.
    pub until: LedgerTime,
    /// The owner cannot end it before.
    pub firm: bool,
    /// The most that a node may ask for a GiB and an hour, in micro-tokens.
    pub most_price: Amount,
}

impl Kept {
    /// From now on for so many milliseconds, or a little less than the network allows: the storage
    /// nodes may have seen fewer blocks.
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read.
    pub fn lasting(store: &dyn Store, ms: u64, firm: bool) -> Result<Self, ReadError> {
        let longest = query::parameters(store)?.unwrap_or_default().max_kept_ms;
        let ms = ms.min(longest - longest / 16);
        Ok(Self {
            chain: query::chain_id(store)?.unwrap_or(ChainId(assay_crypto::Digest::ZERO)),
            until: query::now(store)?.time.after(ms),
            firm,
            most_price: MOST_PRICE,
        })
    }

    /// The call that records a file with what the nodes signed.
    pub fn call(&self, record: FileRecord, acceptances: &[Acceptance]) -> FileCall {
        FileCall::Put {
            record: Box::new(record),
            until: self.until,
            firm: self.firm,
            // One for each node of the record, which has no more.
            acceptances: BoundedVec::new(acceptances).unwrap_or_default(),
        }
    }
}

/// A storage node as the ledger has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The node.
    pub node: AccountId,
    /// Who owns it.
    pub owner: AccountId,
    /// Bytes that the free part of its bond stands for.
    pub bonded: u64,
}

impl Known {
    /// A node with its registration.
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read.
    pub fn of(
        store: &dyn Store,
        node: AccountId,
        registration: &Registration,
    ) -> Result<Self, ReadError> {
        let parameters = query::parameters(store)?.unwrap_or_default();
        Ok(Self {
            node,
            owner: query::owner(store, &node)?,
            bonded: parameters.storage_room(registration),
        })
    }

    /// The node as a candidate to hold a file, with what it says of itself.
    pub fn candidate(&self, room: &Room) -> Candidate {
        Candidate {
            node: self.node,
            owner: self.owner,
            free: room.open(),
            bonded: self.bonded,
        }
    }
}

/// Asks every node of a record to agree, each several times while it is busy.
///
/// # Errors
/// Those that did not agree, and why.
pub async fn agreements(
    transport: &Transport,
    kept: &Kept,
    record: &FileRecord,
) -> Result<Vec<Acceptance>, Vec<NodeFailed>> {
    let keeping = Keeping::of(kept.chain, record, kept.until);
    let mut asked = JoinSet::new();
    for (at, node) in record.placement.iter().enumerate() {
        let (transport, node, most) = (transport.clone(), *node, kept.most_price);
        asked.spawn(async move { (at, node, agreement(&transport, node, keeping, most).await) });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(at, ..)| *at);
    let (mut agreed, mut failed) = (Vec::new(), Vec::new());
    for (_, node, answer) in answers {
        match answer {
            Ok(acceptance) => agreed.push(acceptance),
            Err(fault) => failed.push(NodeFailed { node, fault }),
        }
    }
    if failed.is_empty() {
        Ok(agreed)
    } else {
        Err(failed)
    }
}

async fn agreement(
    transport: &Transport,
    node: AccountId,
    keeping: Keeping,
    most: Amount,
) -> Result<Acceptance, Fault> {
    let asked = Asked {
        file: keeping.file,
        root: keeping.root,
        slices: keeping.slices,
        length_class: keeping.length_class,
        until: keeping.until,
    };
    let mut pauses = ASK_AGAIN_MS.into_iter();
    loop {
        let fault = match ask(transport, node, Request::Accept(asked)).await {
            Ok(Response::Accepted(acceptance)) => return checked(acceptance, node, &keeping, most),
            Ok(Response::Refused(refusal)) => Fault::Refused(refusal),
            Ok(_) => return Err(Fault::Nonsense),
            Err(_) => Fault::Unreachable,
        };
        let passes = matches!(fault, Fault::Refused(Refusal::Busy) | Fault::Unreachable);
        match pauses.next().filter(|_| passes) {
            Some(pause) => sleep(Duration::from_millis(pause)).await,
            None => return Err(fault),
        }
    }
}

/// An agreement that the ledger would not take, or that costs too much, is none.
fn checked(
    acceptance: Acceptance,
    node: AccountId,
    keeping: &Keeping,
    most: Amount,
) -> Result<Acceptance, Fault> {
    if acceptance.price > most {
        return Err(Fault::TooDear);
    }
    match acceptance.verify(&node, keeping) {
        Ok(()) => Ok(acceptance),
        Err(_) => Err(Fault::Nonsense),
    }
}
