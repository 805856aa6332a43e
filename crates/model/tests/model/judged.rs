//! Operators judged alone, and what a trace of a step shows.

use std::sync::Arc;

use crate::common;
use assay_crypto::{Digest, merkle};
use assay_graph::{Data, Limits, Origin, Piece, StepTrace, judge, values_root};
use assay_kernel::Kernel;
use assay_kernel::random::Stream;
use assay_model::{
    Base, BatchShape, Method, Precision, Target, TrainSettings, TrainState, Trainer,
};
use borsh::BorshDeserialize;

const SHAPE: BatchShape = BatchShape { batch: 2, seq: 6 };

fn base_in(json: &str, precision: Precision) -> Arc<Base> {
    let base = Base::from_files(common::files(json)).unwrap();
    Arc::new(base.held_in(precision))
}

/// A trace of a step and its operators, each with all it reads.
fn judged_step(
    base: &Arc<Base>,
    method: &Method,
    settings: TrainSettings,
) -> (StepTrace, Vec<Piece>, TrainState) {
    let kernel = Kernel::detect().unwrap();
    let seed = [2; 32];
    let mut trainer = Trainer::new(&kernel, base.clone(), method, settings, SHAPE, &seed).unwrap();
    let mut state = TrainState::new(common::adapter(base, method));
    let rows = trainer.graph().rows();
    let batch = common::batch(rows.batch, rows.seq, 3);
    trainer.step(&mut state, &batch, 1e-2).unwrap();
    let before = state.clone();
    let pieces = trainer.pieces(&state, &batch, 1e-2, |_| true).unwrap();
    assert_eq!(state, before);
    let (output, trace) = trainer.step_traced(&mut state, &batch, 1e-2).unwrap();
    // Tracing changes nothing.
    let mut untraced = before.clone();
    assert_eq!(trainer.step(&mut untraced, &batch, 1e-2).unwrap(), output);
    assert_eq!(untraced, state);
    let nodes = trainer.graph().described().map(|node| node.digest());
    assert_eq!(trainer.graph().digest(), merkle::root(nodes.collect()));
    (trace, pieces, before)
}

/// Every operator alone, from bytes, gives the record that the step's trace holds; and every operand
/// is what an earlier record or the state commits to.
#[test]
fn every_operator_is_judged_as_the_trace_says() {
    for (json, precision) in [
        (common::BIASED_TIED, Precision::Float32),
        (common::QWEN, Precision::W8A8),
    ] {
        let base = base_in(json, precision);
        for (name, method) in common::methods() {
            for settings in [2, 4].map(|i| common::settings()[i]) {
                let (trace, pieces, before) = judged_step(&base, &method, settings);
                assert_eq!(trace.records().len(), pieces.len());
                for (piece, record) in pieces.iter().zip(trace.records()) {
                    let bytes = borsh::to_vec(piece).unwrap();
                    let read = Piece::try_from_slice(&bytes).unwrap();
                    let judged = judge(&read, Limits::WORKER).unwrap();
                    let op = piece.node.op;
                    assert_eq!(judged.record().as_ref(), Some(record), "{name}: {op:?}");
                    check_operands(piece, &judged.inputs, &trace, &before);
                }
            }
        }
    }
}

fn check_operands(piece: &Piece, roots: &[Digest], trace: &StepTrace, before: &TrainState) {
    for (operand, root) in piece.node.inputs.iter().zip(roots) {
        let committed = match operand.origin {
            Origin::Output { node, output } => {
                trace.records()[node as usize].outputs[output as usize]
            }
            Origin::Input(input) => match before.input(input) {
                Some(values) => values_root(&values),
                None => continue,
            },
        };
        assert_eq!(*root, committed, "{:?}", piece.node);
    }
}

/// The first operator at which two lists of commitments part, found as a dispute finds it: by halves.
fn bisect(one: &[Digest], other: &[Digest]) -> usize {
    let (mut agreed, mut parted) = (0, one.len() - 1);
    assert!(one[agreed] == other[agreed] && one[parted] != other[parted]);
    while parted - agreed > 1 {
        let middle = (agreed + parted) / 2;
        match one[middle] == other[middle] {
            true => agreed = middle,
            false => parted = middle,
        }
    }
    agreed
}

/// Whoever changes one bit of what an operator writes differs first at that operator, and the judge
/// finds for the other side; whoever changes one bit of what it reads has another operand there and
/// nowhere else.
#[test]
fn one_bit_is_found_at_its_operator() {
    let base = base_in(common::QWEN, Precision::W8A8);
    let mut stream = Stream::new(&[3; 32], 0, 0);
    for (_, method) in common::methods() {
        let (trace, pieces, _) = judged_step(&base, &method, common::settings()[3]);
        let prefixes = trace.prefixes();
        for (index, piece) in pieces.iter().enumerate() {
            let honest = judge(piece, Limits::WORKER).unwrap();
            let mut records = trace.records().to_vec();
            let output = stream.below(records[index].outputs.len() as u32) as usize;
            records[index].outputs[output].0[0] ^= 1;
            let liar = StepTrace::new(records);
            let found = bisect(&prefixes, &liar.prefixes());
            assert_eq!(found, index);
            // What each side shows: its record, and that its commitment follows from the agreed one.
            for side in [&trace, &liar].into_iter().filter(|_| index % 8 == 0) {
                let mut frontier = side.frontier(index);
                assert_eq!(frontier.root(), prefixes[index]);
                frontier.push(&side.records()[index].digest());
                assert_eq!(frontier.root(), side.prefix(index + 1));
            }
            assert_eq!(honest.record().as_ref(), Some(&trace.records()[index]));
            assert_ne!(honest.record().as_ref(), Some(&liar.records()[index]));
            let place = stream.below(piece.inputs.len() as u32) as usize;
            let mut other = piece.clone();
            flip(&mut other.inputs[place], &mut stream);
            let Ok(judged) = judge(&other, Limits::WORKER) else {
                continue; // a token or a number that is none
            };
            for (i, (root, committed)) in judged.inputs.iter().zip(&honest.inputs).enumerate() {
                assert_eq!(root != committed, i == place, "{:?}", piece.node);
            }
        }
    }
}

/// Changes one bit of one value.
fn flip(data: &mut Data, stream: &mut Stream) {
    let bit = 1u32 << stream.below(32);
    let mut at = |length: usize| stream.below(length as u32) as usize;
    match data {
        Data::Floats(values) | Data::Int8 { scales: values, .. } => {
            let at = at(values.len());
            values[at] = f32::from_bits(values[at].to_bits() ^ bit);
        }
        Data::Ids(ids) => {
            let at = at(ids.len());
            ids[at] ^= bit;
        }
        Data::Labels(labels) => {
            let at = at(labels.len());
            labels[at] ^= bit as i32;
        }
        Data::Noise(noise) => noise.step ^= u64::from(bit),
        Data::Past(past) => *past ^= u64::from(bit),
    }
}

/// An earlier operator's outputs are shown under an agreed commitment by a path.
#[test]
fn an_earlier_operator_is_shown_under_a_commitment() {
    let base = base_in(common::PLAIN, Precision::Float32);
    let lora = common::lora(&[Target::QProj]);
    let (trace, ..) = judged_step(&base, &lora, common::settings()[0]);
    let count = trace.records().len() - 3;
    let root = trace.prefix(count);
    for (i, record) in trace.records().iter().enumerate() {
        let path = trace.path(i, count);
        assert_eq!(path.is_some(), i < count);
        let shown = |place| {
            let verify = |p: &merkle::Path| p.verify(&root, place, count as u64, &record.digest());
            path.as_ref().is_some_and(verify)
        };
        assert_eq!(shown(i as u64), i < count);
        assert!(!shown(i as u64 + 1));
    }
}
