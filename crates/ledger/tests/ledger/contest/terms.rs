//! What is refused of terms, with what would be right.

use assay_crypto::custody::CustodyPoint;
use assay_ledger::{Amount, ContestTerms, CustodyTerms, Ppm, RoundTerms, Terms, rules};

use super::{terms, terms_with, world};
use crate::world::parameters;

/// A change that makes terms impossible, the field that says so, and a part of what it says.
type Case = (
    &'static str,
    &'static str,
    fn(&mut Terms, &mut ContestTerms),
);

#[test]
fn terms_that_make_no_sense_are_refused_with_the_formula_and_a_remedy() {
    let cases: [Case; 18] = [
        ("most", "from 1 to 64", |_, of| of.most = 65),
        ("most", "from 1 to 64", |_, of| of.most = 0),
        ("least", "from 1 to 3", |_, of| of.least = 4),
        ("least", "from 1 to 3", |_, of| of.least = 0),
        ("places", "from 1 to 3", |_, of| of.places = 4),
        ("places", "from 1 to 3", |_, of| of.places = 0),
        ("copies", "from 1 to 1", |terms, _| terms.copies = 2),
        ("attempts", "from 1 to 1", |terms, _| terms.attempts = 2),
        ("shares", "it must be 1000000", |_, of| {
            of.shares.pot = Ppm(0)
        }),
        ("winner", "usual is 700000", |_, of| {
            of.winner = Ppm(1_000_001)
        }),
        ("baseline", "no score is above", |_, of| {
            of.baseline = u64::MAX
        }),
        ("custody", "no Ristretto255 point", |_, of| {
            of.custody = CustodyTerms::Validators {
                key: CustodyPoint([0; 32]),
            }
        }),
        ("test", "one of the inputs", |terms, of| {
            of.test = terms.inputs[0].clone()
        }),
        ("deadlines.open", "a claimant", |terms, _| {
            terms.deadlines.run = terms.deadlines.open + 1
        }),
        // One false segment of three is not drawn once in (2/3)^1 of cases: 10 * (1 - p) < 7.5 * p.
        (
            "provider_bond",
            "(bond - what comes back) * (1 - p)",
            |terms, _| {
                terms.segments_drawn = 1;
                terms.provider_bond = Amount::tokens(20);
            },
        ),
        (
            "provider_bond",
            "the providers' share of the price",
            |terms, _| terms.provider_bond = Amount::tokens(151),
        ),
        ("shares", "the share of validators is", |_, of| {
            of.shares.validators = Ppm(0);
            of.shares.providers = Ppm(870_000);
        }),
        ("shares", "the share of verifiers", |_, of| {
            of.shares.verifiers = Ppm(0);
            of.shares.providers = Ppm(800_000);
        }),
    ];
    assert_eq!(rules::problems(&terms(), &parameters()), []);
    for (field, says, change) in cases {
        let mut changed = terms();
        let mut contest = changed.contest.take().unwrap();
        change(&mut changed, &mut contest);
        changed.contest = Some(contest);
        let found = rules::problems(&changed, &parameters());
        let named = found
            .iter()
            .any(|of| of.field == field && of.text.contains(says));
        assert!(named, "{field} {says}: {found:?}");
    }
}

#[test]
fn nobody_competes_for_what_has_no_score_or_has_rounds() {
    let contest = terms().contest;
    let other = Terms {
        contest: contest.clone(),
        attempts: 1,
        ..crate::world::terms()
    };
    let found = rules::problems(&other, &parameters());
    let named = found
        .iter()
        .any(|of| of.field == "contest" && of.text.contains("train"));
    assert!(named, "{found:?}");
    let both = Terms {
        rounds: Some(RoundTerms {
            rounds: 1,
            least: 1,
            most: 1,
            audited: 1,
            merge_fee: Amount(400_000),
            update_bytes: 32,
        }),
        ..terms()
    };
    let found = rules::problems(&both, &parameters());
    assert!(found.iter().any(|of| of.field == "contest"), "{found:?}");
    // Their bytes say which of both they are, one bit each.
    for terms in [
        terms(),
        both,
        crate::rounds::terms(2),
        crate::world::terms(),
    ] {
        let bytes = borsh::to_vec(&terms).unwrap();
        assert_eq!(borsh::from_slice::<Terms>(&bytes).unwrap(), terms);
        let json = serde_json::to_string(&terms).unwrap();
        assert_eq!(serde_json::from_str::<Terms>(&json).unwrap(), terms);
        assert_eq!(json.contains("contest"), terms.contest.is_some());
    }
    let mut bytes = borsh::to_vec(&crate::world::terms()).unwrap();
    assert_eq!(bytes.pop(), Some(0));
    bytes.push(4);
    assert!(borsh::from_slice::<Terms>(&bytes).is_err());
}

#[test]
fn the_escrow_holds_the_price_and_an_audit_of_every_claim() {
    let mut world = world();
    let order = world.post_contest(&terms());
    // Answers cost nothing here; two auditors' fees for each of three claims.
    let expected = 10_000_000 + 3 * 2 * 500_000;
    assert_eq!(world.order(order).head.escrow, Amount(expected));
    let more = terms_with(|of| of.most = 64).escrow(&parameters()).unwrap();
    assert_eq!(more, Amount(10_000_000 + 64 * 1_000_000));
}
