//! What may be asked, what happens and what is refused about files.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Acceptance;
use super::grants::{AskGrant, GrantState, SealedFileKey};
use crate::{AccountId, Amount, BoundedVec, FileId, FileRecord, LedgerTime};

/// A request about a file.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileCall {
    /// Records a file that storage nodes hold and agree to keep, and locks what they earn. The
    /// owner may record it again to move it, or to have it kept longer: the nodes of before are
    /// paid for the time that passed.
    Put {
        /// The file.
        record: Box<FileRecord>,
        /// The record ends by itself at this ledger time.
        until: LedgerTime,
        /// The owner cannot end it before, nor record it again for a shorter time.
        firm: bool,
        /// The nodes' agreements, in the order of the placement.
        acceptances: BoundedVec<Acceptance, 16>,
    },
    /// Asks the owner of a file for leave to use it.
    AskGrant(Box<AskGrant>),
    /// The owner lets an account that asked use its file.
    ApproveGrant {
        /// The file.
        file: FileId,
        /// Who asked.
        grantee: AccountId,
        /// The file's key, sealed to the key that was asked with.
        sealed: SealedFileKey,
        /// The grant expires by itself at this ledger time.
        until: LedgerTime,
    },
    /// The owner turns a request down.
    RejectGrant {
        /// The file.
        file: FileId,
        /// Who asked.
        grantee: AccountId,
    },
    /// The owner ends a grant before it expires.
    RevokeGrant {
        /// The file.
        file: FileId,
        /// Who holds it.
        grantee: AccountId,
    },
    /// The owner ends a record before its time: the nodes are paid for the time that passed.
    Delete {
        /// The file.
        file: FileId,
    },
}

impl FileCall {
    /// The call's name as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            FileCall::Put { .. } => "put_file",
            FileCall::AskGrant(_) => "ask_grant",
            FileCall::ApproveGrant { .. } => "approve_grant",
            FileCall::RejectGrant { .. } => "reject_grant",
            FileCall::RevokeGrant { .. } => "revoke_grant",
            FileCall::Delete { .. } => "delete_file",
        }
    }
}

/// Something that happened to a file.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "event")]
#[expect(
    missing_docs,
    reason = "the fields say what they are: which file, whose, for whom"
)]
pub enum FileEvent {
    /// A file was recorded.
    #[serde(rename = "file_put")]
    Put { file: FileId, owner: AccountId },
    /// A grant of a file was asked for, or its life went on.
    #[serde(rename = "file_grant")]
    Grant {
        file: FileId,
        owner: AccountId,
        grantee: AccountId,
        state: GrantState,
    },
    /// A record ended: its time was over, or its owner ended it.
    #[serde(rename = "file_ended")]
    Ended { file: FileId, owner: AccountId },
    /// A storage node was paid for having kept a file.
    #[serde(rename = "file_paid")]
    Paid {
        file: FileId,
        node: AccountId,
        amount: Amount,
    },
}

/// Why a call about a file took no effect.
#[derive(
    Clone, Debug, PartialEq, Eq, Error, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(tag = "refusal")]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum FileRefusal {
    #[error("the file record names {owner} as owner, but another account sends it")]
    #[serde(rename = "not_owner")]
    NotOwner { owner: AccountId },
    #[error("file {file}: {problem}")]
    #[serde(rename = "bad_file")]
    Bad { file: FileId, problem: FileProblem },
    #[error("{owner} has recorded no file {file}; record it first")]
    #[serde(rename = "unknown_file")]
    Unknown { file: FileId, owner: AccountId },
    #[error("an owner needs no grant of its own file {file}")]
    #[serde(rename = "own_file")]
    OwnFile { file: FileId },
    #[error("{grantee} has asked for no grant of file {file}")]
    #[serde(rename = "no_grant")]
    NoGrant { file: FileId, grantee: AccountId },
    #[error("the grant of file {file} to {grantee} is {state}: {call} is not possible then")]
    #[serde(rename = "wrong_grant_state")]
    WrongGrantState {
        file: FileId,
        grantee: AccountId,
        state: GrantState,
        call: String,
    },
    #[error("the grant of file {file} holds no key; seal the file's key to whoever asked")]
    #[serde(rename = "no_key")]
    NoKey { file: FileId },
    #[error(
        "a grant may last until ledger time {latest} and must last beyond {now}, not until {until}"
    )]
    #[serde(rename = "grant_time")]
    GrantTime {
        until: LedgerTime,
        now: LedgerTime,
        latest: LedgerTime,
    },
    #[error("storage node {node} has not agreed to keep just this file {file} on this network")]
    #[serde(rename = "not_accepted")]
    NotAccepted { file: FileId, node: AccountId },
    #[error(
        "storage node {node} agreed for records until ledger time {by}, and now it is {now}; ask again"
    )]
    #[serde(rename = "accepted_before")]
    AcceptedBefore {
        node: AccountId,
        by: LedgerTime,
        now: LedgerTime,
    },
    #[error(
        "storage node {node} has no bond for {bytes} bytes more, but for {room}; choose another node"
    )]
    #[serde(rename = "no_room")]
    NoRoom {
        node: AccountId,
        room: u64,
        bytes: u64,
    },
    #[error(
        "a file may be kept until ledger time {latest} and must be kept beyond {now}, not until {until}"
    )]
    #[serde(rename = "kept_time")]
    KeptTime {
        until: LedgerTime,
        now: LedgerTime,
        latest: LedgerTime,
    },
    #[error("file {file} is to be kept until ledger time {until}, whatever its owner wants")]
    #[serde(rename = "firm")]
    Firm { file: FileId, until: LedgerTime },
    #[error("file {file} must be recorded as firm, and until ledger time {least} at least")]
    #[serde(rename = "not_kept")]
    NotKept { file: FileId, least: LedgerTime },
}

/// What is wrong with a file record.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Error,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FileProblem {
    /// No node holds it.
    #[error("no storage node is named; place it on at least one")]
    NoPlacement,
    /// A node is named twice.
    #[error("a storage node is named twice")]
    RepeatedNode,
    /// A node is no storage node.
    #[error("a node that is named is not registered as storage node")]
    NotStorage,
    /// The owner has recorded another content under this name.
    #[error("it is recorded already with another content; only name and placement can change")]
    OtherContent,
    /// Not every node has agreed.
    #[error("there must be one acceptance for each storage node that is named")]
    Unaccepted,
}
