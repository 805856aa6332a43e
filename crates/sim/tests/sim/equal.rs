//! Equal seeds, equal chains.

use assay_sim::{Scenario, run};

#[test]
fn equal_seeds_give_equal_chains_and_other_seeds_others() {
    let scenario = |seed| Scenario::quiet(4, seed, 5_000);
    let first = run(&scenario(3)).unwrap();
    assert!(
        first.height > 20 && first.transactions > 20,
        "{}",
        first.table()
    );
    assert!(first.is_safe(), "{}", first.table());
    assert_eq!(run(&scenario(3)).unwrap(), first);
    assert_ne!(run(&scenario(4)).unwrap().chain, first.chain);
}
