//! Llama 3's stretched rotary frequencies, which a GGUF file holds as a finished tensor.
//!
//! `rope_freqs.weight` has one number for each pair of a head: frequency i is divided by number i.
//! Llama 3.1 and later make them from four settings, and Hugging Face's configuration has only the
//! settings. They are found again: the usual ones are tried first, then the line through the numbers
//! between the two ends. What is found must give back every number.

use serde_json::{Value, json};

use super::error::GgufError;
use super::file::GgufFile;
use crate::elementary::{exp, ln};

pub(super) const FACTORS: &str = "rope_freqs.weight";
/// How far a number may lie from what the settings give: those of converters are computed in f32.
const TOLERANCE: f64 = 1e-4;

/// The settings of `rope_scaling` of type `llama3`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Llama3 {
    factor: f64,
    low: f64,
    high: f64,
    original: f64,
}

impl Llama3 {
    /// What a frequency is divided by.
    fn divisor(&self, frequency: f64) -> f64 {
        let wavelength = 2.0 * std::f64::consts::PI / frequency;
        if wavelength > self.original / self.low {
            return self.factor;
        }
        if wavelength < self.original / self.high {
            return 1.0;
        }
        let smooth = (self.original / wavelength - self.low) / (self.high - self.low);
        1.0 / ((1.0 - smooth) / self.factor + smooth)
    }

    fn gives(&self, pairs: &[(f64, f64)]) -> bool {
        let fits = |(frequency, divisor): &(f64, f64)| {
            (self.divisor(*frequency) / divisor - 1.0).abs() < TOLERANCE
        };
        self.high > self.low && self.original >= 1.0 && pairs.iter().all(fits)
    }

    fn json(&self) -> Value {
        json!({
            "rope_type": "llama3",
            "factor": self.factor,
            "low_freq_factor": self.low,
            "high_freq_factor": self.high,
            "original_max_position_embeddings": self.original,
        })
    }
}

/// `rope_scaling` for the numbers in the file; none where there are none, or all are 1.
pub(super) fn scaling(
    file: &GgufFile<'_>,
    theta: f64,
    head_dim: u64,
    original: Option<u64>,
) -> Result<Option<Value>, GgufError> {
    let Some(tensor) = file.tensor(FACTORS) else {
        return Ok(None);
    };
    let expected = vec![(head_dim / 2) as usize];
    if tensor.shape() != expected {
        return Err(GgufError::Shape {
            name: FACTORS.into(),
            found: tensor.shape().to_vec(),
            expected,
        });
    }
    let divisors = tensor.values();
    if let Some(column) = divisors.iter().position(|x| !x.is_finite() || *x <= 0.0) {
        let value = divisors[column].to_string();
        return Err(GgufError::RopeFactor { column, value });
    }
    if divisors.iter().all(|x| *x == 1.0) {
        return Ok(None);
    }
    // Not the C library's power: settings must come out the same on every machine.
    let log = ln(theta);
    let frequency = |i: usize| exp(-((2 * i) as f64 / head_dim as f64) * log);
    let pairs: Vec<(f64, f64)> = (divisors.iter().enumerate())
        .map(|(i, divisor)| (frequency(i), f64::from(*divisor)))
        .collect();
    let found = usual(&pairs, original).or_else(|| fitted(&pairs));
    found
        .map(|found| Some(found.json()))
        .ok_or(GgufError::RopeFactors)
}

/// Llama 3.1 and 3.2's settings with the factor of the file.
fn usual(pairs: &[(f64, f64)], original: Option<u64>) -> Option<Llama3> {
    let factor = pairs
        .iter()
        .map(|(_, divisor)| *divisor)
        .fold(1.0, f64::max);
    let originals = original.map(|n| n as f64).into_iter().chain([8192.0]);
    let mut all = originals.map(|original| Llama3 {
        factor: rounded(factor),
        low: 1.0,
        high: 4.0,
        original,
    });
    all.find(|settings| settings.gives(pairs))
}

/// The settings behind numbers that nobody told us: between the two ends, `smooth` is a line over
/// the frequency, `smooth = a f - b`, with `a = original / (2 pi (high - low))` and
/// `b = low / (high - low)`. Only the ratios count, so `low` is 1.
fn fitted(pairs: &[(f64, f64)]) -> Option<Llama3> {
    let factor = pairs
        .iter()
        .map(|(_, divisor)| *divisor)
        .fold(1.0, f64::max);
    let smooth = |divisor: f64| (1.0 / divisor - 1.0 / factor) / (1.0 - 1.0 / factor);
    // From the highest frequency to the lowest.
    let is_end = |divisor: f64| divisor == 1.0 || divisor == factor;
    let kept = pairs.iter().rfind(|(_, d)| *d == 1.0);
    let slowed = pairs.iter().find(|(_, d)| *d == factor)?;
    let between: Vec<_> = pairs.iter().filter(|(_, d)| !is_end(*d)).collect();
    let (a, b) = match (between.as_slice(), kept) {
        ([first, .., last], _) => {
            let a = (smooth(first.1) - smooth(last.1)) / (first.0 - last.0);
            (a, a * last.0 - smooth(last.1))
        }
        // One number, or none: any line through it that has both ends where they are.
        ([one], kept) => {
            let s = smooth(one.1);
            let to_low = s / (one.0 - slowed.0);
            let to_high = kept.map_or(0.0, |kept| (1.0 - s) / (kept.0 - one.0));
            let a = to_low.max(to_high);
            (a, a * one.0 - s)
        }
        ([], kept) => {
            let a = 1.0 / (kept?.0 - slowed.0);
            (a, a * slowed.0)
        }
    };
    let high = 1.0 + 1.0 / b;
    let settings = Llama3 {
        factor: rounded(factor),
        low: 1.0,
        high,
        original: a * 2.0 * std::f64::consts::PI * (high - 1.0),
    };
    let even = Llama3 {
        high: rounded(settings.high),
        original: settings.original.round(),
        ..settings
    };
    let mut all = [even, settings].into_iter();
    all.find(|settings| settings.gives(pairs))
}

/// The number with up to three places that a rounded computation meant, if it lies close by.
fn rounded(value: f64) -> f64 {
    let even = (value * 1e3).round() / 1e3;
    match (even / value - 1.0).abs() < 1e-5 {
        true => even,
        false => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(settings: &Llama3, theta: f64, head_dim: usize) -> Vec<(f64, f64)> {
        let frequency = |i: usize| theta.powf(-2.0 * i as f64 / head_dim as f64);
        // As converters write them: f32.
        let number = |f: f64| (f, f64::from(settings.divisor(f) as f32));
        (0..head_dim / 2).map(|i| number(frequency(i))).collect()
    }

    #[test]
    fn the_settings_of_published_models_are_found() {
        for (factor, head_dim) in [(8.0, 128), (32.0, 64), (32.0, 128)] {
            let told = Llama3 {
                factor,
                low: 1.0,
                high: 4.0,
                original: 8192.0,
            };
            let found = usual(&pairs(&told, 5e5, head_dim), None);
            assert_eq!(found, Some(told));
        }
    }

    #[test]
    fn settings_that_nobody_knows_are_found_from_the_numbers() {
        for (factor, low, high, original, theta, head_dim) in [
            (8.0, 1.0, 4.0, 32.0, 10_000.0, 16),
            (4.0, 1.0, 4.0, 64.0, 10_000.0, 8),
            (16.0, 2.0, 8.0, 4096.0, 5e5, 128),
            (2.5, 1.0, 3.0, 2048.0, 1e5, 64),
            (8.0, 1.0, 1.01, 64.0, 10_000.0, 8),
        ] {
            let told = Llama3 {
                factor,
                low,
                high,
                original,
            };
            let pairs = pairs(&told, theta, head_dim);
            let found = fitted(&pairs).unwrap_or_else(|| panic!("{told:?}"));
            assert!(found.gives(&pairs), "{told:?} {found:?}");
            assert_eq!(found.factor, factor);
        }
    }

    #[test]
    fn numbers_that_come_from_no_settings_are_not_found() {
        let line: Vec<_> = (0..8)
            .map(|i| (0.5f64.powi(i), 1.0 + f64::from(i)))
            .collect();
        assert_eq!(usual(&line, None).or_else(|| fitted(&line)), None);
        let equal: Vec<_> = (0..8).map(|i| (0.5f64.powi(i), 4.0)).collect();
        assert_eq!(usual(&equal, None).or_else(|| fitted(&equal)), None);
    }
}
