//! GGUF files of the families that people have: their tokenizers give the ids of Hugging Face's, their
//! stretched frequencies and biases are kept, and what is not computed is refused with what to do.

use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::Kernel;
use assay_model::gguf::{GgufFile, Storage, convert};
use assay_model::{Base, ModelFiles, WeightId, logits};
use serde_json::{Value, json};

const FAMILIES: [&str; 3] = ["llama-bpe", "qwen2", "tekken"];

fn read(name: &str) -> Vec<u8> {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gguf");
    std::fs::read(std::path::Path::new(fixtures).join(name)).unwrap()
}

fn file(family: &str) -> Vec<u8> {
    read(&format!("{family}.gguf"))
}

fn note(family: &str) -> Value {
    serde_json::from_slice(&read(&format!("{family}.json"))).unwrap()
}

fn converted(file: &[u8]) -> ModelFiles {
    convert(file, Storage::F32).unwrap()
}

fn json_of(files: &ModelFiles, name: &str) -> Value {
    serde_json::from_slice(&files[name]).unwrap()
}

fn refused(file: &[u8], reasons: &[&str]) {
    let Err(error) = convert(file, Storage::F32) else {
        panic!("accepted, and should say {reasons:?}");
    };
    let error = error.to_string();
    for reason in reasons {
        assert!(error.contains(reason), "{error:?} does not say {reason:?}");
    }
}

/// Where a text begins in a file.
fn find(file: &[u8], text: &str) -> usize {
    let found = file.windows(text.len()).position(|w| w == text.as_bytes());
    found.unwrap_or_else(|| panic!("no {text:?}"))
}

/// The file with a text replaced by another one of the same length.
fn with_text(family: &str, old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = file(family);
    let at = find(&bytes, old);
    bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
    bytes
}

/// The file with one more metadata entry in front of the others, tensors moved by whole blocks.
fn with_entry(family: &str, key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    let bytes = file(family);
    let mut entry = (key.len() as u64).to_le_bytes().to_vec();
    entry.extend(key.as_bytes());
    entry.extend(kind.to_le_bytes());
    entry.extend(value);
    // Filled up to the alignment of tensors by an entry that nobody reads.
    let filler = |n: usize| {
        let name = "x".repeat(n);
        let mut filler = (n as u64).to_le_bytes().to_vec();
        filler.extend(name.as_bytes());
        filler.extend([0, 0, 0, 0, 1]);
        filler
    };
    let length = (1..=32).find(|n| (entry.len() + filler(*n).len()).is_multiple_of(32));
    entry.extend(filler(length.unwrap()));
    let count = u64::from_le_bytes(*bytes[16..].first_chunk().unwrap()) + 2;
    [&bytes[..16], &count.to_le_bytes(), &entry, &bytes[24..]].concat()
}

fn text(value: &str) -> Vec<u8> {
    let mut bytes = (value.len() as u64).to_le_bytes().to_vec();
    bytes.extend(value.as_bytes());
    bytes
}

/// A list of numbers as the value of a metadata entry.
fn list(numbers: &[u32]) -> Vec<u8> {
    let mut bytes = U32.to_le_bytes().to_vec();
    bytes.extend((numbers.len() as u64).to_le_bytes());
    bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
    bytes
}

const U32: u32 = 4;
const F32: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const LIST: u32 = 9;

/// Numbers, contractions, scripts, emoji, runs of white space, control and user-defined tokens.
#[test]
fn texts_become_the_ids_of_hugging_faces_tokenizers() {
    for family in FAMILIES {
        let base = Base::from_files(converted(&file(family))).unwrap();
        let tokenizer = base.tokenizer().unwrap();
        let note = note(family);
        let texts = note["texts"].as_array().unwrap();
        assert!(texts.len() > 80);
        for entry in texts {
            let text = entry["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(entry["ids"].clone()).unwrap();
            let found = tokenizer.encode(text, true).unwrap().ids;
            assert_eq!(found, ids, "{family}: {text:?}");
        }
    }
}

#[test]
fn what_a_text_begins_with_is_the_files_word_before_the_familys_habit() {
    let ids = |file: &[u8]| {
        let base = Base::from_files(converted(file)).unwrap();
        base.tokenizer().unwrap().encode("a", true).unwrap().ids
    };
    let key = "tokenizer.ggml.add_bos_token";
    for (family, habit) in [("llama-bpe", true), ("tekken", true), ("qwen2", false)] {
        assert_eq!(ids(&file(family)).len(), 1 + usize::from(habit), "{family}");
        for said in [false, true] {
            let file = with_entry(family, key, BOOL, &[u8::from(said)]);
            assert_eq!(ids(&file).len(), 1 + usize::from(said), "{family}");
        }
    }
}

#[test]
fn every_end_of_a_turn_ends_an_answer() {
    let ends = |files: &ModelFiles| {
        Base::from_files(files.clone())
            .unwrap()
            .config()
            .eos_token_ids
            .clone()
    };
    assert_eq!(ends(&converted(&file("llama-bpe"))), [1, 2]);
    assert_eq!(ends(&converted(&file("qwen2"))), [0, 2]);
    assert_eq!(ends(&converted(&file("tekken"))), [2]);
    let more = with_entry(
        "tekken",
        "tokenizer.ggml.eot_token_id",
        U32,
        &4u32.to_le_bytes(),
    );
    assert_eq!(ends(&converted(&more)), [2, 4]);
}

#[test]
fn llama_3s_stretched_frequencies_become_its_settings() {
    let files = converted(&file("llama-bpe"));
    let found = &json_of(&files, "config.json")["rope_scaling"];
    let told = &note("llama-bpe")["rope"];
    assert_eq!(found["rope_type"], "llama3");
    let base = Base::from_files(files).unwrap();
    let bytes = file("llama-bpe");
    let gguf = GgufFile::open(&bytes).unwrap();
    let divisors = gguf.tensor("rope_freqs.weight").unwrap().values();
    // Kept, between and slowed frequencies occur.
    assert!(
        divisors[0] == 1.0 && divisors.last() == Some(&8.0),
        "{divisors:?}"
    );
    assert!(
        divisors.iter().any(|d| *d > 1.0 && *d < 8.0),
        "{divisors:?}"
    );
    let scaling = base.config().rope_scaling.unwrap();
    assert_eq!(Some(scaling.factor), told["factor"].as_f64());
    // Position 1 turns by the frequency itself.
    let half = divisors.len();
    for (i, divisor) in divisors.iter().enumerate() {
        let frequency = 10_000f64.powf(-2.0 * i as f64 / (2 * half) as f64);
        let (sin, cos) = (base.rope().sin[half + i], base.rope().cos[half + i]);
        let turned = f64::from(sin).atan2(f64::from(cos));
        let expected = frequency / f64::from(*divisor);
        assert!(
            (turned / expected - 1.0).abs() < 1e-4,
            "{i}: {turned} {expected}"
        );
    }
    assert!(json_of(&converted(&file("tekken")), "config.json")["rope_scaling"].is_null());
}

#[test]
fn frequencies_that_no_setting_gives_are_refused() {
    let mut bytes = file("llama-bpe");
    let gguf = GgufFile::open(&bytes).unwrap();
    let values = gguf.tensor("rope_freqs.weight").unwrap().values();
    let stored: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let at = bytes
        .windows(stored.len())
        .rposition(|w| w == stored)
        .unwrap();
    let mut put = |values: [f32; 4]| {
        let new: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        bytes[at..at + 16].copy_from_slice(&new);
        bytes.clone()
    };
    refused(
        &put([4.0, 4.0, 4.0, 4.0]),
        &["another way than Llama 3", "safetensors"],
    );
    refused(&put([1.0, 8.0, 1.0, 8.0]), &["another way than Llama 3"]);
    for (value, told) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (-2.0, "-2"),
        (0.0, "0"),
        (-0.0, "-0"),
    ] {
        let told = format!("rope_freqs.weight holds {told} in row 0, column 1,");
        refused(&put([1.0, value, 8.0, 8.0]), &[&told, "above 0"]);
    }
    let plain = converted(&put([1.0; 4]));
    assert!(json_of(&plain, "config.json")["rope_scaling"].is_null());
}

/// llama.cpp rotates halves in this family, so rows lie as Hugging Face has them.
#[test]
fn a_qwen2_has_its_biases_and_its_rows_in_order() {
    let bytes = file("qwen2");
    let gguf = GgufFile::open(&bytes).unwrap();
    let base = Base::from_files(converted(&bytes)).unwrap();
    assert!(base.config().qkv_bias && !base.config().o_bias);
    let mut biases = 0;
    for (i, info) in base.spec().weights().iter().enumerate() {
        let Some(module) = info.name.strip_prefix("model.layers.0.self_attn.") else {
            continue;
        };
        let name = module.replace("o_proj", "attn_output").replace("_proj", "");
        let name = match name.strip_prefix("attn_") {
            Some(_) => format!("blk.0.{name}"),
            None => format!("blk.0.attn_{name}"),
        };
        let stored = gguf.tensor(&name).unwrap().values();
        assert_eq!(base.weight(WeightId(i as u32)).as_ref(), stored, "{name}");
        biases += usize::from(name.ends_with("bias"));
    }
    assert_eq!(biases, 3);
    let mut batch = Batch::padding(1, 4, 0);
    batch.ids = vec![5, 6, 7, 8];
    let out = logits(&Kernel::detect().unwrap(), &Arc::new(base), None, &batch).unwrap();
    assert!(out.iter().all(|x| x.is_finite()));
}

#[test]
fn rules_that_are_not_known_are_refused_with_what_to_use() {
    for (family, other) in [
        ("tekken", "falcon"),
        ("tekken", "gpt-4o"),
        ("llama-bpe", "smaug-bpe"),
        ("qwen2", "llam4"),
    ] {
        // The value follows its key, its type and its length.
        let mut bytes = file(family);
        let at = find(&bytes, "tokenizer.ggml.pre") + 18 + 4 + 8;
        assert_eq!(other.len(), family.len());
        bytes[at..at + other.len()].copy_from_slice(other.as_bytes());
        let told = format!("is {other:?}");
        let known = "llama-bpe, qwen2, tekken";
        refused(&bytes, &[&told, known, "safetensors folder"]);
    }
    let renamed = with_text("tekken", "tokenizer.ggml.pre", "tokenizer.ggml.prx");
    refused(
        &renamed,
        &[
            "tokenizer.ggml.pre is missing",
            "older than",
            "safetensors folder",
        ],
    );
    let tokenizer = with_text(
        "tekken",
        "\u{4}\0\0\0\0\0\0\0gpt2",
        "\u{4}\0\0\0\0\0\0\0bert",
    );
    refused(&tokenizer, &["is \"bert\""]);
}

#[test]
fn families_that_are_not_trained_are_refused_with_those_that_are() {
    for (family, old, other) in [
        ("qwen2", "qwen2", "qwen3"),
        ("qwen2", "qwen2", "gemma"),
        ("tekken", "llama", "gemma"),
        ("tekken", "llama", "phi35"),
    ] {
        let file = with_text(family, old, other);
        refused(
            &file,
            &[
                &format!("general.architecture is {other:?}"),
                "Llama, Mistral and Qwen2",
            ],
        );
    }
    let experts = with_entry("tekken", "llama.expert_count", U32, &8u32.to_le_bytes());
    refused(
        &experts,
        &["llama.expert_count is", "mixtures of experts", "dense"],
    );
}

#[test]
fn settings_that_change_the_arithmetic_are_refused_by_key() {
    let number = |x: f32| x.to_le_bytes().to_vec();
    for (key, kind, value) in [
        ("llama.rope.scaling.type", TEXT, text("yarn")),
        ("llama.rope.scaling.factor", F32, number(4.0)),
        ("llama.rope.scale_linear", F32, number(2.0)),
        (
            "llama.attention.sliding_window",
            U32,
            64u32.to_le_bytes().to_vec(),
        ),
        ("llama.attention.causal", BOOL, vec![0]),
        ("llama.logit_scale", F32, number(0.5)),
        (
            "llama.rope.dimension_count",
            U32,
            4u32.to_le_bytes().to_vec(),
        ),
    ] {
        let file = with_entry("tekken", key, kind, &value);
        refused(&file, &[key]);
    }
    let plain = json_of(&converted(&file("tekken")), "config.json");
    for (key, kind, value) in [
        ("llama.rope.scaling.type", TEXT, text("none")),
        ("llama.rope.scaling.type", TEXT, text("linear")),
        ("llama.rope.scaling.factor", F32, number(1.0)),
        (
            "llama.attention.sliding_window",
            U32,
            128u32.to_le_bytes().to_vec(),
        ),
        ("llama.attention.causal", BOOL, vec![1]),
        ("llama.expert_count", U32, vec![0; 4]),
    ] {
        let file = with_entry("tekken", key, kind, &value);
        assert_eq!(json_of(&converted(&file), "config.json"), plain, "{key}");
    }
}

/// llama.cpp reads these three as one number, or as a list with one for each layer.
#[test]
fn numbers_for_each_layer_are_read_where_all_are_equal() {
    let plain = json_of(&converted(&file("tiny")), "config.json");
    let layers = plain["num_hidden_layers"].as_u64().unwrap() as usize;
    for (rest, field) in [
        ("attention.head_count", "num_attention_heads"),
        ("attention.head_count_kv", "num_key_value_heads"),
        ("feed_forward_length", "intermediate_size"),
    ] {
        let key = format!("llama.{rest}");
        let number = plain[field].as_u64().unwrap() as u32;
        // The key under another name, which nobody reads, and the list in its place.
        let with = |numbers: &[u32]| {
            let mut bytes = with_entry("tiny", &key, LIST, &list(numbers));
            let own = (key.len() as u64).to_le_bytes();
            let entry = [own.as_slice(), key.as_bytes(), &U32.to_le_bytes()].concat();
            let at = bytes.windows(entry.len()).position(|w| w == entry);
            let last = at.unwrap() + 8 + key.len() - 1;
            bytes[last] = b'x';
            bytes
        };
        let mut numbers = vec![number; layers];
        let config = json_of(&converted(&with(&numbers)), "config.json");
        assert_eq!(config, plain, "{key}");
        refused(&with(&numbers[1..]), &[&key, "entries for", "layers"]);
        numbers[layers - 1] += 1;
        let last = format!("and {} for layer {}", number + 1, layers - 1);
        refused(&with(&numbers), &[&key, &last, "all alike"]);
    }
}

#[test]
fn ids_of_tokens_that_the_file_has_not_are_refused_by_key() {
    let bytes = file("tekken");
    let gguf = GgufFile::open(&bytes).unwrap();
    let tokens = gguf.tensor("token_embd.weight").unwrap().shape()[0] as u32;
    for key in ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"] {
        converted(&with_entry("tekken", key, U32, &4u32.to_le_bytes()));
        for id in [tokens, u32::MAX] {
            let file = with_entry("tekken", key, U32, &id.to_le_bytes());
            let told = format!("{key} is {id}, beyond the last token, which is");
            refused(&file, &[&told]);
        }
    }
    // Those that the file brings itself.
    for name in ["bos", "eos", "padding", "unknown"] {
        let key = format!("tokenizer.ggml.{name}_token_id");
        let mut bytes = bytes.clone();
        let Some(at) = bytes.windows(key.len()).position(|w| w == key.as_bytes()) else {
            let file = with_entry("tekken", &key, U32, &tokens.to_le_bytes());
            refused(&file, &[&key, "beyond the last token"]);
            continue;
        };
        let at = at + key.len() + 4;
        bytes[at..at + 4].copy_from_slice(&tokens.to_le_bytes());
        refused(&bytes, &[&key, "beyond the last token"]);
    }
}

#[test]
fn parts_and_files_without_a_model_are_refused_by_name() {
    let part = with_entry("tekken", "split.count", 2, &3u16.to_le_bytes());
    refused(&part, &["part 1 of 3", "llama-gguf-split --merge"]);
    let whole = with_entry("tekken", "split.count", 2, &1u16.to_le_bytes());
    converted(&whole);
    let adapter = with_entry("tekken", "general.type", TEXT, &text("adapter"));
    refused(
        &adapter,
        &["general.type is \"adapter\"", "no language model"],
    );
    let model = with_entry("tekken", "general.type", TEXT, &text("model"));
    assert_eq!(
        json_of(&converted(&model), "config.json")["model_type"],
        json!("llama")
    );
}
