//! Requesters that lie.

mod dropped_inputs;
mod false_complaint;
mod withholding;
mod wrong_keys;

pub use dropped_inputs::{DroppedInputs, Seen};
pub use false_complaint::FalseComplaint;
pub use withholding::KeylessRequester;
pub use wrong_keys::wrong_keys;
