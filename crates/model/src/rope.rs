//! Rotary position tables (Su et al., "RoFormer", 2021).

use crate::config::ModelConfig;
use crate::elementary::{exp, ln, sin_cos};

/// Cosines and sines for positions below [`ModelConfig::max_sequence`], `[positions, head_dim/2]`.
///
/// They are data of the model: made once at load by fixed arithmetic without the C library, hashed
/// with the weights, and only read by operators. Frequency i is `theta^(-2i/head_dim)` rounded to
/// f32; an angle is position times frequency, rounded to f32; so the tables match those of
/// `transformers` to the accuracy of the C library's f32 power function.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeTables {
    /// Cosines.
    pub cos: Vec<f32>,
    /// Sines.
    pub sin: Vec<f32>,
}

impl RopeTables {
    /// The tables of a model.
    pub fn new(config: &ModelConfig) -> Self {
        let frequencies = frequencies(config);
        let positions = config.max_sequence();
        let mut tables = Self {
            cos: Vec::with_capacity(positions * frequencies.len()),
            sin: Vec::with_capacity(positions * frequencies.len()),
        };
        for position in 0..positions {
            for frequency in &frequencies {
                let angle = position as f32 * frequency;
                let (sine, cosine) = sin_cos(f64::from(angle));
                tables.cos.push(cosine as f32);
                tables.sin.push(sine as f32);
            }
        }
        tables
    }
}

fn frequencies(config: &ModelConfig) -> Vec<f32> {
    let log_theta = ln(config.rope_theta);
    let width = config.head_dim as f64;
    let plain = |i: usize| exp(-((2 * i) as f64 / width) * log_theta);
    let half = config.head_dim / 2;
    (0..half).map(|i| scaled(plain(i), config) as f32).collect()
}

/// Llama 3's scaling: long wavelengths are slowed by `factor`, short ones kept, those between
/// interpolated (as `transformers` does in `modeling_rope_utils`).
fn scaled(frequency: f64, config: &ModelConfig) -> f64 {
    let Some(scaling) = config.rope_scaling else {
        return frequency;
    };
    let original = scaling.original_max_position_embeddings;
    let wavelength = 2.0 * std::f64::consts::PI / frequency;
    if wavelength > original / scaling.low_freq_factor {
        return frequency / scaling.factor;
    }
    if wavelength < original / scaling.high_freq_factor {
        return frequency;
    }
    let (low, high) = (scaling.low_freq_factor, scaling.high_freq_factor);
    let smooth = (original / wavelength - low) / (high - low);
    (1.0 - smooth) * frequency / scaling.factor + smooth * frequency
}
