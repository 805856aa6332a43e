//! Trainers that lie, in orders with rounds.
//!
//! Who fakes its steps or its update is an honest [`Trainer`](assay_proof::parties::Trainer) on top of
//! [`Programs`](assay_proof::Programs) that lie; who breaks the protocol replaces the party itself.

mod forging;
mod lazy;
mod leaving;
mod long;
mod replaying;
mod silent;
mod withholding;

pub use forging::{Forged, ForgingPrograms};
pub use lazy::LazyTrainerPrograms;
pub use leaving::LeavingTrainer;
pub use long::LongTrainer;
pub use replaying::{Overheard, ReplayingPrograms, ReplayingTrainer};
pub use silent::SilentTrainer;
pub use withholding::WithholdingTrainer;
