//! Commit to a training run, audit it, settle disputes.
