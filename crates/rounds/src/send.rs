//! What a trainer sends, and what it keeps for later.

use assay_aggregate::{QuantiseError, encode};
use assay_crypto::Digest;
use assay_estimator::{State, TrainError};
use assay_kernel::{all_finite, check_environment};

use crate::error::{NoUpdate, SavedError};
use crate::local::Local;
use crate::saved::{opened, sealed};
use crate::update::{Head, head_bytes, kept};
use crate::{Encoding, RoundSpec};

/// One trainer's side of the encoding. What an encoding leaves out is kept and added to the next
/// update (error feedback); [`Encoding::Dense`] leaves nothing out, since its rounding is right on average.
/// An update that did not count was never sent: its trainer goes on with the sender that it had before,
/// so that what it sends follows from what is written down. An update counts if it came to a round that did not leave it
/// out, even if that round merged nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sender {
    unsent: Vec<f32>,
}

impl Sender {
    /// What the trainer's next update follows from; to be kept, for without it a trainer that was killed can send
    /// nothing that an auditor finds right.
    pub fn to_bytes(&self) -> Vec<u8> {
        sealed("assay/rounds/sender/v1", &self.unsent)
    }

    /// Reads [`Sender::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Sender, SavedError> {
        let unsent: Vec<f32> = opened("assay/rounds/sender/v1", bytes)?;
        match all_finite(&unsent) {
            true => Ok(Sender { unsent }),
            false => Err(SavedError::Parts),
        }
    }

    /// What is left of all updates so far, coordinate by coordinate; empty where nothing is.
    pub fn unsent(&self) -> &[f32] {
        &self.unsent
    }

    /// The bytes of an update: where the steps led, less the model that the round began with. The noise of
    /// the rounding follows from `seed`, that of the round, and the trainer's number.
    ///
    /// # Errors
    /// When the difference does not fit the scale; what was left unsent stays as it was.
    pub fn send(
        &mut self,
        spec: &RoundSpec,
        head: &Head,
        model: &State,
        local: &Local,
        seed: &Digest,
    ) -> Result<Vec<u8>, NoUpdate> {
        self.send_reached(spec, head, model, &local.state, seed)
    }

    /// [`Sender::send`], from the state that the steps led to.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_reached(
        &mut self,
        spec: &RoundSpec,
        head: &Head,
        model: &State,
        reached: &State,
        seed: &Digest,
    ) -> Result<Vec<u8>, NoUpdate> {
        check_environment().map_err(TrainError::from)?;
        let began = model.parameters();
        let mut moved: Vec<f32> = reached.parameters().to_vec();
        if !self.unsent.is_empty() && self.unsent.len() != moved.len() {
            return Err(NoUpdate::Unsent {
                found: self.unsent.len(),
                wanted: moved.len(),
            });
        }
        for (value, began) in moved.iter_mut().zip(began) {
            *value -= began;
        }
        for (value, unsent) in moved.iter_mut().zip(&self.unsent) {
            *value += unsent;
        }
        let bytes = head_bytes(head, spec.encoding);
        let noise = Digest::of("assay/rounds/noise/v1", &[seed.as_bytes()]);
        let quantise = |values: &[f32]| spec.quantiser.quantise(values, &noise, head.trainer);
        let (bytes, unsent) = match spec.encoding {
            Encoding::Dense => {
                let integers = quantise(&moved)?;
                (with(bytes, encode(&spec.quantiser, &integers)?), Vec::new())
            }
            Encoding::Largest { per_thousand } => {
                let places = places(&moved, kept(moved.len(), per_thousand));
                let values: Vec<f32> = places.iter().map(|at| moved[*at as usize]).collect();
                let integers = quantise(&values).map_err(|error| placed(error, &places))?;
                let sent = spec.quantiser.restore(&integers);
                let bytes = largest(bytes, spec, moved.len(), &places, &integers)?;
                for (at, sent) in places.iter().zip(sent) {
                    moved[*at as usize] -= sent;
                }
                (bytes, moved)
            }
            Encoding::Signs => {
                let integers = quantise(&[mean_magnitude(&moved)])?;
                let sent = spec.quantiser.restore(&integers)[0];
                let bytes = signs(bytes, spec, &moved, &integers)?;
                for value in &mut moved {
                    *value -= if *value < 0.0 { -sent } else { sent };
                }
                (bytes, moved)
            }
        };
        self.unsent = unsent;
        Ok(bytes)
    }
}

/// The places of the largest magnitudes, ascending; of equal ones the lower place.
fn places(values: &[f32], kept: usize) -> Vec<u32> {
    // At most 2^24 parameters; the bits of magnitudes are ordered as magnitudes are.
    let mut places: Vec<u32> = (0..values.len() as u32).collect();
    let rank = |at: &u32| {
        let magnitude = values[*at as usize].to_bits() & 0x7fff_ffff;
        (std::cmp::Reverse(magnitude), *at)
    };
    if kept < places.len() {
        places.select_nth_unstable_by_key(kept, rank);
        places.truncate(kept);
    }
    places.sort_unstable();
    places
}

/// The sum in f64, ascending, through the number of values.
fn mean_magnitude(values: &[f32]) -> f32 {
    let sum: f64 = values.iter().map(|value| f64::from(value.abs())).sum();
    (sum / values.len() as f64) as f32
}

fn largest(
    mut bytes: Vec<u8>,
    spec: &RoundSpec,
    coordinates: usize,
    places: &[u32],
    integers: &[i32],
) -> Result<Vec<u8>, NoUpdate> {
    bytes.extend((coordinates as u32).to_le_bytes());
    bytes.extend((places.len() as u32).to_le_bytes());
    bytes.extend(places.iter().flat_map(|at| at.to_le_bytes()));
    Ok(with(bytes, encode(&spec.quantiser, integers)?))
}

fn signs(
    mut bytes: Vec<u8>,
    spec: &RoundSpec,
    values: &[f32],
    magnitude: &[i32],
) -> Result<Vec<u8>, NoUpdate> {
    bytes.extend((values.len() as u32).to_le_bytes());
    let mut bytes = with(bytes, encode(&spec.quantiser, magnitude)?);
    // Nothing has no sign.
    let negative = |value: &f32| *value < 0.0 && magnitude != [0];
    bytes.extend(values.chunks(8).map(|values| {
        let bits = values.iter().enumerate();
        bits.fold(0, |byte, (at, value)| {
            byte | u8::from(negative(value)) << at
        })
    }));
    Ok(bytes)
}

fn with(mut bytes: Vec<u8>, more: Vec<u8>) -> Vec<u8> {
    bytes.extend(more);
    bytes
}

/// A refusal of one of the values sent, by its place in the model.
fn placed(error: QuantiseError, places: &[u32]) -> QuantiseError {
    let place = |at: usize| places.get(at).map_or(at, |place| *place as usize);
    match error {
        QuantiseError::NotFinite { coordinate, value } => QuantiseError::NotFinite {
            coordinate: place(coordinate),
            value,
        },
        QuantiseError::OutOfRange {
            coordinate,
            value,
            limit,
            bits,
            exponent,
        } => QuantiseError::OutOfRange {
            coordinate: place(coordinate),
            value,
            limit,
            bits,
            exponent,
        },
        other => other,
    }
}
