//! A set of trainers, by their numbers.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::BoundedBytes;

/// A set of trainers: one bit for each number, lowest first, and no zeros at the end.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bits(BoundedBytes<{ Bits::MOST as usize / 8 }>);

impl Bits {
    /// Numbers are below this.
    pub const MOST: u16 = 4_096;

    /// Whether a number is in it.
    pub fn has(&self, number: u16) -> bool {
        let byte = self.0.get(usize::from(number / 8));
        byte.is_some_and(|byte| byte >> (number % 8) & 1 == 1)
    }

    /// How many there are.
    pub fn count(&self) -> u16 {
        let ones = self.0.iter().map(|byte| byte.count_ones());
        u16::try_from(ones.sum::<u32>()).unwrap_or(u16::MAX)
    }

    /// The numbers in it, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u16> {
        (0..Bits::MOST).filter(|number| self.has(*number))
    }

    /// Puts a number in; one that is no trainer's changes nothing.
    pub fn insert(&mut self, number: u16) {
        self.set(number, true);
    }

    /// Takes a number out.
    pub fn remove(&mut self, number: u16) {
        self.set(number, false);
    }

    /// Whether all of these are in `other`, and it is written in the one way there is.
    pub fn is_within(&self, other: &Bits) -> bool {
        let shortest = self.0.last() != Some(&0);
        shortest && self.numbers().all(|number| other.has(number))
    }

    fn set(&mut self, number: u16, is: bool) {
        if number >= Bits::MOST {
            return;
        }
        let mut bytes = std::mem::take(&mut self.0).into_vec();
        let at = usize::from(number / 8);
        if bytes.len() <= at {
            bytes.resize(at + 1, 0);
        }
        let bit = 1 << (number % 8);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = if is { *byte | bit } else { *byte & !bit };
        }
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        // As many bytes as the largest number needs.
        self.0 = BoundedBytes::new(bytes).unwrap_or_default();
    }
}

impl FromIterator<u16> for Bits {
    fn from_iter<I: IntoIterator<Item = u16>>(numbers: I) -> Bits {
        let mut bits = Bits::default();
        numbers.into_iter().for_each(|number| bits.insert(number));
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_is_written_in_one_way() {
        let mut bits: Bits = [0, 9, 4_095, 4_096].into_iter().collect();
        assert_eq!(bits.numbers().collect::<Vec<_>>(), [0, 9, 4_095]);
        assert_eq!(bits.count(), 3);
        bits.remove(4_095);
        assert_eq!(bits, [9, 0].into_iter().collect());
        assert!(bits.is_within(&[0, 9, 10].into_iter().collect()));
        assert!(!bits.is_within(&[9].into_iter().collect()));
        let longer = Bits(BoundedBytes::new([1, 2, 0]).unwrap());
        assert!(!longer.is_within(&bits), "zeros at its end");
        bits.remove(9);
        bits.remove(0);
        assert_eq!(bits, Bits::default());
    }
}
