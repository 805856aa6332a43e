//! What may be asked, what happens and what is refused about files.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::grants::{AskGrant, GrantState, SealedFileKey};
use crate::{AccountId, FileId, FileRecord, LedgerTime};

/// A request about a file.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileCall {
    /// Records a file that storage nodes hold; the owner may record it again to move it.
    Put(Box<FileRecord>),
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
}

impl FileCall {
    /// The call's name as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            FileCall::Put(_) => "put_file",
            FileCall::AskGrant(_) => "ask_grant",
            FileCall::ApproveGrant { .. } => "approve_grant",
            FileCall::RejectGrant { .. } => "reject_grant",
            FileCall::RevokeGrant { .. } => "revoke_grant",
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
}
