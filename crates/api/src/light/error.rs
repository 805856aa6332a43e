//! Why a node's word is not good enough.

use assay_chain::light::LightError as Evidence;
use assay_ledger::{Amount, Lasting, Refusal, TxId};

use crate::{client::HttpNodeError, proof::BadProof, view::Said};

/// Why a node's word was not good enough, or a call took no effect.
#[derive(Debug, thiserror::Error)]
pub enum LightError {
    /// The node cannot be asked, or refuses.
    #[error(transparent)]
    Node(#[from] HttpNodeError),
    /// The genesis cannot be used.
    #[error("the genesis file does not describe a network")]
    Genesis(#[source] Evidence),
    /// A proof does not decode.
    #[error("the node at {0} sends malformed proofs")]
    Malformed(String, #[source] BadProof),
    /// A proof does not hold: the node lies, or is of another network.
    #[error("the node at {0} cannot prove what it says; is it of the same network?")]
    Untrue(String, #[source] Evidence),
    /// The node only shows old blocks.
    #[error(
        "the node at {node} shows nothing newer than {age} ago: {}",
        stopped(.problems)
    )]
    Stale {
        /// The node.
        node: String,
        /// Age of its newest header.
        age: Lasting,
        /// What it says is in its way.
        problems: Vec<String>,
    },
    /// The node's newest header and this machine's clock are too far apart.
    #[error(
        "the newest block of the node at {node} is {apart} {side} by this machine's clock: {whose}"
    )]
    Clock {
        /// The node.
        node: String,
        /// How far apart they are.
        apart: Lasting,
        /// `old` or `in the future`.
        side: &'static str,
        /// Which clock seems wrong, and what to do.
        whose: String,
    },
    /// A list was asked for, which no proof covers.
    #[error("lists cannot be proved; ask for single entries")]
    NotProvable,
    /// A proved value is no record of the ledger.
    #[error("what the network holds cannot be understood; is this program as new as its nodes?")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The account does not have what the call needs; nothing was sent.
    #[error(
        "the account has {balance} tokens, which does not cover {amount} and the fee of {fee}; nothing was sent or charged: get more or spend less"
    )]
    Unaffordable {
        /// What the call moves.
        amount: Amount,
        /// What it would cost besides.
        fee: Amount,
        /// What there is.
        balance: Amount,
    },
    /// The ledger would refuse the call; nothing was sent.
    #[error("`{0}` would be refused: {1}; nothing was sent or charged")]
    Pointless(&'static str, Refusal),
    /// The ledger refused the call; the fee is paid.
    #[error("the ledger refused `{0}`: {1}; the fee of {2} tokens was charged")]
    Refused(&'static str, Refusal, Amount),
    /// The call was in no block when time ran out.
    #[error("transaction {0} of `{1}` is in no block yet{2}; it may still come into one")]
    Late(TxId, &'static str, Said),
}

/// Why there are no new blocks: what the node says of it, or what may be.
fn stopped(problems: &[String]) -> String {
    match problems.is_empty() {
        true => "the network has stopped, the node is cut off, or this machine's clock is wrong"
            .to_owned(),
        false => format!("it says itself: {}", problems.join("; ")),
    }
}

/// Why a header of `stamp` is no news at `now`, given the node's clock.
pub(super) fn apart(node: String, now: u64, stamp: u64, theirs: Option<u64>) -> LightError {
    let apart = Lasting(now.abs_diff(stamp));
    let agree = |one: u64, other: u64| one.abs_diff(other) < now.abs_diff(stamp) / 2;
    let (with_block, with_us) = match theirs {
        Some(theirs) => (agree(theirs, stamp), agree(theirs, now)),
        None => (false, false),
    };
    let old = now > stamp;
    if old && !with_block {
        return LightError::Stale {
            node,
            age: apart,
            problems: Vec::new(),
        };
    }
    let own = if old { "ahead" } else { "behind" };
    LightError::Clock {
        node,
        apart,
        side: if old { "old" } else { "in the future" },
        whose: match (with_block, with_us) {
            (true, false) => format!(
                "this machine's clock seems to be {apart} {own}, since the node's agrees with \
                 the block; set it by NTP"
            ),
            (false, true) => format!(
                "the validators' clocks seem to be {apart} ahead, since the node's agrees with \
                 this machine's; whoever runs them should set them by NTP"
            ),
            _ => format!(
                "this machine's clock is {apart} {own}, or the validators' are off; compare \
                 it with another machine's"
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 10_000_000;

    fn told(now: u64, stamp: u64, theirs: Option<u64>) -> String {
        apart("http://a".to_owned(), now, stamp, theirs).to_string()
    }

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much_and_whose() {
        let ahead = told(NOW + 600_000, NOW, Some(NOW + 300));
        assert!(
            ahead.contains("10 min old") && ahead.contains("seems to be 10 min ahead"),
            "{ahead}"
        );
        let behind = told(NOW - 600_000, NOW, Some(NOW + 300));
        assert!(behind.contains("10 min in the future"), "{behind}");
        assert!(
            behind.contains("this machine's clock seems to be 10 min behind"),
            "{behind}"
        );
        let theirs = told(NOW, NOW + 90_000, Some(NOW - 10));
        assert!(
            theirs.contains("validators' clocks seem to be 1 min 30 s ahead"),
            "{theirs}"
        );
        let unknown = told(NOW, NOW + 90_000, None);
        assert!(unknown.contains("or the validators' are off"), "{unknown}");
    }

    #[test]
    fn a_network_that_stands_still_is_no_clock() {
        for theirs in [None, Some(NOW), Some(NOW - 2_000)] {
            let stale = told(NOW, NOW - 120_000, theirs);
            assert!(stale.contains("nothing newer than 2 min ago"), "{stale}");
        }
    }

    #[test]
    fn what_a_standing_node_says_of_itself_is_told() {
        let stale = |problems| {
            let (node, age) = ("http://a".to_owned(), Lasting(61_000));
            LightError::Stale {
                node,
                age,
                problems,
            }
            .to_string()
        };
        assert!(stale(vec![]).contains("the network has stopped"));
        let said = stale(vec!["no new block since height 43".to_owned()]);
        assert!(
            said.ends_with("it says itself: no new block since height 43"),
            "{said}"
        );
    }
}
