//! The pool on its own, with small limits.

use std::sync::Arc;

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::{Height, LedgerTime, OrderId};

use super::*;

pub(super) const SMALL: Limits = Limits {
    market: Room {
        transactions: 40,
        bytes: 10_000,
    },
    reserved: Room {
        transactions: 4,
        bytes: 1_000,
    },
    per_sender: 16,
    patience: 300,
    urgent_ms: 0,
};

pub(super) const RICH: Account = Account {
    balance: Amount(u64::MAX),
    nonce: 0,
};

fn digest(text: &'static str, n: u64) -> Digest {
    Digest::of(text, &[&n.to_le_bytes()])
}

pub(super) fn sender(n: u64) -> AccountId {
    assay_crypto::PublicKey(digest("test/sender", n).0)
}

/// A transaction of a hundred bytes.
pub(super) fn pending(from: u64, nonce: u64, fee: u64) -> Pending {
    sized(from, nonce, fee, 100)
}

fn sized(from: u64, nonce: u64, fee: u64, bytes: usize) -> Pending {
    let name = format!("{from} {nonce} {fee} {bytes}");
    Pending {
        id: TxId(Digest::of("test/tx", &[name.as_bytes()])),
        sender: sender(from),
        nonce,
        fee: Amount(fee),
        encoded: Arc::new(vec![0; bytes]),
        cost: 2,
        turn: None,
    }
}

/// The block at a height, in a network with a block every millisecond.
pub(super) fn block_at(height: u64) -> Moment {
    Moment {
        time: LedgerTime(height),
        height: Height(height),
    }
}

/// A move that counts before a height.
pub(super) fn urgent(from: u64, nonce: u64, order: u64, deadline: u64) -> Pending {
    Pending {
        turn: Some(Turn {
            order: OrderId(digest("test/order", order)),
            by: sender(from),
            grantee: None,
            // In the block before it, which is not younger than the one before that.
            deadline: Moment {
                time: LedgerTime(deadline - 2),
                height: Height(deadline - 1),
            },
            stake: Amount::ZERO,
        }),
        ..pending(from, nonce, 1)
    }
}

impl Mempool {
    pub(super) fn offer(&mut self, pending: Pending) -> Result<(), Refusal> {
        let result = self.insert(pending, RICH, 10);
        self.check();
        result
    }

    /// What must hold after everything.
    pub(super) fn check(&self) {
        let (mut market, mut reserved) = (Room::default(), Room::default());
        let mut ids = 0;
        for (sender, run) in &self.runs {
            assert!(!run.0.is_empty());
            assert!(run.0.len() <= self.limits.per_sender);
            let first = *run.0.first_key_value().unwrap().0;
            let mut least = Price(u64::MAX);
            for (expected, (nonce, entry)) in (first..).zip(&run.0) {
                assert_eq!(expected, *nonce, "a gap");
                assert_eq!(
                    (entry.pending.sender, entry.pending.nonce),
                    (*sender, *nonce)
                );
                assert!(self.ids.contains(&entry.pending.id));
                ids += 1;
                if entry.reserved {
                    let turn = entry.pending.turn.unwrap();
                    assert!(self.slots.contains(&slot(&turn)));
                    assert_eq!(self.moves[&(self.rank(&turn), slot(&turn))], *sender);
                    reserved.add(entry.bytes());
                } else {
                    market.add(entry.bytes());
                    least = least.min(entry.pending.price());
                }
                assert_eq!(entry.worth, least);
            }
        }
        assert_eq!((market, reserved), (self.market, self.reserved));
        for (room, limit) in [
            (market, self.limits.market),
            (reserved, self.limits.reserved),
        ] {
            assert!(room.transactions <= limit.transactions && room.bytes <= limit.bytes);
        }
        assert_eq!(ids, self.ids.len());
        assert_eq!(self.slots.len(), reserved.transactions);
        assert_eq!(self.moves.len(), reserved.transactions);
        let tails: BTreeSet<Tail> = self
            .runs
            .iter()
            .filter_map(|(sender, run)| {
                run.tail().map(|(nonce, entry)| tail(*sender, nonce, entry))
            })
            .collect();
        assert_eq!(tails, self.tails);
    }

    /// Senders and nonces in the order of a block.
    pub(super) fn order(&self) -> Vec<(u64, u64)> {
        let numbers: HashMap<AccountId, u64> = (0..100).map(|n| (sender(n), n)).collect();
        self.select(u32::MAX, |_| Some(0))
            .iter()
            .map(|pending| (numbers[&pending.sender], pending.nonce))
            .collect()
    }
}

/// Fills the market with transactions of senders from 50 on, one each, at this fee.
fn full(fee: u64) -> Mempool {
    let mut pool = Mempool::new(SMALL);
    for from in 0..40 {
        pool.offer(pending(50 + from, 0, fee)).unwrap();
    }
    pool
}

#[test]
fn only_runs_without_a_gap_are_taken() {
    let mut pool = Mempool::new(SMALL);
    assert_eq!(
        pool.offer(pending(1, 1, 10)),
        Err(Refusal::Gap { expected: 0 })
    );
    pool.offer(pending(1, 0, 10)).unwrap();
    assert_eq!(
        pool.offer(pending(1, 2, 10)),
        Err(Refusal::Gap { expected: 1 })
    );
    for nonce in 1..16 {
        pool.offer(pending(1, nonce, 10)).unwrap();
    }
    assert_eq!(pool.offer(pending(1, 16, 10)), Err(Refusal::SenderFull));
    assert_eq!(pool.offer(pending(1, 3, 10)), Err(Refusal::Duplicate));
    // Blocks that used some of them make room for as many.
    pool.used(&sender(1), 2);
    pool.check();
    let later = Account { nonce: 2, ..RICH };
    assert_eq!(
        pool.insert(pending(1, 1, 10), later, 10),
        Err(Refusal::NonceUsed)
    );
    pool.insert(pending(1, 16, 10), later, 10).unwrap();
    pool.insert(pending(1, 17, 10), later, 10).unwrap();
    assert_eq!(
        pool.insert(pending(1, 18, 10), later, 10),
        Err(Refusal::SenderFull)
    );
}

/// A block may hold what this pool never saw; whatever was skipped that way leaves no gap behind.
#[test]
fn a_pool_that_missed_some_goes_on_from_the_account() {
    let mut pool = Mempool::new(SMALL);
    pool.offer(pending(1, 0, 10)).unwrap();
    let later = Account { nonce: 5, ..RICH };
    assert_eq!(
        pool.insert(pending(1, 6, 10), later, 10),
        Err(Refusal::Gap { expected: 5 })
    );
    pool.insert(pending(1, 5, 10), later, 10).unwrap();
    pool.check();
    assert_eq!(pool.len(), 1);
}

#[test]
fn a_balance_covers_all_that_waits() {
    let mut pool = Mempool::new(SMALL);
    let account = Account {
        balance: Amount(25),
        nonce: 0,
    };
    pool.insert(pending(1, 0, 10), account, 1).unwrap();
    pool.insert(pending(1, 1, 15), account, 1).unwrap();
    let refused = Refusal::Unaffordable {
        sum: Amount(26),
        balance: Amount(25),
    };
    assert_eq!(pool.insert(pending(1, 2, 1), account, 1), Err(refused));
    // A replacement counts in place of what it replaces.
    let refused = Refusal::Unaffordable {
        sum: Amount(35),
        balance: Amount(25),
    };
    assert_eq!(pool.insert(pending(1, 0, 20), account, 1), Err(refused));
    let richer = Account {
        balance: Amount(35),
        nonce: 0,
    };
    pool.insert(pending(1, 0, 20), richer, 1).unwrap();
    pool.check();
}

#[test]
fn the_most_paid_per_byte_goes_first_and_nonces_in_order() {
    let mut pool = Mempool::new(SMALL);
    pool.offer(pending(1, 0, 10)).unwrap();
    pool.offer(pending(2, 0, 20)).unwrap();
    pool.offer(pending(2, 1, 5)).unwrap();
    // Half of the bytes for the same money; and something dear behind something cheap.
    pool.offer(sized(3, 0, 20, 50)).unwrap();
    pool.offer(pending(4, 0, 1)).unwrap();
    pool.offer(pending(4, 1, 99)).unwrap();
    pool.offer(pending(5, 0, 10)).unwrap();
    let expected = [(3, 0), (2, 0), (1, 0), (5, 0), (2, 1), (4, 0), (4, 1)];
    assert_eq!(pool.order(), expected);
    // What the state has used already is passed over.
    let next = |account: &AccountId| Some(u64::from(*account == sender(4)));
    assert_eq!(pool.select(u32::MAX, next)[0].sender, sender(4));
    assert!(pool.select(u32::MAX, |_| None).is_empty() && !pool.has_next(|_| None));
}

#[test]
fn in_a_full_pool_the_dear_take_the_places_of_the_cheap() {
    let mut pool = full(10);
    assert_eq!(
        pool.offer(pending(1, 0, 10)),
        Err(Refusal::Full { fee: Amount(11) })
    );
    pool.offer(pending(1, 0, 11)).unwrap();
    assert_eq!(pool.len(), 40);
    // The last to come among equals went.
    assert!(!pool.contains(&pending(89, 0, 10).id));
    // A long one needs the places of several; bytes are full before places are.
    let mut pool = Mempool::new(SMALL);
    for from in 0..20 {
        pool.offer(sized(50 + from, 0, 100, 500)).unwrap();
    }
    let Err(Refusal::Full { fee }) = pool.offer(sized(1, 0, 100, 1_500)) else {
        panic!("a cheap one was taken");
    };
    pool.offer(sized(1, 0, fee.0, 1_500)).unwrap();
    assert_eq!(pool.len(), 18);
}

/// The fee named in a refusal is the least that is taken.
#[test]
fn the_fee_that_a_refusal_names_would_do() {
    for (worth, bytes) in [(1, 100), (10, 37), (999, 101), (12_345, 250), (7, 1)] {
        let mut pool = full(worth);
        let Err(Refusal::Full { fee }) = pool.offer(sized(1, 0, 0, bytes)) else {
            panic!("a free one was taken");
        };
        let less = sized(1, 0, fee.0 - 1, bytes);
        assert_eq!(pool.offer(less), Err(Refusal::Full { fee }));
        pool.offer(sized(1, 0, fee.0, bytes)).unwrap();
    }
}

#[test]
fn evictions_take_the_end_of_a_run_and_never_its_middle() {
    let mut pool = Mempool::new(SMALL);
    for from in 50..60 {
        pool.offer(pending(from, 0, 100)).unwrap();
        pool.offer(pending(from, 1, 5)).unwrap();
        // Dear, but it cannot go before what is cheap.
        pool.offer(pending(from, 2, 900)).unwrap();
        pool.offer(pending(from, 3, 100)).unwrap();
    }
    for from in 0..30 {
        pool.offer(pending(from, 0, 50)).unwrap();
    }
    let left: Vec<_> = pool
        .order()
        .into_iter()
        .filter(|(from, _)| *from >= 50)
        .collect();
    assert_eq!(left, (50..60).map(|from| (from, 0)).collect::<Vec<_>>());
    let refused = pool.offer(pending(30, 0, 50));
    assert_eq!(refused, Err(Refusal::Full { fee: Amount(51) }));
    // Its own price would do, that of the one before it does not.
    pool.offer(pending(30, 0, 60)).unwrap();
    let mut pool = full(10);
    pool.offer(pending(1, 0, 11)).unwrap();
    for from in 0..39 {
        pool.offer(pending(10 + from, 0, 20)).unwrap();
    }
    assert_eq!(pool.offer(pending(1, 1, 99)), Err(Refusal::Behind));
}

#[test]
fn a_tenth_more_replaces_and_less_does_not() {
    let mut pool = Mempool::new(SMALL);
    pool.offer(pending(1, 0, 100)).unwrap();
    pool.offer(pending(1, 1, 100)).unwrap();
    let taken = Refusal::NonceTaken { fee: Amount(110) };
    assert_eq!(pool.offer(pending(1, 0, 109)), Err(taken));
    pool.offer(pending(1, 0, 110)).unwrap();
    assert!(!pool.contains(&pending(1, 0, 100).id));
    assert_eq!(pool.order(), [(1, 0), (1, 1)]);
    // For twice the bytes twice as much, and a tenth.
    let Err(Refusal::NonceTaken { fee }) = pool.offer(sized(1, 1, 110, 200)) else {
        panic!("taken for less a byte");
    };
    assert_eq!(fee, Amount(220));
    pool.offer(sized(1, 1, 220, 200)).unwrap();
    // In a full pool too, in its own place.
    let mut pool = full(10);
    pool.offer(pending(50, 0, 11)).unwrap();
    assert_eq!(pool.len(), 40);
}

#[test]
fn a_move_has_its_place_whatever_others_pay() {
    let mut pool = full(1_000_000);
    pool.offer(urgent(1, 0, 1, 100)).unwrap();
    pool.offer(urgent(2, 0, 1, 100)).unwrap();
    assert_eq!(pool.len(), 42);
    assert_eq!(pool.order()[..2].len(), 2);
    assert!(pool.order()[..2].contains(&(1, 0)) && pool.order()[..2].contains(&(2, 0)));
    // Only that call: the next one of the same account pays like any other.
    assert!(matches!(
        pool.offer(pending(1, 1, 1)),
        Err(Refusal::Full { .. })
    ));
    // Not behind something else of its sender, for which there would be no place.
    let mut pool = Mempool::new(SMALL);
    pool.offer(pending(1, 0, 1)).unwrap();
    pool.offer(urgent(1, 1, 1, 100)).unwrap();
    assert_eq!(pool.reserved.transactions, 0);
}

#[test]
fn a_move_can_be_signed_again_and_keeps_one_place() {
    let mut pool = full(1_000);
    pool.offer(urgent(1, 0, 1, 100)).unwrap();
    let mut dearer = urgent(1, 0, 1, 100);
    dearer.fee = Amount(2);
    dearer.id = pending(1, 0, 2).id;
    pool.offer(dearer.clone()).unwrap();
    assert_eq!(pool.reserved.transactions, 1);
    assert!(pool.contains(&dearer.id) && pool.len() == 41);
    // A replacement that is no move goes to the market and leaves the place.
    pool.offer(pending(1, 0, 2_000)).unwrap();
    assert_eq!(pool.reserved.transactions, 0);
}

#[test]
fn the_least_time_left_goes_first_and_stays() {
    let mut pool = full(1_000);
    for (from, deadline) in [(1, 500), (2, 100), (3, 300), (4, 200)] {
        pool.offer(urgent(from, 0, from, deadline)).unwrap();
    }
    assert_eq!(pool.order()[..4], [(2, 0), (4, 0), (3, 0), (1, 0)]);
    // The share is full: the one with the most time left makes room, for less time only.
    assert!(matches!(
        pool.offer(urgent(5, 0, 5, 600)),
        Err(Refusal::Full { .. })
    ));
    pool.offer(urgent(6, 0, 6, 150)).unwrap();
    assert_eq!(pool.order()[..4], [(2, 0), (6, 0), (4, 0), (3, 0)]);
    assert!(!pool.contains(&urgent(1, 0, 1, 500).id));
    // Over is over: the block after the next deadline cannot hold it.
    pool.expire(block_at(98));
    pool.check();
    assert_eq!(pool.reserved.transactions, 4);
    pool.expire(block_at(99));
    pool.check();
    assert_eq!(pool.order()[..3], [(6, 0), (4, 0), (3, 0)]);
    pool.used(&sender(6), 1);
    pool.check();
    assert_eq!(pool.reserved.transactions, 2);
}

/// Moves fill at most half of a block while others pay for it.
#[test]
fn moves_leave_the_market_half_of_a_block() {
    let wide = Room {
        transactions: 100_000,
        bytes: 100 << 20,
    };
    let limits = Limits {
        market: wide,
        reserved: wide,
        ..SMALL
    };
    let mut pool = Mempool::new(limits);
    for from in 0..60 {
        let mut long = urgent(from, 0, from, 100 + from);
        long.encoded = Arc::new(vec![0; 40_000]);
        pool.insert(long, RICH, 10).unwrap();
    }
    let dear = 40_000 * 1_000;
    for from in 60..100 {
        pool.insert(sized(from, 0, dear, 40_000), RICH, 10).unwrap();
    }
    pool.check();
    let order = pool.order();
    let moves = order.iter().filter(|(from, _)| *from < 60).count();
    assert_eq!(order[0], (0, 0));
    assert!((24..=27).contains(&moves), "{moves} of {}", order.len());
    // Without the market they have all of it.
    for from in 60..100 {
        pool.used(&sender(from), 1);
    }
    assert!(pool.order().len() > 50);
}

#[test]
fn nothing_waits_for_ever() {
    let mut pool = Mempool::new(SMALL);
    pool.insert(pending(1, 0, 10), RICH, 10).unwrap();
    pool.insert(pending(1, 1, 10), RICH, 200).unwrap();
    pool.insert(pending(2, 0, 10), RICH, 200).unwrap();
    pool.expire(block_at(310));
    assert_eq!(pool.len(), 3);
    // What stands behind it goes too.
    pool.expire(block_at(311));
    pool.check();
    assert_eq!(pool.order(), [(2, 0)]);
}

/// Whatever comes in whatever order, nobody has a gap and nothing is counted twice.
#[test]
fn any_history_keeps_the_books() {
    let cases = std::env::var("ASSAY_CASES").ok();
    let cases: u64 = cases.and_then(|text| text.parse().ok()).unwrap_or(60);
    for seed in 0..cases {
        let mut dice = Stream::new(digest("test/pool", seed), "history", 0);
        let mut pool = Mempool::new(Limits {
            // Ranked by time alone, and by what is held.
            urgent_ms: seed % 2 * 40,
            ..SMALL
        });
        let mut nonces = [0u64; 12];
        for height in 1..400 {
            let from = dice.below(12);
            let at = usize::try_from(from).unwrap();
            let account = Account {
                balance: Amount(dice.below(100_000)),
                nonce: nonces[at],
            };
            match dice.below(10) {
                0 => {
                    nonces[at] += dice.below(4);
                    pool.used(&sender(from), nonces[at]);
                }
                1 => pool.expire(block_at(height)),
                2 => pool.drop_from(&sender(from), nonces[at] + dice.below(4)),
                kind => {
                    let nonce = nonces[at] + dice.below(8);
                    let bytes = usize::try_from(20 + dice.below(600)).unwrap();
                    let mut tx = sized(from, nonce, dice.below(3_000), bytes);
                    if kind < 5 {
                        tx.turn = urgent(from, nonce, dice.below(3), height + dice.below(50)).turn;
                        if let Some(turn) = &mut tx.turn {
                            turn.stake = Amount(dice.below(4));
                        }
                    }
                    let _either = pool.insert(tx, account, height);
                }
            }
            pool.check();
            let mut next: HashMap<AccountId, u64> = (0..12)
                .map(|n| (sender(n), nonces[usize::try_from(n).unwrap()]))
                .collect();
            let chosen = pool.select(u32::MAX, |sender| next.get(sender).copied());
            for pending in chosen {
                let expected = next.get_mut(&pending.sender).unwrap();
                assert_eq!(pending.nonce, *expected, "seed {seed}: a block with a gap");
                *expected += 1;
            }
        }
    }
}
