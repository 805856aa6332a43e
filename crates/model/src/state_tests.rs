use assay_crypto::Digest;
use proptest::prelude::*;

use super::*;
use crate::config::ModelConfig;

fn state() -> TrainState {
    let json = br#"{"model_type": "llama", "vocab_size": 9, "hidden_size": 6,
        "intermediate_size": 10, "num_hidden_layers": 2, "num_attention_heads": 3,
        "num_key_value_heads": 1}"#;
    let config = ModelConfig::from_json(json).unwrap();
    let lora = LoraConfig::new(2, 3, 0.0, &["q_proj", "v_proj", "down_proj"]).unwrap();
    let mut state = TrainState::new(Adapter::init(&config, &lora, &[1; 32]));
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
    let tensors = state().tensor_digests();
    assert_eq!(tensors.len(), 3 * 2 * 3 * 2);
    assert_eq!(bytes.len(), 40 + 3 * 8 + 12 * state().adapter().values());
    assert_eq!(
        Digest::of("assay/test", &[&bytes]).to_string(),
        "8393011be3792735e2687f37b58d8bb17a52ffa216c52f9a9669eced0ae93a34"
    );
    assert_eq!(
        state().digest().to_string(),
        "019c613eb1ade128befc16a4f2215efa45e93a98ce0739998eb8f17657bc7192"
    );
}

#[test]
fn bytes_come_back_as_the_same_state() {
    let back = TrainState::from_bytes(&state().to_bytes()).unwrap();
    assert_eq!(back, state());
    assert_eq!(back.digest(), state().digest());
    assert_eq!((back.step(), back.adapter().config().r()), (3, 2));
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
        TrainState::from_bytes(&changed).unwrap_err()
    };
    assert_eq!(
        TrainState::from_bytes(b"").unwrap_err(),
        StateError::NotAState
    );
    assert_eq!(with(0, b"X"), StateError::NotAState);
    assert_eq!(with(8, &[2, 0]), StateError::Version(2));
    assert_eq!(
        with(10, &[128, 0]),
        StateError::Malformed("unknown projections")
    );
    assert!(matches!(with(10, &[0, 0]), StateError::Malformed(_)));
    assert!(matches!(with(12, &[0; 4]), StateError::Malformed(_)));
    assert!(matches!(with(12, &[255; 4]), StateError::Malformed(_)));
    assert!(matches!(with(20, &[255; 4]), StateError::Malformed(_)));
    assert!(matches!(
        with(32, &f32::NAN.to_le_bytes()),
        StateError::Malformed(_)
    ));
    assert!(matches!(with(40, &[255; 4]), StateError::Malformed(_)));
    // A header that asks for more than is there allocates nothing.
    assert!(matches!(
        with(20, &1000u32.to_le_bytes()),
        StateError::Length { .. }
    ));
    assert!(matches!(
        with(12, &1024u32.to_le_bytes()),
        StateError::Length { .. }
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
    for length in [9, 39, 45, 64, good.len() - 1] {
        assert!(TrainState::from_bytes(&good[..length]).is_err());
    }
    let longer = [&good[..], &[0]].concat();
    assert!(matches!(
        TrainState::from_bytes(&longer),
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
        if let Ok(state) = TrainState::from_bytes(&bytes) {
            prop_assert_eq!(state.to_bytes(), bytes);
        }
    }
}
