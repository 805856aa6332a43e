//! GGUF files that lie: each is refused with a reason, none takes memory it does not bring.

use std::ops::Range;

use assay_model::gguf::{GgufFile, Storage, convert};
use proptest::prelude::*;

const TINY: &[u8] = include_bytes!("../fixtures/gguf/tiny.gguf");

/// Where a text begins in the file.
fn find(text: &str) -> usize {
    let found = TINY.windows(text.len()).position(|w| w == text.as_bytes());
    found.unwrap()
}

/// The file with the bytes of a range replaced by as many others.
fn with(range: Range<usize>, bytes: &[u8]) -> Vec<u8> {
    let mut file = TINY.to_vec();
    file[range].copy_from_slice(bytes);
    file
}

/// The file with the number of a 32-bit metadata key replaced.
fn with_key(key: &str, value: u32) -> Vec<u8> {
    // The key is followed by the type of its value.
    let at = find(key) + key.len() + 4;
    with(at..at + 4, &value.to_le_bytes())
}

/// Where the fields after the name of a matrix lie: dimensions, type, offset.
fn fields(tensor: &str) -> [Range<usize>; 3] {
    let at = find(tensor) + tensor.len() + 4;
    [at..at + 16, at + 16..at + 20, at + 20..at + 28]
}

fn refused(file: &[u8], reason: &str) -> String {
    let Err(error) = convert(file, Storage::F32) else {
        panic!("accepted, and should say {reason:?}");
    };
    let error = error.to_string();
    assert!(error.contains(reason), "{error:?} does not say {reason:?}");
    assert!(error.len() < 600, "{error}");
    error
}

#[test]
fn other_formats_and_versions() {
    refused(b"", "does not begin with the letters GGUF");
    refused(b"PK\x03\x04 and so on", "does not begin with the letters");
    refused(b"GGUF\x03", "damaged: it ends within the header");
    refused(&with(4..8, &1u32.to_le_bytes()), "is GGUF version 1");
    refused(&with(4..8, &3u32.to_be_bytes()), "little-endian files");
}

#[test]
fn version_two_is_the_same_as_version_three() {
    let old = with(4..8, &2u32.to_le_bytes());
    let [old, new] = [old.as_slice(), TINY].map(|file| convert(file, Storage::F32).unwrap());
    assert_eq!(old, new);
}

#[test]
fn counts_that_do_not_fit() {
    for count in [1 << 20, 1 << 40, u64::MAX] {
        refused(&with(8..16, &count.to_le_bytes()), "damaged");
        refused(&with(16..24, &count.to_le_bytes()), "damaged");
    }
    // The list of tokens follows its key, the types of value and of elements.
    let length = find("tokenizer.ggml.tokens") + "tokenizer.ggml.tokens".len() + 8;
    for count in [273, 1 << 24, 1 << 62, u64::MAX] {
        refused(&with(length..length + 8, &count.to_le_bytes()), "damaged");
    }
    let text = length + 8;
    for count in [1 << 24, 1 << 62, u64::MAX] {
        refused(&with(text..text + 8, &count.to_le_bytes()), "damaged");
    }
}

#[test]
fn tensors_that_lie_elsewhere() {
    let [dims, _, offset] = fields("blk.0.attn_q.weight");
    for place in [1u64 << 30, !31] {
        refused(&with(offset.clone(), &place.to_le_bytes()), "damaged");
    }
    refused(&with(offset.clone(), &7u64.to_le_bytes()), "not aligned");
    refused(&with(offset, &0u64.to_le_bytes()), "overlap");
    for [cols, rows] in [
        [1 << 40, 1 << 40],
        [32, 1 << 59],
        [u64::MAX, u64::MAX],
        [33, 32],
    ] {
        let sizes = [cols.to_le_bytes(), rows.to_le_bytes()].concat();
        refused(&with(dims.clone(), &sizes), "damaged");
    }
    let smaller = [32u64.to_le_bytes(), 16u64.to_le_bytes()].concat();
    refused(
        &with(dims.clone(), &smaller),
        "attn_q.weight has shape [16, 32]",
    );
    let none = [32u64.to_le_bytes(), 0u64.to_le_bytes()].concat();
    refused(&with(dims, &none), "has shape [0, 32]");
}

#[test]
fn names_that_stand_twice() {
    let at = find("blk.1.attn_q.weight");
    let name = b"blk.0.attn_q.weight";
    refused(&with(at..at + name.len(), name), "Duplicate tensor name");
    let at = find("llama.block_count");
    let key = b"general.file_type";
    refused(
        &with(at..at + key.len(), key),
        "llama.block_count is missing",
    );
    let at = find("tokenizer.ggml.bos_token_id");
    let key = b"tokenizer.ggml.eos_token_id";
    refused(&with(at..at + key.len(), key), "Duplicate metadata key");
    let at = find("<|end|>");
    refused(&with(at..at + 7, b"<|pad|>"), "entries 0 and 2 are both");
}

#[test]
fn models_that_are_no_plain_llama() {
    let at = find("general.architecture") + 20 + 4 + 8;
    refused(
        &with(at..at + 5, b"gemma"),
        "general.architecture is \"gemma\"",
    );
    refused(
        &with_key("llama.block_count", 1),
        "blk.1.attn_k.weight has no place",
    );
    refused(
        &with_key("llama.block_count", 3),
        "blk.2.attn_norm.weight is missing",
    );
    refused(
        &with_key("llama.block_count", u32::MAX),
        "num_hidden_layers",
    );
    refused(
        &with_key("llama.attention.head_count", 0),
        "head_count is 0",
    );
    refused(
        &with_key("llama.attention.head_count", 7),
        "does not divide the width 32",
    );
    refused(
        &with_key("llama.rope.dimension_count", 8),
        "heads have a width of 16",
    );
    let nan = f32::NAN.to_bits();
    refused(
        &with_key("llama.rope.freq_base", nan),
        "freq_base is no finite",
    );
    refused(
        &with_key("llama.attention.layer_norm_rms_epsilon", nan),
        "epsilon is no finite",
    );
    refused(&with_key("llama.rope.freq_base", 0), "rope_theta is 0");
    // A vector has one dimension: its type comes 8 bytes earlier.
    let [_, kind, _] = fields("output_norm.weight");
    let kind = kind.start - 8..kind.end - 8;
    refused(
        &with(kind.clone(), &26u32.to_le_bytes()),
        "output_norm.weight is stored as I32",
    );
    // Q4_0_4_4, which newer files do not have: another file helps, the same one again does not.
    let error = refused(&with(kind, &31u32.to_le_bytes()), "stored as type 31");
    assert!(!error.contains("damaged"), "{error}");
}

#[test]
fn tokenizers_that_are_not_known() {
    let at = find("smollm");
    refused(
        &with(at..at + 6, b"falcon"),
        "splitting rules gpt-2, smollm",
    );
    let at = find("gpt2");
    refused(&with(at..at + 4, b"bert"), "is \"bert\"");
    // A byte-level vocabulary that calls itself SentencePiece: five letters where four were.
    let mut file = TINY.to_vec();
    file.splice(
        at - 8..at + 4,
        [5u64.to_le_bytes().as_slice(), b"llama"].concat(),
    );
    refused(&file, "unknown_token_id is missing");
    refused(
        &with_key("tokenizer.ggml.bos_token_id", 272),
        "beyond the last token",
    );
    let at = find("t h");
    refused(&with(at..at + 3, b"tth"), "joins no two tokens");
}

#[test]
fn values_that_are_no_numbers() {
    // The scale of the first block of the last tensor's neighbour: find a norm, stored as f32.
    let file = GgufFile::open(TINY).unwrap();
    let norm = file.tensor("output_norm.weight").unwrap().values();
    let bytes: Vec<u8> = norm.iter().flat_map(|v| v.to_le_bytes()).collect();
    let at = TINY.windows(bytes.len()).position(|w| w == bytes).unwrap();
    let nan = with(at + 4..at + 8, &f32::NAN.to_le_bytes());
    refused(
        &nan,
        "output_norm.weight holds a NaN or infinity in row 0, column 1",
    );
    let large = with(at + 4..at + 8, &1e6f32.to_le_bytes());
    let error = convert(&large, Storage::F16).unwrap_err().to_string();
    assert!(error.contains("holds 1000000, which f16 cannot"), "{error}");
    convert(&large, Storage::Bf16).unwrap();
}

#[test]
fn every_shorter_file_is_refused() {
    for length in (0..TINY.len()).step_by(7) {
        assert!(convert(&TINY[..length], Storage::F32).is_err(), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Damage is an error or another model, never a panic.
    #[test]
    fn damage_does_not_panic(changes in prop::collection::vec((0..TINY.len(), any::<u8>()), 1..6)) {
        let mut file = TINY.to_vec();
        for (at, byte) in changes {
            // Most of the file is weights: damage the header twice as often.
            let at = if byte % 3 == 0 { at } else { at % 12_000 };
            file[at] = byte;
        }
        let _ = convert(&file, Storage::F16);
    }
}
