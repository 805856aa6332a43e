//! Every entry of every gradient against central differences of an f64 model.

#[path = "common/reference.rs"]
mod reference;

use crate::common;
use assay_kernel::Kernel;
use assay_model::{Target, gradients};
use reference::Reference;

/// Compares all gradients entry by entry; the largest error may be a few f32 roundings of the
/// largest entry of its matrix.
fn check(config: &str, targets: &[Target], rows: usize, seq: usize) {
    let kernel = Kernel::detect().unwrap();
    let base = common::base(config);
    let adapter = common::adapter(&base, &common::lora(targets));
    let batch = common::batch(rows, seq, 1);
    let (loss, all) = gradients(&kernel, &base, &adapter, &batch).unwrap();
    let mut reference = Reference::new(&base, &adapter);
    let expected = reference.loss(&batch);
    assert!(
        (f64::from(loss) - expected).abs() < 2e-6 * expected,
        "{loss} {expected}"
    );
    const STEP: f64 = 1e-5;
    for (param, ours) in adapter.params().iter().zip(&all) {
        let name = &param.info.name;
        let mut differences = Vec::new();
        for i in 0..ours.len() {
            let mut at = |offset: f64| {
                let values = reference.adapter.get_mut(name).unwrap();
                let old = values[i];
                values[i] = old + offset;
                let loss = reference.loss(&batch);
                reference.adapter.get_mut(name).unwrap()[i] = old;
                loss
            };
            differences.push((at(STEP) - at(-STEP)) / (2.0 * STEP));
        }
        let largest = differences.iter().fold(0.0, |m: f64, d| m.max(d.abs()));
        assert!(
            largest > 1e-5,
            "the gradient of {name} is nearly zero: a weak test"
        );
        for (ours, theirs) in ours.iter().zip(&differences) {
            let error = (f64::from(*ours) - theirs).abs();
            assert!(error < 2e-5 * largest, "{name}: {ours} is not {theirs}");
        }
    }
}

#[test]
fn all_projections_with_biases_grouped_queries_and_tied_output() {
    check(common::BIASED_TIED, &Target::ALL, 2, 6);
}

#[test]
fn all_projections_of_a_qwen2() {
    check(common::QWEN, &Target::ALL, 2, 5);
}

#[test]
fn all_projections_of_a_plain_llama() {
    check(common::PLAIN, &Target::ALL, 1, 7);
}

#[test]
fn single_projections() {
    for target in Target::ALL {
        check(common::BIASED_TIED, &[target], 1, 5);
    }
}

#[test]
fn usual_subsets() {
    check(common::QWEN, &[Target::QProj, Target::VProj], 2, 4);
    check(
        common::PLAIN,
        &[Target::GateProj, Target::UpProj, Target::DownProj],
        1,
        6,
    );
}

#[test]
fn one_position() {
    // With one position attention is the identity on values, so q and k get no gradient.
    let targets = [Target::VProj, Target::OProj, Target::UpProj];
    check(common::PLAIN, &targets, 3, 1);
}
