//! Split training between nodes: carries the messages of `assay-split` over the transport.
//!
//! In reader's order:
//!
//! - [`Terms`] are what both sides must agree on; a session opens with them, and the provider refuses
//!   what differs from its own model, program and limits, with the reason.
//! - [`SplitProvider`] serves sessions. It keeps nothing between them, so it may be killed at any
//!   moment.
//! - The machines of `assay-split` run sessions, driven as all machines are ([`drive`](crate::drive));
//!   `link.rs` carries their messages.
//! - A requester opens a session, takes steps, and saves its state after each ([`Store`]). When a
//!   session breaks it opens another and takes the step again: a step changes the state only once
//!   it is complete ([`train`]).
//! - [`Closing`] is the last word of either side.
//!
//! `docs/private-lora.md` has the byte maps, and what a provider learns.

mod driver;
mod error;
mod link;
mod masked;
mod plain;
mod provider;
mod run;
mod serving;
mod session;
mod terms;

pub use assay_job::{BadSaved, Saved, Store, StoreError};
pub use assay_split::session::{BadClosing, Closing, Why};
pub use error::{SplitError, TermsError};
pub use provider::{Allowed, OnEvent, ProviderEvent, SplitLimits, SplitProvider};
pub use run::{Counted, Peers, Progress, TrainOptions, Trained, run_digest, train};
pub use terms::{Held, Mode, TERMS_VERSION, Terms};
