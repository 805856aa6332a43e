//! Against PyTorch, transformers and PEFT: `tests/fixtures`, made by `bench/make_fixtures.py`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_data::{Batch, DataSet, Format, Options, read};
use assay_kernel::{IGNORE, Kernel};
use assay_model::{
    AdamWConfig, Adapter, Base, BatchShape, Evaluator, TrainState, Trainer, gradients, logits,
};
use safetensors::SafeTensors;
use serde_json::Value;

fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

fn fixture(name: &str) -> PathBuf {
    path("tests/fixtures").join(name)
}

fn example() -> Arc<Base> {
    Arc::new(Base::from_folder(&path("../../examples/glassllm")).unwrap())
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

struct Arrays(Vec<u8>);

impl Arrays {
    fn open(name: &str) -> Self {
        Self(std::fs::read(fixture(name)).unwrap())
    }

    fn words<T>(&self, name: &str, convert: fn([u8; 4]) -> T) -> Vec<T> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        let words = tensor.data().as_chunks::<4>().0;
        words.iter().map(|word| convert(*word)).collect()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.words(name, f32::from_le_bytes)
    }

    fn ids(&self, name: &str) -> Vec<u32> {
        self.words(name, u32::from_le_bytes)
    }
}

fn batch(rows: usize, ids: Vec<u32>) -> Batch {
    Batch {
        batch: rows,
        seq: ids.len() / rows,
        labels: vec![IGNORE; ids.len()],
        ids,
    }
}

#[track_caller]
fn assert_close(ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len());
    let difference = |(a, b): (&f32, &f32)| (a - b).abs();
    let worst = ours.iter().zip(theirs).map(difference).fold(0.0, f32::max);
    assert!(worst <= tolerance, "largest difference {worst}");
}

/// Root mean square of the difference, relative to that of `theirs`.
fn relative(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let pairs = ours.iter().zip(theirs);
    let error: f64 = pairs.map(|(a, b)| square(a - b)).sum();
    let size: f64 = theirs.iter().map(|b| square(*b)).sum();
    (error / size).sqrt()
}

#[test]
fn example_logits() {
    let (kernel, base) = (Kernel::detect().unwrap(), example());
    let (arrays, notes) = (Arrays::open("logits.safetensors"), json("logits.json"));
    for (name, text) in notes["prompts"].as_object().unwrap() {
        let ids = arrays.ids(&format!("{name}.input_ids"));
        let tokenizer = base.tokenizer().unwrap();
        assert_eq!(
            tokenizer.encode(text.as_str().unwrap(), false).unwrap().ids,
            ids
        );
        let ours = logits(&kernel, &base, None, &batch(1, ids)).unwrap();
        assert_close(&ours, &arrays.floats(&format!("{name}.logits")), 1e-4);
    }
    let ids = arrays.ids("full.input_ids");
    assert_eq!(ids.len(), base.config().max_position_embeddings);
    let ours = logits(&kernel, &base, None, &batch(1, ids)).unwrap();
    let last = ours.len() - base.config().vocab_size;
    assert_close(&ours[last..], &arrays.floats("full.last_logits"), 1e-4);
}

#[test]
fn logits_of_other_architectures() {
    let kernel = Kernel::detect().unwrap();
    for name in ["tiny_qwen2", "tiny_llama3"] {
        let base = Arc::new(Base::from_folder(&fixture(name)).unwrap());
        let arrays = Arrays::open(&format!("{name}/logits.safetensors"));
        let ours = logits(&kernel, &base, None, &batch(2, arrays.ids("input_ids"))).unwrap();
        assert_close(&ours, &arrays.floats("logits"), 1e-4);
    }
}

#[test]
fn held_out_loss() {
    let (kernel, base, expected) = (Kernel::detect().unwrap(), example(), json("heldout.json"));
    let bytes = std::fs::read(path("../../examples/dialogue/heldout.jsonl")).unwrap();
    let records = read(&bytes, Format::JsonLines).unwrap();
    for (completion_only, name) in [(true, "completions"), (false, "all_tokens")] {
        let options = Options {
            completion_only,
            ..Options::new(64)
        };
        let data = DataSet::build(&records, base.tokenizer().unwrap(), &options).unwrap();
        let shape = BatchShape { batch: 8, seq: 64 };
        let mut evaluator = Evaluator::new(&kernel, base.clone(), None, shape).unwrap();
        let mut score = assay_model::Score::default();
        for index in 0..data.batches(8) {
            score.add(evaluator.score(&data.batch(index, 8)).unwrap());
        }
        let theirs = expected[name]["loss"].as_f64().unwrap();
        assert_eq!(score.tokens, expected[name]["tokens"].as_u64().unwrap());
        let ours = score.mean().unwrap();
        assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
    }
}

fn lora_step() -> (Arc<Base>, Adapter, Batch, Arrays, Value) {
    let base = example();
    let adapter = Adapter::load_peft(&fixture("lora_step"), base.config()).unwrap();
    let arrays = Arrays::open("lora_step/expected.safetensors");
    let mut rows = batch(4, arrays.ids("input_ids"));
    rows.labels = arrays.words("labels", i32::from_le_bytes);
    (base, adapter, rows, arrays, json("lora_step/expected.json"))
}

#[test]
fn one_lora_step() {
    let kernel = Kernel::detect().unwrap();
    let (base, adapter, rows, arrays, expected) = lora_step();
    let first = batch(1, rows.ids[..rows.seq].to_vec());
    let ours = logits(&kernel, &base, Some(&adapter), &first).unwrap();
    assert_close(&ours, &arrays.floats("row0.logits"), 1e-4);

    let theirs = expected["loss"].as_f64().unwrap();
    let (loss, all) = gradients(&kernel, &base, &adapter, &rows).unwrap();
    assert!(
        (f64::from(loss) / theirs - 1.0).abs() < 1e-5,
        "{loss} {theirs}"
    );
    assert_eq!(all.len(), adapter.params().len());
    for (param, ours) in adapter.params().iter().zip(&all) {
        let theirs = arrays.floats(&format!("grad.{}", param.info.name));
        let error = relative(ours, &theirs);
        assert!(error < 1e-4, "gradient of {}: {error}", param.info.name);
    }
}

#[test]
fn ten_optimiser_steps() {
    let kernel = Kernel::detect().unwrap();
    let (base, adapter, rows, arrays, expected) = lora_step();
    let settings = AdamWConfig {
        weight_decay: 0.01,
        ..AdamWConfig::default()
    };
    let lora = adapter.method().clone();
    let shape = BatchShape { batch: 4, seq: 32 };
    let mut trainer = Trainer::new(&kernel, base, &lora, settings, shape, &[0; 32]).unwrap();
    let mut state = TrainState::new(adapter);
    let losses = expected["losses_of_steps_on_this_batch"]
        .as_array()
        .unwrap();
    for (step, theirs) in losses.iter().enumerate() {
        let ours = trainer.step(&mut state, &rows, 1e-3).unwrap();
        assert_eq!(
            ours.tokens as u64,
            expected["counted_tokens"].as_u64().unwrap()
        );
        let theirs = theirs.as_f64().unwrap();
        assert!(
            (f64::from(ours.loss) / theirs - 1.0).abs() < 1e-4,
            "{ours:?} {theirs}"
        );
        if step > 0 {
            continue;
        }
        for param in state.adapter().params() {
            let theirs = arrays.floats(&format!("updated.{}", param.info.name));
            let error = relative(&param.values, &theirs);
            assert!(error < 1e-4, "update of {}: {error}", param.info.name);
        }
    }
}
