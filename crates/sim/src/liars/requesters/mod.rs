//! Requesters that lie.

mod false_complaint;
mod wrong_keys;

pub use false_complaint::FalseComplaint;
pub use wrong_keys::wrong_keys;
