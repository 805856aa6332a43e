//! Randomness of a machine.

use assay_crypto::Digest;

/// The secrets that one life of a machine draws, all from its seed.
#[derive(Default)]
pub struct Dice {
    seed: Option<[u8; 32]>,
    drawn: u64,
}

impl Dice {
    /// Takes the seed of [`Input::Seed`](crate::Input::Seed).
    pub fn seed(&mut self, seed: [u8; 32]) {
        *self = Dice {
            seed: Some(seed),
            drawn: 0,
        };
    }

    /// The next secret; none before there is a seed, so that nothing is ever sealed under a known
    /// one.
    pub fn draw(&mut self) -> Option<[u8; 32]> {
        let seed = self.seed?;
        let at = self.drawn.to_le_bytes();
        self.drawn += 1;
        Some(Digest::of("assay/machine/dice/v1", &[&seed, &at]).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_every_draw_and_without_one_there_is_none() {
        let mut dice = Dice::default();
        assert_eq!(dice.draw(), None);
        dice.seed([7; 32]);
        let first: Vec<_> = (0..4).map(|_| dice.draw()).collect();
        dice.seed([7; 32]);
        let second: Vec<_> = (0..4).map(|_| dice.draw()).collect();
        assert_eq!(first, second);
        dice.seed([8; 32]);
        assert_ne!(dice.draw(), first[0]);
        assert!((1..4).all(|n| first[n] != first[n - 1]));
    }
}
