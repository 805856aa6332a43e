//! Replicate the ledger with a Byzantine-fault-tolerant engine.
