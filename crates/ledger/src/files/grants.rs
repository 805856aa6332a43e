//! Grants of files: who may use another's file, for what, and until when.
//!
//! ```text
//! asked --approve--> approved --revoke--> revoked
//!   |  \--reject--> rejected     \--until--> expired
//!    \--until--> expired
//! ```
//!
//! A grant that is over may be asked for again. Ending one does not make its holder forget a key
//! that it was handed: what ends is the leave, which everybody who acts on it looks up here.

use std::fmt;

use assay_crypto::EncryptionKey;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{FileRefusal, apply::must_be_recorded, keys};
use crate::accounts::usable;
use crate::state::State;
use crate::timers::Timer;
use crate::{
    AccountId, BoundedBytes, BoundedString, FileEvent, FileId, Height, LedgerTime, Refusal,
};

/// A file's key, sealed to whoever asked for it.
pub(crate) type SealedFileKey = BoundedBytes<256>;

/// Asks for leave to use a file.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AskGrant {
    /// The file.
    pub file: FileId,
    /// Whose.
    pub owner: AccountId,
    /// Where the file's key is to be sealed.
    pub encryption_key: EncryptionKey,
    /// What for, in words.
    pub purpose: BoundedString<128>,
    /// The request expires by itself at this ledger time.
    pub until: LedgerTime,
}

/// How far the life of a grant is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// Asked for; the owner has not answered.
    Asked,
    /// The grantee may use the file.
    Approved,
    /// Over: the owner said no.
    Rejected,
    /// Over: its time has passed.
    Expired,
    /// Over: the owner ended it.
    Revoked,
}

impl GrantState {
    fn is_over(self) -> bool {
        matches!(
            self,
            GrantState::Rejected | GrantState::Expired | GrantState::Revoked
        )
    }
}

impl fmt::Display for GrantState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GrantState::Asked => "asked for",
            GrantState::Approved => "approved",
            GrantState::Rejected => "rejected",
            GrantState::Expired => "expired",
            GrantState::Revoked => "revoked",
        })
    }
}

/// The record of a grant of a file.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct FileGrant {
    /// The file.
    pub file: FileId,
    /// Whose.
    pub owner: AccountId,
    /// Who may use it, or asks to.
    pub grantee: AccountId,
    /// Where the file's key is sealed.
    pub encryption_key: EncryptionKey,
    /// What for, in the grantee's words.
    pub purpose: BoundedString<128>,
    /// How far its life is.
    pub state: GrantState,
    /// Height of the request.
    pub asked: Height,
    /// What expires by itself does so at the beginning of this block.
    pub until: LedgerTime,
    /// The file's key, once approved; emptied when the grant is over.
    pub sealed: SealedFileKey,
}

/// Asks for a grant, or again for one that is over.
pub(super) fn ask(
    state: &mut State<'_>,
    grantee: AccountId,
    asked: &AskGrant,
) -> Result<(), Refusal> {
    let (file, owner) = (asked.file, asked.owner);
    if owner == grantee {
        return Err(FileRefusal::OwnFile { file }.into());
    }
    usable(&asked.encryption_key)?;
    must_be_recorded(state, file, owner)?;
    check_time(state, asked.until)?;
    let key = keys::grant(&file, &owner, &grantee);
    if let Some(before) = state.load::<FileGrant>(&key)
        && !before.state.is_over()
    {
        return Err(wrong_state(&before, "ask_grant"));
    }
    let grant = FileGrant {
        file,
        owner,
        grantee,
        encryption_key: asked.encryption_key,
        purpose: asked.purpose.clone(),
        state: GrantState::Asked,
        asked: state.now(),
        until: asked.until,
        sealed: SealedFileKey::default(),
    };
    state.save(Timer::Grant(file, owner, grantee).key(grant.until.0), &());
    state.save_changed(keys::granted(&grantee, &file, &owner), &());
    enter(state, grant, GrantState::Asked);
    Ok(())
}

/// Lets the grantee use the file.
pub(super) fn approve(
    state: &mut State<'_>,
    owner: AccountId,
    (file, grantee): (FileId, AccountId),
    sealed: &SealedFileKey,
    until: LedgerTime,
) -> Result<(), Refusal> {
    let mut grant = in_state(
        state,
        (file, owner, grantee),
        GrantState::Asked,
        "approve_grant",
    )?;
    check_time(state, until)?;
    if sealed.is_empty() {
        return Err(FileRefusal::NoKey { file }.into());
    }
    let timer = Timer::Grant(file, owner, grantee);
    state.remove(timer.key(grant.until.0));
    state.save(timer.key(until.0), &());
    grant.sealed = sealed.clone();
    grant.until = until;
    enter(state, grant, GrantState::Approved);
    Ok(())
}

/// Turns a request down.
pub(super) fn reject(
    state: &mut State<'_>,
    owner: AccountId,
    file: FileId,
    grantee: AccountId,
) -> Result<(), Refusal> {
    let asked = GrantState::Asked;
    let grant = in_state(state, (file, owner, grantee), asked, "reject_grant")?;
    end(state, grant, GrantState::Rejected);
    Ok(())
}

/// Ends a grant.
pub(super) fn revoke(
    state: &mut State<'_>,
    owner: AccountId,
    file: FileId,
    grantee: AccountId,
) -> Result<(), Refusal> {
    let approved = GrantState::Approved;
    let grant = in_state(state, (file, owner, grantee), approved, "revoke_grant")?;
    end(state, grant, GrantState::Revoked);
    Ok(())
}

/// Ends what was not ended before its time.
pub(crate) fn expire(
    state: &mut State<'_>,
    file: FileId,
    owner: AccountId,
    grantee: AccountId,
) -> Result<(), Refusal> {
    if let Some(grant) = state.load::<FileGrant>(&keys::grant(&file, &owner, &grantee))
        && !grant.state.is_over()
    {
        end(state, grant, GrantState::Expired);
    }
    Ok(())
}

fn in_state(
    state: &State<'_>,
    (file, owner, grantee): (FileId, AccountId, AccountId),
    expected: GrantState,
    call: &str,
) -> Result<FileGrant, Refusal> {
    let grant: Option<FileGrant> = state.load(&keys::grant(&file, &owner, &grantee));
    let grant = grant.ok_or(FileRefusal::NoGrant { file, grantee })?;
    // A grant whose timer was carried over to a later block is over all the same.
    if grant.state != expected || grant.until <= state.time() {
        return Err(wrong_state(&grant, call));
    }
    Ok(grant)
}

fn wrong_state(grant: &FileGrant, call: &str) -> Refusal {
    FileRefusal::WrongGrantState {
        file: grant.file,
        grantee: grant.grantee,
        state: grant.state,
        call: call.to_owned(),
    }
    .into()
}

fn check_time(state: &State<'_>, until: LedgerTime) -> Result<(), Refusal> {
    let now = state.time();
    let latest = now.after(state.chain.parameters.max_deadline_ms);
    if until > now && until <= latest {
        return Ok(());
    }
    Err(FileRefusal::GrantTime { until, now, latest }.into())
}

fn end(state: &mut State<'_>, mut grant: FileGrant, how: GrantState) {
    let timer = Timer::Grant(grant.file, grant.owner, grant.grantee);
    state.remove(timer.key(grant.until.0));
    grant.sealed = SealedFileKey::default();
    enter(state, grant, how);
}

fn enter(state: &mut State<'_>, mut grant: FileGrant, next: GrantState) {
    grant.state = next;
    state.emit(FileEvent::Grant {
        file: grant.file,
        owner: grant.owner,
        grantee: grant.grantee,
        state: next,
    });
    state.save(
        keys::grant(&grant.file, &grant.owner, &grant.grantee),
        &grant,
    );
}
