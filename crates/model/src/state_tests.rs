use assay_crypto::Digest;
use assay_kernel::Kernel;
use proptest::prelude::*;

use super::*;
use crate::adapter::LoraConfig;
use crate::base::Base;
use crate::graph::Input;

fn config() -> ModelConfig {
    let json = br#"{"model_type": "llama", "vocab_size": 9, "hidden_size": 6,
        "intermediate_size": 10, "num_hidden_layers": 2, "num_attention_heads": 3,
        "num_key_value_heads": 1}"#;
    ModelConfig::from_json(json).unwrap()
}

fn method() -> Method {
    let lora = LoraConfig::new(2, 3, 0.0, &["q_proj", "v_proj", "down_proj"]).unwrap();
    Method::Lora(lora)
}

fn from_bytes(bytes: &[u8]) -> Result<TrainState, StateError> {
    TrainState::from_bytes(bytes, &method(), &config())
}

fn state() -> TrainState {
    let config = config();
    let base = Base::random(config, &[3; 32]).unwrap();
    let adapter = Adapter::init(&Kernel::detect().unwrap(), &base, &method(), &[1; 32]);
    let mut state = TrainState::new(adapter);
    state.step = 3;
    state.powers = BiasPowers {
        beta1: 0.729,
        beta2: 0.997,
    };
    state.first[1][2] = -0.5;
    state.second[1][2] = 0.25;
    state
}

#[test]
fn the_format_and_the_digest_are_frozen() {
    let bytes = state().to_bytes();
    assert_eq!(bytes.len(), 64 + 12 * state().adapter().values());
    assert_eq!(bytes.len(), state().length());
    assert_eq!(
        Digest::of("assay/test", &[&bytes]).to_string(),
        "cdeffb5bfaa0fde290b8c36b71afb1a15c08696de0edef08ec495c5af0e78c0b"
    );
    assert_eq!(
        state().digest().to_string(),
        "a8028049b90f0d570a227cd0a1ad3f82e7616983c62a982902d7356882036f9a"
    );
}

#[test]
fn bytes_come_back_as_the_same_state() {
    let back = from_bytes(&state().to_bytes()).unwrap();
    assert_eq!(back, state());
    assert_eq!(back.digest(), state().digest());
    assert_eq!((back.step(), back.adapter().method()), (3, &method()));
}

#[test]
fn the_digest_covers_every_part() {
    let changes: [fn(&mut TrainState); 6] = [
        |s| s.step += 1,
        |s| s.powers.beta1 = 0.5,
        |s| s.powers.beta2 = 0.5,
        |s| s.adapter.params[5].values[0] += 1.0,
        |s| s.first[0][0] = 1.0,
        |s| s.second[4][1] = 1.0,
    ];
    let mut digests = vec![state().digest()];
    for change in changes {
        let mut changed = state();
        change(&mut changed);
        digests.push(changed.digest());
    }
    for (i, digest) in digests.iter().enumerate() {
        assert!(!digests[i + 1..].contains(digest));
    }
}

#[test]
fn malformed_bytes_are_refused() {
    let good = state().to_bytes();
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        from_bytes(&changed).unwrap_err()
    };
    assert_eq!(from_bytes(b"").unwrap_err(), StateError::NotAState);
    assert_eq!(with(0, b"X"), StateError::NotAState);
    assert_eq!(with(8, &[1]), StateError::Version(1));
    assert_eq!(with(16, &[0; 32]), StateError::OtherLayout);
    assert!(matches!(
        with(56, &f32::NAN.to_le_bytes()),
        StateError::Malformed(_)
    ));
    assert!(matches!(
        with(60, &2f32.to_le_bytes()),
        StateError::Malformed(_)
    ));
    let last = good.len() - 4;
    assert!(matches!(
        with(last, &f32::INFINITY.to_le_bytes()),
        StateError::Malformed(_)
    ));
    assert!(matches!(
        with(last, &(-1.0f32).to_le_bytes()),
        StateError::Malformed(_)
    ));
    for length in [9, 39, 63, 64, good.len() - 1] {
        assert!(from_bytes(&good[..length]).is_err());
    }
    let longer = [&good[..], &[0]].concat();
    assert!(matches!(
        from_bytes(&longer),
        Err(StateError::Length { .. })
    ));
}

proptest! {
    /// Whatever decodes is encoded as the very bytes it came from.
    #[test]
    fn decoding_never_panics_and_is_canonical(
        changes in prop::collection::vec((0usize..140, any::<u8>()), 0..6),
        length in 0usize..2000,
    ) {
        let mut bytes = state().to_bytes();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if length < bytes.len() && length % 3 == 0 {
            bytes.truncate(length);
        }
        if let Ok(state) = from_bytes(&bytes) {
            prop_assert_eq!(state.to_bytes(), bytes);
        }
    }
}

/// A step computed elsewhere counts whole or not at all.
#[test]
fn a_state_advances_by_what_a_step_changed() {
    let mut state = state();
    let before = state.clone();
    let last = state.adapter().params().len() as u32 - 1;
    let values = |input| before.input(input).unwrap();
    let doubled = |input| (input, values(input).iter().map(|v| v * 2.0).collect());
    let changed: Vec<(Input, Vec<f32>)> = [
        Input::Param(0),
        Input::First(1),
        Input::Second(1),
        Input::Powers,
    ]
    .map(doubled)
    .into();
    for bad in [
        (Input::Param(last), vec![0.0; 1]),
        (Input::Param(last + 1), Vec::new()),
        (Input::Powers, vec![0.0; 3]),
        (Input::LearningRate, vec![0.0; 1]),
    ] {
        let with_bad = changed.iter().cloned().chain([bad]).collect();
        assert!(state.advance(with_bad).is_err());
        assert_eq!(state, before);
    }
    state.advance(changed.clone()).unwrap();
    assert_eq!(state.step(), before.step() + 1);
    for (input, values) in changed {
        assert_eq!(state.input(input), Some(values));
    }
    assert_eq!(
        state.input(Input::Param(last)),
        before.input(Input::Param(last))
    );
    assert!(state.check(&method(), &config()).is_ok());
    assert!(state.check(&Method::Full, &config()).is_err());
    state.step = u64::MAX;
    assert!(state.advance(Vec::new()).is_err());
}
