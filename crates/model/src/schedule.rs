//! Learning rates, step by step.

use crate::elementary::sin_cos;

/// How the rate goes on after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// It stays at its peak.
    Constant,
    /// It falls in a straight line and would reach zero one step after the last.
    Linear,
    /// It falls along half a cosine and would reach zero one step after the last.
    Cosine,
}

/// A schedule: a linear rise over the warm-up, then a [`Decay`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f32,
    /// Steps of the run.
    pub steps: u64,
    /// Steps of the rise; the last of them has the peak rate.
    pub warmup_steps: u64,
    /// What follows.
    pub decay: Decay,
}

impl Schedule {
    /// The rate of a step counted from 0: one f64 quotient of integers, for a cosine through the
    /// crate's own cosine, times the peak, rounded to f32 once, so it has the same bits everywhere.
    pub fn rate(&self, step: u64) -> f32 {
        let share = if step < self.warmup_steps {
            (step + 1) as f64 / self.warmup_steps as f64
        } else {
            let whole = self.steps.saturating_sub(self.warmup_steps).max(1);
            let left = self.steps.saturating_sub(step).min(whole) as f64 / whole as f64;
            match self.decay {
                Decay::Constant => 1.0,
                Decay::Linear => left,
                Decay::Cosine => 0.5 - 0.5 * sin_cos(std::f64::consts::PI * left).1,
            }
        };
        (f64::from(self.peak) * share) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_the_peak_and_falls_towards_zero() {
        let mut schedule = Schedule {
            peak: 1.0,
            steps: 14,
            warmup_steps: 4,
            decay: Decay::Linear,
        };
        let rates: Vec<f32> = (0..15).map(|step| schedule.rate(step)).collect();
        assert_eq!(rates[..6], [0.25, 0.5, 0.75, 1.0, 1.0, 0.9]);
        assert_eq!(rates[13..], [0.1, 0.0]);
        schedule.decay = Decay::Cosine;
        let rates: Vec<f32> = (4..15).map(|step| schedule.rate(step)).collect();
        for (i, rate) in rates.iter().enumerate() {
            let theirs = 0.5 * (1.0 + (std::f64::consts::PI * i as f64 / 10.0).cos());
            assert!((f64::from(*rate) - theirs).abs() < 1e-7, "{i}: {rate}");
        }
        schedule.decay = Decay::Constant;
        assert_eq!(schedule.rate(13), 1.0);
        schedule.warmup_steps = 0;
        assert_eq!(schedule.rate(0), 1.0);
        schedule.decay = Decay::Linear;
        schedule.steps = 0;
        assert_eq!(schedule.rate(u64::MAX), 0.0);
    }
}
