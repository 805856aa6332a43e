//! Validators that lie when they judge a dispute; how they lie about blocks is in
//! [`validators`](super::validators).

mod bench;
mod constant;
mod copying;
mod late;
mod siding;
mod silent;

pub use constant::ConstantJudge;
pub use copying::{Copied, CopyingJudge, LoudJudge, Overheard};
pub use late::LateJudge;
pub use siding::SidingJudge;
pub use silent::SilentJudge;
