//! Byte-level BPE, as GPT-2 introduced it: tokens are written in letters that stand for bytes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::error::{GgufError, shown};
use super::super::metadata::{Keys, needed};
use super::{Family, Vocabulary};

const MERGES: &str = "tokenizer.ggml.merges";
const PRE: &str = "tokenizer.ggml.pre";

pub(super) fn family<'a>(
    keys: &'a Keys,
    vocabulary: &Vocabulary<'a>,
) -> Result<Family<'a>, GgufError> {
    let byte_level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    Ok(Family {
        normalizer: Value::Null,
        pre_tokenizer: splitting(keys, &byte_level)?,
        decoder: byte_level,
        unk_token: None,
        byte_fallback: false,
        merges: merges(keys, &vocabulary.ids)?,
        begins: false,
    })
}

/// Pairs of tokens, the first to be merged first.
fn merges<'a>(keys: &'a Keys, ids: &BTreeMap<&str, u32>) -> Result<Vec<[&'a str; 2]>, GgufError> {
    let merges = needed(MERGES, keys.texts(MERGES)?)?;
    let pair = |merge: &'a str| {
        let known = |text: &str| ids.contains_key(text);
        match merge.split_once(' ') {
            Some((left, right))
                if known(left) && known(right) && known(&format!("{left}{right}")) =>
            {
                Ok([left, right])
            }
            _ => Err(GgufError::metadata(
                MERGES,
                format!(
                    "has {:?}, which joins no two tokens to a third",
                    shown(merge)
                ),
            )),
        }
    };
    merges.into_iter().map(pair).collect()
}

/// How a text is cut before tokens are looked for.
fn splitting(keys: &Keys, byte_level: &Value) -> Result<Value, GgufError> {
    match needed(PRE, keys.text(PRE)?)? {
        "gpt-2" => Ok(byte_level.clone()),
        "smollm" => Ok(json!({
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": true}, byte_level],
        })),
        other => Err(GgufError::metadata(
            PRE,
            format!(
                "is {:?}; the splitting rules gpt-2 and smollm are known",
                shown(other)
            ),
        )),
    }
}
