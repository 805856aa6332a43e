//! The vault's machines against each other, and against storage nodes that fail and lie.

mod adversaries;
mod network;
mod sealing;
mod storage;
mod support;
