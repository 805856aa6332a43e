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
    let rule = Rule::of(keys)?;
    let normalizer = match rule.composed {
        true => json!({"type": "NFC"}),
        false => Value::Null,
    };
    Ok(Family {
        normalizer,
        pre_tokenizer: rule.pre_tokenizer(&byte_level),
        decoder: byte_level,
        unk_token: None,
        byte_fallback: false,
        ignore_merges: rule.ignore_merges,
        merges: merges(keys, &vocabulary.ids)?,
        begins: rule.begins,
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

/// How a family of models cuts a text before tokens are looked for.
struct Rule {
    /// What llama.cpp calls it.
    names: &'static [&'static str],
    splitting: Splitting,
    /// Whether texts are brought into Unicode's composed form first.
    composed: bool,
    ignore_merges: bool,
    /// Whether texts begin with a token where the file does not say.
    begins: bool,
}

enum Splitting {
    /// GPT-2's words.
    Gpt2,
    /// Every digit a piece of its own, then GPT-2's words.
    Digits,
    /// Pieces that match a pattern of Hugging Face's.
    Pattern(&'static str),
}

/// The patterns are those of the `tokenizer.json` that the families publish; llama.cpp writes the
/// same ones down in a form that its own regular expressions can read.
const RULES: [Rule; 5] = [
    Rule {
        names: &["gpt-2"],
        splitting: Splitting::Gpt2,
        composed: false,
        ignore_merges: false,
        begins: false,
    },
    Rule {
        names: &["smollm"],
        splitting: Splitting::Digits,
        composed: false,
        ignore_merges: false,
        begins: false,
    },
    Rule {
        names: &["llama-bpe", "llama3", "llama-v3"],
        splitting: Splitting::Pattern(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        composed: false,
        ignore_merges: true,
        begins: true,
    },
    Rule {
        names: &["qwen2", "deepseek-r1-qwen"],
        splitting: Splitting::Pattern(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        composed: true,
        ignore_merges: false,
        begins: false,
    },
    Rule {
        names: &["tekken"],
        splitting: Splitting::Pattern(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        composed: false,
        ignore_merges: true,
        begins: true,
    },
];

impl Rule {
    /// The rule that the file names.
    fn of(keys: &Keys) -> Result<&'static Self, GgufError> {
        let found = keys.text(PRE)?;
        let rule = RULES
            .iter()
            .find(|rule| rule.names.contains(&found.unwrap_or_default()));
        rule.ok_or_else(|| {
            let names: Vec<&str> = RULES.iter().map(|rule| rule.names[0]).collect();
            let what = match found {
                None => "is missing: the file is older than splitting rules".to_owned(),
                Some("default") => {
                    "is \"default\": whoever made the file did not know the model's".to_owned()
                }
                Some(other) => format!("is {:?}", shown(other)),
            };
            let problem = format!(
                "{what}; the splitting rules {} are known: use the model's safetensors folder, which brings its tokenizer",
                names.join(", ")
            );
            GgufError::metadata(PRE, problem)
        })
    }

    fn pre_tokenizer(&self, byte_level: &Value) -> Value {
        let first = match self.splitting {
            Splitting::Gpt2 => return byte_level.clone(),
            Splitting::Digits => json!({"type": "Digits", "individual_digits": true}),
            Splitting::Pattern(pattern) => json!({
                "type": "Split", "pattern": {"Regex": pattern},
                "behavior": "Isolated", "invert": false,
            }),
        };
        let mut then = byte_level.clone();
        if matches!(self.splitting, Splitting::Pattern(_)) {
            then["use_regex"] = false.into();
        }
        json!({"type": "Sequence", "pretokenizers": [first, then]})
    }
}
