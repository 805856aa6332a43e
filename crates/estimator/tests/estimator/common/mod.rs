//! What the tests share: fixtures, example tables, and every way this machine can compute.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)] // helpers of several tests

use std::path::{Path, PathBuf};

use assay_data::Format;
use assay_data::table::Table;
use assay_estimator::{
    Labels, ModelSpec, Order, Samples, Scaling, Shard, Specification, State, TableSpec, TrainSpec,
    Trainer, hold_out,
};
use assay_kernel::random::Stream;
use assay_kernel::{Isa, Kernel};
use safetensors::SafeTensors;
use serde_json::Value;

pub(crate) fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path("tests/fixtures").join(name)).unwrap()
}

pub(crate) fn json(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap()
}

/// Tensors of a file, by name.
pub(crate) struct Arrays(pub(crate) Vec<u8>);

impl Arrays {
    fn words<T>(&self, name: &str, convert: fn([u8; 4]) -> T) -> Vec<T> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        let words = tensor.data().as_chunks::<4>().0;
        words.iter().map(|word| convert(*word)).collect()
    }

    pub(crate) fn floats(&self, name: &str) -> Vec<f32> {
        self.words(name, f32::from_le_bytes)
    }

    pub(crate) fn integers(&self, name: &str) -> Vec<u32> {
        self.words(name, u32::from_le_bytes)
    }
}

/// A table of `examples/tables`.
pub(crate) fn example(name: &str, spec: &TableSpec) -> Samples {
    spec.read(open(name)).unwrap()
}

pub(crate) fn open(name: &str) -> Table {
    let bytes = std::fs::read(path("../../examples/tables").join(name)).unwrap();
    Table::open(bytes, Format::Csv).unwrap()
}

pub(crate) fn cancer() -> TableSpec {
    TableSpec {
        label: "diagnosis".into(),
        classes: vec!["malignant".into(), "benign".into()],
        ..TableSpec::default()
    }
}

pub(crate) fn digits() -> TableSpec {
    TableSpec {
        label: "digit".into(),
        classes: (0..10).map(|n| n.to_string()).collect(),
        ..TableSpec::default()
    }
}

/// A fifth of the rows held out, and all of them standardised by constants of the others.
pub(crate) fn standardised(samples: &Samples) -> (Samples, Samples) {
    scaled(samples, |train| {
        Scaling::of(train, &vec![true; train.width()]).unwrap()
    })
}

/// The same, divided by 16, the most that a pixel of the digits is: what is the same in every place of an
/// image must stay so.
pub(crate) fn sixteenths(samples: &Samples) -> (Samples, Samples) {
    scaled(samples, |train| Scaling {
        mean: vec![0.0; train.width()],
        factor: vec![1.0 / 16.0; train.width()],
    })
}

fn scaled(samples: &Samples, constants: impl Fn(&Samples) -> Scaling) -> (Samples, Samples) {
    let (train, held) = hold_out(samples.rows(), 200, &[3; 32]);
    let (train, held) = (samples.of_rows(&train), samples.of_rows(&held));
    let scaling = constants(&train);
    let kernel = Kernel::detect().unwrap();
    let scaled = |samples| scaling.apply(&kernel, samples).unwrap();
    (scaled(&train), scaled(&held))
}

/// Every way this machine can compute.
pub(crate) fn kernels() -> Vec<Kernel> {
    let mut all = vec![Kernel::without_fma(1).unwrap()];
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        all.extend([1, 2].map(|threads| Kernel::new(isa, threads).unwrap()));
    }
    all
}

pub(crate) const ORDER: Order = Order {
    seed: [5; 32],
    round: 3,
    trainer: 1,
};

/// A state after so many steps, which must all be taken, from the seed of all tests.
pub(crate) fn trained(
    kernel: &Kernel,
    specification: &Specification,
    shard: &Shard,
    steps: u64,
) -> State {
    let mut state = State::initial(&specification.model, &[9; 32]).unwrap();
    let mut trainer = Trainer::new(kernel, specification, ORDER).unwrap();
    if specification.training.proximal > 0.0 {
        trainer = trainer.with_anchor(state.parameters()).unwrap();
    }
    for index in 0..steps {
        let report = trainer.step(&mut state, shard, index).unwrap();
        assert!(report.is_valid(), "{report:?}");
    }
    state
}

/// Random rows with labels that follow from them, for a model.
pub(crate) fn random(model: &ModelSpec, rows: usize) -> Samples {
    let width = model.features();
    let mut stream = Stream::new(&[4; 32], 7, rows as u64);
    let features: Vec<f32> = (0..rows * width).map(|_| stream.normal()).collect();
    let sums = features.chunks(width).map(|row| row.iter().sum::<f32>());
    let labels = match model.classes() {
        None => Labels::Values(sums.map(|sum| 0.5 * sum + 1.0).collect()),
        Some(count) => {
            let class = |sum: f32| (sum.abs() * 2.0) as u32 % count;
            Labels::classes(sums.map(class).collect(), count).unwrap()
        }
    };
    Samples::new(features, width, labels).unwrap()
}

/// One model of every kind, with settings that use every part of a step.
pub(crate) fn every_kind() -> Vec<(&'static str, Specification)> {
    let models = [
        ("linear", ModelSpec::Linear { features: 37 }),
        ("logistic", ModelSpec::Logistic { features: 37 }),
        (
            "softmax",
            ModelSpec::Softmax {
                features: 784,
                classes: 10,
            },
        ),
        (
            "mlp",
            ModelSpec::Mlp {
                features: 37,
                hidden: vec![40, 21],
                classes: 5,
            },
        ),
        (
            "cnn",
            ModelSpec::Cnn {
                channels: 2,
                height: 11,
                width: 9,
                filters: vec![6, 5],
                classes: 4,
            },
        ),
    ];
    let training = TrainSpec {
        batch_size: 50,
        momentum: 0.9,
        weight_decay: 0.01,
        proximal: 0.1,
        max_grad_norm: Some(1.0),
        ..TrainSpec::at_rate(0.05)
    };
    let each = models.map(|(name, model)| {
        let training = training.clone();
        (name, Specification { model, training })
    });
    each.to_vec()
}
