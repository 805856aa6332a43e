//! Two validators with one key, each with a disk of its own.
//!
//! Nothing in either of them lies; what is wrong is that there are two. Each speaks with one half of
//! the others, so that both halves are told different things under one name, and neither half can see
//! it but through the other's messages.

/// The half of the others that does not hear the first twin, and the one that does not hear the
/// second, as positions among `honest`.
pub(crate) fn sides(honest: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let (second, first) = honest
        .iter()
        .enumerate()
        .partition::<Vec<_>, _>(|(place, _)| place % 2 == 1);
    let ports = |half: Vec<(usize, &usize)>| half.into_iter().map(|(_, port)| *port).collect();
    (ports(second), ports(first))
}
