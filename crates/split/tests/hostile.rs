//! Wrong messages are refused with a reason, and the right ones still work afterwards.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod common;

use assay_kernel::Kernel;
use assay_model::{BatchShape, InvalidStep, Purpose, Trainer};
use assay_split::wire::{HEADER, Message};
use assay_split::{MessageError, Outcome, StepError, Turn, local};
use proptest::prelude::*;

const SHAPE: BatchShape = BatchShape { batch: 1, seq: 4 };

fn refused<T: std::fmt::Debug>(result: Result<T, StepError>) -> MessageError {
    match result {
        Err(StepError::Message(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

fn values(bytes: &[u8]) -> (u64, u32, Vec<f32>) {
    match Message::decode(bytes).unwrap() {
        Message::Values {
            exchange,
            tensor,
            values,
        } => (exchange, tensor, values),
        other => panic!("{other:?}"),
    }
}

/// A message, and whether an error fits it.
type Wrong = (Vec<u8>, fn(&MessageError) -> bool);

/// Everything that a message can be instead of the next one.
fn wrong(good: &[u8]) -> Vec<Wrong> {
    use MessageError as E;
    let (exchange, tensor, list) = values(good);
    let with = |exchange, tensor, values: &[f32]| {
        let values = values.to_vec();
        Message::Values {
            exchange,
            tensor,
            values,
        }
        .encode()
    };
    let mut nan = list.clone();
    nan[2] = f32::NAN;
    let mut infinite = list.clone();
    infinite[0] = f32::NEG_INFINITY;
    let at = |i: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[i] = byte;
        bytes
    };
    let longer = [good, &[0]].concat();
    vec![
        (Vec::new(), |e| matches!(e, E::TooShort(0))),
        (good[..HEADER - 1].to_vec(), |e| matches!(e, E::TooShort(_))),
        (good[..good.len() - 1].to_vec(), |e| {
            matches!(e, E::Length { .. })
        }),
        (longer, |e| matches!(e, E::Length { .. })),
        (at(0, b'X'), |e| matches!(e, E::NotAMessage)),
        (at(4, 2), |e| matches!(e, E::Version(2))),
        (at(5, 9), |e| matches!(e, E::Kind(9))),
        (at(6, 1), |e| matches!(e, E::Kind(_))),
        (at(22, 255), |e| matches!(e, E::Length { .. })),
        (with(exchange, tensor, &nan), |e| {
            matches!(e, E::NotFinite(2))
        }),
        (with(exchange, tensor, &infinite), |e| {
            matches!(e, E::NotFinite(0))
        }),
        (with(exchange + 1, tensor, &list), |e| {
            matches!(e, E::Exchange { .. })
        }),
        (with(exchange.wrapping_sub(1), tensor, &list), |e| {
            matches!(e, E::Exchange { .. })
        }),
        (with(exchange, tensor + 1, &list), |e| {
            matches!(e, E::Tensor { .. })
        }),
        (with(exchange, tensor, &list[1..]), |e| {
            matches!(e, E::Values { .. })
        }),
        (with(exchange, tensor, &[]), |e| {
            matches!(e, E::Values { .. })
        }),
    ]
}

/// A whole run in which every message is preceded by all wrong ones, and followed by itself again.
#[test]
fn a_run_under_hostile_messages_has_the_same_bits() {
    let base = common::base(common::BIASED);
    let private = common::private(2, &["q_proj", "up_proj"]);
    let settings = common::plain_settings();
    let (mut requester, mut provider) =
        common::parties(&base, &private, SHAPE, Purpose::Train(settings));
    let kernel = Kernel::detect().unwrap();
    let mut state = common::state(&base, &private);
    let method = state.adapter().method().clone();
    let trainer = Trainer::new(&kernel, base.clone(), &method, settings, SHAPE, &[0; 32]);
    let mut trainer = trainer.unwrap();
    let mut old: Vec<Vec<u8>> = Vec::new();
    for step in 0..2 {
        let batch = common::batch(SHAPE.batch, SHAPE.seq, 20, step);
        trainer.step(&mut state, &batch, 0.01).unwrap();
        let mut turn = requester.begin(&batch, 0.01).unwrap();
        let busy = requester.begin(&batch, 0.01);
        assert!(matches!(busy, Err(StepError::Busy(n)) if n == step));
        while turn.outcome.is_none() {
            let mut answers = Vec::new();
            for bytes in std::mem::take(&mut turn.messages) {
                for (bad, fits) in wrong(&bytes) {
                    let error = refused(provider.receive(&bad));
                    assert!(fits(&error), "{error}");
                }
                for replayed in &old {
                    refused(provider.receive(replayed));
                }
                answers.extend(provider.receive(&bytes).unwrap());
                refused(provider.receive(&bytes));
                old.push(bytes);
            }
            turn = Turn::default();
            for bytes in answers {
                for (bad, fits) in wrong(&bytes) {
                    let error = refused(requester.receive(&bad));
                    assert!(fits(&error), "{error}");
                }
                let next = requester.receive(&bytes).unwrap();
                refused(requester.receive(&bytes));
                turn.messages.extend(next.messages);
                turn.outcome = next.outcome;
                // Nothing is accepted from the wrong direction.
                refused(requester.receive(&old[0]));
            }
        }
        assert!(requester.is_idle() && provider.is_idle());
        assert_eq!(requester.state().digest(), state.digest());
    }
}

#[test]
fn the_encoding_is_frozen() {
    let message = Message::Values {
        exchange: 0x0102,
        tensor: 7,
        values: vec![1.0, -2.0],
    };
    let mut expected = b"ASPL\x01\x01\0\0\x02\x01\0\0\0\0\0\0\x07\0\0\0\x02\0\0\0".to_vec();
    expected.extend(b"\0\0\x80\x3f\0\0\0\xc0");
    assert_eq!(message.encode(), expected);
    let told = Message::Abandon { exchange: 3 }.encode();
    assert_eq!(told, b"ASPL\x01\x02\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn an_abandoned_exchange_leaves_the_state_and_the_next_one_works() {
    let base = common::base(common::PLAIN);
    let private = common::private(2, &["v_proj"]);
    let purpose = Purpose::Train(common::plain_settings());
    let (mut requester, mut provider) = common::parties(&base, &private, SHAPE, purpose);
    let before = requester.state().digest();
    let batch = common::batch(SHAPE.batch, SHAPE.seq, 20, 0);

    // By the requester, in the middle.
    assert_eq!(requester.abandon(), None);
    let turn = requester.begin(&batch, 0.01).unwrap();
    provider.receive(&turn.messages[0]).unwrap();
    let told = requester.abandon().unwrap();
    assert!(provider.receive(&told).unwrap().is_empty());
    refused(provider.receive(&told));
    // By the requester, before the provider has heard of it.
    requester.begin(&batch, 0.01).unwrap();
    let told = requester.abandon().unwrap();
    provider.receive(&told).unwrap();
    // By the provider.
    let turn = requester.begin(&batch, 0.01).unwrap();
    provider.receive(&turn.messages[0]).unwrap();
    let told = provider.abandon().unwrap();
    let turn = requester.receive(&told).unwrap();
    assert!(turn.abandoned && turn.messages.is_empty());

    assert_eq!(requester.state().digest(), before);
    let (outcome, _) = local::exchange(&mut requester, &mut provider, &batch, 0.01).unwrap();
    assert!(matches!(outcome, Outcome::Trained(_)));
    assert_eq!((provider.exchange(), requester.state().step()), (4, 1));
}

#[test]
fn an_invalid_step_changes_nothing() {
    let base = common::base(common::PLAIN);
    let private = common::private(2, &["gate_proj", "up_proj"]);
    let purpose = Purpose::Train(common::plain_settings());
    let (mut requester, mut provider) = common::parties(&base, &private, SHAPE, purpose);
    let before = requester.state().digest();
    let good = common::batch(SHAPE.batch, SHAPE.seq, 20, 0);
    let mut outside = good.clone();
    outside.ids[0] = 20;
    let mut silent = good.clone();
    silent.labels.fill(assay_kernel::IGNORE);
    let long = common::batch(SHAPE.batch, SHAPE.seq + 1, 20, 0);
    for (batch, rate) in [
        (&outside, 0.01),
        (&silent, 0.01),
        (&long, 0.01),
        (&good, f32::NAN),
        (&good, -1.0),
    ] {
        let refused = requester.begin(batch, rate);
        assert!(matches!(refused, Err(StepError::Invalid(_))), "{refused:?}");
    }
    // Values that are finite alone and overflow when multiplied: the provider notices.
    let turn = requester.begin(&good, 0.01).unwrap();
    let mut mixed = Vec::new();
    for answer in provider.receive(&turn.messages[0]).unwrap() {
        mixed.extend(requester.receive(&answer).unwrap().messages);
    }
    assert_eq!(mixed.len(), 2);
    let mut fault = None;
    for bytes in &mixed {
        let (exchange, tensor, list) = values(bytes);
        let values = vec![1e38; list.len()];
        let huge = Message::Values {
            exchange,
            tensor,
            values,
        };
        fault = provider.receive(&huge.encode()).err();
    }
    let not_finite = |e| matches!(e, StepError::Invalid(InvalidStep::NotFinite { .. }));
    assert!(fault.is_some_and(not_finite));
    refused(provider.receive(&mixed[1]));
    let told = provider.abandon().unwrap();
    assert!(requester.receive(&told).unwrap().abandoned);
    assert_eq!(requester.state().digest(), before);
    local::exchange(&mut requester, &mut provider, &good, 0.01).unwrap();
    assert_eq!(requester.state().step(), 1);
}

proptest! {
    /// What decodes is the one encoding of its value; the rest has a reason.
    #[test]
    fn one_encoding(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        kind in 0u8..4, count in 0u32..16, whole: bool,
    ) {
        if whole && bytes.len() >= HEADER {
            bytes[..8].copy_from_slice(&[b'A', b'S', b'P', b'L', 1, kind, 0, 0]);
            bytes[20..24].copy_from_slice(&count.to_le_bytes());
        }
        match Message::decode(&bytes) {
            Ok(message) => prop_assert_eq!(message.encode(), bytes),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
