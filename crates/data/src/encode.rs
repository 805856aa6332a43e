//! From a record to tokens, each marked whether predicting it counts.

use std::ops::Range;

use crate::error::{Problem, TemplateError};
use crate::record::{Message, Record, Role};
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
/// With `completion_only`, only what assistant messages say counts: the text from the mark of an
/// answer (the template's generation prompt) to the end of its message. A token counts when it
/// reaches into such a span.
///
/// # Errors
/// [`Problem`] when the template or tokenizer fails, or there is no completion to learn.
pub fn encode(
    record: &Record,
    tokenizer: &Tokenizer,
    completion_only: bool,
) -> Result<Sequence, Problem> {
    let (messages, learn_from) = match record {
        Record::Chat {
            messages,
            learn_from,
        } => (messages, *learn_from),
        Record::Text(_) if completion_only => return Err(Problem::NoCompletion),
        Record::Text(text) => return running_text(text, tokenizer),
    };
    let render = |messages: &[Message], prompt| {
        let rendered = tokenizer.template().render(messages, prompt);
        rendered.map_err(Problem::Template)
    };
    let text = render(messages, false)?;
    let encoding = tokenizer.encode(&text, false).map_err(Problem::Tokenizer)?;
    if !completion_only {
        let counts = vec![true; encoding.ids.len()];
        let ids = encoding.ids;
        return Ok(Sequence { ids, counts });
    }
    let mut spans: Vec<Range<usize>> = Vec::new();
    for (i, message) in messages.iter().enumerate().skip(learn_from) {
        if message.role != Role::Assistant {
            continue;
        }
        let before = render(&messages[..i], true)?;
        let through = render(&messages[..=i], false)?;
        if !text.starts_with(&through) || !through.starts_with(&before) {
            return Err(Problem::Template(TemplateError::NotIncremental(i + 1)));
        }
        spans.push(before.len()..through.len());
    }
    if spans.is_empty() {
        return Err(Problem::NoCompletion);
    }
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
