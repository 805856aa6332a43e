//! Operators before a judge: one encoding, an answer to everything, and the same answer twice.
#![no_main]

use assay_fuzz::samples::model::pieces;
use assay_fuzz::{canonical_borsh, to_borsh};
use assay_graph::{Data, Limits, Piece, judge};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    values: 1 << 12,
    work: 1 << 20,
};

fuzz_target!(init: assay_fuzz::plant(pieces().iter().map(to_borsh)), |data: &[u8]| {
    let Some(piece) = canonical_borsh::<Piece>(data) else {
        return;
    };
    let Ok(judged) = judge(&piece, LIMITS) else {
        return;
    };
    assert_eq!(judged.inputs.len(), piece.node.inputs.len());
    if let Some(outputs) = &judged.outputs {
        assert_eq!(outputs.len(), piece.node.outputs.len());
    }
    assert_eq!(judge(&piece, LIMITS).expect("the same piece"), judged);
    // What an operand holds is bound: its first value, for one.
    let mut other = piece.clone();
    if let Some(Data::Floats(values)) = other.inputs.first_mut() {
        values[0] = if values[0] == 0.5 { 0.25 } else { 0.5 };
        if let Ok(changed) = judge(&other, LIMITS) {
            assert_ne!(changed.inputs[0], judged.inputs[0]);
            assert_eq!(changed.inputs[1..], judged.inputs[1..]);
        }
    }
});
