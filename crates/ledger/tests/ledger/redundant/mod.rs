//! Orders that several providers do: committed, revealed, compared, and judged where they differ.

pub(crate) mod alone;
mod colluders;
mod complaints;
mod copying;
pub(crate) mod crew;
mod delivery;
mod disputes;
pub(crate) mod missing;
mod paid;
mod rules;
