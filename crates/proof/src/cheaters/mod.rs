//! Parties that break the rules, one in each file, for tests and for the demo's cheating run.
//!
//! Who fakes a computation is an honest [`Provider`](crate::parties::Provider) or
//! [`Auditor`](crate::parties::Auditor) on top of [`Programs`](crate::Programs) that lie; who
//! breaks the protocol replaces the party itself. An auditor on its provider's own lying programs
//! is its accomplice. None of them is reachable from a node configuration: the whole module needs
//! the feature `cheaters`.

mod blind;
mod copy;
mod copying_auditor;
mod crafted;
mod dead_end;
mod false_challenger;
mod false_complaint;
mod lazy;
mod lying_validator;
mod other_data;
mod rubber_stamp;
mod share;
mod withholding;
mod wrong_keys;

pub use blind::BlindPrograms;
pub use copy::CopyPrograms;
pub use copying_auditor::CopyingAuditor;
pub use crafted::CraftedPrograms;
pub use dead_end::DeadEndPrograms;
pub use false_challenger::FalseChallenge;
pub use false_complaint::FalseComplaint;
pub use lazy::LazyPrograms;
pub use lying_validator::LyingValidator;
pub use other_data::OtherDataPrograms;
pub use rubber_stamp::rubber_stamp;
pub use share::Share;
pub use withholding::{Withheld, WithholdingProvider};
pub use wrong_keys::wrong_keys;
