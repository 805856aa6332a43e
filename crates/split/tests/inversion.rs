//! What a provider can read: with the plain split everything, in masked mode nothing.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod common;

use assay_data::DataSet;
use assay_kernel::Kernel;
use assay_model::{Base, BatchShape, Purpose};
use assay_split::local;
use assay_split::masked::wire::Shares;
use assay_split::masked::{MaskedProvider, MaskedRequester, Masker, step};
use assay_split::wire::Message;

const SHAPE: BatchShape = BatchShape { batch: 8, seq: 64 };
/// Batches attacked: thousands of tokens.
const BATCHES: usize = 10;

/// The first message is the embedded tokens, and the embedding table is that of the public base
/// model: the nearest row is the token.
#[test]
fn the_plain_split_gives_tokens_away() {
    let base = common::example();
    let data = common::dialogue(&base, "heldout.jsonl", SHAPE.seq);
    let table = common::weight(&base, "model.embed_tokens.weight");
    let private = common::private(8, &common::all());
    let (mut requester, mut provider) = common::parties(&base, &private, SHAPE, Purpose::Loss);
    let (mut right, mut count) = (0, 0);
    for i in 0..data.batches(SHAPE.batch) {
        let batch = data.batch(i, SHAPE.batch);
        let (_, transcript) = local::exchange(&mut requester, &mut provider, &batch, 0.0).unwrap();
        let Message::Values { values, .. } = Message::decode(&transcript.to_provider[0]).unwrap()
        else {
            panic!("the first message holds values");
        };
        let seen: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
        let guesses = common::nearest(&seen, &table, base.config().hidden_size);
        let hits = common::hits(&batch, &guesses);
        (right, count) = (right + hits.0, count + hits.1);
    }
    println!("plain split: {right} of {count} tokens recovered");
    assert!(count > 2_000, "{count}");
    assert!(right * 100 >= count * 99, "{right} of {count}");
}

/// `mixed = scaled M^T` is a linear map of which the provider made the input and is sent the output:
/// as many independent positions as M has columns determine it.
#[test]
fn the_plain_split_gives_m_away() {
    let base = common::base(common::BIASED);
    let (r, private) = (3, common::private(3, &common::all()));
    let shape = BatchShape { batch: 2, seq: 5 };
    let (mut requester, mut provider) = common::parties(&base, &private, shape, Purpose::Loss);
    let batch = common::batch(shape.batch, shape.seq, 20, 0);
    let (_, transcript) = local::exchange(&mut requester, &mut provider, &batch, 0.0).unwrap();
    // Of the first projection: what the provider sent first, and was sent after the tokens.
    let values = |bytes: &[u8]| -> Vec<f64> {
        match Message::decode(bytes).unwrap() {
            Message::Values { values, .. } => values.into_iter().map(f64::from).collect(),
            other => panic!("{other:?}"),
        }
    };
    let scaled = values(&transcript.to_requester[0]);
    let mixed = values(&transcript.to_provider[1]);
    // Normal equations (S^T S) M^T = S^T Y, solved by elimination.
    let moment = |a: &[f64], b: &[f64], i: usize, j: usize| -> f64 {
        let rows = a.chunks_exact(r).zip(b.chunks_exact(r));
        rows.map(|(a, b)| a[i] * b[j]).sum()
    };
    let mut rows: Vec<Vec<f64>> = (0..r)
        .map(|i| {
            let left = (0..r).map(|j| moment(&scaled, &scaled, i, j));
            left.chain((0..r).map(|j| moment(&scaled, &mixed, i, j)))
                .collect()
        })
        .collect();
    for i in 0..r {
        let pivot = rows[i].clone();
        for (k, row) in rows.iter_mut().enumerate().filter(|(k, _)| *k != i) {
            let factor = row[i] / pivot[i];
            assert!(factor.is_finite(), "row {k}");
            row.iter_mut()
                .zip(&pivot)
                .for_each(|(a, b)| *a -= factor * b);
        }
    }
    let m = &requester.state().adapter().params()[2];
    assert!(m.info.is_trained());
    for (i, row) in rows.iter().enumerate() {
        for j in 0..r {
            let (found, real) = (row[r + j] / row[i], f64::from(m.values[j * r + i]));
            assert!((found - real).abs() < 1e-3, "{found} for {real}");
        }
    }
}

/// The rows that the first projection multiplies, for every token: its embedding, normalised, times
/// the first norm's weights. All public.
fn normalised(base: &Base) -> Vec<f32> {
    let hidden = base.config().hidden_size;
    let table = common::weight(base, "model.embed_tokens.weight");
    let norm = common::weight(base, "model.layers.0.input_layernorm.weight");
    let kernel = Kernel::detect().unwrap();
    let (mut rows, mut inverse) = (vec![0.0; table.len()], vec![0.0; table.len() / hidden]);
    let eps = base.config().rms_norm_eps;
    kernel.rmsnorm(&table, &norm, eps, &mut rows, &mut inverse);
    rows
}

fn integers(bytes: &[u8]) -> Vec<u64> {
    Shares::decode(bytes).unwrap().integers
}

fn signed(integers: &[u64]) -> Vec<f64> {
    integers.iter().map(|v| *v as i64 as f64).collect()
}

/// The rate of the commonest token of the training data among the attacked ones: what a guesser
/// without any view achieves, with the upper end of its 95% interval over `count` tokens.
fn unigram(base: &Base, attacked: &DataSet, count: usize) -> (f64, f64) {
    let train = common::dialogue(base, "train.jsonl", SHAPE.seq);
    let mut seen = vec![0usize; base.config().vocab_size];
    for i in 0..train.batches(SHAPE.batch) {
        let batch = train.batch(i, SHAPE.batch);
        for label in batch.labels.iter().filter(|label| **label >= 0) {
            seen[*label as usize] += 1;
        }
    }
    let commonest = (0..seen.len()).max_by_key(|id| seen[*id]).unwrap() as u32;
    let guesses = vec![commonest; SHAPE.positions()];
    let batches = (0..BATCHES).map(|i| attacked.batch(i, SHAPE.batch));
    let right: usize = batches.map(|b| common::hits(&b, &guesses).0).sum();
    let rate = right as f64 / count as f64;
    let half = 1.96 * (rate * (1.0 - rate) / count as f64).sqrt();
    (rate, rate + half)
}

#[test]
fn a_masked_provider_sees_noise() {
    let base = common::example();
    let data = common::dialogue(&base, "heldout.jsonl", SHAPE.seq);
    let table = normalised(&base);
    let hidden = base.config().hidden_size;
    let private = common::private(8, &common::all());
    let state = common::state(&base, &private);
    let kernel = Kernel::detect().unwrap();
    let masker = Masker::new([0x5a; 32]);
    let requester = MaskedRequester::new(&kernel, &base, state, SHAPE, Purpose::Loss, masker);
    let mut requester = requester.unwrap();
    // Attacked: each provider's share of the first product, as a signed number and by its low 32
    // bits; and, to see that the attack is able, both shares together.
    let mut right = [0usize; 5];
    let mut count = 0;
    for i in 0..BATCHES {
        let batch = data.batch(i, SHAPE.batch);
        let turn = requester.begin(&batch, 0.0).unwrap();
        requester.abandon();
        let [first, second] = turn.shares.unwrap().map(|bytes| integers(&bytes));
        let low = |all: &[u64]| all.iter().map(|v| f64::from(*v as u32 as i32)).collect();
        let together: Vec<u64> = (first.iter().zip(&second))
            .map(|(a, b)| a.wrapping_add(*b))
            .collect();
        let views: [Vec<f64>; 5] = [
            signed(&first),
            signed(&second),
            low(&first),
            low(&second),
            signed(&together),
        ];
        for (right, view) in right.iter_mut().zip(&views) {
            let hits = common::hits(&batch, &common::nearest(view, &table, hidden));
            *right += hits.0;
        }
        count += common::hits(&batch, &batch.ids).1;
    }
    let (rate, bound) = unigram(&base, &data, count);
    let rates = right.map(|right| right as f64 / count as f64);
    println!("masked: {rates:?} over {count} tokens; unigram {rate:.4}, 95% below {bound:.4}");
    assert!(count > 2_000, "{count}");
    for rate in &rates[..4] {
        assert!(*rate <= bound, "{rates:?}, bound {bound}");
    }
    assert!(rates[4] >= 0.99, "the attack itself fails: {rates:?}");
}

/// Under one key the first provider's whole view is the same whatever the text is: it cannot hold
/// any of it. (Keys must not be reused; this is a test.)
#[test]
fn the_first_view_does_not_depend_on_the_text() {
    let base = common::base(common::BIASED);
    let shape = BatchShape { batch: 2, seq: 5 };
    let private = common::private(3, &common::all());
    let kernel = Kernel::detect().unwrap();
    let purpose = Purpose::Train(common::plain_settings());
    let view = |seed: u64| {
        let state = common::state(&base, &private);
        let masker = Masker::new([9; 32]);
        let requester = MaskedRequester::new(&kernel, &base, state, shape, purpose, masker);
        let mut requester = requester.unwrap();
        let provider = |which| MaskedProvider::new(which, &base, shape.positions()).unwrap();
        let mut providers = [provider(0), provider(1)];
        let batch = common::batch(shape.batch, shape.seq, 20, seed);
        step(&mut requester, &mut providers, &batch, 0.01)
            .unwrap()
            .1
    };
    let (one, other) = (view(1), view(2));
    assert_eq!(one.shares[0], other.shares[0]);
    assert_ne!(one.shares[1], other.shares[1]);
    // No two products share a mask.
    let mut masks: Vec<u64> = one.shares[0].iter().map(|m| integers(m)[0]).collect();
    masks.sort_unstable();
    masks.dedup();
    assert_eq!(masks.len(), one.shares[0].len());
}
