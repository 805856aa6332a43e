//! What storage nodes agreed to: for whom they keep a file, until when, and what for.
//!
//! A record names no node that has not signed an [`Acceptance`] of it. With the record the owner
//! locks what the nodes earn until the end, and each node locks the part of its bond that so many
//! bytes take: what is left of its bond is what it can still take. When the time is over, or the
//! owner ends it, each node is paid for the time that passed, and gets its part back.
//!
//! Nothing proves yet that a node still has what it is paid for: `docs/vault.md` says so.

use assay_crypto::{BadSignature, Digest, SecretKey, Signature};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{FileRecord, FileRefusal, keys};
use crate::accounts::money;
use crate::state::State;
use crate::timers::Timer;
use crate::{
    AccountId, Amount, BoundedVec, ChainId, FileEvent, FileId, LedgerTime, Parameters, Refusal,
    Registration, Role,
};

/// Bytes of a gibibyte.
const GIB: u128 = 1 << 30;

/// Milliseconds of an hour.
const HOUR_MS: u128 = 3_600_000;

/// The domain of an acceptance's signature.
const DOMAIN: &str = "assay/storage acceptance/v1";

/// What a storage node is asked to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Keeping {
    /// On which network.
    pub chain: ChainId,
    /// For whom: who records the file, and pays.
    pub owner: AccountId,
    /// The file.
    pub file: FileId,
    /// Merkle root over the digests of its encrypted slices.
    pub root: Digest,
    /// Number of slices.
    pub slices: u32,
    /// The class of the plaintext's length, in bytes.
    pub length_class: u64,
    /// Until this ledger time.
    pub until: LedgerTime,
}

impl Keeping {
    /// What the nodes that a record names are to keep.
    pub fn of(chain: ChainId, record: &FileRecord, until: LedgerTime) -> Keeping {
        Keeping {
            chain,
            owner: record.owner,
            file: record.id,
            root: record.root,
            slices: record.slices,
            length_class: record.length_class,
            until,
        }
    }

    /// Bytes that a node keeps at most, by which it is paid: what is sealed has a tag for each slice
    /// and a manifest that lists them, and the node a list of its own.
    pub fn bytes(&self) -> u64 {
        let slices = u64::from(self.slices).saturating_mul(80);
        self.length_class.saturating_add(slices).saturating_add(256)
    }
}

/// The agreement of one storage node to keep a file: it is asked before the file is recorded.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Acceptance {
    /// Micro-tokens for a GiB and an hour.
    pub price: Amount,
    /// Counts in blocks up to this ledger time: nodes keep what is not recorded only for a while.
    pub by: LedgerTime,
    /// The node's signature of all this and of what it keeps.
    pub signature: Signature,
}

impl Acceptance {
    /// A node's agreement.
    pub fn sign(node: &SecretKey, keeping: &Keeping, price: Amount, by: LedgerTime) -> Acceptance {
        Acceptance {
            price,
            by,
            signature: node.sign(DOMAIN, &text(keeping, price, by)),
        }
    }

    /// Whether it is this node's agreement to keep just this.
    ///
    /// # Errors
    /// [`BadSignature`] when it is another's, or of something else.
    pub fn verify(&self, node: &AccountId, keeping: &Keeping) -> Result<(), BadSignature> {
        let text = text(keeping, self.price, self.by);
        node.verify(DOMAIN, &text, &self.signature)
    }
}

fn text(keeping: &Keeping, price: Amount, by: LedgerTime) -> Vec<u8> {
    // Serialising into memory cannot fail.
    borsh::to_vec(&(keeping, price, by)).unwrap_or_default()
}

/// One node's part in a contract.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Share {
    /// The node.
    pub node: AccountId,
    /// Micro-tokens that it earns for a GiB and an hour.
    pub price: Amount,
    /// What it locks of its bond.
    pub locked: Amount,
}

/// Under what a recorded file is kept.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct FileContract {
    /// Ledger time from which on the nodes earn.
    pub since: LedgerTime,
    /// Ledger time at which the record ends and the nodes are paid.
    pub until: LedgerTime,
    /// The owner cannot end it before.
    pub firm: bool,
    /// Bytes that each node is paid for.
    pub bytes: u64,
    /// What the owner locked for all of them together.
    pub escrow: Amount,
    /// The nodes, in the order of the record.
    pub shares: BoundedVec<Share, 16>,
}

impl FileContract {
    /// What a node has earned at a ledger time; rounded up.
    pub fn earned(&self, share: &Share, at: LedgerTime) -> Amount {
        let ms = at.min(self.until).since(self.since);
        share.price.for_keeping(self.bytes, ms)
    }
}

impl Amount {
    /// What keeping so many bytes for so many milliseconds costs, where this is the price for a GiB and
    /// an hour; rounded up, and as much as there can be where it would be more.
    pub fn for_keeping(self, bytes: u64, ms: u64) -> Amount {
        // At most 2^64 * 2^64 before the third factor, so the product may be over 2^128.
        let product = (u128::from(self.0) * u128::from(bytes)).checked_mul(u128::from(ms));
        let rounded = product.map_or(u128::MAX, |product| product.div_ceil(GIB * HOUR_MS));
        Amount(u64::try_from(rounded).unwrap_or(u64::MAX))
    }
}

impl Parameters {
    /// What a storage node locks of its bond to keep so many bytes; rounded up.
    pub fn storage_lock(&self, bytes: u64) -> Amount {
        let product = u128::from(self.storage_bond_per_gib.0) * u128::from(bytes);
        Amount(u64::try_from(product.div_ceil(GIB)).unwrap_or(u64::MAX))
    }

    /// Bytes that a storage node can still take: those that the free part of its bond stands for.
    pub fn storage_room(&self, registration: &Registration) -> u64 {
        let product = u128::from(registration.free().0) * GIB;
        let bytes = product.checked_div(u128::from(self.storage_bond_per_gib.0));
        bytes.map_or(0, |bytes| u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

/// What the owner asks for, with the nodes' agreements.
pub(super) struct Asked<'a> {
    pub(super) until: LedgerTime,
    pub(super) firm: bool,
    pub(super) acceptances: &'a [Acceptance],
}

/// Begins the contract of a record, in place of the one before.
pub(super) fn begin(
    state: &mut State<'_>,
    record: &FileRecord,
    asked: &Asked<'_>,
) -> Result<(), Refusal> {
    let (file, owner, until) = (record.id, record.owner, asked.until);
    let now = state.time();
    let latest = now.after(state.chain.parameters.max_kept_ms);
    if until <= now || until > latest {
        return Err(FileRefusal::KeptTime { until, now, latest }.into());
    }
    let keeping = Keeping::of(state.chain.id, record, until);
    for (node, acceptance) in record.placement.iter().zip(asked.acceptances) {
        let (node, by) = (*node, acceptance.by);
        let refusal = FileRefusal::NotAccepted { file, node };
        acceptance.verify(&node, &keeping).map_err(|_| refusal)?;
        if by < now {
            return Err(FileRefusal::AcceptedBefore { node, by, now }.into());
        }
    }
    if let Some(before) = load(state, file, owner) {
        if before.firm && (until < before.until || !asked.firm) {
            let until = before.until;
            return Err(FileRefusal::Firm { file, until }.into());
        }
        settle(state, (file, owner), &before)?;
    }
    let bytes = keeping.bytes();
    let locked = state.chain.parameters.storage_lock(bytes);
    let mut contract = FileContract {
        since: now,
        until,
        firm: asked.firm,
        bytes,
        escrow: Amount::ZERO,
        shares: BoundedVec::default(),
    };
    let mut shares = Vec::with_capacity(record.placement.len());
    for (node, acceptance) in record.placement.iter().zip(asked.acceptances) {
        let (node, price) = (*node, acceptance.price);
        lock(state, node, locked, bytes)?;
        let share = Share {
            node,
            price,
            locked,
        };
        contract.escrow = money::plus(contract.escrow, contract.earned(&share, until))?;
        shares.push(share);
    }
    // As many as the placement has, which has the same bound.
    contract.shares = BoundedVec::new(shares).unwrap_or_default();
    money::debit(state, &owner, contract.escrow)?;
    state.save(keys::contract(&file, &owner), &contract);
    state.save(Timer::File(file, owner).key(until.0), &());
    Ok(())
}

/// Ends the contract of a record, which goes, before its time.
pub(super) fn end_early(
    state: &mut State<'_>,
    file: FileId,
    owner: AccountId,
) -> Result<(), Refusal> {
    let unknown = FileRefusal::Unknown { file, owner };
    let contract = load(state, file, owner).ok_or(unknown)?;
    if contract.firm && state.time() < contract.until {
        let until = contract.until;
        return Err(FileRefusal::Firm { file, until }.into());
    }
    end(state, (file, owner), &contract)
}

/// Ends the record of a file whose time is over.
pub(crate) fn run_out(
    state: &mut State<'_>,
    file: FileId,
    owner: AccountId,
) -> Result<(), Refusal> {
    match load(state, file, owner) {
        Some(contract) => end(state, (file, owner), &contract),
        None => Ok(()),
    }
}

/// Refuses a file that `owner` has not recorded, or could let go of within so many milliseconds.
pub(crate) fn must_be_kept(
    state: &State<'_>,
    (file, owner): (FileId, AccountId),
    ms: u64,
) -> Result<(), Refusal> {
    let unknown = FileRefusal::Unknown { file, owner };
    let contract = load(state, file, owner).ok_or(unknown)?;
    let least = state.time().after(ms);
    if contract.firm && contract.until >= least {
        return Ok(());
    }
    Err(FileRefusal::NotKept { file, least }.into())
}

fn load(state: &State<'_>, file: FileId, owner: AccountId) -> Option<FileContract> {
    state.load(&keys::contract(&file, &owner))
}

fn end(
    state: &mut State<'_>,
    (file, owner): (FileId, AccountId),
    contract: &FileContract,
) -> Result<(), Refusal> {
    settle(state, (file, owner), contract)?;
    state.remove(keys::contract(&file, &owner));
    state.remove(keys::file(&file, &owner));
    state.remove(keys::owned(&owner, &file));
    state.emit(FileEvent::Ended { file, owner });
    Ok(())
}

/// Pays the nodes for the time that passed, the owner the rest, and frees the nodes' bonds.
fn settle(
    state: &mut State<'_>,
    (file, owner): (FileId, AccountId),
    contract: &FileContract,
) -> Result<(), Refusal> {
    let now = state.time();
    let mut left = contract.escrow;
    for share in &contract.shares {
        let (node, amount) = (share.node, contract.earned(share, now));
        left = money::minus(left, amount)?;
        unlock(state, node, share.locked)?;
        if amount > Amount::ZERO {
            money::credit(state, &node, amount)?;
            state.emit(FileEvent::Paid { file, node, amount });
        }
    }
    money::credit(state, &owner, left)?;
    state.remove(Timer::File(file, owner).key(contract.until.0));
    Ok(())
}

/// Locks what a node's bond must stand for.
fn lock(state: &mut State<'_>, node: AccountId, locked: Amount, bytes: u64) -> Result<(), Refusal> {
    let parameters = &state.chain.parameters;
    let registration = state.registration(Role::Storage, &node);
    let room = |of: &Registration| parameters.storage_room(of);
    let room = registration.as_ref().map_or(0, room);
    let full = FileRefusal::NoRoom { node, room, bytes };
    let mut registration = registration.filter(|of| of.free() >= locked).ok_or(full)?;
    registration.locked = money::plus(registration.locked, locked)?;
    state.save_registration(Role::Storage, &node, &registration);
    Ok(())
}

/// Frees it again, or lets it unbond when the node is leaving.
fn unlock(state: &mut State<'_>, node: AccountId, locked: Amount) -> Result<(), Refusal> {
    let Some(mut registration) = state.registration(Role::Storage, &node) else {
        return Ok(());
    };
    registration.locked = money::minus(registration.locked, locked)?;
    if registration.leaving {
        money::start_unbonding(state, Role::Storage, &node, &mut registration, locked)?;
    }
    state.save_registration(Role::Storage, &node, &registration);
    Ok(())
}
