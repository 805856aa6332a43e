//! Whether the template writes what a record holds: nothing may be lost in silence.

use serde_json::Value;

use crate::error::Problem;
use crate::json::within;
use crate::record::{Conversation, Message, REASONING, Role, is_mask};
use crate::template::ChatTemplate;

/// What a message says instead, to see whether it is written.
const ELSE: &str = "qzxv";
/// Fields of a message that templates read or that only name it.
const KNOWN: [&str; 4] = ["role", "content", "name", "tool_call_id"];
/// Fields of a message that say nothing to the model, by common use.
const HARMLESS: [&str; 30] = [
    "id",
    "message_id",
    "parent_id",
    "uuid",
    "hash",
    "index",
    "turn",
    "timestamp",
    "time",
    "date",
    "created",
    "created_at",
    "updated_at",
    "model",
    "source",
    "url",
    "lang",
    "language",
    "metadata",
    "meta",
    "finish_reason",
    "stop_reason",
    "usage",
    "tokens",
    "token_count",
    "num_tokens",
    "score",
    "rating",
    "annotations",
    "type",
];

/// Checks that the template knows the fields of the messages, and what stands beside them.
pub(super) fn check(chat: &Conversation, template: &ChatTemplate) -> Result<(), Problem> {
    for (i, message) in chat.messages.iter().enumerate() {
        for (name, value) in message.fields() {
            let alias = REASONING.contains(&name.as_str());
            let read = match name.as_str() {
                known if KNOWN.contains(&known) || HARMLESS.contains(&known) => true,
                _ if says_nothing(value) && !masks(name, value) => true,
                _ if alias => REASONING.iter().any(|name| template.mentions(name)),
                name => template.mentions(name),
            };
            if !read {
                let name = if alias { given_name(message) } else { name };
                let name = name.chars().take(40).collect();
                return Err(Problem::UnreadField(i + 1, name));
            }
        }
    }
    if template.reads_arguments() {
        chat.messages.iter().try_for_each(check_arguments)?;
    }
    let setting = [
        ("tools", &chat.setting.tools),
        ("documents", &chat.setting.documents),
    ];
    for (name, value) in setting {
        let holds = value.as_ref().is_some_and(|value| !says_nothing(value));
        if holds && !template.mentions(name) {
            return Err(Problem::UnreadSetting(name));
        }
    }
    Ok(())
}

/// Checks arguments that are JSON in a string: an object is made of them.
fn check_arguments(message: &Message) -> Result<(), Problem> {
    let calls = message.fields().get("tool_calls").and_then(Value::as_array);
    for call in calls.into_iter().flatten() {
        let arguments = call.get("function").unwrap_or(call).get("arguments");
        if let Some(text) = arguments.and_then(Value::as_str) {
            within("arguments", text)?;
        }
    }
    Ok(())
}

/// Reasoning is given to the template under two names: the one that a record most likely used.
fn given_name(message: &Message) -> &str {
    let names = ["reasoning", "reasoning_content"];
    let given = names
        .iter()
        .find(|name| message.fields().contains_key(**name));
    given.copied().unwrap_or("reasoning_content")
}

/// Checks that every message was written: other words in it, or other calls, change the text, and so
/// does what anyone but the model thought.
pub(super) fn check_written(
    chat: &Conversation,
    template: &ChatTemplate,
    text: &str,
) -> Result<(), Problem> {
    for (i, message) in chat.messages.iter().enumerate() {
        let same = |other: Message| {
            let mut others = chat.messages.clone();
            others[i] = other;
            let other = template.render(&others, &chat.setting, false);
            other.is_ok_and(|other| other == text)
        };
        if message.with_text(ELSE).is_some_and(same) {
            let role = message.role().name().to_owned();
            return Err(match message.role() {
                Role::Tool | Role::Other(_) => Problem::UnwrittenRole(i + 1, role),
                _ => Problem::UnwrittenMessage(i + 1, role),
            });
        }
        if message.with_calls(ELSE).into_iter().any(same) {
            return Err(Problem::UnwrittenCalls(i + 1));
        }
        // Of the model's own thoughts, templates drop the earlier ones.
        let others = message.without_reasoning();
        let others = others.filter(|_| *message.role() != Role::Assistant);
        if others.is_some_and(same) {
            let name = given_name(message).to_owned();
            return Err(Problem::UnreadField(i + 1, name));
        }
    }
    Ok(())
}

/// Whether this is an unknown setting that keeps a message from being learned.
fn masks(name: &str, value: &Value) -> bool {
    *value == Value::Bool(false) && is_mask(name)
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
