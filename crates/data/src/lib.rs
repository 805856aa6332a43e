//! Read, split and batch data sets.
