//! Auditors that lie. One on its provider's own lying programs is its accomplice.

mod blind;
mod copying;
mod false_challenger;
mod rubber_stamp;

pub use blind::BlindPrograms;
pub use copying::CopyingAuditor;
pub use false_challenger::FalseChallenge;
pub use rubber_stamp::rubber_stamp;
