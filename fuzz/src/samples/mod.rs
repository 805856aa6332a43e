//! Values to make seeds from: small, and together touching every variant.

pub mod estimator;
pub mod ledger;
pub mod model;
#[cfg(feature = "node")]
pub mod node;
pub mod vault;
