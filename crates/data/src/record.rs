//! Records: what one example of a data set says.

mod message;
mod shapes;

use std::fmt;

use serde_json::{Map, Value};

pub(crate) use self::message::{REASONING, is_mask};
use crate::error::Problem;

/// Who speaks: a message's role, as every format of chats and every template calls it. It has
/// nothing to do with the roles that accounts have in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions to the model.
    System,
    /// Instructions of whoever builds on the model.
    Developer,
    /// The person.
    User,
    /// The model: what it learns to say.
    Assistant,
    /// The result of a tool call.
    Tool,
    /// Another role, which the model's chat template must know by name.
    Other(String),
}

impl Role {
    /// The name records and templates use.
    pub fn name(&self) -> &str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Other(name) => name,
        }
    }

    fn is_usual(name: &str) -> bool {
        ["system", "developer", "user", "assistant", "tool"].contains(&name)
    }

    /// The role a record names.
    ///
    /// # Errors
    /// For a name that stands for one of the others, and for one that can be no role.
    fn parse(name: &str) -> Result<Self, Problem> {
        /// Other programs' names for the person and the model.
        const ELSEWHERE: [&str; 10] = [
            "ai", "bing", "bot", "chatbot", "chatgpt", "gpt", "human", "model", "customer", "agent",
        ];
        let plain = |name: &str| name.trim().to_ascii_lowercase();
        let possible = |c: char| c.is_ascii_alphanumeric() || " _-".contains(c);
        match name {
            "system" => Ok(Self::System),
            "developer" => Ok(Self::Developer),
            "user" => Ok(Self::User),
            "assistant" => Ok(Self::Assistant),
            "tool" => Ok(Self::Tool),
            other if other.is_empty() || other.len() > 40 || !other.chars().all(possible) => {
                Err(Problem::UnknownRole(other.chars().take(40).collect()))
            }
            // A role in other letters would be another one to the template.
            other
                if ELSEWHERE.contains(&plain(other).as_str()) || Self::is_usual(&plain(other)) =>
            {
                Err(Problem::UnknownRole(other.to_owned()))
            }
            other => Ok(Self::Other(other.to_owned())),
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
    role: Role,
    /// What the template is given, `role` and `content` among it.
    fields: Map<String, Value>,
    /// Whether the record says that it is learned, or that it is not.
    learned: Option<bool>,
}

impl Message {
    /// A message of text.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert("role".into(), role.name().into());
        fields.insert("content".into(), Value::String(content.into()));
        Self {
            role,
            fields,
            learned: None,
        }
    }

    /// Who speaks: a message's role, as every format of chats and every template calls it. It has
    /// nothing to do with the roles that accounts have in the network.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// What is said: the text, or the texts of all parts one after the other.
    pub fn text(&self) -> String {
        match self.fields.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => {
                let text = |part: &Value| part["text"].as_str().unwrap_or_default().to_owned();
                parts.iter().map(text).collect()
            }
            _ => String::new(),
        }
    }

    /// What the chat template is given of it, `role` and `content` among it.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Whether the record says (with `weight` or `train`) that it is learned, or that it is not.
    pub fn learned(&self) -> Option<bool> {
        self.learned
    }

    /// The same message with other words and everything else as it is; `None` where it has no words.
    pub(crate) fn with_text(&self, text: &str) -> Option<Self> {
        let content = match self.fields.get("content") {
            Some(Value::Array(_)) => serde_json::json!([{"type": "text", "text": text}]),
            Some(_) => text.into(),
            None => return None,
        };
        if self.text().trim().is_empty() {
            return None;
        }
        let mut other = self.clone();
        other.fields.insert("content".into(), content);
        Some(other)
    }

    /// The functions that the message calls.
    fn functions(&mut self) -> impl Iterator<Item = &mut Value> {
        let calls = self.fields.get_mut("tool_calls");
        let calls = calls.and_then(Value::as_array_mut).into_iter().flatten();
        calls.map(|call| match call.get("function").is_some() {
            true => &mut call["function"],
            false => call,
        })
    }

    /// The same message calling with this argument instead of its own.
    pub(crate) fn with_arguments(&self, text: &str) -> Self {
        let arguments = serde_json::json!({ text: text });
        let mut other = self.clone();
        for function in other.functions() {
            function["arguments"] = match function["arguments"].is_string() {
                true => arguments.to_string().into(),
                false => arguments.clone(),
            };
        }
        other
    }

    /// The same message with other calls, and with others in place of all but the first: what is
    /// written of its calls changes with each. Nothing where it calls nothing.
    pub(crate) fn with_calls(&self, text: &str) -> Vec<Self> {
        let mut all = self.with_arguments(text);
        let mut count = 0;
        for function in all.functions() {
            function["name"] = text.into();
            count += 1;
        }
        let mut later = all.clone();
        if let (Some(own), Some(first)) =
            (self.clone().functions().next(), later.functions().next())
        {
            *first = own.clone();
        }
        [all, later].into_iter().take(count).collect()
    }

    /// The same message without what was thought before it; none where nothing was.
    pub(crate) fn without_reasoning(&self) -> Option<Self> {
        let mut other = self.clone();
        let thought = |name: &String| REASONING.contains(&name.as_str());
        other.fields.retain(|name, _| !thought(name));
        (other != *self).then_some(other)
    }

    /// The same message saying only this instead; one that says nothing calls a tool of this name.
    pub(crate) fn instead(&self, text: &str) -> Self {
        let mut other = self.clone();
        for function in other.functions() {
            function["name"] = text.into();
        }
        other
            .fields
            .retain(|name, _| !REASONING.contains(&name.as_str()));
        let parts = self.fields.get("content").is_some_and(Value::is_array);
        let content = match parts {
            true => serde_json::json!([{"type": "text", "text": text}]),
            false => text.into(),
        };
        if self.fields.contains_key("content") || !self.fields.contains_key("tool_calls") {
            other.fields.insert("content".into(), content);
        }
        other
    }
}

/// What the chat template is given beside the messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// The tools the model may call, a list of JSON objects.
    pub tools: Option<Value>,
    /// Documents to answer from, a list of JSON objects.
    pub documents: Option<Value>,
    /// More variables, from `chat_template_kwargs`.
    pub values: Map<String, Value>,
}

/// A conversation. From index `learn_from` on, assistant messages are completions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The turns.
    pub messages: Vec<Message>,
    /// The first message that may be a completion.
    pub learn_from: usize,
    /// What else the template is given.
    pub setting: Setting,
}

/// One example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A conversation, written out with the model's chat template.
    Chat(Box<Conversation>),
    /// Running text, split over as many rows as it needs.
    Text(String),
}

impl Record {
    /// A question and its answer.
    pub fn pair(prompt: impl Into<String>, completion: impl Into<String>) -> Self {
        Self::Chat(Box::new(Conversation {
            messages: vec![
                Message::new(Role::User, prompt),
                Message::new(Role::Assistant, completion),
            ],
            learn_from: 1,
            setting: Setting::default(),
        }))
    }

    /// The record a JSON object describes. Fields that say nothing about what is learned (such as
    /// SAMSum's `id`) are passed over; a field that is null counts as absent.
    ///
    /// - `messages`: `[{"role", "content"}, ...]`, as OpenAI and TRL write conversations
    /// - `conversations`: the same, or ShareGPT's `[{"from", "value"}, ...]`
    /// - `prompt` and `completion`: two strings, or two lists of messages
    /// - `instruction`, `input` (which may be empty, and which Dolly calls `context`) and `output`, as
    ///   Alpaca has them
    /// - `dialogue` and `summary`: the conversation, then the line `Summary:`, is the prompt and
    ///   the summary the completion
    /// - `text`: running text
    ///
    /// Beside a conversation, `tools`, `documents` and `chat_template_kwargs` go to the template,
    /// and `system` is its first message. Beside strings, `reasoning_content` (or `thinking`, or
    /// `reasoning`) belongs to the answer.
    ///
    /// # Errors
    /// [`Problem`] says which field is wrong and how to correct it.
    pub fn from_json(fields: &Map<String, Value>) -> Result<Self, Problem> {
        shapes::read(fields)
    }

    /// Whether a text is a list of messages, which is not learned as it is.
    pub(crate) fn holds_messages(text: &str) -> bool {
        shapes::holds_messages(text)
    }

    /// Whether a record's field of this name is read, and not passed over.
    pub(crate) fn reads(name: &str) -> bool {
        shapes::known().any(|known| known == name)
    }
}

/// What kind of JSON a value is, in words.
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

/// Refuses a field that has the name of a known one in other letters, such as `Messages`: it would be
/// passed over.
fn other_letters(fields: &Map<String, Value>, known: &[&'static str]) -> Result<(), Problem> {
    for (name, value) in fields {
        let plain = name.trim().to_ascii_lowercase();
        let meant = known.iter().find(|known| **known == plain);
        if let Some(meant) = meant.filter(|meant| **meant != name && !is_empty(value)) {
            return Err(Problem::OtherLetters(
                name.chars().take(40).collect(),
                meant,
            ));
        }
    }
    Ok(())
}

/// Whether a value says nothing: null, or an empty string, list or object.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
