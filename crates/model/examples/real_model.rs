//! Shows what a model makes of texts, for others to compare: `real_model MODEL ASK.json OUT`.
//!
//! `MODEL` is a folder or a .gguf file. `ASK.json` holds `texts` (a list), `passage` and `question`.
//! Prints one JSON object: token `ids` of each text, the greedy `answer` to the question written
//! with the chat template, and seconds. `OUT` becomes a safetensors file with `input_ids`, `[n]`
//! i64, and `logits`, `[n, vocab]` f32, of the passage.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use assay_data::{Batch, Message, Role};
use assay_kernel::Kernel;
use assay_model::{Base, answer, logits};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// Most tokens of an answer.
const ANSWER: usize = 24;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, ask, out] = arguments.as_slice() else {
        return Err("usage: real_model MODEL ASK.json OUT".into());
    };
    let ask: serde_json::Value = serde_json::from_slice(&std::fs::read(ask)?)?;
    let start = Instant::now();
    let base = Arc::new(Base::from_folder(Path::new(model))?);
    let load = start.elapsed().as_secs_f64();
    let tokenizer = base.tokenizer()?;
    let texts: Vec<String> = serde_json::from_value(ask["texts"].clone())?;
    let ids: Result<Vec<Vec<u32>>, _> = (texts.iter())
        .map(|text| Ok::<_, Box<dyn Error>>(tokenizer.encode(text, true)?.ids))
        .collect();

    let passage = ask["passage"].as_str().ok_or("passage is missing")?;
    let passage = tokenizer.encode(passage, true)?.ids;
    let mut batch = Batch::padding(1, passage.len(), 0);
    batch.ids.clone_from(&passage);
    let kernel = Kernel::detect()?;
    let found = logits(&kernel, &base, None, &batch)?;
    write(Path::new(out), &passage, &found)?;

    let question = ask["question"].as_str().ok_or("question is missing")?;
    let message = Message::new(Role::User, question);
    let start = Instant::now();
    let answer = answer(&kernel, &base, None, &[message], ANSWER, None)?;
    let report = serde_json::json!({
        "ids": ids?,
        "answer": answer,
        "load_seconds": load,
        "answer_seconds": start.elapsed().as_secs_f64(),
        "base_digest": base.digest().to_string(),
    });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

fn write(out: &Path, ids: &[u32], logits: &[f32]) -> Result<(), Box<dyn Error>> {
    let id_bytes: Vec<u8> = (ids.iter())
        .flat_map(|id| i64::from(*id).to_le_bytes())
        .collect();
    let bytes: Vec<u8> = logits.iter().flat_map(|x| x.to_le_bytes()).collect();
    let shape = vec![ids.len(), logits.len() / ids.len()];
    let views = BTreeMap::from([
        (
            "input_ids",
            TensorView::new(Dtype::I64, vec![ids.len()], &id_bytes)?,
        ),
        ("logits", TensorView::new(Dtype::F32, shape, &bytes)?),
    ]);
    std::fs::write(out, safetensors::serialize(views, None)?)?;
    Ok(())
}
