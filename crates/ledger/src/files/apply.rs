//! Records of files in the vault.

use std::collections::BTreeSet;

use super::contract::Asked;
use super::{contract, grants, keys};
use crate::state::State;
use crate::{
    AccountId, FileCall, FileEvent, FileId, FileProblem, FileRecord, FileRefusal, Refusal, Role,
};

/// Applies a call of `sender` about a file.
pub(crate) fn apply(
    state: &mut State<'_>,
    sender: AccountId,
    call: &FileCall,
) -> Result<(), Refusal> {
    match call {
        FileCall::Put {
            record,
            until,
            firm,
            acceptances,
        } => {
            let (until, firm) = (*until, *firm);
            let asked = Asked {
                until,
                firm,
                acceptances,
            };
            put(state, sender, record, &asked)
        }
        FileCall::Delete { file } => contract::end_early(state, *file, sender),
        FileCall::AskGrant(asked) => grants::ask(state, sender, asked),
        FileCall::ApproveGrant {
            file,
            grantee,
            sealed,
            until,
        } => grants::approve(state, sender, (*file, *grantee), sealed, *until),
        FileCall::RejectGrant { file, grantee } => grants::reject(state, sender, *file, *grantee),
        FileCall::RevokeGrant { file, grantee } => grants::revoke(state, sender, *file, *grantee),
    }
}

/// The record of a file, which `owner` must have recorded.
pub(crate) fn recorded(
    state: &State<'_>,
    file: FileId,
    owner: AccountId,
) -> Result<FileRecord, Refusal> {
    let found = state.load(&keys::file(&file, &owner));
    found.ok_or_else(|| FileRefusal::Unknown { file, owner }.into())
}

/// Refuses a file that `owner` has not recorded.
pub(crate) fn must_be_recorded(
    state: &State<'_>,
    file: FileId,
    owner: AccountId,
) -> Result<(), Refusal> {
    if state.has(&keys::file(&file, &owner)) {
        return Ok(());
    }
    Err(FileRefusal::Unknown { file, owner }.into())
}

/// Records a file, or moves or renews one recorded before.
fn put(
    state: &mut State<'_>,
    sender: AccountId,
    record: &FileRecord,
    asked: &Asked<'_>,
) -> Result<(), Refusal> {
    let (file, owner) = (record.id, record.owner);
    if owner != sender {
        return Err(FileRefusal::NotOwner { owner }.into());
    }
    let refuse = |problem| Err(FileRefusal::Bad { file, problem }.into());
    if record.placement.is_empty() {
        return refuse(FileProblem::NoPlacement);
    }
    let distinct: BTreeSet<_> = record.placement.iter().collect();
    if distinct.len() != record.placement.len() {
        return refuse(FileProblem::RepeatedNode);
    }
    if asked.acceptances.len() != record.placement.len() {
        return refuse(FileProblem::Unaccepted);
    }
    let storage = |node: &AccountId| {
        state
            .registration(Role::Storage, node)
            .is_some_and(|node| !node.leaving)
    };
    if !record.placement.iter().all(storage) {
        return refuse(FileProblem::NotStorage);
    }
    let key = keys::file(&file, &owner);
    if let Some(before) = state.load::<FileRecord>(&key) {
        let content = |r: &FileRecord| (r.root, r.slices, r.length_class);
        if content(&before) != content(record) {
            return refuse(FileProblem::OtherContent);
        }
    }
    contract::begin(state, record, asked)?;
    state.save(key, record);
    state.save_changed(keys::owned(&owner, &file), &());
    state.emit(FileEvent::Put { file, owner });
    Ok(())
}
