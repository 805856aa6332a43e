//! What an aggregate takes of the memory, told from sizes alone.

use crate::pass::width;
use crate::settings::{Rule, Settings, Start};
use crate::shape::Shape;

/// The most bytes that are allocated at once for updates of this shape, those of the updates themselves left
/// out: it grows with `d` for the result, with `n^2` for distances, and not with `n d`.
pub fn peak_bytes(shape: &Shape, settings: &Settings, threads: usize) -> u64 {
    let (n, d) = (shape.updates() as u64, shape.coordinates() as u64);
    let (width, threads) = (width(shape.updates()) as u64, threads as u64);
    let by_distance = matches!(
        settings.rule,
        Rule::Krum { .. } | Rule::MultiKrum { .. } | Rule::Bulyan { .. }
    );
    let by_columns = match settings.rule {
        Rule::Median | Rule::TrimmedMean { .. } | Rule::Bulyan { .. } => true,
        Rule::CentredClipping { start, .. } => start != Start::Zero,
        _ => false,
    };
    let mixing = settings.nearest_neighbours.is_some();
    let result = 4 * d;
    // A block of values, twice where mixtures are made of it; sums of 8 bytes; counts and totals.
    let blocks = threads * (4 * n * width * (1 + u64::from(mixing)) + 32 * width + 24 * n);
    let sorting = if by_columns {
        threads * 128 * n + 8 * network(n)
    } else {
        0
    };
    let distances = if by_distance || mixing {
        distances(shape, settings)
    } else {
        0
    };
    let neighbours = if by_distance || mixing {
        8 * n * n + 64 * n
    } else {
        0
    };
    result + blocks + sorting + distances + neighbours + (64 << 10)
}

/// Sums of 8 bytes and distances of 16, half of them; planes of a block; sketches of 8 and then 4 bytes.
fn distances(shape: &Shape, settings: &Settings) -> u64 {
    let n = shape.updates() as u64;
    let work = u128::from(n) * u128::from(n) * shape.coordinates() as u128;
    let exact = 16 * n * (n + 1) + 4 * 1024 * n + 128 * n;
    if work <= u128::from(settings.distances.exact_up_to) {
        return exact;
    }
    let sketches = n * u64::from(settings.distances.buckets);
    (12 * sketches).max(4 * sketches + exact)
}

/// Comparisons of a sorting network, about: `n t (t + 1) / 4` with `t` the logarithm rounded up.
fn network(n: u64) -> u64 {
    let t = u64::from(n.next_power_of_two().trailing_zeros());
    n.next_power_of_two() * t * (t + 1) / 2
}
