//! The side of those who merge.

use assay_aggregate::{DecodeError, Quantiser, Settings};
use assay_estimator::State;
use assay_job::federated::{self, LeftOut, Merged};
use assay_job::{BuildError, deliver};
use assay_kernel::Kernel;
use assay_ledger::{Counts, StateFile};
use assay_rounds::{self as rounds, RoundSpec, Rounds, Submission, Unmerged, UpdateFault};

use super::{Federation, examples, seed};

/// The last states of all trainers.
fn lasts(federation: &Federation) -> Vec<Vec<u8>> {
    let all = 0..federation.rows.len() as u16;
    all.map(|trainer| federation.last(trainer)).collect()
}

fn numbered(states: &[Vec<u8>]) -> Vec<(u16, &[u8])> {
    (0..).zip(states.iter().map(Vec::as_slice)).collect()
}

/// What the library makes of the same updates.
fn expected(federation: &Federation, states: &[Vec<u8>]) -> Vec<u8> {
    let mut rounds =
        Rounds::resume(federation.spec(), federation.round, &federation.model).unwrap();
    let submissions: Vec<Submission<'_>> = (0..)
        .zip(states)
        .map(|(trainer, bytes)| Submission {
            trainer,
            rows: 1,
            bytes,
        })
        .collect();
    let seed = seed(!federation.round);
    let kernel = Kernel::detect().unwrap();
    rounds.merge(&kernel, &seed, &submissions).unwrap();
    rounds.model().to_bytes()
}

#[test]
fn merging_is_that_of_the_library_in_whatever_order_updates_come() {
    let mut federation = Federation::new(&[], 6);
    let whole = federation.spec();
    let mut straight = Rounds::new(whole, &assay_crypto::Digest::ZERO).unwrap();
    for round in 0..3 {
        federation.round = round;
        assert_eq!(federation.model, straight.model().to_bytes());
        let states = lasts(&federation);
        let mut updates = numbered(&states);
        let merged = federation.merge(&updates);
        assert_eq!((merged.updates, &merged.left_out[..]), (6, &[][..]));
        assert_eq!(merged.model.as_ref(), Ok(&expected(&federation, &states)));
        updates.reverse();
        updates.swap(1, 4);
        assert_eq!(federation.merge(&updates), merged);
        // A federation that keeps everything goes the same way.
        let submissions: Vec<_> = (0..)
            .zip(&states)
            .map(|(trainer, bytes)| Submission {
                trainer,
                rows: 1,
                bytes,
            })
            .collect();
        let kernel = Kernel::detect().unwrap();
        straight
            .merge(&kernel, &seed(!round), &submissions)
            .unwrap();
        federation.model = merged.model.unwrap();
    }
    assert_eq!(federation.model, straight.model().to_bytes());
}

/// The reason for which one update of seven is left out; the others are merged without it.
fn left_out(federation: &Federation, states: &[Vec<u8>], bad: Vec<u8>) -> LeftOut {
    let mut all = states.to_vec();
    let without: Vec<Vec<u8>> = all.drain(..6).collect();
    let mut updates = numbered(&without);
    updates.push((6, &bad));
    let Merged {
        model,
        updates,
        mut left_out,
        ..
    } = federation.merge(&updates);
    assert_eq!((updates, left_out.len()), (6, 1));
    assert_eq!(model, Ok(expected(federation, &without)));
    let (trainer, why) = left_out.remove(0);
    assert_eq!(trainer, 6);
    why
}

#[test]
fn an_update_that_is_none_of_this_round_is_left_out_with_its_reason() {
    let mut federation = Federation::new(&[], 7);
    let before = lasts(&federation);
    federation.model = federation.merge(&numbered(&before)).model.unwrap();
    federation.round = 1;
    let states = lasts(&federation);
    let own = &states[6];
    let why = |bad: Vec<u8>| left_out(&federation, &states, bad);
    let at = |place: usize, bytes: &[u8]| {
        let mut update = own.clone();
        update[place..place + bytes.len()].copy_from_slice(bytes);
        update
    };
    let of = |fault: UpdateFault| LeftOut::Update(rounds::LeftOut::Fault(fault));
    // Parameters, whose trainer has made no update.
    let parameters = federation.states(6)[4].clone();
    assert_eq!(why(parameters), LeftOut::NoUpdate);
    // A NaN and an infinity have no integer: as floats they are no update, as integers they are out of the scale.
    let floats = |value: f32| value.to_le_bytes().repeat(700);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(why(floats(value)), of(UpdateFault::NotAnUpdate));
    }
    for value in [0x7f_ffff_u32, 0x80_0000] {
        let found = why(at(64 + 3 * 5, &value.to_le_bytes()[..3]));
        let LeftOut::Update(rounds::LeftOut::Fault(UpdateFault::Values(DecodeError::Value {
            coordinate,
            ..
        }))) = found
        else {
            panic!("{found:?}");
        };
        assert_eq!(coordinate, 5);
    }
    // A parameter that is none.
    let mut none = federation.states(6)[4].clone();
    none[56..60].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_eq!(why(none), of(UpdateFault::NotAnUpdate));
    // Another scale, another encoding, another version.
    assert!(matches!(
        why(at(58, &[19])),
        LeftOut::Update(rounds::LeftOut::Fault(UpdateFault::Scale { bits: 19, .. }))
            | LeftOut::Update(rounds::LeftOut::Fault(UpdateFault::Values(_)))
    ));
    assert_eq!(why(at(8, &[2])), of(UpdateFault::Encoding));
    assert_eq!(why(at(7, &[9])), of(UpdateFault::Version(9)));
    // Of another shape.
    let wide = Federation::new(
        &[
            ("classes = 10", "classes = 11"),
            ("\"9\"]", "\"9\", \"x\"]"),
        ],
        7,
    );
    let wrong = wide.last(6);
    assert!(matches!(
        why(wrong),
        LeftOut::Update(rounds::LeftOut::Fault(
            UpdateFault::Values(_) | UpdateFault::Coordinates { .. }
        ))
    ));
    // Cut off, and drawn out.
    for length in [0, 30, 57, own.len() - 1] {
        let why = why(own[..length].to_vec());
        assert!(
            matches!(why, LeftOut::Update(rounds::LeftOut::Fault(_))),
            "{why:?}"
        );
    }
    assert!(matches!(why([&own[..], &[0]].concat()), LeftOut::Update(_)));
    // Replayed: of the round before, of another trainer, of another model.
    let round = rounds::LeftOut::Round {
        found: 0,
        first: 1,
        last: 1,
    };
    assert_eq!(why(before[6].clone()), LeftOut::Update(round));
    let other = rounds::LeftOut::OtherTrainer(2);
    assert_eq!(why(states[2].clone()), LeftOut::Update(other));
    assert!(matches!(
        why(at(25, &[own[25] ^ 1])),
        LeftOut::Update(rounds::LeftOut::Fault(UpdateFault::Base { .. }))
    ));
}

/// One trainer's update with its integers replaced.
fn with_values(spec: &RoundSpec, own: &[u8], value: impl Fn(i32) -> i32) -> Vec<u8> {
    let update = rounds::Update::decode(own, spec, 650).unwrap();
    let largest = spec.quantiser.largest();
    let values = update.to_vec().into_iter();
    let values: Vec<i32> = values
        .map(|of| value(of).clamp(-largest, largest))
        .collect();
    let body = assay_aggregate::encode(&spec.quantiser, &values).unwrap();
    [&own[..57], &body].concat()
}

#[test]
fn a_million_times_an_update_or_its_opposite_counts_and_decides_nothing() {
    let federation = Federation::new(&[], 10);
    let spec = federation.spec();
    assert_eq!(spec.aggregation, Settings::default());
    let states = lasts(&federation);
    let model = |bytes: &Vec<u8>| State::from_bytes(bytes, &spec.learning.model).unwrap();
    let honest = model(&federation.merge(&numbered(&states)).model.unwrap());
    let distance = |of: &State| -> f64 {
        let both = of.parameters().iter().zip(honest.parameters());
        let squares = both.map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let moved: f64 = honest
        .parameters()
        .iter()
        .map(|p| f64::from(*p).powi(2))
        .sum();
    for attack in [1_000_000, -1, -1_000_000, 0] {
        let mut attacked = states.clone();
        for liar in [1, 4, 8] {
            attacked[liar] =
                with_values(&spec, &states[liar], |value| value.saturating_mul(attack));
        }
        let merged = federation.merge(&numbered(&attacked));
        assert_eq!((merged.updates, &merged.left_out[..]), (10, &[][..]));
        let model = model(&merged.model.unwrap());
        assert!(distance(&model) < 0.5 * moved.sqrt(), "{attack}");
    }
}

#[test]
fn a_round_with_too_few_updates_merges_none_and_everybody_says_the_same() {
    let federation = Federation::new(&[], 6);
    let states = lasts(&federation);
    let updates = numbered(&states);
    let few = federation.merge(&updates[..3]);
    let quorum = Unmerged::BelowQuorum {
        updates: 3,
        quorum: 4,
    };
    assert_eq!(few.model, Err(quorum));
    assert_eq!(federation.merge(&[]).model, Err(Unmerged::Nobody));
    // Those that do not count are no voices.
    let parameters = federation.states(0)[1].clone();
    let mut mixed = updates.clone();
    for bad in [0, 2, 5] {
        mixed[bad].1 = &parameters;
    }
    let mixed = federation.merge(&mixed);
    assert_eq!(mixed.model, few.model);
    let left_out: Vec<_> = mixed.left_out.iter().map(|(trainer, _)| *trainer).collect();
    assert_eq!(left_out, [0, 2, 5]);
    // Of two of one trainer one counts, in every order the same.
    let twice: Vec<(u16, &[u8])> = (0..6).map(|_| (3, &states[3][..])).collect();
    assert_eq!(federation.merge(&twice).updates, 1);
    let opposite = with_values(&federation.spec(), &states[3], |value| -value);
    let mut one = updates.clone();
    one.push((3, &opposite));
    let mut other = updates;
    other.insert(0, (3, &opposite));
    assert_eq!(federation.merge(&one), federation.merge(&other));
}

#[test]
fn a_model_that_would_not_be_finite_is_not_merged() {
    let federation = Federation::new(
        &[
            ("bits = 20, exponent = 14", "bits = 24, exponent = -100"),
            ("local_steps = 8 ", "local_steps = 8\nserver_rate = 1000.0 "),
        ],
        6,
    );
    let spec = federation.spec();
    assert_eq!(spec.quantiser, Quantiser::new(24, -100).unwrap());
    let states = lasts(&federation);
    let states = states.iter();
    let huge = states.map(|own| with_values(&spec, own, |_| i32::MAX));
    let huge: Vec<_> = huge.collect();
    let merged = federation.merge(&numbered(&huge));
    assert_eq!(merged.model, Err(Unmerged::NotFinite));
    assert_eq!((merged.updates, &merged.left_out[..]), (6, &[][..]));
}

#[test]
fn what_cannot_be_merged_at_all_is_an_error_with_its_reason() {
    let federation = Federation::new(&[], 6);
    let (spec, model) = (&federation.job.specification, &federation.model);
    let zero = assay_crypto::Digest::ZERO;
    let error = |spec: &[u8], round, model: &[u8]| {
        federated::merge(spec, round, &zero, model, &[]).unwrap_err()
    };
    let run = federated::run_spec(spec, 0, 0);
    assert!(matches!(
        error(&run, 0, model),
        BuildError::Specification(_)
    ));
    assert!(matches!(error(b"", 0, model), BuildError::Specification(_)));
    for (round, model) in [
        (10, &model[..]),
        (u64::MAX, model),
        (0, b""),
        (0, &model[1..]),
    ] {
        let error = error(spec, round, model);
        assert!(
            matches!(error, BuildError::Input { name: "model", .. }),
            "{error}"
        );
    }
    assert!(federated::first_model(&run, &zero).is_err());
    assert!(federated::merging_bytes(&run, 4).is_err());
    assert!(federated::merging_bytes(spec, 0).is_err());
    let few = federated::merging_bytes(spec, 4).unwrap();
    let many = federated::merging_bytes(spec, 4_096).unwrap();
    assert!(
        few < 1 << 30 && many > 4_096 * 3 * 650 && many > few,
        "{few} {many}"
    );
}

#[test]
fn what_the_rounds_lead_to_reads_digits_and_can_be_opened() {
    let mut federation = Federation::new(&[], 8);
    for round in 0..10 {
        federation.round = round;
        let states = lasts(&federation);
        let updates = numbered(&states);
        federation.model = federation.merge(&updates).model.unwrap();
    }
    let job = &federation.job;
    let (inputs, private) = (job.read_inputs().unwrap(), job.read_private().unwrap());
    assert!(inputs.is_empty());
    let stored = StateFile::encode(&Counts::default(), federation.model.clone());
    let delivery = deliver(job.kind, &job.specification, (&inputs, &private), &stored).unwrap();
    assert!(delivery.figures["accuracy"] > 0.9, "{:?}", delivery.figures);
    assert_eq!(delivery.figures["rounds"], 10.0);
    assert_eq!(delivery.figures["heldout_rows"], 359.0);
    assert!(delivery.warnings.is_empty());
    let names: Vec<_> = delivery
        .files
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["model.safetensors", "model.json"]);
    let description = String::from_utf8(delivery.files[1].1.clone()).unwrap();
    let description = assay_estimator::export::Description::from_json(&description).unwrap();
    assert_eq!((description.steps, description.features.len()), (80, 64));
    let state = assay_estimator::export::from_safetensors(&delivery.files[0].1, &description);
    assert_eq!(state.unwrap().parameters(), federation.state().parameters());
    // Nothing was merged.
    let first = federated::first_model(&job.specification, &seed(1)).unwrap();
    let stored = StateFile::encode(&Counts::default(), first);
    let delivery = deliver(job.kind, &job.specification, (&inputs, &private), &stored).unwrap();
    assert_eq!(delivery.warnings.len(), 1);
    assert!(examples().join("federated.toml").exists());
}
