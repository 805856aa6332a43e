//! Chat templates: how a model wants a conversation written out.

mod budget;
mod clock;
mod filters;
mod formats;
mod json;
mod lists;
mod literals;
mod methods;
mod operators;
mod print;
mod source;
mod tags;
mod terms;
mod texts;
mod value;
mod views;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, State, Value as Any};
use serde_json::Value;

use crate::error::TemplateError;
use crate::record::{Message, Setting};

/// The template of a model that brings none: `User: ...`, `Assistant: ...`, one message a line,
/// the end-of-text token (where there is one) after each answer.
pub const FALLBACK: &str = "{% for m in messages %}{{ m.role | capitalize }}: {{ m.content }}\
{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}\
{% if add_generation_prompt %}Assistant:{% endif %}";

const MAX_TEMPLATE_BYTES: usize = 256 << 10;
/// Template instructions one rendering may take: a template comes from outside and must end.
const FUEL: u64 = 2_000_000;
/// The longest text of one conversation, in bytes.
const MAX_TEXT_BYTES: usize = budget::MAX_VALUE;
/// The most bytes that text between tags may come to where it is written again and again into a
/// variable, which nothing else counts.
const MAX_REPEATED: usize = 512 << 20;
const NAME: &str = "chat";

/// Around what a `generation` block wrote, while its place is wanted. No text may hold these.
const MARKS: [char; 2] = ['\u{fdd0}', '\u{fdd1}'];
/// The variable that asks for the marks.
const MARKING: &str = "_assay_marking";

/// The special tokens a template may write, as text; empty when the tokenizer has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Beginning of text.
    pub bos: String,
    /// End of text.
    pub eos: String,
    /// Padding.
    pub pad: String,
    /// Unknown token.
    pub unk: String,
}

/// A compiled template, rendered byte for byte as `transformers` 5.24 does.
///
/// The clock stands still: `strftime_now` writes 26 July 2024 on every machine, since a template
/// that asked for today's date would write another text tomorrow. Where the engine cannot do what
/// Jinja2 would, it refuses.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: SpecialTokens,
    source: String,
    marks_answers: bool,
    content: Content,
    /// Whether a tool call's arguments may be given as JSON in a string.
    text_arguments: bool,
}

/// How a template reads the content of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// As a text: parts are joined.
    Text,
    /// As a list of parts: a text becomes a list of one.
    Parts,
    /// Either.
    Both,
}

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// When it is oversized or does not parse.
    pub fn new(source: &str, tokens: SpecialTokens) -> Result<Self, TemplateError> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLarge(source.len()));
        }
        let prepared = source::prepare(source).map_err(TemplateError::Syntax)?;
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(syntax_error)?;
        let mut environment = Environment::new();
        environment.set_syntax(syntax);
        environment.set_fuel(Some(fuel(prepared.plain)));
        environment.set_unknown_method_callback(methods::call);
        environment.set_formatter(|out, _, value| {
            let written = match value.as_str() {
                Some(text) => {
                    budget::charge(text.len())?;
                    out.write_str(text)
                }
                None => out.write_str(&print::text(value)?),
            };
            written.map_err(|_| Error::from(ErrorKind::WriteFailure))
        });
        filters::install(&mut environment);
        operators::install(&mut environment);
        environment.add_function(source::GENERATION, generation);
        environment
            .add_template_owned(NAME, prepared.text)
            .map_err(syntax_error)?;
        let mut template = Self {
            environment,
            tokens,
            source: source.to_owned(),
            marks_answers: prepared.marks_answers,
            content: Content::Both,
            text_arguments: true,
        };
        template.content = template.probe_content();
        template.text_arguments = template.probe_arguments();
        Ok(template)
    }

    /// Whether the template marks what the model says, with `generation` blocks.
    pub(crate) fn marks_answers(&self) -> bool {
        self.marks_answers
    }

    /// Whether arguments that are JSON in a string become an object for the template.
    pub(crate) fn reads_arguments(&self) -> bool {
        !self.text_arguments
    }

    /// Whether the template's text holds this name as a word.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
        self.source.match_indices(name).any(|(at, _)| {
            let (before, after) = (&self.source[..at], &self.source[at + name.len()..]);
            !before.ends_with(part_of_word) && !after.starts_with(part_of_word)
        })
    }

    /// The text of a conversation; with `add_generation_prompt` it ends where the model's answer
    /// would begin.
    ///
    /// # Errors
    /// When the template refuses the conversation or does not come to an end.
    pub fn render(
        &self,
        messages: &[Message],
        setting: &Setting,
        add_generation_prompt: bool,
    ) -> Result<String, TemplateError> {
        let turns = messages.iter().map(|message| self.turn(message)).collect();
        self.run(turns, setting, add_generation_prompt, false)
    }

    /// The text of a conversation, and the parts of it that `generation` blocks wrote, in bytes.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`], and when the conversation holds the marks that are used here.
    pub(crate) fn render_marked(
        &self,
        messages: &[Message],
        setting: &Setting,
    ) -> Result<(String, Vec<Range<usize>>), TemplateError> {
        let turns = messages.iter().map(|message| self.turn(message)).collect();
        let marked = self.run(turns, setting, false, true)?;
        let (mut text, mut spans) = (String::with_capacity(marked.len()), Vec::new());
        let mut open = None;
        for c in marked.chars() {
            match (MARKS.iter().position(|mark| *mark == c), open) {
                (Some(0), None) => open = Some(text.len()),
                (Some(1), Some(start)) => {
                    spans.push(start..text.len());
                    open = None;
                }
                _ => text.push(c),
            }
        }
        match text == self.render(messages, setting, false)? {
            true => Ok((text, spans)),
            false => Err(TemplateError::Marks),
        }
    }

    fn turn<'a>(&self, message: &'a Message) -> Any {
        let content = message.fields().get("content");
        let as_read = match (content, self.content) {
            (Some(Value::Array(_)), Content::Text) => Some(Any::from(message.text())),
            (Some(Value::String(text)), Content::Parts) => {
                let part = serde_json::json!([{"type": "text", "text": text}]);
                Some(value::from_json(&part))
            }
            _ => None,
        };
        let field = |(name, field): (&'a String, &Value)| match (name.as_str(), &as_read) {
            ("content", Some(content)) => (name, content.clone()),
            ("tool_calls", _) if !self.text_arguments => {
                (name, value::from_json(&with_objects(field)))
            }
            _ => (name, value::from_json(field)),
        };
        value::dict(message.fields().iter().map(field))
    }

    /// Finds out how the template reads content, by having it write a message in both ways.
    fn probe_content(&self) -> Content {
        const PROBE: &str = "qzxv";
        let written = |content: Value| {
            let fields = serde_json::json!({"role": "user", "content": content});
            let turns = Any::from(vec![value::from_json(&fields)]);
            let text = self.run(turns, &Setting::default(), false, false);
            text.is_ok_and(|text| {
                // Python's way to print a list, or JSON, is no way to read it.
                text.contains(PROBE) && !text.contains("'type'") && !text.contains("\"type\"")
            })
        };
        let text = written(PROBE.into());
        match (
            text,
            written(serde_json::json!([{"type": "text", "text": PROBE}])),
        ) {
            (true, true) => Content::Both,
            (false, true) => Content::Parts,
            (_, false) => Content::Text,
        }
    }

    /// Finds out whether the template takes arguments as OpenAI writes them, as JSON in a string.
    /// One that passes them to `tojson` unseen would write JSON in JSON.
    fn probe_arguments(&self) -> bool {
        let call = |arguments: Value| {
            serde_json::json!([{"role": "user", "content": "q"}, {"role": "assistant",
                "content": "", "tool_calls": [{"id": "callcall0", "type": "function",
                "function": {"name": "f", "arguments": arguments}}]}])
        };
        let text = call(r#"{"qzxv": 1}"#.into());
        let text = self.run(value::from_json(&text), &Setting::default(), false, false);
        text.is_ok_and(|text| text.contains("\"qzxv\"") && !text.contains("\\\"qzxv"))
    }

    fn run(
        &self,
        messages: Any,
        setting: &Setting,
        add_generation_prompt: bool,
        marking: bool,
    ) -> Result<String, TemplateError> {
        let template = self.environment.get_template(NAME).map_err(render_error)?;
        let tokens = [
            ("bos_token", &self.tokens.bos),
            ("eos_token", &self.tokens.eos),
            ("pad_token", &self.tokens.pad),
            ("unk_token", &self.tokens.unk),
        ];
        // A token that the tokenizer has not is undefined, as in `transformers`.
        let tokens = tokens.into_iter().filter(|(_, token)| !token.is_empty());
        let own = setting.values.iter();
        let given = |value: &Option<Value>| value.as_ref().map_or(Any::from(()), value::from_json);
        let values = (tokens.map(|(name, token)| (name, Any::from(token.as_str()))))
            .chain(own.map(|(name, own)| (name.as_str(), value::from_json(own))))
            .chain([
                ("messages", messages),
                ("tools", given(&setting.tools)),
                ("documents", given(&setting.documents)),
                ("add_generation_prompt", Any::from(add_generation_prompt)),
                (MARKING, Any::from(marking)),
            ]);
        let values = Any::from_pairs(values);
        let mut out = Bounded(Vec::new());
        budget::begin();
        // The engine panics on some templates, which must not take the process down.
        let call = || template.render_captured_to(values, &mut out).map(|_| ());
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(rendered) => rendered.map_err(render_error)?,
            Err(_) => return Err(TemplateError::Render("its engine fails".into())),
        }
        String::from_utf8(out.0).map_err(|_| TemplateError::Render("it writes no UTF-8".into()))
    }
}

/// Calls whose arguments are objects, where they were objects in a string.
fn with_objects(calls: &Value) -> Value {
    let mut calls = calls.clone();
    for call in calls.as_array_mut().into_iter().flatten() {
        let call = match call.get("function").is_some() {
            true => &mut call["function"],
            false => call,
        };
        if let Some(Value::String(text)) = call.get("arguments")
            && let Ok(object @ Value::Object(_)) = serde_json::from_str(text)
        {
            call["arguments"] = object;
        }
    }
    calls
}

/// A text that grows to [`MAX_TEXT_BYTES`] at most.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT_BYTES {
            return Err(std::io::Error::other("the text becomes too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A `generation` block: what it writes, between marks if they are wanted.
fn generation(state: &mut State<'_, '_>, named: Kwargs) -> Result<Any, Error> {
    let block = named.get::<Any>("caller")?.call(state, &[])?;
    let marking = state
        .lookup(MARKING)
        .is_some_and(|marking| marking.is_true());
    Ok(match marking {
        true => Any::from(format!("{}{}{}", MARKS[0], print::text(&block)?, MARKS[1])),
        false => block,
    })
}

/// How many instructions a rendering may take. Text between tags is written by one instruction, in
/// loops by one of four at most; so the longer it is, the fewer there are.
fn fuel((longest, all): (usize, usize)) -> u64 {
    let written = longest.min(all / 3).max(1);
    FUEL.min((MAX_REPEATED / written) as u64)
}

fn syntax_error(error: Error) -> TemplateError {
    TemplateError::Syntax(describe(&error))
}

fn render_error(error: Error) -> TemplateError {
    TemplateError::Render(match error.kind() {
        ErrorKind::WriteFailure => {
            format!("it writes more than {} MiB of text", MAX_TEXT_BYTES >> 20)
        }
        ErrorKind::OutOfFuel => "it takes too many steps, as one that never ends does".into(),
        _ => describe(&error),
    })
}

/// The error in one line, bounded: parts of it come from the template.
fn describe(error: &Error) -> String {
    error.to_string().chars().take(300).collect()
}
