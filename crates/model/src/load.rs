//! From a model's files to the tensors of its base.

use std::collections::HashSet;

use assay_graph::WeightId;

use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::files::ModelSource;
use crate::spec::ModelSpec;
use crate::storage::{Precision, Stored};
use crate::weights::TensorFile;

/// Reads every tensor of a model, the projections into the form in which they are held.
pub(crate) fn load_weights(
    config: &ModelConfig,
    spec: &ModelSpec,
    mut source: ModelSource,
    precision: Precision,
) -> Result<Vec<Stored>, LoadError> {
    let mut weights: Vec<Option<Stored>> = vec![None; spec.weights().len()];
    // An output that config.json ties to the embedding may be stored a second time.
    let output_shape = [config.vocab_size, config.hidden_size];
    let mut output = None;
    for name in source.shards()? {
        // Taken out, so that a shard that is in memory is freed once it is read.
        let bytes = source.weights.remove(&name);
        let bytes = bytes.ok_or_else(|| LoadError::MissingFile(name.clone()))?;
        let file = TensorFile::open(&name, &*bytes)?;
        for ((id, info), slot) in (0..).map(WeightId).zip(spec.weights()).zip(&mut weights) {
            if let Some(values) = file.get(&info.name, &info.shape)? {
                *slot = Some(match info.shape[..] {
                    [_, cols] if spec.is_projection(id) => Stored::new(values, cols, precision),
                    _ => Stored::Float32(values),
                });
            }
        }
        check_names(config, spec, &file)?;
        let has_output = file.names().any(|name| name == OUTPUT);
        if config.tie_word_embeddings && has_output {
            output = Some((name, bytes));
        }
    }
    let present = spec.weights().iter().zip(weights);
    let weights: Vec<Stored> = present
        .map(|(info, values)| values.ok_or_else(|| LoadError::MissingTensor(info.name.clone())))
        .collect::<Result<_, _>>()?;
    if let Some((name, bytes)) = output {
        let embedding = weights[spec.embedding.index()].widened();
        let file = TensorFile::open(&name, &*bytes)?;
        if file.equals(OUTPUT, &output_shape, &embedding)? == Some(false) {
            return Err(LoadError::TwoOutputs);
        }
    }
    Ok(weights)
}

/// The output projection.
const OUTPUT: &str = "lm_head.weight";

/// Refuses tensors of the decoder that the configuration does not describe: a model without them
/// would be another one. Tables of rotary positions, which older programs stored, and what lies
/// beside the decoder are passed over.
fn check_names(
    config: &ModelConfig,
    spec: &ModelSpec,
    file: &TensorFile<'_>,
) -> Result<(), LoadError> {
    let known: HashSet<&str> = spec.weights().iter().map(|w| w.name.as_str()).collect();
    let decoder = [
        "model.layers.",
        "model.norm.",
        "model.embed_tokens.",
        "lm_head.",
    ];
    let extra = file.names().find(|name| {
        let name = name.as_str();
        let repeated = config.tie_word_embeddings && name == OUTPUT;
        let ours = decoder.iter().any(|prefix| name.starts_with(prefix));
        ours && !known.contains(name) && !repeated && !name.contains(".rotary_emb.")
    });
    match extra {
        None => Ok(()),
        Some(name) => Err(LoadError::ExtraTensor(name.chars().take(200).collect())),
    }
}
