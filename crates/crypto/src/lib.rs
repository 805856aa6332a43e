//! Sign, seal, share and prove.
