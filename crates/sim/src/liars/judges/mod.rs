//! Validators that lie when they judge a dispute; how they lie about blocks is in
//! [`validators`](super::validators).

mod constant;

pub use constant::ConstantJudge;
