//! Apply signed transactions to one agreed state.
