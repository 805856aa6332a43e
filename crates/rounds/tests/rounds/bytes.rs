//! The bytes of updates and of specifications.

use assay_aggregate::{Liars, Quantiser, Rule, Settings};
use assay_estimator::ModelSpec;
use assay_rounds::{Age, Encoding, Head, RoundSpec, Rounds, Sender, Update, UpdateFault};
use proptest::prelude::*;

use crate::common::{cases, led_to, seed, spec};

/// Bytes of an update that moves by these values; what is said of its steps is no part of them.
fn sent(spec: &RoundSpec, values: &[f32]) -> (Vec<u8>, Head, Sender) {
    let rounds = Rounds::new(spec.clone(), &seed(9)).unwrap();
    let model = rounds.model();
    let local = led_to(model, values.to_vec());
    let head = rounds.head(5);
    let mut sender = Sender::default();
    let bytes = sender.send(spec, &head, model, &local, &seed(0)).unwrap();
    (bytes, head, sender)
}

/// A model that begins at zero, so that where it moves is the update: two features, three parameters.
fn small(encoding: Encoding, features: u32) -> RoundSpec {
    let mut spec = spec();
    spec.encoding = encoding;
    spec.learning.model = ModelSpec::Logistic { features };
    spec
}

fn encodings() -> impl Strategy<Value = Encoding> {
    prop_oneof![
        Just(Encoding::Dense),
        (1u16..=1000).prop_map(|per_thousand| Encoding::Largest { per_thousand }),
        Just(Encoding::Signs),
    ]
}

proptest! {
    #![proptest_config(cases(256))]

    /// What is sent is read, in any parts.
    #[test]
    fn updates_are_read_in_any_parts(
        encoding in encodings(),
        values in prop::collection::vec(-20f32..20.0, 2..70),
        first in 0usize..80,
        length in 0usize..80,
    ) {
        let spec = small(encoding, values.len() as u32 - 1);
        let (bytes, head, sender) = sent(&spec, &values);
        let update = Update::decode(&bytes, &spec, values.len()).unwrap();
        prop_assert_eq!(update.head(), &head);
        let all = update.to_vec();
        let mut part = vec![7; length];
        update.read(first, &mut part);
        let wanted: Vec<i32> = (first..first + length)
            .map(|at| all.get(at).copied().unwrap_or(0))
            .collect();
        prop_assert_eq!(part, wanted);
        let step = spec.quantiser.step();
        for (at, value) in values.iter().enumerate() {
            let read = all[at] as f32 * step;
            let unsent = sender.unsent().get(at).copied().unwrap_or(0.0);
            prop_assert!((read + unsent - value).abs() <= step * 1.001, "{} {} {}", value, read, unsent);
        }
    }

    /// The largest are sent, of equal ones the first.
    #[test]
    fn the_largest_are_sent(values in prop::collection::vec(-4i8..4, 2..60), per_thousand in 1u16..1000) {
        let values: Vec<f32> = values.iter().map(|value| f32::from(*value)).collect();
        let spec = small(Encoding::Largest { per_thousand }, values.len() as u32 - 1);
        let (bytes, _, sender) = sent(&spec, &values);
        let mut ranked: Vec<usize> = (0..values.len()).collect();
        ranked.sort_by_key(|at| (-(values[*at].abs() as i64), *at));
        let kept = (values.len() * usize::from(per_thousand) / 1000).max(1);
        let update = Update::decode(&bytes, &spec, values.len()).unwrap().to_vec();
        for at in &ranked[..kept] {
            prop_assert_eq!(update[*at] as f32 * spec.quantiser.step(), values[*at]);
            prop_assert_eq!(sender.unsent()[*at], 0.0);
        }
        for at in &ranked[kept..] {
            prop_assert_eq!(update[*at], 0);
            prop_assert_eq!(sender.unsent()[*at], values[*at]);
        }
    }

    /// Cut, longer and altered bytes are refused, or are the bytes of another update.
    #[test]
    fn no_update_has_two_encodings(
        encoding in encodings(),
        values in prop::collection::vec(-20f32..20.0, 2..40),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        cut in any::<prop::sample::Index>(),
    ) {
        let spec = small(encoding, values.len() as u32 - 1);
        let (bytes, ..) = sent(&spec, &values);
        prop_assert!(Update::decode(&bytes[..cut.index(bytes.len())], &spec, values.len()).is_err());
        let mut longer = bytes.clone();
        longer.push(0);
        prop_assert!(Update::decode(&longer, &spec, values.len()).is_err());
        prop_assert!(Update::decode(&bytes, &spec, values.len() + 1).is_err());
        let update = Update::decode(&bytes, &spec, values.len()).unwrap();
        let mut altered = bytes.clone();
        *at.get_mut(&mut altered) ^= flip;
        if let Ok(other) = Update::decode(&altered, &spec, values.len()) {
            prop_assert!(other.head() != update.head() || other.to_vec() != update.to_vec());
            prop_assert_ne!(other.digest(), update.digest());
        }
    }

    #[test]
    fn random_bytes_are_no_update(bytes in prop::collection::vec(any::<u8>(), 0..300), encoding in encodings()) {
        let spec = small(encoding, 9);
        prop_assert!(Update::decode(&bytes, &spec, 10).is_err());
        let _ = RoundSpec::from_bytes(&bytes);
    }
}

#[test]
fn a_specification_is_read_back_from_bytes_and_from_a_file() {
    let sparse = RoundSpec {
        encoding: Encoding::Largest { per_thousand: 10 },
        aggregation: Settings::default(),
        quorum: 7,
        ..spec()
    };
    let late = RoundSpec {
        age: Age {
            most: 3,
            decay: 900_000,
        },
        ..spec()
    };
    for spec in [spec(), sparse, late] {
        assert_eq!(RoundSpec::from_bytes(&spec.to_bytes()).unwrap(), spec);
        let text = toml::to_string(&spec).unwrap();
        assert_eq!(toml::from_str::<RoundSpec>(&text).unwrap(), spec, "{text}");
    }
    let text = r#"
        rounds = 20
        local_steps = 10
        quorum = 7
        quantiser = { bits = 16, exponent = 14 }
        [learning.model]
        kind = "softmax"
        features = 64
        classes = 10
        [learning.training]
        batch_size = 32
        learning_rate = 0.05
    "#;
    let spec: RoundSpec = toml::from_str(text).unwrap();
    spec.check().unwrap();
    assert_eq!((spec.server_rate, spec.encoding), (1.0, Encoding::Dense));
}

#[test]
fn impossible_numbers_are_refused_with_what_is_possible() {
    let said = |change: &dyn Fn(&mut RoundSpec)| {
        let mut spec = spec();
        change(&mut spec);
        let bytes = spec.to_bytes();
        let error = spec.check().unwrap_err();
        assert_eq!(RoundSpec::from_bytes(&bytes).unwrap_err(), error);
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    };
    type Change = dyn Fn(&mut RoundSpec);
    let cases: [(&Change, &str); 11] = [
        (
            &|spec| spec.rounds = 0,
            "`rounds` is 0, and must be from 1 to",
        ),
        (&|spec| spec.local_steps = 0, "`local_steps` is 0"),
        (&|spec| spec.quorum = 0, "`quorum` is 0"),
        (&|spec| spec.server_rate = 0.0, "`server_rate` is 0"),
        (
            &|spec| spec.server_rate = f32::INFINITY,
            "`server_rate` is inf",
        ),
        (&|spec| spec.age.decay = 1 << 21, "`age.decay`"),
        (
            &|spec| spec.age = Age { most: 3, decay: 5 },
            "nothing is left of an update that is 3 rounds old",
        ),
        (
            &|spec| {
                spec.age = Age {
                    most: 1,
                    decay: 1 << 19,
                };
                spec.encoding = Encoding::Signs;
            },
            "none may come late",
        ),
        (
            &|spec| spec.encoding = Encoding::Largest { per_thousand: 0 },
            "`encoding.per_thousand`",
        ),
        (
            &|spec| spec.learning.training.batch_size = 0,
            "`batch_size` is 0",
        ),
        (
            &|spec| {
                spec.quorum = 4;
                spec.aggregation = Settings::rule(Rule::Krum {
                    liars: Liars::Count(1),
                });
            },
            "needs n >= 2 f + 3 = 5 updates, there are 4",
        ),
    ];
    for (change, wanted) in cases {
        let said = said(change);
        assert!(said.contains(wanted), "{said}");
    }
    // A scale that only bytes can have.
    let mut bytes = spec().to_bytes();
    let at = bytes.windows(2).rposition(|pair| pair == [20, 14]).unwrap();
    bytes[at] = 60;
    assert!(
        RoundSpec::from_bytes(&bytes)
            .unwrap_err()
            .to_string()
            .contains("quantiser")
    );
}

#[test]
fn updates_of_others_are_refused_with_a_reason() {
    let values = [1.0, -2.0, 3.0];
    let dense = small(Encoding::Dense, 2);
    let (bytes, ..) = sent(&dense, &values);
    let read = |bytes: &[u8], spec: &RoundSpec| Update::decode(bytes, spec, 3).unwrap_err();
    let signs = small(Encoding::Signs, 2);
    assert_eq!(read(&bytes, &signs), UpdateFault::Encoding);
    let mut other = dense.clone();
    other.quantiser = Quantiser::new(12, 4).unwrap();
    assert_eq!(
        read(&bytes, &other),
        UpdateFault::Scale {
            bits: 20,
            exponent: 14
        }
    );
    let wider = small(Encoding::Dense, 3);
    assert_eq!(
        Update::decode(&bytes, &wider, 4).unwrap_err(),
        UpdateFault::Coordinates {
            found: 3,
            wanted: 4
        }
    );
    let mut version = bytes.clone();
    version[7] = 2;
    assert_eq!(read(&version, &dense), UpdateFault::Version(2));
    assert_eq!(
        read(b"", &dense),
        UpdateFault::Length {
            found: 0,
            wanted: 57
        }
    );
    // Places twice, out of order, or beyond the model.
    let largest = small(Encoding::Largest { per_thousand: 700 }, 2);
    let (bytes, ..) = sent(&largest, &values);
    for (first, second, at) in [(1u32, 1u32, 1), (2, 1, 1), (1, 3, 1), (9, 10, 0)] {
        let mut bytes = bytes.clone();
        bytes[65..69].copy_from_slice(&first.to_le_bytes());
        bytes[69..73].copy_from_slice(&second.to_le_bytes());
        assert_eq!(read(&bytes, &largest), UpdateFault::Order(at));
    }
    let mut fewer = bytes.clone();
    fewer[61] = 1;
    assert_eq!(
        read(&fewer, &largest),
        UpdateFault::Kept {
            found: 1,
            wanted: 2
        }
    );
    let (mut bytes, ..) = sent(&signs, &values);
    *bytes.last_mut().unwrap() |= 0x80;
    assert_eq!(read(&bytes, &signs), UpdateFault::Signs);
    // Nothing has no signs.
    let (bytes, ..) = sent(&signs, &[0.0, -0.0, 0.0]);
    assert_eq!(Update::decode(&bytes, &signs, 3).unwrap().to_vec(), [0; 3]);
    let mut signed = bytes;
    *signed.last_mut().unwrap() = 1;
    assert_eq!(read(&signed, &signs), UpdateFault::Signs);
}

/// A trainer that was killed goes on with what it had kept.
#[test]
fn senders_are_kept_as_bytes() {
    let (.., sender) = sent(&small(Encoding::Signs, 2), &[1.0, -2.0, 3.5]);
    let bytes = sender.to_bytes();
    assert_eq!(Sender::from_bytes(&bytes).unwrap(), sender);
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(Sender::from_bytes(&altered).is_err());
        assert!(Sender::from_bytes(&bytes[..at]).is_err());
    }
}

/// One update of each encoding, byte for byte: what trainers of an older release send is read.
#[test]
fn the_bytes_are_these() {
    let digest = |encoding| {
        let spec = small(encoding, 9);
        let values: Vec<f32> = (0..10).map(|n| (n as f32 - 4.5) * 0.25).collect();
        let (bytes, ..) = sent(&spec, &values);
        Update::decode(&bytes, &spec, 10)
            .unwrap()
            .digest()
            .to_string()[..12]
            .to_owned()
    };
    let found = [
        digest(Encoding::Dense),
        digest(Encoding::Largest { per_thousand: 300 }),
        digest(Encoding::Signs),
    ];
    assert_eq!(found, ["53e2c163e944", "6ae758acb05f", "2448b9c64fb2"]);
}
