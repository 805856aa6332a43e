//! Rules that choose updates by their distances: Krum, Multi-Krum, and the first half of Bulyan.

use crate::distances::Distances;

/// Everybody's neighbours, the nearest first, of two as near the one with the smaller number. Everybody is
/// its own first neighbour only if none with a smaller number is as near; callers leave it out by number.
pub(crate) struct Neighbours {
    order: Vec<Vec<u32>>,
}

impl Neighbours {
    pub(crate) fn new(distances: &Distances) -> Neighbours {
        let count = distances.count();
        let sorted = |i: usize| {
            let mut order: Vec<u32> = (0..count as u32).collect();
            order.sort_by_key(|j| distances.between(i, *j as usize));
            order
        };
        let order = (0..count).map(sorted).collect();
        Neighbours { order }
    }

    /// The nearest others of `update`, in order.
    pub(crate) fn of(&self, update: usize) -> impl Iterator<Item = usize> {
        let order = self
            .order
            .get(update)
            .map(Vec::as_slice)
            .unwrap_or_default();
        order
            .iter()
            .map(|j| *j as usize)
            .filter(move |j| *j != update)
    }
}

/// The score of every update among those that are left: the sum of the squared distances to the
/// `m - f - 2` nearest of the `m` that are left, at least one (Blanchard et al., "Machine learning with
/// adversaries: Byzantine tolerant gradient descent", 2017, section 4).
pub(crate) fn scores(
    distances: &Distances,
    neighbours: &Neighbours,
    left: &[bool],
    liars: usize,
) -> Vec<Option<u128>> {
    let count = left.iter().filter(|left| **left).count();
    let near = count.saturating_sub(liars + 2).max(1);
    let is_left = |i: usize| left.get(i).copied().unwrap_or(false);
    let score = |i: usize| {
        let nearest = neighbours.of(i).filter(|j| is_left(*j)).take(near);
        nearest.map(|j| distances.between(i, j)).sum()
    };
    (0..left.len())
        .map(|i| is_left(i).then(|| score(i)))
        .collect()
}

/// The `keep` updates with the smallest scores, the best first; of two as good the one with the smaller
/// number.
pub(crate) fn best(scores: &[Option<u128>], keep: usize) -> Vec<usize> {
    let mut order: Vec<(u128, usize)> = scores
        .iter()
        .enumerate()
        .filter_map(|(i, score)| Some(((*score)?, i)))
        .collect();
    order.sort_unstable();
    order.into_iter().take(keep).map(|(_, i)| i).collect()
}

/// The `n - 2 f` updates that Krum chooses one after another, each out of what the ones before left
/// (El Mhamdi, Guerraoui and Rouault, "The hidden vulnerability of distributed learning in
/// Byzantium", 2018, section 4).
pub(crate) fn one_by_one(
    distances: &Distances,
    neighbours: &Neighbours,
    liars: usize,
) -> Vec<usize> {
    let count = distances.count();
    let mut left = vec![true; count];
    let mut chosen = Vec::with_capacity(count);
    for _ in 0..count.saturating_sub(2 * liars) {
        let scores = scores(distances, neighbours, &left, liars);
        if let Some(best) = best(&scores, 1).first() {
            left[*best] = false;
            chosen.push(*best);
        }
    }
    chosen
}
