//! What came of it, and what became of whose update.

use serde::Serialize;

/// How distances were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// No rule asked for any.
    NoDistances,
    /// Exactly.
    Exactly,
    /// From sketches.
    FromSketches,
}

/// What became of one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Scaled down to the norm bound, by so many 1,048,576ths.
    Shortened(u32),
    /// Not among the nearest of so many others, which mixed themselves without it.
    LeftOutOfMixtures(u32),
    /// Not chosen; its score is the sum of squared distances to its neighbours, in steps.
    NotChosen(#[serde(serialize_with = "as_text")] u128),
    /// So many of its coordinates lay beyond what the trimmed mean kept.
    Trimmed(u64),
    /// Counted with less than half of what the nearest one has in the geometric median: so many
    /// 1,048,576ths.
    Weighed(u32),
    /// Clipped to the radius: it counted with so many 1,048,576ths of its way from the centre.
    Clipped(u32),
}

/// A fate of one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Which.
    pub update: u32,
    /// What became of it.
    pub fate: Fate,
}

/// One update made of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The update, in the scale of those it was made of.
    pub update: Vec<i32>,
    /// How distances were found.
    pub distances: Measured,
    /// Who was left out, trimmed or clipped, step by step; the others counted in full. After mixing, what
    /// is trimmed or clipped is the mixture around the update with that number.
    pub notes: Vec<Note>,
}

/// Numbers of 128 bits are no numbers of JSON.
fn as_text<S: serde::Serializer>(value: &u128, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}
