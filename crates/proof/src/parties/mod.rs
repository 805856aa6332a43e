//! The honest parties of an order.

mod asked;
mod auditor;
mod merger;
mod provider;
mod requester;
mod shared;
mod trainer;
mod validator;

pub use auditor::Auditor;
pub use merger::{MERGING, Merger, update_name};
pub use provider::Provider;
pub use requester::Requester;
pub use trainer::Trainer;
pub use validator::Validator;
