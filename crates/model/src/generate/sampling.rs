//! Choosing the next token.

use assay_kernel::Kernel;
use assay_kernel::random::Stream;

use super::error::SettingsError;

/// The purpose under which tokens are drawn; the stream's index is the token's position.
pub const SAMPLE_PURPOSE: u32 = 5;

/// How tokens are drawn, with the names, order and meaning of Hugging Face's logits processors:
/// the temperature divides the logits; of what results the `top_k` highest stay; of those, the
/// fewest whose probabilities add up to `top_p`; one of them is drawn.
///
/// Two machines draw the same token. With `m` the highest logit, scores are `(x - m) / temperature`
/// in f32, held above the lowest finite number; probabilities are the kernel's softmax of the
/// scores that stay (from the highest down for `top_p`, by id for the draw) and are added up in
/// that order in f64. The drawn token is the first whose sum lies above
/// `(next_u64 >> 11) * 2^-53` of the whole, from the stream `(seed, SAMPLE_PURPOSE, position)`.
/// Among equal scores the lower id counts as the higher one; here `top_k` keeps exactly k tokens,
/// where Hugging Face keeps every token that ties with the last of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    temperature: f32,
    top_k: usize,
    top_p: f32,
    seed: [u8; 32],
}

impl Sampling {
    /// Checks the settings. A `top_k` of 0 and a `top_p` of 1 keep every token.
    ///
    /// # Errors
    /// When the temperature is no finite number above 0, or `top_p` lies outside (0, 1].
    pub fn new(
        temperature: f32,
        top_k: usize,
        top_p: f32,
        seed: [u8; 32],
    ) -> Result<Self, SettingsError> {
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(SettingsError::Temperature(temperature));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(SettingsError::TopP(top_p));
        }
        Ok(Self {
            temperature,
            top_k,
            top_p,
            seed,
        })
    }

    /// Draws the token at a position of the row from finite logits; 0 when there are none.
    pub fn draw(&self, kernel: &Kernel, logits: &[f32], position: u64) -> u32 {
        let (ids, probabilities) = self.distribution(kernel, logits);
        let total: f64 = probabilities.iter().map(|p| f64::from(*p)).sum();
        let mut stream = Stream::new(&self.seed, SAMPLE_PURPOSE, position);
        let level = (stream.next_u64() >> 11) as f64 * f64::from_bits(0x3ca0_0000_0000_0000);
        let (level, mut sum, mut drawn) = (level * total, 0.0, 0);
        for (id, p) in ids.into_iter().zip(probabilities) {
            sum += f64::from(p);
            if p > 0.0 {
                drawn = id;
            }
            if sum > level {
                break;
            }
        }
        drawn
    }

    /// The tokens that stay, by id, and their probabilities.
    fn distribution(&self, kernel: &Kernel, logits: &[f32]) -> (Vec<u32>, Vec<f32>) {
        let highest = logits.iter().copied().fold(f32::MIN, f32::max);
        let score = |x: &f32| ((x - highest) / self.temperature).max(f32::MIN);
        let mut kept: Vec<Scored> = (0..).zip(logits.iter().map(score)).map(scored).collect();
        if (1..kept.len()).contains(&self.top_k) {
            kept.select_nth_unstable(self.top_k);
            kept.truncate(self.top_k);
        }
        if self.top_p < 1.0 {
            kept.sort_unstable();
            kept.truncate(self.nucleus(&probabilities(kernel, &kept)));
        }
        kept.sort_unstable_by_key(|s| id(*s));
        let probabilities = probabilities(kernel, &kept);
        (kept.into_iter().map(id).collect(), probabilities)
    }

    /// How many of the highest probabilities add up to `top_p`.
    fn nucleus(&self, probabilities: &[f32]) -> usize {
        let mut sum = 0.0;
        let reached = probabilities.iter().position(|p| {
            sum += f64::from(*p);
            sum >= f64::from(self.top_p)
        });
        reached.map_or(probabilities.len(), |last| last + 1)
    }
}

/// A token with its score, as a number that is smaller for a higher score, then for a lower id.
/// Scores are never above 0, so their magnitudes order them, and magnitudes order as bits.
type Scored = u64;

fn scored((id, score): (u32, f32)) -> Scored {
    u64::from(score.abs().to_bits()) << 32 | u64::from(id)
}

fn id(scored: Scored) -> u32 {
    scored as u32
}

fn probabilities(kernel: &Kernel, kept: &[Scored]) -> Vec<f32> {
    let score = |s: &Scored| -f32::from_bits((s >> 32) as u32);
    let scores: Vec<f32> = kept.iter().map(score).collect();
    let mut out = vec![0.0; scores.len()];
    kernel.softmax_rows(&scores, scores.len(), &mut out);
    out
}

/// The most likely token, the lower id on a tie.
pub fn greedy(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (i, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = i;
        }
    }
    best as u32
}

#[cfg(test)]
#[path = "sampling_tests.rs"]
mod tests;
