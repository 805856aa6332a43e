//! Run the whole network in one thread from one seed.
//!
//! What runs here is the validator that `assay` runs: engine, ledger, store and encoders are the same
//! code, on another clock ([`run()`]), another network ([`links`]) and another disk ([`disk`]). Time is
//! virtual: it passes when nobody has anything left to do, so an hour of network may take a minute, or
//! a second an hour. Equal scenarios give equal chains, to the last bit.
//!
//! - A [`Scenario`] says how many validators there are, how messages travel, who lies and what fails
//!   when. [`Scenario::parse`] reads one from a file, [`Scenario::drawn`] draws one from a seed.
//! - [`run()`] runs it and gives a [`Report`]: blocks, forks, double votes, and the seconds in which a
//!   transaction waited and none was committed.
//! - [`orders`] brings the parties of an order to life on the same clock, with the driver that nodes have.
//! - [`liars`] has everybody who does not keep to the protocol, one file each.
//! - [`vault`] stores and reads files on storage nodes, honest or not, on a clock of its own.
//! - [`disk`] is under validators, storage nodes and journals: it forgets what was not synced.
//!
//! Not simulated: the encrypted connections under the channels, their quotas, the time that computing
//! and syncing take, and clocks that are off.
//!
//! ```no_run
//! use assay_sim::{Fault, Scenario, run};
//!
//! let mut scenario = Scenario::quiet(4, 7, 10_000);
//! scenario.faults.push(Fault::Kill { at_ms: 3_000, validators: vec![2] });
//! let report = run(&scenario)?;
//! assert!(report.forks.is_empty());
//! # Ok::<(), assay_sim::WorldError>(())
//! ```

pub mod disk;
mod founding;
pub mod liars;
pub mod links;
pub mod orders;
mod report;
mod run;
mod scenario;
pub mod vault;
mod watch;
mod world;

pub use liars::parties::{PartyLiar, PartyLiars};
pub use liars::validators::LiarKind;
pub use orders::{Change, Deed, Ending, Happening, OrderReport, PartyReport, ProcedureName, Rule};
pub use report::Report;
pub use run::run;
pub use scenario::{
    BesideSettings, Fault, Liars, LinkSettings, MAX_DURATION_MS, MAX_FAULTS, MAX_FILE_BYTES,
    MAX_ORDERS, OrderSettings, PaceSettings, RoundsSettings, Scenario, ScenarioError,
    TermsSettings,
};
pub use watch::Seen;
pub use world::WorldError;
