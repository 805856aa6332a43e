//! Writes our logits for others to compare: `logits MODEL_DIR ADAPTER_DIR TEXT OUT`.
//!
//! `OUT` becomes a safetensors file with `input_ids`, `[n]` i64, and `logits`, `[n, vocab]` f32, of
//! the first tokens of the file `TEXT`, as many as the model has positions (at most 128).

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::Kernel;
use assay_model::{Adapter, Base, logits, read_model_folder};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// Most positions written.
const POSITIONS: usize = 128;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, adapter, text, out] = arguments.as_slice() else {
        return Err("usage: logits MODEL_DIR ADAPTER_DIR TEXT OUT".into());
    };
    let base = Arc::new(Base::from_files(read_model_folder(Path::new(model))?)?);
    let adapter = Adapter::load_peft(Path::new(adapter), base.config())?;
    let text = std::fs::read_to_string(text)?;
    let mut ids = base.tokenizer()?.encode(&text, true)?.ids;
    ids.truncate(POSITIONS.min(base.config().max_position_embeddings));

    let mut batch = Batch::padding(1, ids.len(), 0);
    batch.ids.clone_from(&ids);
    let found = logits(&Kernel::detect()?, &base, Some(&adapter), &batch)?;

    let id_bytes: Vec<u8> = ids
        .iter()
        .flat_map(|id| i64::from(*id).to_le_bytes())
        .collect();
    let bytes: Vec<u8> = found.iter().flat_map(|logit| logit.to_le_bytes()).collect();
    let shape = vec![ids.len(), base.config().vocab_size];
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
