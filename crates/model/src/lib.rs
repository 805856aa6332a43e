//! Define, load, adapt and differentiate models.
