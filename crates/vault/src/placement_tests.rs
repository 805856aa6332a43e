use std::collections::BTreeSet;

use assay_crypto::SecretKey;
use proptest::prelude::*;

use super::*;

fn node(n: u8) -> AccountId {
    SecretKey::from_seed([n; 32]).public()
}

/// A node that has the bond for what it says.
fn candidate(n: u8, free: u64) -> Candidate {
    Candidate {
        node: node(n),
        owner: node(n),
        free,
        bonded: free,
    }
}

fn seed(n: u64) -> Digest {
    Digest::of("test", &[&n.to_le_bytes()])
}

#[test]
fn the_first_choice_follows_bonded_room() {
    // What it says of itself is of no use to the first.
    let candidates = [
        Candidate {
            free: u64::MAX,
            ..candidate(1, 1 << 30)
        },
        candidate(2, 3 << 30),
    ];
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

/// A liar says that it has all the room in the world, with a small bond. It gets the share that its bond
/// stands for, and nothing of what is longer than that; where the ledger is not asked, it gets all.
#[test]
fn a_liar_gets_the_share_that_its_bond_stands_for() {
    let draws = 4_000;
    let liar = |bonded| Candidate {
        free: u64::MAX,
        bonded,
        ..candidate(0, 0)
    };
    let first = |candidates: &[Candidate], bytes| {
        let of_the_liar = |n: &u64| order(candidates, bytes, seed(*n)).first() == Some(&node(0));
        (0..draws).filter(of_the_liar).count()
    };
    let mut candidates: Vec<Candidate> = (1..10).map(|n| candidate(n, 10 << 30)).collect();
    candidates.push(liar(10 << 30));
    // A tenth of 4,000 with a standard deviation of 19: five of them on each side.
    let share = first(&candidates, 1);
    assert!((305..=495).contains(&share), "{share}");
    assert_eq!(first(&candidates, (10 << 30) + 1), 0);
    candidates.pop();
    candidates.push(liar(1 << 20));
    assert!(first(&candidates, 1) < 10);
    // The control: its word is taken for its bond.
    candidates.pop();
    candidates.push(liar(u64::MAX));
    assert!(first(&candidates, 1) > draws as usize - 10);
}

/// Copies go to different owners while there are any, however many nodes one of them has.
#[test]
fn owners_come_apart() {
    let of = |n: u8, owner: u8| Candidate {
        owner: node(owner),
        ..candidate(n, 1 << 30)
    };
    let mut candidates: Vec<Candidate> = (10..30).map(|n| of(n, 9)).collect();
    candidates.extend([of(1, 1), of(2, 2)]);
    for n in 0..100 {
        let ordered = order(&candidates, 1, seed(n));
        assert_eq!(ordered.len(), 22);
        let owner = |node: &AccountId| {
            let found = candidates.iter().find(|of| of.node == *node);
            found.unwrap().owner
        };
        let first: BTreeSet<AccountId> = ordered[..3].iter().map(owner).collect();
        assert_eq!(first.len(), 3, "seed {n}");
    }
    // The control: nodes whose owners nobody knows to be one are apart from each other.
    let strangers: Vec<Candidate> = candidates
        .iter()
        .map(|of| Candidate {
            owner: of.node,
            ..*of
        })
        .collect();
    let alone = (0..100).filter(|n| {
        let ordered = order(&strangers, 1, seed(*n));
        ordered[..3].iter().all(|node| {
            candidates
                .iter()
                .any(|of| of.node == *node && of.owner == super::tests::node(9))
        })
    });
    assert!(alone.count() > 50);
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
