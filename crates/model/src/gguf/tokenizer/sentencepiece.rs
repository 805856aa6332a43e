//! SentencePiece BPE, as Llama 2 has it: pieces with scores, spaces as letters, unknown letters as
//! bytes.
//!
//! SentencePiece joins the two neighbours whose union has the highest score. A merge list says the
//! same if it holds every way to cut a piece into two others, pieces with higher scores first.

use gguf_rs_lib::format::MetadataValue;
use serde_json::{Value, json};

use super::super::error::{GgufError, shown};
use super::super::metadata::{Keys, needed};
use super::{Family, Kind, TOKENS, UNKNOWN, Vocabulary, named};

const SCORES: &str = "tokenizer.ggml.scores";
const PREFIX: &str = "tokenizer.ggml.add_space_prefix";

const TRIM: &str = "tokenizer.ggml.remove_extra_whitespaces";
const CHARSMAP: &str = "tokenizer.ggml.precompiled_charsmap";

/// What stands for a space.
const SPACE: &str = "\u{2581}";
/// Longest piece that is cut, in bytes; SentencePiece makes none above 16 letters unless told.
const MAX_PIECE: usize = 512;
/// Most merges; Llama 2 has 61,249.
const MAX_MERGES: usize = 1 << 21;

pub(super) fn family<'a>(
    keys: &'a Keys,
    vocabulary: &Vocabulary<'a>,
) -> Result<Family<'a>, GgufError> {
    for (key, what) in [
        (TRIM, "spaces are kept as they are"),
        (CHARSMAP, "letters are not replaced"),
    ] {
        let off = |value: &MetadataValue| value.as_bool() == Some(false);
        keys.refuse(
            key,
            off,
            &format!("{what}; use the model's safetensors folder"),
        )?;
    }
    let unknown = named(keys, &vocabulary.tokens, UNKNOWN)?;
    let prefix = keys.flag(PREFIX)?.unwrap_or(true);
    let spaces = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE});
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    let mut normalizers = Vec::new();
    if prefix {
        normalizers.push(json!({"type": "Prepend", "prepend": SPACE}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    normalizers.push(spaces);
    Ok(Family {
        normalizer: json!({"type": "Sequence", "normalizers": normalizers}),
        pre_tokenizer: Value::Null,
        decoder: json!({"type": "Sequence", "decoders": decoders}),
        unk_token: Some(needed(UNKNOWN, unknown)?),
        ignore_merges: false,
        byte_fallback: vocabulary.kinds.contains(&Kind::Byte),
        merges: merges(keys, vocabulary)?,
        begins: true,
    })
}

fn merges<'a>(keys: &Keys, vocabulary: &Vocabulary<'a>) -> Result<Vec<[&'a str; 2]>, GgufError> {
    let scores = needed(SCORES, keys.floats(SCORES)?)?;
    let Vocabulary { tokens, kinds, ids } = vocabulary;
    if scores.len() != tokens.len() {
        let problem = format!("has {} entries for {} tokens", scores.len(), tokens.len());
        return Err(GgufError::metadata(SCORES, problem));
    }
    let part = |text: &str| {
        let id = *ids.get(text)? as usize;
        (kinds[id] == Kind::Plain).then_some(scores[id])
    };
    let mut found = Vec::new();
    for ((piece, kind), score) in tokens.iter().copied().zip(kinds).zip(&scores) {
        if *kind != Kind::Plain {
            continue;
        }
        if piece.len() > MAX_PIECE {
            let problem = format!("has a piece of {} bytes: {:?}", piece.len(), shown(piece));
            return Err(GgufError::metadata(TOKENS, problem));
        }
        for (at, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(at);
            if let (Some(l), Some(r)) = (part(left), part(right)) {
                found.push(([left, right], [*score, l, r]));
            }
        }
        if found.len() > MAX_MERGES {
            let problem = format!("has more than {MAX_MERGES} ways to join pieces");
            return Err(GgufError::metadata(TOKENS, problem));
        }
    }
    // Stable: what has equal scores stays in the order of ids.
    found.sort_by(|(_, a), (_, b)| {
        let order = a.iter().zip(b).map(|(a, b)| b.total_cmp(a));
        order.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    Ok(found.into_iter().map(|(pair, _)| pair).collect())
}
