//! Trains a model on `examples/tables/digits.csv` and writes it for PyTorch: `export KIND DIR`, KIND being
//! `softmax`, `mlp` or `cnn`.
//!
//! `python3 bench/make_estimator_fixtures.py --check DIR` loads what was written and compares outputs.

use std::error::Error;
use std::path::Path;

use assay_data::Format;
use assay_data::table::Table;
use assay_estimator::export::{Description, to_safetensors};
use assay_estimator::{
    ModelSpec, Order, Scaling, Shard, Specification, State, TableSpec, TrainSpec, Trainer, outputs,
};
use assay_kernel::Kernel;
use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};

fn model(kind: &str) -> Option<ModelSpec> {
    let (features, classes) = (64, 10);
    match kind {
        "softmax" => Some(ModelSpec::Softmax { features, classes }),
        "mlp" => Some(ModelSpec::Mlp {
            features,
            hidden: vec![32],
            classes,
        }),
        "cnn" => Some(ModelSpec::Cnn {
            channels: 1,
            height: 8,
            width: 8,
            filters: vec![8, 16],
            classes,
        }),
        _ => None,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "cnn".into());
    let folder = arguments.next().ok_or("name a directory to write to")?;
    let model = model(&kind).ok_or("KIND is softmax, mlp or cnn")?;
    let bytes = std::fs::read("examples/tables/digits.csv")?;
    let spec = TableSpec {
        label: "digit".into(),
        classes: (0..10).map(|n| n.to_string()).collect(),
        ..TableSpec::default()
    };
    let table = Table::open(bytes, Format::Csv)?;
    let spec = spec.resolved(&table)?;
    let (kernel, samples) = (Kernel::detect()?, spec.read(table)?);
    let scaling = Scaling::of(&samples, &spec.numeric())?;
    let shard = Shard::new(scaling.apply(&kernel, &samples)?);
    let training = TrainSpec {
        momentum: 0.9,
        ..TrainSpec::at_rate(0.05)
    };
    let specification = Specification { model, training };
    let mut state = State::initial(&specification.model, &[1; 32])?;
    let order = Order {
        seed: [2; 32],
        round: 0,
        trainer: 0,
    };
    let mut trainer = Trainer::new(&kernel, &specification, order)?;
    for index in 0..200 {
        trainer.step(&mut state, &shard, index)?;
    }
    let description = Description {
        features: spec.features.clone(),
        classes: spec.classes.clone(),
        scaling: Some(scaling),
        ..Description::of(&state)
    };
    let z = outputs(&kernel, &state, shard.samples())?;
    let plain =
        |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let (features, z) = (plain(shard.samples().features()), plain(&z));
    let rows = shard.samples().rows();
    let tensors = [
        (
            "features",
            TensorView::new(Dtype::F32, vec![rows, 64], &features)?,
        ),
        ("outputs", TensorView::new(Dtype::F32, vec![rows, 10], &z)?),
    ];
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("model.json"), description.to_json())?;
    std::fs::write(folder.join("model.safetensors"), to_safetensors(&state)?)?;
    std::fs::write(folder.join("rows.safetensors"), serialize(tensors, None)?)?;
    Ok(())
}
