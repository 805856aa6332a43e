//! Records of files in the vault.

use std::collections::BTreeSet;

use crate::state::State;
use crate::{AccountId, Event, FileProblem, FileRecord, Refusal, Role, keys};

/// Records a file, or moves one recorded before.
pub(super) fn put(
    state: &mut State<'_>,
    sender: AccountId,
    record: &FileRecord,
) -> Result<(), Refusal> {
    let (file, owner) = (record.id, record.owner);
    if owner != sender {
        return Err(Refusal::NotOwner { owner });
    }
    let refuse = |problem| Err(Refusal::BadFile { file, problem });
    if record.placement.is_empty() {
        return refuse(FileProblem::NoPlacement);
    }
    let distinct: BTreeSet<_> = record.placement.iter().collect();
    if distinct.len() != record.placement.len() {
        return refuse(FileProblem::RepeatedNode);
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
    state.save(key, record);
    state.emit(Event::FilePut { file, owner });
    Ok(())
}
