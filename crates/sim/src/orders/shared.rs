//! What the tasks of a world share: the ledger, the files, everybody's place and what all see.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use assay_api::told;
use assay_crypto::SecretKey;
use assay_ledger::{
    Acceptance, AccountId, Amount, BoundedBytes, BoundedString, BoundedVec, ChainId, FileCall,
    FileId, FileRecord, Keeping, LedgerTime, OrderId, Parameters,
};
use assay_node::drive::DriveError;
use assay_proof::View;
use tokio::sync::broadcast;

use super::books::{Books, BooksError};
use super::life::Place;
use super::setup::{Beginning, Plan};
use super::vault::Vault;

/// Time between two blocks.
pub(super) const BLOCK: Duration = Duration::from_secs(1);
/// Views that a party may lag behind; it needs the newest only.
const BACKLOG: usize = 4;

/// What all tasks have in common.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) places: Vec<Place>,
    pub(super) views: broadcast::Sender<Arc<View>>,
    pub(super) order: OrderId,
    storage: SecretKey,
    books: Mutex<Books>,
    vault: Mutex<Vault>,
    view: Mutex<Option<Arc<View>>>,
    pub(super) failures: Mutex<Vec<String>>,
}

pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(beginning: Beginning) -> Self {
        let Beginning {
            plan,
            places,
            order,
            storage,
            books,
            vault,
            genesis: _,
        } = beginning;
        Self {
            plan,
            places,
            views: broadcast::Sender::new(BACKLOG),
            order,
            storage,
            books: Mutex::new(books),
            vault: Mutex::new(vault),
            view: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    pub(super) fn vault(&self) -> MutexGuard<'_, Vault> {
        lock(&self.vault)
    }

    /// The order after the last block, once there is one.
    pub(super) fn view(&self) -> Option<Arc<View>> {
        lock(&self.view).clone()
    }

    /// A party cannot go on, which is nobody's doing.
    pub(super) fn failed(&self, at: usize, error: &DriveError) {
        let name = self.places.get(at).map(|place| place.member().name);
        let failure = format!("{}: {}", name.unwrap_or_default(), told(error));
        lock(&self.failures).push(failure);
    }

    /// Shows everybody the state after a block.
    pub(super) fn show(&self) -> Result<(), BooksError> {
        let view = View::read(&self.books().store, &self.order)?;
        if let Some(view) = view.map(Arc::new) {
            *lock(&self.view) = Some(view.clone());
            // Nobody may be looking.
            let _ = self.views.send(view);
        }
        Ok(())
    }

    /// Records a file that the one node keeps.
    pub(super) fn put(&self, file: FileId, owner: AccountId, name: &str) -> FileCall {
        put((file, owner, name), self.books().chain, &self.storage)
    }
}

/// Records a file that one node agreed to keep as long as it can, from the first block on.
pub(super) fn put(
    (file, owner, name): (FileId, AccountId, &str),
    chain: ChainId,
    storage: &SecretKey,
) -> FileCall {
    let record = record(file, owner, name, storage.public());
    let until = LedgerTime(Parameters::default().max_kept_ms);
    let keeping = Keeping::of(chain, &record, until);
    let agreed = Acceptance::sign(storage, &keeping, Amount::ZERO, until);
    FileCall::Put {
        record: Box::new(record),
        until,
        firm: true,
        acceptances: BoundedVec::new([agreed]).expect("one node"),
    }
}

fn record(file: FileId, owner: AccountId, name: &str, storage: AccountId) -> FileRecord {
    FileRecord {
        id: file,
        owner,
        name: BoundedString::new(name).expect("a short name"),
        length_class: 1,
        slices: 1,
        root: file.0,
        placement: BoundedVec::new([storage]).expect("one node"),
        media_type: BoundedString::default(),
        key_envelope: BoundedBytes::default(),
    }
}
