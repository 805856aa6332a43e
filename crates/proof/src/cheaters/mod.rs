//! Parties that break the rules, one in each file, for tests and for the demo's cheating run.
//!
//! A provider that fakes its computation is an honest [`Provider`](crate::parties::Provider) on
//! top of [`Programs`](crate::Programs) that lie; the others replace the party itself. None of
//! them is reachable from a node configuration: the whole module needs the feature `cheaters`.

mod copy;

mod lazy;
mod other_data;

mod share;

pub use copy::CopyPrograms;

pub use lazy::LazyPrograms;
pub use other_data::OtherDataPrograms;

pub use share::Share;
