//! Networks of four validators over loopback, in one process and in several.

mod agreement;
mod formats;
mod kill;
mod light;
mod offline;
mod submit;
mod support;
