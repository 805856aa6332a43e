//! Turn a job file into a program that every machine runs alike.
//!
//! A *job file* is TOML that a person writes. Its `kind` picks a [`Kind`], which reads the rest of
//! the file into a [`Job`]: the canonical *specification* that goes on the ledger, the input files
//! that go into the vault, and how many steps the work has. On the other side of the network the
//! same kind builds a [`Program`](assay_proof::Program) from specification, decrypted inputs and
//! seed; provider, auditor, validator and late auditor all run that one program.
//!
//! A new kind of job is one file here, one rule in `assay-ledger` and one line in [`KINDS`].
//! [`parts`] says who takes part in an order and which machine plays each part.

mod archive;
mod build_error;
mod bytes;
mod delivery;
mod error;
mod evaluate;
pub mod federated;
mod finetune;
mod inputs;
pub mod keys;
mod kind;
mod language;
mod length;
mod local;
mod machine;
mod memory;
mod numbers;
mod parts;
mod price;
mod problem;
mod registry;
mod saved;
mod sections;
mod source;
mod step;
mod terms;
mod train;

pub use build_error::BuildError;
pub use bytes::Bytes;
pub use delivery::{Delivery, Sample};
pub use error::JobError;
pub use finetune::Course;
pub use inputs::{Inputs, Lengths};
pub use kind::{Job, Kind, deliver};
pub use length::{Length, NoLength};
pub use local::{
    Checked, Event, Local, Run, RunError, check, check_read, first_fault, run, run_digest,
    run_saved,
};
pub use machine::{MachineError, self_test};
pub use memory::{available_memory, machine_memory};
pub use parts::{Casting, Part, Player, parts};
pub use price::{Price, Sizes};
pub use problem::Problem;
pub use registry::{KINDS, Limited, Registry, kind, read, schema};
pub use saved::{BadSaved, Fault, Saved, Store, StoreError};
pub use sections::{Audit, Deadlines, Market};
pub use source::InputSource;
pub use step::Step;
pub use terms::{Draft, Network, contents};
