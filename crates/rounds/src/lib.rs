//! Compute what a round of many trainers computes.
//!
//! In a federation trainers keep their rows to themselves and send what they have learned. A round begins
//! with one model that all know. Each trainer takes some steps on its own rows and sends the difference as
//! integers; one update is made of all of them, and the model moves by it. Every part of that is a pure
//! function of what is written down: whoever has the specification, the seed of the round, the model and
//! a trainer's rows computes the same update, and whoever has the updates the same next model, bit for
//! bit. Nothing here knows a network, a ledger or a file.
//!
//! In reader's order:
//!
//! - A [`RoundSpec`] is what all agree on before the first round.
//! - [`train()`] takes a trainer's steps, [`Steps`] one at a time; [`Sender`] makes the bytes of its update, in one of three
//!   [`Encoding`]s, and keeps what was left unsent.
//! - [`Update`] reads such bytes, and refuses what is none.
//! - [`Rounds`] holds the model; [`Rounds::merge`] makes the next one of the updates that came, and says
//!   what became of each, and when nothing was merged.
//! - [`improvement`] and [`shares`] tell who is paid what.
//! - An [`Auditor`] computes rounds again from what was written down, all of it or what it chose.
//!
//! `docs/rounds.md` has the formats and formulas.

mod age;
mod audit;
mod error;
mod local;
mod merge;
mod received;
mod reward;
mod saved;
mod send;
mod spec;
mod update;

pub use audit::{Auditor, Finding, Look, Looked, RoundRecord};
pub use error::{NoUpdate, SavedError, SpecProblem, UpdateFault};
pub use local::{Local, Steps, train};
pub use merge::{Event, LeftOut, Merged, Rounds, Submission, Unmerged};
pub use reward::{Part, improvement, shares};
pub use send::Sender;
pub use spec::{Age, Encoding, MAX_BYTES, RoundSpec, Weights};
pub use update::{Head, Update, dense_bytes};
