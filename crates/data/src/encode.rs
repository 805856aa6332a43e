//! From a record to tokens, each marked whether predicting it counts.

mod answers;
mod reads;

use crate::error::Problem;
use crate::record::{Conversation, Message, Record};
use crate::tokenizer::Tokenizer;

/// A tokenised record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Token ids.
    pub ids: Vec<u32>,
    /// For each token, whether predicting it counts towards the loss.
    pub counts: Vec<bool>,
}

/// Tokenises a record: a conversation as the chat template writes it, with no tokens added around
/// it; running text with the tokenizer's own special tokens and the end-of-text token.
///
/// With `completion_only`, only what assistant messages say counts: what the template's
/// `generation` blocks write, or, where it has none, the text from the mark of an answer (the
/// template's generation prompt) to the end of its message. A token counts when it reaches into
/// such a span.
///
/// # Errors
/// [`Problem`] when the template or tokenizer fails, there is no completion to learn, or the
/// template would leave out something that the record holds.
pub fn encode(
    record: &Record,
    tokenizer: &Tokenizer,
    completion_only: bool,
) -> Result<Sequence, Problem> {
    match record {
        Record::Chat(chat) => conversation(chat, tokenizer, completion_only),
        Record::Text(_) if completion_only => Err(Problem::NoCompletion),
        Record::Text(text) => running_text(text, tokenizer),
    }
}

fn conversation(
    chat: &Conversation,
    tokenizer: &Tokenizer,
    completion_only: bool,
) -> Result<Sequence, Problem> {
    let template = match &chat.setting.tools {
        Some(tools) if tools.as_array().is_some_and(|tools| !tools.is_empty()) => {
            tokenizer.tool_template().map_err(Problem::Template)?
        }
        _ => tokenizer.template(),
    };
    reads::check(chat, template)?;
    let rendered = template.render(&chat.messages, &chat.setting, false);
    let text = rendered.map_err(Problem::Template)?;
    reads::check_written(chat, template, &text)?;
    let encoding = tokenizer.encode(&text, false).map_err(Problem::Tokenizer)?;
    if !completion_only {
        let marked_out = |m: &Message| m.learned() == Some(false);
        if let Some(at) = chat.messages.iter().position(marked_out) {
            return Err(Problem::MarkedOut(at + 1));
        }
        let counts = vec![true; encoding.ids.len()];
        let ids = encoding.ids;
        return Ok(Sequence { ids, counts });
    }
    let spans = answers::spans(chat, template, &text)?;
    let counts = encoding.spans.iter().map(|token| {
        spans
            .iter()
            .any(|s| token.end > s.start && token.start < s.end)
    });
    Ok(Sequence {
        counts: counts.collect(),
        ids: encoding.ids,
    })
}

fn running_text(text: &str, tokenizer: &Tokenizer) -> Result<Sequence, Problem> {
    let mut ids = tokenizer
        .encode(text, true)
        .map_err(Problem::Tokenizer)?
        .ids;
    if let Some(eos) = tokenizer.eos()
        && ids.last() != Some(&eos)
    {
        ids.push(eos);
    }
    let counts = vec![true; ids.len()];
    Ok(Sequence { ids, counts })
}
