//! What terms for several copies must say.

use assay_ledger::{AccountRefusal, Amount, OrderCall, Phase, Refusal, Terms, rules};

use super::crew::{copies, crowd};
use crate::world::{BALANCE, Who, parameters, terms};

fn fields(terms: &Terms) -> Vec<&'static str> {
    let problems = rules::problems(terms, &parameters()).into_iter();
    problems.map(|problem| problem.field).collect()
}

#[test]
fn terms_for_copies_ask_for_no_audit() {
    for count in 2..=Terms::MAX_COPIES {
        assert_eq!(fields(&copies(count)), Vec::<&str>::new());
        let audited = Terms {
            copies: count,
            ..terms()
        };
        let named = fields(&audited);
        assert_eq!(named, ["auditors", "segments_drawn", "auditor_fee"]);
        type Change = fn(&mut Terms);
        let changes: [(&str, Change); 3] = [
            ("auditors", |terms| terms.auditors = 1),
            ("segments_drawn", |terms| terms.segments_drawn = 1),
            ("auditor_fee", |terms| terms.auditor_fee = Amount(1)),
        ];
        for (field, change) in changes {
            let mut terms = copies(count);
            change(&mut terms);
            assert_eq!(fields(&terms), [field]);
            let refusal = rules::check_terms(&terms, &parameters()).unwrap_err();
            assert!(refusal.to_string().contains(field), "{refusal}");
        }
    }
    // No auditor is bound, so no bond is asked for.
    let mut free = copies(2);
    free.auditor_bond = Amount::ZERO;
    assert_eq!(fields(&free), Vec::<&str>::new());
}

#[test]
fn there_are_one_to_eight_copies() {
    for count in [0, 9, u8::MAX] {
        assert!(fields(&copies(count)).contains(&"copies"), "{count}");
    }
    let mut world = crowd();
    let refusal = {
        let terms = copies(9);
        world.refuse(Who::Requester, OrderCall::Post(Box::new(terms)))
    };
    assert!(refusal.to_string().contains("copies is 9"), "{refusal}");
    assert_eq!(fields(&terms()), Vec::<&str>::new());
    let none = Terms {
        copies: 0,
        ..terms()
    };
    assert_eq!(fields(&none), ["copies"]);
}

#[test]
fn the_escrow_is_a_price_and_an_idle_fee_for_each_copy() {
    let idle = terms().idle_fee(&parameters()).0;
    let escrow = copies(3).escrow(&parameters());
    // Three copies and one in place of another.
    assert_eq!(escrow, Some(Amount(Amount::tokens(30).0 + 4 * idle)));
    let escrow = terms().escrow(&parameters());
    assert_eq!(escrow, Some(Amount(Amount::tokens(11).0 + idle)));
    for count in 2..=8 {
        let escrow = copies(count).pay();
        assert_eq!(escrow, Some(Amount::tokens(10 * u64::from(count))));
    }
    let dear = |price, count| Terms {
        price,
        ..copies(count)
    };
    assert_eq!(dear(Amount(u64::MAX), 2).pay(), None);
    assert_eq!(dear(Amount(u64::MAX / 8 + 1), 8).pay(), None);
    assert_eq!(
        dear(Amount(u64::MAX / 8), 8).pay(),
        Some(Amount(u64::MAX / 8 * 8))
    );
    let mut world = crowd();
    let order = world.post(&copies(2));
    assert_eq!(world.phase(order), Phase::Posted);
    let too_much = OrderCall::Post(Box::new(dear(Amount(u64::MAX), 2)));
    let overflow = Refusal::Account(AccountRefusal::Overflow);
    assert_eq!(world.refuse(Who::Requester, too_much), overflow);
    // Enough for one price is not enough for two.
    let half = Amount(BALANCE.0 * 3 / 4);
    let dear = OrderCall::Post(Box::new(dear(half, 2)));
    assert!(matches!(
        world.refuse(Who::Requester, dear),
        Refusal::Account(AccountRefusal::InsufficientBalance { .. })
    ));
}

/// The attempts beyond the first are those in place of others: the key commitment covers all.
#[test]
fn runs_are_the_copies_and_those_in_place_of_others() {
    assert_eq!(terms().most_runs(), 2);
    assert_eq!(copies(3).most_runs(), 4);
    assert_eq!(Terms::runs(8, 16), 23);
}
