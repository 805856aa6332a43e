//! Masked mode: exact products, logits near those of f32, training, hostile messages, bytes.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod common;

use assay_kernel::random::Stream;
use assay_kernel::{Isa, Kernel};
use assay_model::{
    Adapter, Base, BatchShape, LoraConfig, Method, Purpose, TrainSettings, TrainState, Trainer,
    logits,
};
use assay_split::masked::fixed::{Fixed, rescale};
use assay_split::masked::wire::{Kind, Shares};
use assay_split::masked::{
    MaskedProvider, MaskedRequester, Masker, Matrix, SHARE_PURPOSE, provider_traffic, step,
};
use assay_split::{MessageError, Outcome, SetupError, StepError};
use proptest::prelude::*;

const SMALL: BatchShape = BatchShape { batch: 2, seq: 5 };

fn parties(
    kernel: &Kernel,
    base: &Base,
    state: TrainState,
    shape: BatchShape,
    purpose: Purpose,
    key: u8,
) -> (MaskedRequester, [MaskedProvider; 2]) {
    let masker = Masker::new([key; 32]);
    let requester = MaskedRequester::new(kernel, base, state, shape, purpose, masker);
    let provider = |which| MaskedProvider::new(which, base, shape.positions()).unwrap();
    (requester.unwrap(), [provider(0), provider(1)])
}

/// `a b` in 128 bits, from the f32 matrix itself.
fn reference(a: &[i32], b: &[f32], rows: usize, cols: usize, transposed: bool) -> Vec<i128> {
    let b = Fixed::of(b).unwrap().integers;
    let (inner, width) = if transposed {
        (cols, rows)
    } else {
        (rows, cols)
    };
    let at = |k: usize, j: usize| match transposed {
        true => b[j * cols + k],
        false => b[k * cols + j],
    };
    let element = |row: &[i32], j: usize| -> i128 {
        let products = row.iter().enumerate();
        products
            .map(|(k, a)| i128::from(*a) * i128::from(at(k, j)))
            .sum()
    };
    let rows = a.chunks_exact(inner);
    rows.flat_map(|row| (0..width).map(move |j| element(row, j)))
        .collect()
}

fn draw(values: usize, spread: f32, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(&[1; 32], 80, seed);
    (0..values).map(|_| stream.normal() * spread).collect()
}

/// Each provider's integer product, added and rescaled, is the fixed-point product to the last bit.
#[test]
fn shared_products_are_exact() {
    let mut masker = Masker::new([2; 32]);
    for (seed, (m, rows, cols)) in [(1, 1, 1), (3, 5, 7), (2, 8, 4), (5, 33, 130), (8, 341, 128)]
        .into_iter()
        .enumerate()
    {
        for transposed in [false, true] {
            for spread in [1e-30, 0.02, 3.0e4] {
                let weights = draw(rows * cols, 0.3, seed as u64);
                let matrix = Matrix::quantise(&weights, rows, cols).unwrap();
                let inner = matrix.shape(transposed).0;
                let left = Fixed::of(&draw(m * inner, spread, 50 + seed as u64)).unwrap();
                let (_, shares) = masker.share(&left.integers).unwrap();
                let [a, b] = shares.map(|share| matrix.product(&share, transposed).unwrap());
                let exact = reference(&left.integers, &weights, rows, cols, transposed);
                let exponent = left.exponent + matrix.exponent();
                assert_eq!(a.len(), exact.len());
                for ((a, b), exact) in a.iter().zip(&b).zip(exact) {
                    let sum = a.wrapping_add(*b) as i64;
                    assert_eq!(i128::from(sum), exact);
                    let value = exact as f64 * 2f64.powi(-exponent);
                    let near = f64::from(rescale(sum, exponent));
                    assert!((near - value).abs() <= value.abs() * 2f64.powi(-24) + 1e-45);
                }
            }
        }
    }
}

/// The largest integers in the longest sum still fit.
#[test]
fn the_longest_sum_does_not_overflow() {
    let inner = assay_split::masked::fixed::MAX_INNER;
    for sign in [1.0f32, -1.0] {
        // Just below a power of two rounds up to the largest integer there is.
        let largest = f32::from_bits(0x3fff_ffff);
        let left = Fixed::of(&vec![largest; inner]).unwrap();
        assert_eq!(left.integers[0], 1 << 23);
        let matrix = Matrix::quantise(&vec![sign * largest; inner], 1, inner).unwrap();
        let (_, shares) = Masker::new([1; 32]).share(&left.integers).unwrap();
        let [a, b] = shares.map(|share| matrix.product(&share, true).unwrap());
        let sum = i128::from(a[0].wrapping_add(b[0]) as i64);
        assert_eq!(sum, (sign as i128) << 62);
    }
}

proptest! {
    #[test]
    fn quantised_values_are_nearest(
        bits in prop::collection::vec(any::<u32>(), 1..40),
    ) {
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let fixed = Fixed::of(&values);
        prop_assert_eq!(fixed.is_some(), values.iter().all(|v| v.is_finite()));
        if let Some(fixed) = fixed {
            let unit = 2f64.powi(-fixed.exponent);
            for (integer, value) in fixed.integers.iter().zip(&values) {
                prop_assert!(integer.abs() <= 1 << 23);
                let back = f64::from(*integer) * unit;
                prop_assert!((back - f64::from(*value)).abs() <= unit / 2.0);
            }
        }
    }

    #[test]
    fn any_integers_multiply_modulo_2_to_64(
        a in prop::collection::vec(any::<u64>(), 15), seed: u64, transposed: bool,
    ) {
        let weights = draw(25, 10.0, seed);
        let integers = Fixed::of(&weights).unwrap().integers;
        let matrix = Matrix::quantise(&weights, 5, 5).unwrap();
        let product = matrix.product(&a, transposed).unwrap();
        for (i, row) in a.chunks_exact(5).enumerate() {
            for j in 0..5 {
                let b = |k: usize| integers[if transposed { j * 5 + k } else { k * 5 + j }];
                let terms = (0..5).map(|k| row[k].wrapping_mul(i64::from(b(k)) as u64));
                let sum = terms.fold(0u64, u64::wrapping_add);
                prop_assert_eq!(product[i * 5 + j], sum);
            }
        }
    }

    #[test]
    fn one_encoding(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        kind in 0u8..4, flags in 0u8..8, count in 0u32..8, whole: bool,
    ) {
        if whole && bytes.len() >= 24 {
            bytes[..8].copy_from_slice(&[b'A', b'M', b'S', b'K', 1, kind, flags & 3, flags >> 2]);
            bytes[20..24].copy_from_slice(&count.to_le_bytes());
        }
        match Shares::decode(&bytes) {
            Ok(message) => prop_assert_eq!(message.encode(), bytes),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

/// Logits of up to 21 in magnitude, each within 1e-4.
#[test]
fn logits_of_the_example_model_are_close_to_f32() {
    let base = common::example();
    let shape = BatchShape { batch: 4, seq: 64 };
    let data = common::dialogue(&base, "heldout.jsonl", shape.seq);
    let private = common::private(8, &common::all());
    let kernel = Kernel::detect().unwrap();
    let state = common::state(&base, &private);
    let batch = data.batch(0, shape.batch);
    let plain = logits(&kernel, &base, Some(state.adapter()), &batch).unwrap();
    let (mut requester, mut providers) = parties(&kernel, &base, state, shape, Purpose::Logits, 3);
    let start = std::time::Instant::now();
    let (outcome, _) = step(&mut requester, &mut providers, &batch, 0.0).unwrap();
    let Outcome::Logits(masked) = outcome else {
        panic!("logits were asked for");
    };
    let difference = (plain.iter().zip(&masked)).map(|(a, b)| f64::from((a - b).abs()));
    let largest = difference.fold(0.0, f64::max);
    let spread = f64::from(plain.iter().fold(0.0f32, |m, v| m.max(v.abs())));
    println!(
        "logits up to {spread:.2}, masked ones differ by at most {largest:.2e}; {:?}",
        start.elapsed()
    );
    assert!(largest > 0.0, "nothing was quantised");
    assert!(largest <= 1e-4, "{largest}");
}

#[test]
fn private_lora_trains_in_masked_mode() {
    let base = common::example();
    let shape = BatchShape { batch: 4, seq: 32 };
    let data = common::dialogue(&base, "train.jsonl", shape.seq);
    let private = common::private(8, &common::all());
    let kernel = Kernel::detect().unwrap();
    let settings = common::plain_settings();
    let method = Method::PrivateLora(private.clone());
    let mut state = TrainState::new(Adapter::init(&kernel, &base, &method, &[1; 32]));
    let trainer = Trainer::new(&kernel, base.clone(), &method, settings, shape, &[0; 32]);
    let mut trainer = trainer.unwrap();
    let (mut requester, mut providers) = parties(
        &kernel,
        &base,
        state.clone(),
        shape,
        Purpose::Train(settings),
        4,
    );
    let (mut losses, mut worst) = (Vec::new(), 0.0f32);
    for i in 0..8 {
        let batch = data.batch(i % 2, shape.batch);
        let plain = trainer.step(&mut state, &batch, 0.02).unwrap();
        let (outcome, _) = step(&mut requester, &mut providers, &batch, 0.02).unwrap();
        let Outcome::Trained(masked) = outcome else {
            panic!("a training step");
        };
        assert_eq!(masked.tokens, plain.tokens);
        worst = worst.max((masked.loss - plain.loss).abs());
        losses.push(masked.loss);
    }
    println!("losses {losses:?}, at most {worst:.1e} from the plain run");
    assert!(worst <= 1e-5, "{worst}");
    assert!(losses[7] < losses[1] - 0.05, "{losses:?}");
    assert_eq!(requester.state().step(), 8);
}

/// The bits of a masked run depend on neither the masking key nor the code path.
#[test]
fn masked_runs_have_one_digest() {
    let base = common::base(common::BIASED);
    let digests = one_digest_each(&base, common::all_settings()[4]);
    assert!(
        digests.iter().all(|digest| digest == GOLDEN),
        "{digests:#?}"
    );
    let rounded = one_digest_each(&base, common::all_settings()[6]);
    assert!(
        rounded.iter().all(|digest| *digest == rounded[0]),
        "{rounded:#?}"
    );
    assert_ne!(rounded[0], GOLDEN);
}

/// The digests of the same three steps with several masking keys on several code paths.
fn one_digest_each(base: &Base, settings: TrainSettings) -> Vec<String> {
    let private = common::private(3, &common::all());
    let mut digests = Vec::new();
    for (isa, threads, key) in [
        (Isa::Scalar, 1, 1),
        (Isa::Scalar, 3, 2),
        (Isa::Avx2, 1, 3),
        (Isa::Avx512, 2, 4),
        (Isa::Neon, 2, 5),
    ] {
        if !isa.is_available() {
            continue;
        }
        let kernel = Kernel::new(isa, threads).unwrap();
        let state = common::state(base, &private);
        let purpose = Purpose::Train(settings);
        let (mut requester, mut providers) = parties(&kernel, base, state, SMALL, purpose, key);
        for seed in 0..3 {
            let batch = common::batch(2 * SMALL.batch, SMALL.seq, 20, seed);
            step(&mut requester, &mut providers, &batch, 0.01).unwrap();
        }
        digests.push(requester.state().digest().to_string());
    }
    digests
}

/// It changes with the kernel specification, the enumeration of steps or the fixed point.
const GOLDEN: &str = "2961aa198e4b0711394e7ddb68d6ee7959e99d97f948f762e124ab330d59c959";

#[test]
fn bytes_on_the_wire_equal_the_formula() {
    for json in [common::BIASED, common::QWEN, common::PLAIN] {
        let base = common::base(json);
        for targets in [
            &["q_proj"][..],
            &["o_proj", "up_proj"],
            &["down_proj"],
            &common::all(),
        ] {
            let private = common::private(3, targets);
            let train = common::all_settings().into_iter().map(Purpose::Train);
            for purpose in [Purpose::Loss, Purpose::Logits].into_iter().chain(train) {
                let kernel = Kernel::detect().unwrap();
                let state = common::state(&base, &private);
                let (mut requester, mut providers) =
                    parties(&kernel, &base, state, SMALL, purpose, 5);
                let micro_batches = match purpose {
                    Purpose::Train(settings) => settings.gradient_accumulation_steps as usize,
                    _ => 1,
                };
                let batch = common::batch(micro_batches * SMALL.batch, SMALL.seq, 20, 1);
                let (_, transcript) = step(&mut requester, &mut providers, &batch, 0.01).unwrap();
                let trained = private.target_modules();
                let (to, from) = provider_traffic(base.config(), trained, SMALL, purpose);
                for i in 0..2 {
                    for (messages, expected) in
                        [(&transcript.shares[i], to), (&transcript.products[i], from)]
                    {
                        assert_eq!(messages.len(), expected.messages);
                        let bytes: usize = messages.iter().map(Vec::len).sum();
                        assert_eq!(bytes, expected.bytes(), "{targets:?} {purpose:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn lora_trains_masked_too_and_other_methods_say_why_not() {
    let base = common::base(common::BIASED);
    let kernel = Kernel::detect().unwrap();
    let lora = |dropout| LoraConfig::new(2, 4, dropout, &common::all()).unwrap();
    let purpose = Purpose::Train(common::plain_settings());
    let start = |method: &Method| TrainState::new(Adapter::init(&kernel, &base, method, &[1; 32]));
    let method = Method::Lora(lora(0.0));
    let (mut requester, mut providers) = parties(&kernel, &base, start(&method), SMALL, purpose, 6);
    let trainer = Trainer::new(
        &kernel,
        base.clone(),
        &method,
        common::plain_settings(),
        SMALL,
        &[0; 32],
    );
    let (mut trainer, mut state) = (trainer.unwrap(), start(&method));
    for seed in 0..3 {
        let batch = common::batch(SMALL.batch, SMALL.seq, 20, seed);
        let plain = trainer.step(&mut state, &batch, 0.01).unwrap();
        let masked = step(&mut requester, &mut providers, &batch, 0.01)
            .unwrap()
            .0;
        let near =
            |o: &Outcome| matches!(o, Outcome::Trained(o) if (o.loss - plain.loss).abs() < 1e-4);
        assert!(near(&masked), "{masked:?} {plain:?}");
    }
    let dropped = Method::Lora(lora(0.5));
    let dora = Method::Lora(lora(0.0).with_dora(true).unwrap());
    for method in [dropped, dora] {
        let masker = Masker::new([7; 32]);
        let refused = MaskedRequester::new(&kernel, &base, start(&method), SMALL, purpose, masker);
        assert!(matches!(refused, Err(SetupError::NotMasked(_))));
    }
}

#[test]
fn the_encoding_is_frozen() {
    let message = Shares {
        kind: Kind::Product,
        provider: 1,
        transposed: true,
        number: 0x0102,
        matrix: 7,
        integers: vec![1, u64::MAX - 1],
    };
    let mut expected = b"AMSK\x01\x02\x01\x01\x02\x01\0\0\0\0\0\0\x07\0\0\0\x02\0\0\0".to_vec();
    expected.extend(b"\x01\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff");
    assert_eq!(message.encode(), expected);
    // The first share of the all-zero key: a mask is its stream, never anything else.
    let (number, [mask, rest]) = Masker::new([0; 32]).share(&[5, -5]).unwrap();
    assert_eq!(number, 0);
    let mut stream = Stream::new(&[0; 32], SHARE_PURPOSE, 0);
    assert_eq!(mask, [stream.next_u64(), stream.next_u64()]);
    assert_eq!(
        rest,
        [
            5u64.wrapping_sub(mask[0]),
            5u64.wrapping_add(mask[1]).wrapping_neg()
        ]
    );
}

#[test]
fn wrong_messages_are_refused_and_nothing_is_lost() {
    let base = common::base(common::PLAIN);
    let private = common::private(2, &["v_proj"]);
    let kernel = Kernel::detect().unwrap();
    let state = common::state(&base, &private);
    let (mut requester, mut providers) = parties(&kernel, &base, state, SMALL, Purpose::Loss, 8);
    let batch = common::batch(SMALL.batch, SMALL.seq, 20, 0);
    let again = requester.begin(&batch, 0.0);
    let mut shares = again.unwrap().shares.unwrap();
    assert!(matches!(
        requester.begin(&batch, 0.0),
        Err(StepError::Busy(_))
    ));
    let changed = |bytes: &[u8], change: &dyn Fn(&mut Shares)| {
        let mut message = Shares::decode(bytes).unwrap();
        change(&mut message);
        message.encode()
    };
    type Change = (fn(&mut Shares), fn(&MessageError) -> bool);
    let of_any: [Change; 5] = [
        (
            |m| m.number += 1 << 40,
            |e| matches!(e, MessageError::Exchange { .. }),
        ),
        (|m| m.matrix = 0, |e| matches!(e, MessageError::Matrix(_))),
        (
            |m| m.integers.truncate(m.integers.len() - 1),
            |e| matches!(e, MessageError::Values { .. }),
        ),
        (
            |m| m.integers.clear(),
            |e| matches!(e, MessageError::Values { .. }),
        ),
        (
            |m| m.integers.resize(m.integers.len() * 2, 0),
            |e| matches!(e, MessageError::Values { .. }),
        ),
    ];
    let outcome = loop {
        let mut next = None;
        for (i, share) in shares.iter().enumerate() {
            for (change, fits) in of_any {
                let error = providers[i].receive(&changed(share, &change)).unwrap_err();
                assert!(fits(&error), "{error}");
            }
            let other = providers[1 - i].receive(share).unwrap_err();
            assert!(matches!(other, MessageError::Provider { .. }));
            let product = providers[i].receive(share).unwrap();
            let replayed = providers[i].receive(share).unwrap_err();
            assert!(matches!(replayed, MessageError::Exchange { .. }));
            let backwards = providers[i].receive(&product).unwrap_err();
            assert!(matches!(backwards, MessageError::Kind(2)));
            for (change, fits) in of_any {
                match requester.receive(&changed(&product, &change)) {
                    Err(StepError::Message(error)) => assert!(fits(&error), "{error}"),
                    other => panic!("{other:?}"),
                }
            }
            let backwards = requester.receive(share);
            let kind = StepError::Message(MessageError::Kind(1)).to_string();
            assert_eq!(backwards.unwrap_err().to_string(), kind);
            next = Some(requester.receive(&product).unwrap());
            assert!(requester.receive(&product).is_err());
        }
        let turn = next.unwrap();
        match turn.shares {
            Some(more) => shares = more,
            None => break turn.outcome.unwrap(),
        }
    };
    // An abandoned step skips numbers; the providers follow.
    requester.begin(&batch, 0.0).unwrap();
    requester.abandon();
    let (again, _) = step(&mut requester, &mut providers, &batch, 0.0).unwrap();
    assert_eq!(outcome, again);
    let decoded = Shares::decode(&shares[0]).unwrap();
    assert_eq!((decoded.kind, decoded.provider), (Kind::Share, 0));
}
