//! Who plays: the honest ones, and one file for each way of not being honest.
//!
//! | Role | Honest | Not |
//! | --- | --- | --- |
//! | provider | [`provider`] | it fakes a share of its segments, [`vanishing`], [`returning`], [`keeping`], [`crowding`] |
//! | auditor | [`auditor`] | [`stamping`], [`framing`], [`absent`], [`accomplice`], [`sharing`] |
//! | requester | [`requester`] | [`complaining`], [`withholding`], [`withdrawing`] |
//! | validator | [`validator`] | |
//!
//! Ways that need no other moves, but other accounts or terms (split bonds, new names, harsh terms), are
//! in [`strategies`](crate::strategies).

pub(crate) mod absent;
pub(crate) mod accomplice;
pub(crate) mod auditor;
pub(crate) mod complaining;
pub(crate) mod crowding;
pub(crate) mod framing;
pub(crate) mod keeping;
pub(crate) mod provider;
pub(crate) mod requester;
pub(crate) mod returning;
pub(crate) mod sharing;
pub(crate) mod stamping;
pub(crate) mod validator;
pub(crate) mod vanishing;
pub(crate) mod withdrawing;
pub(crate) mod withholding;
