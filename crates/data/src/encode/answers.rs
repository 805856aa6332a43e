//! Where the answers are in the text of a conversation.
//!
//! A template that marks them with `generation` blocks says so itself. Any other is asked by
//! having it write the conversation again: up to an answer, with and without the mark of the next
//! one, and with another answer in its place. What changes is the answer; where the text agrees
//! with the prompt that asks for it, the prompt goes on.

use std::ops::Range;

use crate::error::{Problem, TemplateError};
use crate::record::{Conversation, Message, Role};
use crate::template::ChatTemplate;

/// Two answers that share neither beginning nor end with each other: what differs from both in
/// the text of a conversation is the answer that stands there.
const OTHERS: [&str; 2] = ["qzxv", "9W7"];

/// Puts a text in the place of what a message says.
type Instead = fn(&Message, &str) -> Message;

/// What of a call is changed to find where it ends.
#[derive(Clone, Copy)]
enum By {
    Name,
    Arguments,
}

/// The bytes of `text`, which the template wrote of the whole conversation, that are learned.
pub(super) fn spans(
    chat: &Conversation,
    template: &ChatTemplate,
    text: &str,
) -> Result<Vec<Range<usize>>, Problem> {
    let is_answer = |i: &usize| *chat.messages[*i].role() == Role::Assistant;
    let answers: Vec<usize> = (0..chat.messages.len()).filter(is_answer).collect();
    let is_learned =
        |i: &usize| *i >= chat.learn_from && chat.messages[*i].learned() != Some(false);
    let learned: Vec<usize> = answers.iter().copied().filter(is_learned).collect();
    if learned.is_empty() {
        return Err(Problem::NoCompletion);
    }
    let search = Search {
        chat,
        template,
        text,
    };
    if !template.marks_answers() {
        return search.all(&learned).map_err(Problem::Template);
    }
    let marked = template.render_marked(&chat.messages, &chat.setting);
    let (_, mut spans) = marked.map_err(Problem::Template)?;
    if learned.len() < answers.len() {
        if spans.len() != answers.len() {
            let unpaired = TemplateError::Unpaired(spans.len(), answers.len());
            return Err(Problem::Template(unpaired));
        }
        let pairs = spans.into_iter().zip(&answers);
        let wanted = pairs.filter(|(_, i)| learned.contains(i));
        spans = wanted.map(|(span, _)| span).collect();
    }
    match spans.iter().all(Range::is_empty) {
        true => Err(Problem::Template(TemplateError::Unwritten(learned[0] + 1))),
        false => Ok(spans),
    }
}

struct Search<'a> {
    chat: &'a Conversation,
    template: &'a ChatTemplate,
    text: &'a str,
}

impl Search<'_> {
    fn render(&self, messages: &[Message], prompt: bool) -> Result<String, TemplateError> {
        self.template.render(messages, &self.chat.setting, prompt)
    }

    /// The answers of these messages.
    fn all(&self, learned: &[usize]) -> Result<Vec<Range<usize>>, TemplateError> {
        let messages = &self.chat.messages;
        let (mut spans, mut guessed) = (Vec::new(), false);
        for i in learned {
            let before = self.render(&messages[..*i], true);
            let through = self.render(&messages[..=*i], false);
            if let (Ok(before), Ok(through)) = (&before, &through)
                && self.text.starts_with(through)
                && through.starts_with(before)
            {
                spans.push(before.len()..through.len());
            } else {
                guessed = true;
                spans.push(self.guess(*i, before, &through)?);
            }
        }
        if guessed {
            // Where an answer changes something before other messages, a header for instance, they
            // would be learned with it.
            for j in 0..messages.len() {
                let by = self.by(j).unwrap_or(By::Name);
                let Some(said) = self.changed(messages, j, self.text, by) else {
                    continue;
                };
                let overlaps = |span: &Range<usize>| said.start < span.end && span.start < said.end;
                let mut others = learned.iter().zip(&spans).filter(|(i, _)| **i != j);
                if let Some((i, _)) = others.find(|(_, span)| overlaps(span)) {
                    return Err(TemplateError::Mixed(i + 1, j + 1));
                }
            }
        }
        Ok(spans)
    }

    /// The answer of message `i` where the text does not simply go on from `before`, the prompt that
    /// asks for it, to `through`, the text with it.
    fn guess(
        &self,
        i: usize,
        before: Result<String, TemplateError>,
        through: &Result<String, TemplateError>,
    ) -> Result<Range<usize>, TemplateError> {
        let (text, messages) = (self.text, &self.chat.messages);
        let by = self.by(i)?;
        let changed = self.changed(messages, i, text, by);
        let changed = changed.ok_or(TemplateError::Unwritten(i + 1))?;
        let end = match through {
            Ok(through) => self.end(i, &changed, through, by),
            Err(_) => changed.end,
        };
        let start = match before {
            Ok(before) if text.starts_with(&before) && before.len() <= changed.end => before.len(),
            Ok(before) => self.start(i, &changed, &before),
            Err(_) => changed.start,
        };
        Ok(start..end)
    }

    /// How the end of what message `i` says is found. A template may repeat what it says behind it, such
    /// as the name of a call in the heading of its result; the arguments of a call it writes once.
    fn by(&self, i: usize) -> Result<By, TemplateError> {
        let messages = &self.chat.messages;
        let count = |messages: &[Message], instead: Instead| {
            let mut others = messages.to_vec();
            others[i] = instead(&messages[i], OTHERS[0]);
            let written = self.render(&others, false).ok()?;
            Some(written.matches(OTHERS[0]).count())
        };
        let repeats = |instead: Instead| {
            let (all, own) = (count(messages, instead), count(&messages[..=i], instead));
            all.zip(own).is_some_and(|(all, own)| own > 0 && all > own)
        };
        if !repeats(Message::instead) {
            return Ok(By::Name);
        }
        let written = self.differs(messages, i, self.text, false, Message::with_arguments);
        match written.is_some() && !repeats(Message::with_arguments) {
            true => Ok(By::Arguments),
            false => Err(TemplateError::Mixed(i + 1, i + 2)),
        }
    }

    /// The part of `text`, which is what the template writes of `messages`, that message `i` says:
    /// what changes when it says something else. None if nothing does.
    fn changed(&self, messages: &[Message], i: usize, text: &str, by: By) -> Option<Range<usize>> {
        self.changed_with(messages, i, text, false, by)
    }

    /// The same in a text that the template wrote with or without the mark of the next answer.
    fn changed_with(
        &self,
        messages: &[Message],
        i: usize,
        text: &str,
        prompt: bool,
        by: By,
    ) -> Option<Range<usize>> {
        let found = self.differs(messages, i, text, prompt, Message::instead)?;
        match by {
            By::Name => Some(found),
            By::Arguments => {
                let last = self.differs(messages, i, text, prompt, Message::with_arguments)?;
                Some(found.start.min(last.start)..last.end)
            }
        }
    }

    /// What of `text` differs when others stand in the place of message `i`.
    fn differs(
        &self,
        messages: &[Message],
        i: usize,
        text: &str,
        prompt: bool,
        instead: Instead,
    ) -> Option<Range<usize>> {
        let mut found: Option<Range<usize>> = None;
        for other in OTHERS {
            let mut others = messages.to_vec();
            others[i] = instead(&messages[i], other);
            let Ok(other) = self.render(&others, prompt) else {
                continue;
            };
            if other == text {
                continue;
            }
            let start = common_start(text, &other);
            let room = text.len().min(other.len()) - start;
            let end = text.len() - common_end(text, &other).min(room);
            let end = ceil(text, end);
            found = Some(match found {
                None => start..end,
                Some(before) => before.start.min(start)..before.end.max(end),
            });
        }
        found
    }

    /// The end of message `i`: of what it says, and of what the template writes after it.
    fn end(&self, i: usize, changed: &Range<usize>, through: &str, by: By) -> usize {
        let (text, messages) = (self.text, &self.chat.messages);
        if text.starts_with(through) && through.len() >= changed.end {
            return through.len();
        }
        let rest = &text[changed.end..];
        // After the last message of a conversation, and after one that another answer follows.
        let last = self.changed(&messages[..=i], i, through, by);
        let last = last.map(|last| through[last.end..].to_owned());
        let followed = || {
            let asked = self.render(&messages[..=i], true).ok()?;
            let said = self.changed_with(&messages[..=i], i, &asked, true, by)?;
            let tail = &asked[said.end..];
            let mark = self.mark(i)?;
            tail.strip_suffix(mark.as_str()).map(str::to_owned)
        };
        for tail in [last, followed()].into_iter().flatten() {
            if rest.starts_with(&tail) {
                return changed.end + tail.len();
            }
        }
        changed.end + self.before_next(i, rest).unwrap_or(0)
    }

    /// What of `rest`, the text after what message `i` says, comes before the heading of the next
    /// message: that heading is what stands before its content when it is alone.
    fn before_next(&self, i: usize, rest: &str) -> Option<usize> {
        let next = self.chat.messages.get(i + 1..i + 2)?;
        let alone = self.render(next, false).ok()?;
        let said = self.changed(next, 0, &alone, By::Name)?;
        let here = self.changed(&self.chat.messages, i + 1, self.text, By::Name)?;
        let between = rest.get(..here.start.checked_sub(self.text.len() - rest.len())?)?;
        let heading = common_end(between, &alone[..said.start]);
        (heading > 0).then(|| between.len() - heading)
    }

    /// What the template writes to ask for message `i`.
    fn mark(&self, i: usize) -> Option<String> {
        let before = self.render(&self.chat.messages[..i], true).ok()?;
        let asked = self.render(&self.chat.messages[..i], false).ok()?;
        Some(before[common_tokens(&asked, &before)..].to_owned())
    }

    /// The beginning of answer `i`, whose prompt the text does not go on from: as far as the two
    /// agree after the message before it.
    fn start(&self, i: usize, changed: &Range<usize>, before: &str) -> usize {
        let text = self.text;
        let Ok(asked) = self.render(&self.chat.messages[..i], false) else {
            return changed.start;
        };
        let (from, mark) = if text.starts_with(&asked) {
            (asked.len(), before.get(asked.len()..).unwrap_or_default())
        } else {
            // Earlier messages are written differently once more follow.
            let mark = &before[common_tokens(&asked, before)..];
            let previous = i.checked_sub(1);
            let last = previous.and_then(|i| self.changed(&self.chat.messages, i, text, By::Name));
            let Some(last) = last else {
                return changed.start;
            };
            (self.end(i - 1, &last, &asked, By::Name), mark)
        };
        if from > changed.start {
            return changed.start;
        }
        let between = &text[from..changed.start];
        // What separates two messages may stand before the heading.
        match between.find(mark).filter(|_| !mark.is_empty()) {
            Some(at) => from + at + mark.len(),
            None => from + common_start(between, mark),
        }
    }
}

/// How many bytes two texts have in common at the start, in whole characters.
fn common_start(a: &str, b: &str) -> usize {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    same.map(|(c, _)| c.len_utf8()).sum()
}

/// As [`common_start`], but not into a token such as `<|end|>` that the two do not share whole.
fn common_tokens(a: &str, b: &str) -> usize {
    let common = &a[..common_start(a, b)];
    match common.rfind(['<', '[']) {
        Some(at) if !common[at..].contains(['>', ']']) => at,
        _ => common.len(),
    }
}

/// How many bytes two texts have in common at the end, in whole characters.
fn common_end(a: &str, b: &str) -> usize {
    let same = a
        .chars()
        .rev()
        .zip(b.chars().rev())
        .take_while(|(a, b)| a == b);
    same.map(|(c, _)| c.len_utf8()).sum()
}

/// The next place at or after this byte where a character begins.
fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}
