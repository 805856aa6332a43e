//! One digest for a run, whatever computes it.

use crate::common::{ORDER, every_kind, kernels, random, trained};
use assay_estimator::{Shard, State, Trainer, outputs, score};
use assay_kernel::Kernel;

/// Digests of the states after six steps: if one moves, states of runs that were committed to move too.
const GOLDEN: [&str; 5] = [
    "d19c80335b475d88613e9eb96cdd4a7b48bf0bf1e31df9080855376b0be142b7",
    "5aa87473b85019f9b279301e27ba40ce95a5305f2753e4cb0579379d249358ba",
    "67633f3f7daa60e298370a0fa69f42ab62c6c014e972518196504ef245c4e2b2",
    "2d346635d4a73b39d490a94bf6e64971b868f150c249ce86086a41e09cf49ccc",
    "2d4400231a1e7134523585967a61ec40d22c934966ef70c2e3142bdcf367a90b",
];

#[test]
fn a_run_of_every_model_has_one_digest_on_every_path_and_number_of_threads() {
    let mut found = Vec::new();
    for (name, specification) in every_kind() {
        let shard = Shard::new(random(&specification.model, 130));
        let mut digests = Vec::new();
        for kernel in kernels() {
            let state = trained(&kernel, &specification, &shard, 6);
            assert_eq!(state.steps(), 6);
            digests.push(state.digest().to_string());
            assert_eq!(digests.last(), digests.first(), "{name} on {kernel:?}");
        }
        found.push(digests.swap_remove(0));
    }
    assert_eq!(found, GOLDEN);
}

#[test]
fn scores_are_the_same_on_every_path_and_number_of_threads() {
    for (name, specification) in every_kind() {
        let samples = random(&specification.model, 300);
        let shard = Shard::new(samples.clone());
        let state = trained(&Kernel::detect().unwrap(), &specification, &shard, 3);
        let of = |kernel: &Kernel| {
            let bits = outputs(kernel, &state, &samples).unwrap();
            let bits: Vec<u32> = bits.iter().map(|z| z.to_bits()).collect();
            (bits, score(kernel, &state, &samples).unwrap())
        };
        let all: Vec<_> = kernels().iter().map(of).collect();
        assert!(all.iter().all(|one| *one == all[0]), "{name}");
    }
}

#[test]
fn a_run_continues_from_its_bytes() {
    let kernel = Kernel::detect().unwrap();
    for (name, specification) in every_kind() {
        let shard = Shard::new(random(&specification.model, 90));
        let start = State::initial(&specification.model, &[9; 32]).unwrap();
        let trainer = || {
            let trainer = Trainer::new(&kernel, &specification, ORDER).unwrap();
            trainer.with_anchor(start.parameters()).unwrap()
        };
        let straight = trained(&kernel, &specification, &shard, 5);
        let half = trained(&kernel, &specification, &shard, 2);
        let mut again = State::from_bytes(&half.to_bytes(), &specification.model).unwrap();
        assert_eq!((again.digest(), &again), (half.digest(), &half));
        let mut resumed = trainer();
        for index in 2..5 {
            resumed.step(&mut again, &shard, index).unwrap();
        }
        assert_eq!(again, straight, "{name}");
    }
}

#[test]
fn the_views_of_a_state_are_its_parameters_by_name_and_shape() {
    let (_, specification) = every_kind().swap_remove(2);
    let state = State::initial(&specification.model, &[0; 32]).unwrap();
    assert_eq!(state.parameters().len(), 7_850);
    let views: Vec<_> = state.views().collect();
    let named = |i: usize| (views[i].info.name.as_str(), &views[i].info.shape[..]);
    assert_eq!(named(0), ("0.weight", &[10, 784][..]));
    assert_eq!(named(1), ("0.bias", &[10][..]));
    assert_eq!((views[0].values.len(), views[1].values.len()), (7_840, 10));
}
