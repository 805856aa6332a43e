//! Records: what one example of a data set says.

use std::fmt;

use serde_json::{Map, Value};

use crate::error::Problem;

/// The most messages in one record: a bound on the work of rendering it.
const MAX_MESSAGES: usize = 256;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The person.
    User,
    /// The model: what it learns to say.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// The name records and templates use.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }

    fn parse(name: &str) -> Result<Self, Problem> {
        match name {
            "system" => Ok(Self::System),
            "user" => Ok(Self::User),
            "assistant" => Ok(Self::Assistant),
            "tool" => Ok(Self::Tool),
            other => Err(Problem::UnknownRole(other.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; never empty.
    pub content: String,
}

impl Message {
    /// A message.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        let content = content.into();
        Self { role, content }
    }
}

/// One example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A conversation. From index `learn_from` on, assistant messages are completions.
    Chat {
        /// The turns.
        messages: Vec<Message>,
        /// The first message that may be a completion.
        learn_from: usize,
    },
    /// Running text, split over as many rows as it needs.
    Text(String),
}

impl Record {
    /// A question and its answer.
    pub fn pair(prompt: impl Into<String>, completion: impl Into<String>) -> Self {
        Self::Chat {
            messages: vec![
                Message::new(Role::User, prompt),
                Message::new(Role::Assistant, completion),
            ],
            learn_from: 1,
        }
    }

    /// The record a JSON object describes. Fields that no kind knows (such as SAMSum's `id`) are
    /// passed over.
    ///
    /// - `messages`: `[{"role", "content"}, ...]`
    /// - `prompt` and `completion`: two strings, or two lists of messages
    /// - `dialogue` and `summary`: the conversation, then the line `Summary:`, is the prompt and
    ///   the summary the completion
    /// - `text`: running text
    ///
    /// # Errors
    /// [`Problem`] says which field is wrong and how to correct it.
    pub fn from_json(fields: &Map<String, Value>) -> Result<Self, Problem> {
        let has = |name| fields.contains_key(name);
        if has("messages") {
            let messages = messages("messages", &fields["messages"])?;
            return Self::chat(messages, 0);
        }
        if has("prompt") && has("completion") {
            if fields["prompt"].is_array() || fields["completion"].is_array() {
                let mut all = messages("prompt", &fields["prompt"])?;
                let learn_from = all.len();
                all.extend(messages("completion", &fields["completion"])?);
                return Self::chat(all, learn_from);
            }
            let prompt = text("prompt", &fields["prompt"])?;
            return Ok(Self::pair(
                prompt,
                text("completion", &fields["completion"])?,
            ));
        }
        if has("dialogue") && has("summary") {
            let dialogue = text("dialogue", &fields["dialogue"])?;
            let summary = text("summary", &fields["summary"])?;
            return Ok(Self::pair(format!("{dialogue}\n\nSummary:"), summary));
        }
        if has("text") {
            return Ok(Self::Text(text("text", &fields["text"])?));
        }
        let names: Vec<&str> = fields.keys().take(6).map(String::as_str).collect();
        let names = if names.is_empty() {
            "none".into()
        } else {
            names.join(", ")
        };
        Err(Problem::UnknownKind(names.chars().take(120).collect()))
    }

    fn chat(messages: Vec<Message>, learn_from: usize) -> Result<Self, Problem> {
        if messages.len() > MAX_MESSAGES {
            return Err(Problem::TooManyMessages(messages.len()));
        }
        Ok(Self::Chat {
            messages,
            learn_from,
        })
    }
}

fn text(name: &'static str, value: &Value) -> Result<String, Problem> {
    let Value::String(text) = value else {
        return Err(Problem::WrongType(name, kind(value), "a string"));
    };
    if text.trim().is_empty() {
        return Err(Problem::Empty(format!("field {name}")));
    }
    Ok(text.clone())
}

fn messages(name: &'static str, value: &Value) -> Result<Vec<Message>, Problem> {
    const WANTED: &str = "a list of {\"role\": ..., \"content\": ...}";
    let Value::Array(items) = value else {
        return Err(Problem::WrongType(name, kind(value), WANTED));
    };
    if items.is_empty() {
        return Err(Problem::Empty(format!("field {name}")));
    }
    let read = |(i, item): (usize, &Value)| {
        let Value::Object(fields) = item else {
            return Err(Problem::WrongType(name, "a list of other things", WANTED));
        };
        let string = |field: &'static str| match fields.get(field) {
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(other) => Err(Problem::WrongType(field, kind(other), "a string")),
            None => Err(Problem::WrongType(field, "missing", "a string")),
        };
        let message = Message::new(Role::parse(string("role")?)?, string("content")?);
        if message.content.trim().is_empty() {
            let what = format!("message {} ({})", i + 1, message.role);
            return Err(Problem::Empty(what));
        }
        Ok(message)
    };
    items.iter().enumerate().map(read).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
