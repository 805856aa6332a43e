//! Somebody posts orders worth a penny, takes part in them itself, and lets its moves wait, to take the
//! places that the pool keeps for the moves of others.

use assay_ledger::{Amount, LedgerTime};

use super::Mempool;
use super::pending::{Limits, Pending, Refusal};
use super::tests::{RICH, SMALL, block_at, pending, urgent};

/// The usual limits, with places for four moves.
const RANKED: Limits = Limits {
    urgent_ms: 1_000,
    ..SMALL
};

/// A move in an order that holds so much.
fn held(from: u64, deadline: u64, stake: u64) -> Pending {
    let mut pending = urgent(from, 0, from, deadline);
    if let Some(turn) = &mut pending.turn {
        turn.stake = Amount(stake);
    }
    pending
}

/// Every place is taken by a penny order whose time is over before that of the honest one.
fn crowded(limits: Limits) -> Mempool {
    let mut pool = Mempool::new(limits);
    for from in 10..14 {
        pool.offer(held(from, 300 + from, 1)).unwrap();
    }
    pool
}

#[test]
fn penny_orders_take_no_place_from_an_order_that_holds_more() {
    let honest = held(1, 900, 1_000);
    let mut pool = crowded(RANKED);
    pool.offer(honest.clone()).unwrap();
    assert!(pool.contains(&honest.id));
    assert_eq!(pool.order()[0], (1, 0));
    // However many more of them come.
    for from in 20..40 {
        let _refused = pool.offer(held(from, 250, 1));
    }
    assert!(pool.contains(&honest.id));
    // The control: ranked by time alone they keep it out.
    let mut pool = crowded(Limits {
        urgent_ms: 0,
        ..RANKED
    });
    assert!(pool.offer(honest.clone()).is_ok());
    assert_eq!(
        pool.order().last(),
        Some(&(1, 0)),
        "only at the price of the market"
    );
    let mut full = crowded(Limits {
        urgent_ms: 0,
        ..RANKED
    });
    for from in 50..90 {
        full.offer(pending(from, 0, 1_000)).unwrap();
    }
    assert!(matches!(full.offer(honest), Err(Refusal::Full { .. })));
}

/// What holds much but has much time left does not go before what is due soon, and comes to its turn as
/// its time runs out.
#[test]
fn time_left_counts_first_and_is_counted_anew() {
    let mut pool = Mempool::new(RANKED);
    pool.offer(held(1, 5_000, 1_000)).unwrap();
    pool.offer(held(2, 900, 1)).unwrap();
    pool.offer(held(3, 800, 2)).unwrap();
    assert_eq!(pool.order(), [(3, 0), (2, 0), (1, 0)]);
    pool.expire(block_at(200));
    pool.check();
    assert_eq!(pool.order(), [(3, 0), (2, 0), (1, 0)]);
    // All that were due before are over; others with as little time come, and hold less.
    let mut now = block_at(4_500);
    now.height.0 = 100;
    pool.expire(now);
    pool.check();
    assert_eq!(pool.ranked_at, LedgerTime(4_500));
    for from in 4..9 {
        let _either = pool.insert(held(from, 4_900, 10), RICH, 100);
        pool.check();
    }
    assert_eq!(pool.order()[0], (1, 0));
}

/// Moves that cost a block much leave the market its half, too.
#[test]
fn dear_moves_leave_the_market_half_of_what_a_block_may_cost() {
    let mut limits = RANKED;
    limits.reserved.transactions = 100;
    limits.reserved.bytes = 1 << 20;
    let mut pool = Mempool::new(limits);
    for from in 0..60 {
        let mut dear = held(from, 900, 1);
        dear.cost = 64;
        pool.offer(dear).unwrap();
    }
    for from in 60..90 {
        pool.offer(pending(from, 0, 1)).unwrap();
    }
    let chosen = pool.select(640, |_| Some(0));
    let market = chosen
        .iter()
        .filter(|pending| pending.turn.is_none())
        .count();
    assert_eq!(market, 30);
    let moves = chosen.len() - market;
    // Half at first, and then what the market left: 640 - 5 * 64 - 30 * 2 = 260.
    assert_eq!(moves, 5 + 4);
}
