//! Training: a state, a step, and the order in which rows are met.

mod init;
mod order;
mod state;
mod state_bytes;
mod trainer;

pub use order::Order;
pub use state::State;
pub(crate) use state::check_values;
pub(crate) use trainer::check_samples;
pub use trainer::{StepReport, Taken, Trainer};
