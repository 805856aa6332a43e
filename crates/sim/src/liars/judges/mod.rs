//! Validators that lie when they judge a dispute; how they lie about blocks is in
//! [`validators`](super::validators).

mod bench;
mod constant;
mod copying;

pub use constant::ConstantJudge;
pub use copying::{Copied, CopyingJudge, LoudJudge, Overheard};
