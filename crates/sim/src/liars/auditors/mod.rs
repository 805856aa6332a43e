//! Auditors that lie. One on its provider's own lying programs is its accomplice.

mod blind;
mod copying;
mod false_challenger;
mod rewound;
mod rubber_stamp;
mod vanishing;

pub use blind::BlindPrograms;
pub use copying::CopyingAuditor;
pub use false_challenger::FalseChallenge;
pub use rewound::RewoundAuditor;
pub use rubber_stamp::rubber_stamp;
pub use vanishing::VanishingAuditor;
