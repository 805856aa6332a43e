//! What a late auditor can know from files alone: an archive, or a chain directory and the storage nodes' disks,
//! and keys.
//!
//! Nothing is believed but the genesis, whose digest is the network's name and has to come from
//! elsewhere. The ledger is executed again from its first block to the last that the validators certified; what lies above
//! that is not used. An order's inputs are decrypted from the blobs and its whole run is repeated; what comes out is
//! compared with what the ledger says, or by the caller with what it was told.
//!
//! [`Ledger`], [`rerun`] and [`remake`] look at one order of a directory; [`execute`] and a [`Repeater`] at all that was
//! done in an archive.

mod blobs;
mod error;
mod gathered;
mod items;
mod kept;
mod late;
mod ledger;
mod repeater;
mod rounds;
mod run;

pub use self::blobs::{Blobs, Piled, pile};
pub use self::error::{KeptError, OfflineError};
pub use self::items::{Found, Item, draw, found_with};
pub use self::kept::Kept;
pub use self::late::{Executed, Start, execute};
pub use self::ledger::{Ledger, Slash};
pub use self::repeater::Repeater;
pub use self::rounds::{Remade, remake};
pub use self::run::{Rerun, rerun};
