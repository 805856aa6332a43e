//! The special tokens that the files of a model name, and what `tokenizer.json` lacks of them.

use std::collections::BTreeSet;

use tokenizers::{AddedToken, ModelWrapper};

use super::guarded;
use crate::error::TokenizerError;
use crate::facts::{Facts, Named, SPECIAL, TOKENIZER};

/// A special token: its text, and where the vocabulary has it, its id.
pub(super) type Token = (String, Option<u32>);

/// Takes away what would cut one text differently each time, and says so. Of what a `tokenizer.json`
/// can hold, only merges that are left out at random do that.
pub(super) fn without_dropout(inner: &mut tokenizers::Tokenizer) -> Option<String> {
    let ModelWrapper::BPE(merges) = inner.get_model() else {
        return None;
    };
    let dropout = merges.dropout.filter(|dropout| *dropout > 0.0)?;
    // The copy has a cache of its own, which holds nothing of what was cut before.
    let mut merges = merges.clone();
    merges.dropout = None;
    inner.with_model(merges);
    Some(format!(
        "{TOKENIZER} says dropout = {dropout}, which leaves out merges at random; it is passed over, so that one text is always the same tokens"
    ))
}

/// Adds what `tokenizer.json` lacks and finds the special tokens, in the order of [`SPECIAL`].
pub(super) fn special(
    inner: &mut tokenizers::Tokenizer,
    facts: &mut Facts,
) -> Result<[Option<Token>; 4], TokenizerError> {
    let mut known: BTreeSet<String> = (inner.get_added_tokens_decoder().into_values())
        .map(|token| token.content)
        .collect();
    for (id, token, file) in std::mem::take(&mut facts.added) {
        let content = token.content.clone();
        if content.is_empty() {
            continue;
        }
        if known.insert(content.clone()) {
            guarded(|| inner.add_tokens([token])).map_err(TokenizerError::Load)?;
        }
        let found = inner.token_to_id(&content);
        if found != Some(id) {
            let shown: String = content.chars().take(80).collect();
            let found = found.map_or("none".to_owned(), |id| id.to_string());
            let problem = format!(
                "it gives the added token {shown:?} the id {id}, and tokenizer.json {found}; use files of one model"
            );
            return Err(TokenizerError::File { file, problem });
        }
    }
    let mut all = [const { None }; 4];
    let named = SPECIAL.into_iter().zip(std::mem::take(&mut facts.special));
    for (i, (name, named)) in named.enumerate() {
        all[i] = match named {
            Named::Absent => None,
            Named::Nowhere => match facts.ids[i] {
                None => None,
                Some((id, file)) => match inner.id_to_token(id) {
                    Some(text) => Some((text, Some(id))),
                    None if name == "eos_token" => {
                        let problem = format!(
                            "eos_token_id is {id}, and tokenizer.json has no such token; use files of one model"
                        );
                        return Err(TokenizerError::File { file, problem });
                    }
                    None => None,
                },
            },
            Named::Token(text, file) => {
                let id = inner.token_to_id(&text);
                if id.is_none() {
                    let problem = format!(
                        "{name} is {:?}, and tokenizer.json has no such token",
                        text.chars().take(80).collect::<String>()
                    );
                    // Answers and texts would silently have no end.
                    if name == "eos_token" {
                        let problem = format!("{problem}; use files of one model");
                        return Err(TokenizerError::File { file, problem });
                    }
                    // Padding and unknown text decide nothing here.
                    if name == "bos_token" {
                        facts.notes.push(format!("{file}: {problem}"));
                    }
                }
                Some((text, id))
            }
        };
        // A special token is one token wherever a text names it, as in transformers.
        if let Some((text, Some(_))) = &all[i]
            && known.insert(text.clone())
        {
            let token = AddedToken::from(text.as_str(), true);
            guarded(|| inner.add_tokens([token])).map_err(TokenizerError::Load)?;
        }
    }
    for (text, field, file) in std::mem::take(&mut facts.extras) {
        if inner.token_to_id(&text).is_none() {
            let shown: String = text.chars().take(80).collect();
            let problem = format!(
                "{field} names {shown:?}, and tokenizer.json has no such token; remove it there, or write tokenizer.json anew with AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            );
            return Err(TokenizerError::File { file, problem });
        }
        if known.insert(text.clone()) {
            let token = AddedToken::from(text, true);
            guarded(|| inner.add_tokens([token])).map_err(TokenizerError::Load)?;
        }
    }
    if all[1].is_none() {
        let why = match facts.ids[1] {
            Some((id, file)) => format!(
                "eos_token is null, which is followed, and {file} names the id {id} as the end of a text"
            ),
            None => "no file names an end-of-text token (eos_token)".to_owned(),
        };
        let note = format!("{why}: running text is learned without an end");
        facts.notes.push(note);
    }
    Ok(all)
}
