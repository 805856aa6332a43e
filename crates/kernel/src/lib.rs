//! Compute the same bits on every machine.
