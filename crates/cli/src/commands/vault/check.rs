//! What is checked before an upload costs anything.

use assay_crypto::{Digest, SecretKey, Signature};
use assay_ledger::{
    Acceptance, AccountId, Amount, BoundedString, FileId, FileRecord, LedgerTime, Parameters,
    Transaction, query,
};
use assay_node::{
    config::ByteSize,
    files::{self, Kept, Room},
};
use assay_vault::{MAX_PIECE_BYTES, upload::Leftover};

use crate::{
    failure::{Failure, Kind},
    output::short,
    session::Session,
};

/// Longest name that the ledger records, in bytes.
const MAX_NAME: usize = 128;

/// Bytes of a file key sealed to its owner.
const ENVELOPE: usize = 80;

/// Whether the ledger will take this name.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    let problem = if name.is_empty() {
        "a name must not be empty".to_owned()
    } else if name.len() > MAX_NAME {
        format!(
            "the name has {} bytes, and the ledger records at most {MAX_NAME}",
            name.len()
        )
    } else if name.contains(char::is_control) {
        format!("the name {name:?} has a control character")
    } else {
        return Ok(());
    };
    Err(Failure::say(Kind::Usage, problem).hint("give another one with --name NAME"))
}

/// Whether the account can pay for a record.
pub(super) fn check_balance(
    session: &Session,
    key: &SecretKey,
    name: &str,
    media_type: &str,
    (copies, kept): (u8, Kept),
) -> Result<(), Failure> {
    let owner = key.public();
    let account = session
        .light()
        .read(|store| query::account(store, &owner))?;
    let parameters: Option<Parameters> = session.light().read(query::parameters)?;
    let text = |error| Failure::new(Kind::Usage, error);
    let record = FileRecord {
        id: FileId(Digest::ZERO),
        owner,
        name: BoundedString::new(name).map_err(text)?,
        length_class: 0,
        slices: 0,
        root: Digest::ZERO,
        placement: assay_ledger::BoundedVec::new(vec![owner; copies.into()]).map_err(text)?,
        media_type: BoundedString::new(media_type).map_err(text)?,
        key_envelope: assay_ledger::BoundedBytes::new(vec![0; ENVELOPE]).map_err(text)?,
    };
    let chain = session.light().genesis().chain_id();
    let unsigned = Acceptance {
        price: Amount::ZERO,
        by: LedgerTime(0),
        signature: Signature([0; 64]),
    };
    let call = kept.call(record, &vec![unsigned; copies.into()]);
    let draft = Transaction::sign(key, chain, account.nonce, Amount::ZERO, call);
    let fee = parameters.unwrap_or_default().min_fee(draft.encode().len());
    if account.balance >= fee {
        return Ok(());
    }
    let text = format!(
        "recording the file costs a fee of {fee}, and your account {owner} has {}",
        account.balance
    );
    Err(Failure::say(Kind::Failed, text).hint("have somebody who has tokens send you some"))
}

/// Whether enough nodes would take the whole file; those that have some of it already need room
/// for the rest only.
pub(super) fn check_room(
    rooms: &[Room],
    registered: &[AccountId],
    held: &Leftover,
    length: u64,
    copies: u8,
) -> Result<(), Failure> {
    let needed = files::sealed_length(length);
    let there = held.slices.len() as u64 * MAX_PIECE_BYTES as u64;
    let fits = |room: &&Room| {
        let there = if held.holders.contains(&room.node) {
            there
        } else {
            0
        };
        room.open().saturating_add(there) >= needed
    };
    let copies = usize::from(copies);
    if rooms.iter().filter(fits).count() >= copies {
        return Ok(());
    }
    if registered.len() < copies {
        let text = format!(
            "{copies} copies need {copies} storage nodes, and the network has {}",
            registered.len()
        );
        return Err(Failure::say(Kind::Failed, text).hint("ask for fewer with --copies N"));
    }
    if rooms.len() < copies {
        let silent = registered
            .iter()
            .filter(|node| rooms.iter().all(|room| room.node != **node))
            .map(short)
            .collect::<Vec<_>>()
            .join(", ");
        let text = format!(
            "{copies} copies need {copies} storage nodes, and only {} of {} answer; silent: {silent}",
            rooms.len(),
            registered.len()
        );
        return Err(Failure::say(Kind::Unreachable, text)
            .hint("try again later, or ask for fewer with --copies N"));
    }
    let figures: Vec<String> = rooms
        .iter()
        .map(|room| {
            format!(
                "{} has {} free and takes {} of unfinished uploads from one account, of which {} \
                 are used",
                short(room.node),
                ByteSize(room.free),
                ByteSize(room.allowed),
                ByteSize(room.pending),
            )
        })
        .collect();
    let text = format!(
        "the file needs {} on each of {copies} storage nodes, and {} of {} have that room: {}",
        ByteSize(needed),
        rooms.iter().filter(fits).count(),
        rooms.len(),
        figures.join("; ")
    );
    Err(Failure::say(Kind::Failed, text).hint(
        "`assay vault ls --unfinished` lists what unfinished uploads take, `assay vault delete` \
         removes it; or ask for fewer copies, or split the file",
    ))
}
