//! One message, as OpenAI, TRL and ShareGPT write it.

use serde_json::{Map, Value, json};

use super::{Message, Role, is_empty, kind, other_letters};
use crate::error::Problem;
use crate::json::within;

type Fields = Map<String, Value>;

/// Names of what the model thought before it answered. `transformers` fills the first from the
/// others, and the second from the first.
pub(crate) const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// Names that a message's fields have here.
const NAMES: [&str; 12] = [
    "role",
    "content",
    "from",
    "value",
    "tool_calls",
    "tool_call_id",
    "name",
    "weight",
    "train",
    "reasoning_content",
    "thinking",
    "reasoning",
];

/// A list of messages.
pub(super) fn messages(name: &'static str, value: &Value) -> Result<Vec<Message>, Problem> {
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
        other_letters(fields, &NAMES)?;
        match fields.contains_key("from") {
            true => sharegpt(i + 1, fields),
            false => message(i + 1, fields.clone()),
        }
    };
    items.iter().enumerate().map(read).collect()
}

/// ShareGPT's names, in OpenAI's.
fn sharegpt(place: usize, fields: &Fields) -> Result<Message, Problem> {
    let string = |field: &'static str| match fields.get(field) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => Err(Problem::WrongType(field, kind(other), "a string")),
        None => Err(Problem::WrongType(field, "missing", "a string")),
    };
    let (from, said) = (string("from")?, string("value")?);
    let mut other = fields.clone();
    other.shift_remove("from");
    other.shift_remove("value");
    let mut turn = Fields::new();
    let role = match from {
        "human" | "user" => "user",
        "gpt" | "assistant" | "chatgpt" | "function_call" | "tool_call" => "assistant",
        "observation" | "tool" | "function_response" | "tool_response" => "tool",
        role => role,
    };
    turn.insert("role".into(), role.into());
    if matches!(from, "function_call" | "tool_call") {
        turn.insert("tool_calls".into(), calls(place, said)?);
    } else {
        turn.insert("content".into(), said.into());
    }
    for (name, value) in other {
        let differs = turn.get(&name).is_some_and(|own| *own != value);
        match name.as_str() {
            _ if value.is_null() => {}
            "role" if differs => {
                let why = "has from and role, which differ; keep one";
                return Err(Problem::Message(place, why));
            }
            "content" if differs => {
                let why = "has value and content, which differ; keep one";
                return Err(Problem::Message(place, why));
            }
            "tool_calls" if differs && !is_empty(&value) => {
                let why = "has a call in value and others in tool_calls; keep one of them";
                return Err(Problem::Message(place, why));
            }
            _ if differs => {}
            _ => drop(turn.insert(name, value)),
        }
    }
    message(place, turn)
}

/// The calls a ShareGPT turn holds as JSON: one object, or a list of them.
fn calls(place: usize, said: &str) -> Result<Value, Problem> {
    let wrong = || Problem::Call(place, "the call is no JSON object with name and arguments");
    let value = within("value", said)?.ok_or_else(wrong)?;
    let calls = match value {
        Value::Array(calls) => calls,
        call => vec![call],
    };
    let good = |call: &Value| call["name"].is_string() && call.get("arguments").is_some();
    if calls.is_empty() || !calls.iter().all(good) {
        return Err(wrong());
    }
    let call = |call: Value| json!({"type": "function", "function": call});
    Ok(calls.into_iter().map(call).collect())
}

/// A message of named fields.
pub(super) fn message(place: usize, mut fields: Fields) -> Result<Message, Problem> {
    let role = match fields.get("role") {
        Some(Value::String(role)) => Role::parse(role)?,
        Some(other) => return Err(Problem::WrongType("role", kind(other), "a string")),
        None => return Err(Problem::WrongType("role", "missing", "a string")),
    };
    let learned = learned(place, &role, &mut fields)?;
    // As `transformers` does: a field that is null is no field.
    fields.retain(|_, value| !value.is_null());
    let calls = fields
        .get("tool_calls")
        .is_some_and(|calls| !is_empty(calls));
    match calls {
        true => check_calls(place, &fields["tool_calls"])?,
        // An empty list calls nothing, and templates take it for a call.
        false => drop(fields.shift_remove("tool_calls")),
    }
    let reasoning = reasoning(place, &mut fields)?;
    match fields.get("content") {
        Some(Value::String(_)) => {}
        Some(Value::Array(parts)) => check_parts(place, parts)?,
        Some(other) => return Err(Problem::WrongType("content", kind(other), "a string")),
        None if calls || reasoning.is_some() => {}
        None => return Err(Problem::WrongType("content", "missing", "a string")),
    }
    if let Some(reasoning) = reasoning {
        let mut all = Fields::new();
        all.insert("thinking".into(), reasoning.clone());
        all.extend(fields);
        all.insert("reasoning_content".into(), reasoning);
        fields = all;
    }
    let message = Message {
        role,
        fields,
        learned,
    };
    let may_be_silent = calls || !matches!(message.role, Role::User | Role::Assistant);
    let thought = message
        .fields
        .get("reasoning_content")
        .is_some_and(|r| !is_empty(r));
    if !may_be_silent && !thought && message.text().trim().is_empty() {
        let what = format!("message {place} ({})", message.role);
        return Err(Problem::Empty(what));
    }
    Ok(message)
}

/// What the model thought. An empty field gives way to a filled one under another name; two that say
/// different things are refused.
fn reasoning(place: usize, fields: &mut Fields) -> Result<Option<Value>, Problem> {
    let given = |name: &&str| fields.get(*name).cloned();
    let mut filled = REASONING.iter().filter_map(given).filter(|v| !is_empty(v));
    let Some(first) = filled.next() else {
        return Ok(REASONING.iter().find_map(given));
    };
    if filled.any(|other| other != first) {
        let why = "has two of reasoning_content, thinking and reasoning, which differ; keep one";
        return Err(Problem::Message(place, why));
    }
    for name in REASONING {
        if let Some(value) = fields.get_mut(name) {
            *value = first.clone();
        }
    }
    Ok(Some(first))
}

/// What `weight` (0 or 1) and `train` say.
fn learned(place: usize, role: &Role, fields: &mut Fields) -> Result<Option<bool>, Problem> {
    let weight = match fields.shift_remove("weight") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(weight)) => Some(weight),
        Some(weight) => match weight.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => {
                return Err(Problem::Weight(
                    place,
                    weight.to_string().chars().take(40).collect(),
                ));
            }
        },
    };
    let train = match fields.shift_remove("train") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(train)) => Some(train),
        Some(other) => return Err(Problem::WrongType("train", kind(&other), "true or false")),
    };
    let learned = match (weight, train) {
        (Some(weight), Some(train)) if weight != train => {
            return Err(Problem::Message(
                place,
                "has weight and train, which differ; keep one",
            ));
        }
        (weight, train) => weight.or(train),
    };
    if learned == Some(true) && *role != Role::Assistant {
        let why = "is to be learned, and only assistant messages are; remove its weight or train";
        return Err(Problem::Message(place, why));
    }
    Ok(learned)
}

fn check_calls(place: usize, calls: &Value) -> Result<(), Problem> {
    let Value::Array(calls) = calls else {
        return Err(Problem::WrongType(
            "tool_calls",
            kind(calls),
            "a list of calls",
        ));
    };
    for call in calls {
        let function = call.get("function").unwrap_or(call);
        if !function["name"].is_string() {
            let why = "a call has no name; write {\"function\": {\"name\", \"arguments\"}}";
            return Err(Problem::Call(place, why));
        }
    }
    Ok(())
}

/// Parts of content: texts only.
fn check_parts(place: usize, parts: &[Value]) -> Result<(), Problem> {
    for part in parts {
        let kind = part["type"].as_str().unwrap_or_default();
        if kind != "text" || !part["text"].is_string() {
            let kind: String = kind.chars().take(40).collect();
            return Err(Problem::Part(place, kind));
        }
        let fields = part.as_object().into_iter().flatten();
        if fields
            .clone()
            .any(|(name, value)| !value.is_null() && is_mask(name))
        {
            let why =
                "has a part with a weight of its own; give the whole message a weight, 0 or 1";
            return Err(Problem::Message(place, why));
        }
    }
    Ok(())
}

/// Whether a field sounds as if it said what is learned, under a name that is not known here.
pub(crate) fn is_mask(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["train", "learn", "loss", "mask", "weight"];
    words.iter().any(|word| name.contains(word))
}
