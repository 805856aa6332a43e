//! GGUF files: their values against an independent dequantisation, and whole models.

use std::path::PathBuf;
use std::sync::Arc;

use assay_data::{Batch, Message, Role};
use assay_kernel::Kernel;
use assay_model::gguf::{GgufFile, Quant, Storage, convert};
use assay_model::{Base, ModelFiles, WeightId, logits};
use half::{bf16, f16};
use safetensors::SafeTensors;
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gguf");
    PathBuf::from(fixtures).join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

/// The four bytes of every value of a tensor, as numbers.
fn bits(file: &SafeTensors<'_>, name: &str) -> Vec<u32> {
    let (words, rest) = file.tensor(name).unwrap().data().as_chunks::<4>();
    assert!(rest.is_empty());
    words.iter().map(|w| u32::from_le_bytes(*w)).collect()
}

fn to_bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn tiny(storage: Storage) -> ModelFiles {
    convert(&read("tiny.gguf"), storage).unwrap()
}

/// `blocks.safetensors` was computed in exact arithmetic and rounded once, and compared with the
/// Python package `gguf` bit for bit.
#[test]
fn every_storage_type_gives_the_expected_bits() {
    let (stored, expected) = (read("blocks.gguf"), read("blocks.safetensors"));
    let stored = GgufFile::open(&stored).unwrap();
    let expected = SafeTensors::deserialize(&expected).unwrap();
    for quant in Quant::ALL {
        let tensor = stored.tensor(quant.name()).unwrap();
        assert_eq!(tensor.quant(), quant);
        let expected_shape = expected.tensor(quant.name()).unwrap();
        assert_eq!(tensor.shape(), expected_shape.shape());
        let (found, wanted) = (to_bits(&tensor.values()), bits(&expected, quant.name()));
        assert_eq!(found.len(), wanted.len());
        for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert_eq!(found, wanted, "{} value {i}", quant.name());
        }
    }
    assert_eq!(stored.tensors().count(), Quant::ALL.len());
}

#[test]
fn a_model_has_the_expected_weights_and_settings() {
    let base = Base::from_files(tiny(Storage::F32)).unwrap();
    let expected = read("tiny.safetensors");
    let expected = SafeTensors::deserialize(&expected).unwrap();
    for (i, info) in base.spec().weights().iter().enumerate() {
        let found = to_bits(&base.weight(WeightId(i as u32)));
        assert_eq!(found, bits(&expected, &info.name), "{}", info.name);
    }
    let config = base.config();
    assert_eq!((config.num_attention_heads, config.head_dim), (2, 16));
    assert_eq!((config.num_key_value_heads, config.vocab_size), (1, 272));
    assert_eq!((config.rms_norm_eps, config.rope_theta), (1e-5, 50_000.0));
    assert!(config.tie_word_embeddings);
    assert_eq!(config.eos_token_ids, [2]);
}

/// transformers computed the logits from the original order of rows, so this fails if queries and
/// keys are left interleaved.
#[test]
fn a_model_computes_the_logits_of_transformers() {
    let base = Arc::new(Base::from_files(tiny(Storage::F32)).unwrap());
    let expected = read("tiny.safetensors");
    let expected = SafeTensors::deserialize(&expected).unwrap();
    let ids = bits(&expected, "input_ids");
    let wanted: Vec<f32> = (bits(&expected, "logits").into_iter())
        .map(f32::from_bits)
        .collect();
    let mut batch = Batch::padding(1, ids.len(), 0);
    batch.ids = ids;
    let found = logits(&Kernel::detect().unwrap(), &base, None, &batch).unwrap();
    let scale = wanted.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let worst = (found.iter().zip(&wanted)).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
    assert_eq!(found.len(), wanted.len());
    assert!(scale > 1.0 && worst < 1e-5 * scale, "{worst} of {scale}");
}

#[test]
fn texts_become_the_expected_tokens_and_come_back() {
    let base = Base::from_files(tiny(Storage::F32)).unwrap();
    let tokenizer = base.tokenizer().unwrap();
    let expected: Value = serde_json::from_slice(&read("tiny.json")).unwrap();
    for entry in expected["texts"].as_array().unwrap() {
        let text = entry["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(entry["ids"].clone()).unwrap();
        assert_eq!(tokenizer.encode(text, true).unwrap().ids, ids, "{text:?}");
        assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
    }
    let ask = Message::new(Role::User, "in 12");
    let ids = tokenizer.encode_chat(std::slice::from_ref(&ask)).unwrap();
    let text = tokenizer.decode(&ids, false).unwrap();
    assert_eq!(text, "<|start|>user\nin 12<|end|>\n<|start|>assistant\n");
    assert_eq!(
        (tokenizer.bos(), tokenizer.eos(), tokenizer.pad()),
        (Some(1), Some(2), 0)
    );
}

/// The same file under GPT-2's rule: digits may be joined.
#[test]
fn the_splitting_rule_is_that_of_the_file() {
    let mut file = read("tiny.gguf");
    let at = file.windows(6).position(|w| w == b"smollm").unwrap();
    file.splice(
        at - 8..at + 6,
        [5u64.to_le_bytes().as_slice(), b"gpt-2"].concat(),
    );
    // One byte shorter: the padding in front of the tensors takes it up.
    let start = file
        .windows(18)
        .position(|w| w == b"output_norm.weight")
        .unwrap()
        + 18
        + 24;
    file.insert(start, 0);
    let digits = |file: &[u8]| {
        let base = Base::from_files(convert(file, Storage::F32).unwrap()).unwrap();
        base.tokenizer().unwrap().encode("12", true).unwrap().ids
    };
    assert_eq!(digits(&file).len(), 1);
    assert_eq!(digits(&read("tiny.gguf")).len(), 2);
}

/// The library SentencePiece learned the tokenizer and gave the ids.
#[test]
fn sentencepiece_tokenizers_give_the_ids_of_sentencepiece() {
    let files = convert(&read("sentencepiece.gguf"), Storage::F32).unwrap();
    let base = Base::from_files(files).unwrap();
    let tokenizer = base.tokenizer().unwrap();
    let expected: Value = serde_json::from_slice(&read("sentencepiece.json")).unwrap();
    let texts = expected["texts"].as_array().unwrap();
    assert!(texts.len() > 20);
    for entry in texts {
        let text = entry["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(entry["ids"].clone()).unwrap();
        assert_eq!(tokenizer.encode(text, true).unwrap().ids, ids, "{text:?}");
        assert_eq!(tokenizer.encode(text, false).unwrap().ids, ids[1..]);
        let written = text.replace('\u{2581}', " ");
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), written);
    }
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
}

#[test]
fn half_storage_rounds_to_the_nearest() {
    let exact = Base::from_files(tiny(Storage::F32)).unwrap();
    let narrow = |storage, v: f32| match storage {
        Storage::F32 => v,
        Storage::F16 => f16::from_f32(v).to_f32(),
        Storage::Bf16 => bf16::from_f32(v).to_f32(),
    };
    for storage in [Storage::F16, Storage::Bf16] {
        let base = Base::from_files(tiny(storage)).unwrap();
        for i in 0..base.spec().weights().len() as u32 {
            let exact = exact.weight(WeightId(i));
            let wanted: Vec<f32> = exact.iter().map(|v| narrow(storage, *v)).collect();
            assert_eq!(to_bits(&base.weight(WeightId(i))), to_bits(&wanted));
        }
    }
}

#[test]
fn a_gguf_file_stands_for_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in tiny(Storage::F32) {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let from_folder = assay_model::read_model_folder(folder.path()).unwrap();
    assert_eq!(
        from_folder,
        assay_model::read_model_folder(&path("tiny.gguf")).unwrap()
    );
    let capital = folder.path().join("TINY.GGUF");
    std::fs::copy(path("tiny.gguf"), &capital).unwrap();
    let base = Base::from_folder(&capital).unwrap();
    assert_eq!(
        base.digest(),
        Base::from_files(from_folder).unwrap().digest()
    );
    let missing = folder.path().join("none.gguf");
    let error = Base::from_folder(&missing).unwrap_err().to_string();
    assert!(error.contains("none.gguf is missing"), "{error}");
}

/// The conversion is a function of the file's bytes: its output is pinned.
#[test]
fn the_converted_files_never_change() {
    let digest = |storage| {
        let files = tiny(storage);
        let parts: Vec<&[u8]> = (files.iter())
            .flat_map(|(name, bytes)| [name.as_bytes(), bytes.as_slice()])
            .collect();
        assay_crypto::Digest::of("assay/test/gguf", &parts).to_string()
    };
    let found = [Storage::F32, Storage::F16, Storage::Bf16].map(digest);
    assert_eq!(found, GOLDEN);
}

/// Of f32, f16 and bf16 storage.
const GOLDEN: [&str; 3] = [
    "06945281191abe670c76325360435436d47f0bc06aa51d3162c336c6b1798c93",
    "57de70074624681466a522712250d3a0b71a79a2579ec7ed392a6ed1ecab682a",
    "a6fd1b0e50857df098a76e2f253093a306d51ac5bac57dc89ae0a3c679f57f8d",
];
