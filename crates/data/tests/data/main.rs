//! Data sets: files, shapes, templates, tables.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod common;

mod answers;
mod example;
mod facts;
mod files;
mod input;
mod limits;
mod shapes;
mod tables;
mod templates;
mod told;
