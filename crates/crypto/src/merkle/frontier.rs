//! A tree that grows at its right end, known by its right edge alone.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};

use super::{MAX_PATH, hash_leaf, hash_node, hash_root};
use crate::Digest;

/// The tops of the full subtrees of a growing tree, left to right: one for each bit of the number of
/// leaves. It takes leaves and tells the root after each, and shows to whoever knows a root which
/// root follows from it with one more leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize)]
pub struct Frontier {
    count: u64,
    tops: Vec<Digest>,
}

impl Frontier {
    /// The tree without leaves.
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// Number of leaves.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Puts a leaf behind the others.
    pub fn push(&mut self, leaf: &Digest) {
        let mut node = hash_leaf(leaf);
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.tops.pop() {
                node = hash_node(&left, &node);
            }
        }
        self.tops.push(node);
        self.count += 1;
    }

    /// The root, as [`Tree::root`](super::Tree::root) of the same leaves.
    pub fn root(&self) -> Digest {
        let join = |right: Digest, left: &Digest| hash_node(left, &right);
        let top = match self.tops.split_last() {
            Some((last, before)) => before.iter().rev().fold(*last, join),
            None => Digest::ZERO,
        };
        hash_root(self.count, top)
    }
}

impl BorshDeserialize for Frontier {
    /// Refuses another number of tops than the number of leaves has bits set, and 2^63 leaves.
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Frontier> {
        let count = u64::deserialize_reader(reader)?;
        let found = u32::deserialize_reader(reader)?;
        let tops = count.count_ones();
        if count >> MAX_PATH != 0 || found != tops {
            let text = format!("{count} leaves have {tops} tops, not {found}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let tops = (0..found).map(|_| Digest::deserialize_reader(reader));
        let tops = tops.collect::<Result<_, _>>()?;
        Ok(Frontier { count, tops })
    }
}

#[cfg(test)]
mod tests {
    use super::super::root;
    use super::*;

    fn leaves(count: u64) -> Vec<Digest> {
        let leaf = |i: u64| Digest::of("leaf", &[&i.to_le_bytes()]);
        (0..count).map(leaf).collect()
    }

    #[test]
    fn every_prefix_has_the_root_of_its_tree() {
        let mut frontier = Frontier::new();
        for count in 0..150 {
            assert_eq!(
                (frontier.count(), frontier.root()),
                (count, root(leaves(count)))
            );
            let bytes = borsh::to_vec(&frontier).unwrap();
            assert_eq!(Frontier::try_from_slice(&bytes).unwrap(), frontier);
            frontier.push(&leaves(count + 1)[count as usize]);
        }
    }

    #[test]
    fn decoding_is_bounded_and_fits_the_count() {
        for (count, tops, fits) in [(3u64, 2, true), (3, 1, false), (0, 1, false), (4, 2, false)] {
            let bytes = borsh::to_vec(&(count, vec![Digest::ZERO; tops])).unwrap();
            assert_eq!(
                Frontier::try_from_slice(&bytes).is_ok(),
                fits,
                "{count}, {tops}"
            );
        }
        let endless = borsh::to_vec(&(3u64, u32::MAX)).unwrap();
        assert!(Frontier::try_from_slice(&endless).is_err());
    }

    #[test]
    fn the_largest_tree_still_grows() {
        let largest = (1u64 << 63) - 1;
        let bytes = borsh::to_vec(&(largest, vec![Digest::ZERO; 63])).unwrap();
        let mut frontier = Frontier::try_from_slice(&bytes).unwrap();
        let before = frontier.root();
        frontier.push(&Digest::ZERO);
        assert_eq!((frontier.count(), frontier.tops.len()), (1 << 63, 1));
        assert_ne!(frontier.root(), before);
        let larger = borsh::to_vec(&(1u64 << 63, vec![Digest::ZERO; 1])).unwrap();
        assert!(Frontier::try_from_slice(&larger).is_err());
    }
}
