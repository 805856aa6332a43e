use std::collections::BTreeSet;

use assay_crypto::SecretKey;
use proptest::prelude::*;

use super::*;

fn node(n: u8) -> AccountId {
    SecretKey::from_seed([n; 32]).public()
}

fn candidate(n: u8, free: u64) -> Candidate {
    Candidate {
        node: node(n),
        free,
    }
}

fn seed(n: u64) -> Digest {
    Digest::of("test", &[&n.to_le_bytes()])
}

#[test]
fn the_first_choice_follows_free_space() {
    let candidates = [candidate(1, 1 << 30), candidate(2, 3 << 30)];
    let draws = 4_000;
    let larger = (0..draws)
        .filter(|n| order(&candidates, 1, seed(*n))[0] == node(2))
        .count();
    // 3/4 of 4,000 with a standard deviation of 27: five of them on each side.
    assert!((2_863..=3_137).contains(&larger), "{larger}");
}

#[test]
fn liars_about_space_do_not_overflow_the_draw() {
    let candidates: Vec<Candidate> = (0..200).map(|n| candidate(n, u64::MAX)).collect();
    assert_eq!(order(&candidates, u64::MAX, seed(1)).len(), 200);
}

#[test]
fn a_full_node_is_never_chosen() {
    let candidates = [candidate(1, 0), candidate(2, 99), candidate(3, 100)];
    assert_eq!(order(&candidates, 100, seed(1)), [node(3)]);
    assert!(order(&[], 1, seed(1)).is_empty());
    assert!(!order(&candidates, 0, seed(1)).contains(&node(1)));
}

proptest! {
    #[test]
    fn an_order_is_a_permutation_that_depends_on_nothing_else(
        frees in proptest::collection::vec(0u64..1 << 40, 0..20), bytes in 0u64..1 << 30, n: u64,
    ) {
        let candidates: Vec<Candidate> =
            (0..).zip(&frees).map(|(n, free)| candidate(n, *free)).collect();
        let ordered = order(&candidates, bytes, seed(n));
        let mut shuffled = candidates.clone();
        shuffled.reverse();
        shuffled.extend(candidates.first());
        prop_assert_eq!(&ordered, &order(&shuffled, bytes, seed(n)));
        let distinct: BTreeSet<AccountId> = ordered.iter().copied().collect();
        prop_assert_eq!(distinct.len(), ordered.len());
        let fitting = frees.iter().filter(|free| **free >= bytes.max(1)).count();
        prop_assert_eq!(ordered.len(), fitting);
    }
}
