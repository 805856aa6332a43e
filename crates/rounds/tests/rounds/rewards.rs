//! Who is paid what.

use assay_rounds::{Part, Sender, Update, improvement, shares};
use proptest::prelude::*;

use crate::common::{Federation, alike, cases, digits, kernel, relabelled, seed, spec};

proptest! {
    #![proptest_config(cases(256))]

    /// No more is shared out than there is, nobody gains by others' parts, and equal parts get equal shares.
    #[test]
    fn shares_add_up_and_are_in_proportion(
        pool in any::<u64>(),
        most in any::<i64>(),
        parts in prop::collection::vec((any::<u64>(), any::<i64>()), 0..40),
    ) {
        let parts: Vec<Part> = parts.iter().map(|(steps, improvement)| Part {
            steps: *steps,
            improvement: *improvement,
        }).collect();
        let shared = shares(pool, most, &parts);
        let sum: u128 = shared.iter().map(|share| u128::from(*share)).sum();
        prop_assert!(sum <= u128::from(pool));
        for (part, share) in parts.iter().zip(&shared) {
            if part.steps == 0 || part.improvement <= 0 || most <= 0 {
                prop_assert_eq!(*share, 0);
            }
        }
        let doubled = [&parts[..], &parts[..]].concat();
        let halves = shares(pool, most, &doubled);
        prop_assert_eq!(&halves[..parts.len()], &halves[parts.len()..]);
    }

    /// Within one unit of the exact quotient, and never above it.
    #[test]
    fn shares_are_the_quotients(
        pool in 0u64..1 << 40,
        parts in prop::collection::vec((0u64..1000, -5i64..2000), 1..20),
    ) {
        let parts: Vec<Part> = parts.iter().map(|(steps, improvement)| Part {
            steps: *steps,
            improvement: *improvement,
        }).collect();
        let weight = |part: &Part| u128::from(part.steps) * part.improvement.clamp(0, 1000) as u128;
        let all: u128 = parts.iter().map(weight).sum();
        for (part, share) in parts.iter().zip(shares(pool, 1000, &parts)) {
            let exact = (u128::from(pool) * weight(part)).checked_div(all).unwrap_or(0);
            prop_assert_eq!(u128::from(share), exact);
        }
    }
}

/// On rows that nobody trains on, an honest update improves the model; an idle one does nothing, and a lie
/// is worth nothing.
#[test]
fn who_improves_nothing_gets_nothing() {
    let mut federation = Federation::new(spec(), alike(&digits().0, 4));
    federation.shards[3] = relabelled(&federation.shards[3], |class| (class + 1) % 10);
    let mut measured = Vec::new();
    for trainer in 0..4 {
        let mut local = federation.local(trainer).unwrap();
        if trainer == 2 {
            local.state = federation.rounds.model().clone();
        }
        let bytes = federation.sent(trainer, &local);
        let (spec, model) = (federation.rounds.spec(), federation.rounds.model());
        let update = Update::decode(&bytes, spec, model.parameters().len()).unwrap();
        let improved = improvement(&kernel(), spec, model, (&update, 0), &digits().1).unwrap();
        measured.push(Part {
            steps: 8,
            improvement: improved,
        });
    }
    let shared = shares(1_000_000, 1 << 21, &measured);
    println!("{measured:?} {shared:?}");
    assert!(shared[0] > 200_000 && shared[1] > 200_000);
    assert_eq!(shared[2..], [0, 0]);
    // Twice as much as anybody improves it is not paid twice.
    let capped = shares(1_000_000, 1, &measured);
    assert_eq!(capped, [500_000, 500_000, 0, 0]);
}

#[test]
fn an_update_that_breaks_the_model_is_worth_the_least() {
    let mut far = spec();
    far.quantiser = assay_aggregate::Quantiser::new(24, -100).unwrap();
    let federation = Federation::new(far.clone(), alike(&digits().0, 1));
    let model = federation.rounds.model();
    let mut local = federation.local(0).unwrap();
    local.state = model.at_rest(vec![1e37; 650], 1).unwrap();
    let head = federation.rounds.head(0);
    let bytes = Sender::default()
        .send(&far, &head, model, &local, &seed(0))
        .unwrap();
    let update = Update::decode(&bytes, &far, 650).unwrap();
    let worth = improvement(&kernel(), &far, model, (&update, 0), &digits().1).unwrap();
    assert!(worth <= 0, "{worth}");
}
