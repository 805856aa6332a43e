//! The shapes of records: which fields hold what.

use serde_json::{Map, Value};

use super::message::{REASONING, message, messages};
use super::{Conversation, Message, Record, Role, Setting, is_empty, kind, other_letters};
use crate::error::Problem;
use crate::json::within;
use crate::unseen;

type Fields = Map<String, Value>;

/// The most messages in one record: a bound on the work of rendering it.
const MAX_MESSAGES: usize = 256;

/// A kind of record, by the fields it needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Chat(&'static str),
    PromptCompletion,
    Alpaca,
    Dialogue,
    Text,
}

const SHAPES: [(Shape, &[&str]); 7] = [
    (Shape::Chat("messages"), &["messages"]),
    (Shape::Chat("conversations"), &["conversations"]),
    (Shape::Chat("conversation"), &["conversation"]),
    (Shape::PromptCompletion, &["prompt", "completion"]),
    (Shape::Alpaca, &["instruction", "output"]),
    (Shape::Dialogue, &["dialogue", "summary"]),
    (Shape::Text, &["text"]),
];

const MEDIA: &str = "holds media, and only text is learned; remove the field or the record";
const PREFERENCE: &str = "belongs to preference data, which is not learned from; write the wanted \
                          answer as completion and leave the other out";
const TOKENS: &str = "holds tokens or masks of tokens; give the text, which is tokenised here";
const WEIGHTS: &str = "weighs the record, and every record is learned alike; remove the field, or repeat \
                       the record";
const OLD_TOOLS: &str = "is OpenAI's older way to write tools; write tools and tool_calls";

/// Fields that change what is meant, and cannot be honoured.
const REFUSED: [(&str, &str); 30] = [
    ("chosen", PREFERENCE),
    ("rejected", PREFERENCE),
    (
        "label",
        "marks wanted and unwanted answers or a class, and every record is learned alike; remove \
         the field, and the records that are not wanted",
    ),
    ("labels", TOKENS),
    ("input_ids", TOKENS),
    ("attention_mask", TOKENS),
    ("completion_mask", TOKENS),
    ("assistant_masks", TOKENS),
    ("loss_mask", TOKENS),
    ("mask", TOKENS),
    ("rejected_messages", PREFERENCE),
    ("rejected_response", PREFERENCE),
    ("loss_weight", WEIGHTS),
    ("sample_weight", WEIGHTS),
    ("weights", WEIGHTS),
    (
        "train_on_inputs",
        "is a setting of the whole job here; set data.completion_only instead and remove the field",
    ),
    ("image", MEDIA),
    ("images", MEDIA),
    ("video", MEDIA),
    ("videos", MEDIA),
    ("audio", MEDIA),
    ("audios", MEDIA),
    ("functions", OLD_TOOLS),
    ("function_call", OLD_TOOLS),
    (
        "weight",
        "stands beside the messages; write it in a message, as 0 or 1",
    ),
    (
        "train",
        "stands beside the messages; write it in a message, as true or false",
    ),
    ("history", "holds earlier turns; write them as messages"),
    (
        "chat_template",
        "brings a chat template; put it into the model's folder, as chat_template.jinja",
    ),
    (
        "add_generation_prompt",
        "is set by the program; remove the field",
    ),
    (
        "continue_final_message",
        "is not understood; remove the field and end with the message that is learned",
    ),
];

/// Fields that stand beside others of a record.
const BESIDE: [&str; 10] = [
    "input",
    "context",
    "reasoning_content",
    "thinking",
    "reasoning",
    "system",
    "system_prompt",
    "tools",
    "documents",
    "chat_template_kwargs",
];

/// What the template is always given, and `chat_template_kwargs` must not name.
const RESERVED: [&str; 8] = [
    "messages",
    "tools",
    "documents",
    "add_generation_prompt",
    "chat_template",
    "continue_final_message",
    "tokenize",
    "return_assistant_tokens_mask",
];

/// Every name of a field that is read or refused.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    let needed = SHAPES.iter().flat_map(|(_, needs)| needs.iter());
    let known = needed
        .chain(&BESIDE)
        .chain(REFUSED.iter().map(|(name, _)| name));
    known.copied()
}

/// The record an object describes.
pub(super) fn read(fields: &Fields) -> Result<Record, Problem> {
    let has = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    for (name, why) in REFUSED {
        if fields.get(name).is_some_and(|value| !is_empty(value)) {
            return Err(Problem::Field(name.into(), why));
        }
    }
    other_letters(fields, &known().collect::<Vec<_>>())?;
    let mut found = SHAPES
        .iter()
        .filter(|(_, needs)| needs.iter().all(|name| has(name)));
    let Some((shape, needs)) = found.next() else {
        let names: Vec<&str> = fields.keys().take(6).map(String::as_str).collect();
        let names = if names.is_empty() {
            "none".into()
        } else {
            names.join(", ")
        };
        let names: String = names.chars().take(120).collect();
        let note = unseen::note(&names);
        return Err(Problem::UnknownKind(unseen::shown(&names) + &note));
    };
    for name in SHAPES.iter().flat_map(|(_, needs)| needs.iter()) {
        let told_elsewhere = match *name {
            // The Alpaca data set keeps its own rendering of each record as text.
            "text" => *shape == Shape::Alpaca,
            // UltraChat repeats the first question.
            "prompt" => repeats(fields, needs[0]),
            _ => false,
        };
        if has(name) && !needs.contains(name) && !told_elsewhere {
            return Err(Problem::TwoShapes(needs.join(" and "), (*name).to_owned()));
        }
    }
    let text_of = |name: &'static str| text(name, &fields[name]);
    let chat = |messages| chat(fields, messages);
    match *shape {
        Shape::Text => {
            let beside = ["tools", "documents", "system", "chat_template_kwargs"];
            let why = "goes with a conversation, and the record is running text";
            refuse(fields, &beside, why)?;
            refuse(fields, &REASONING, why)?;
            Ok(Record::Text(text_of("text")?))
        }
        Shape::Chat(name) => {
            refuse(fields, &REASONING, REASONING_BESIDE)?;
            chat((messages(name, &fields[name])?, 0))
        }
        Shape::PromptCompletion => {
            refuse(fields, &ASKED_WITH, UNASKED)?;
            let (prompt, completion) = (&fields["prompt"], &fields["completion"]);
            for name in ["prompt", "completion"] {
                if fields[name].as_str().is_some_and(holds_messages) {
                    return Err(Problem::MessagesInText(name));
                }
            }
            if !prompt.is_array() && !completion.is_array() {
                let pair = pair(fields, text_of("prompt")?, text_of("completion")?)?;
                return chat((pair, 1));
            }
            refuse(fields, &REASONING, REASONING_BESIDE)?;
            let mut all = messages("prompt", prompt)?;
            let learn_from = all.len();
            all.extend(messages("completion", completion)?);
            chat((all, learn_from))
        }
        Shape::Alpaca => {
            let mut asked = text_of("instruction")?;
            let mut given = ASKED_WITH.into_iter().filter(|name| filled(fields, name));
            if let Some(name) = given.next() {
                if given.any(|other| fields[other] != fields[name]) {
                    let why = "says other than input; keep one of them";
                    return Err(Problem::Field("context".into(), why));
                }
                asked = format!("{asked}\n\n{}", text_of(name)?);
            }
            chat((pair(fields, asked, text_of("output")?)?, 1))
        }
        Shape::Dialogue => {
            refuse(fields, &ASKED_WITH, UNASKED)?;
            let asked = format!("{}\n\nSummary:", text_of("dialogue")?);
            chat((pair(fields, asked, text_of("summary")?)?, 1))
        }
    }
}

/// What Alpaca (`input`) and Dolly (`context`) put behind the instruction.
const ASKED_WITH: [&str; 2] = ["input", "context"];
const UNASKED: &str =
    "stands beside the prompt and would be lost; write it into the prompt, or remove it";
const REASONING_BESIDE: &str =
    "stands beside the messages; write it in the message that it belongs to";

fn filled(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(|value| !is_empty(value))
}

/// Refuses fields of these names, unless they are empty.
fn refuse(fields: &Fields, names: &[&str], why: &'static str) -> Result<(), Problem> {
    match names.iter().find(|name| filled(fields, name)) {
        Some(name) => Err(Problem::Field((*name).into(), why)),
        None => Ok(()),
    }
}

/// Whether a text is a list of messages, in JSON or as Python prints it: what programs make of TRL's
/// lists when they write a table of text.
pub(super) fn holds_messages(text: &str) -> bool {
    let first = text.trim_start().strip_prefix('[');
    let first = first.and_then(|text| text.trim_start().strip_prefix('{'));
    let quoted = |name: &str| [format!("\"{name}\""), format!("'{name}'")];
    let named = |text: &str, name| quoted(name).iter().any(|name| text.contains(name));
    first.is_some_and(|first| {
        let first = first.trim_start();
        first.starts_with(['"', '\''])
            && (named(first, "role") && (named(first, "content") || named(first, "tool_calls"))
                || named(first, "from") && named(first, "value"))
    })
}

/// Whether `prompt` only repeats a message of the conversation in `field`.
fn repeats(fields: &Fields, field: &str) -> bool {
    let Some(Value::Array(messages)) = fields.get(field) else {
        return false;
    };
    let same = |m: &Value, prompt| m.get("content") == prompt || m.get("value") == prompt;
    let prompt = fields.get("prompt").filter(|prompt| prompt.is_string());
    prompt.is_some() && messages.iter().any(|message| same(message, prompt))
}

/// A question and its answer, with what the record says was thought before it.
fn pair(fields: &Fields, prompt: String, completion: String) -> Result<Vec<Message>, Problem> {
    let mut answer = Fields::new();
    answer.insert("role".into(), "assistant".into());
    answer.insert("content".into(), completion.into());
    for name in REASONING.into_iter().filter(|name| filled(fields, name)) {
        let reasoning = fields[name].as_str().map(Value::from);
        let wrong = || Problem::WrongType(name, kind(&fields[name]), "a string");
        answer.insert(name.into(), reasoning.ok_or_else(wrong)?);
    }
    Ok(vec![Message::new(Role::User, prompt), message(2, answer)?])
}

fn chat(
    fields: &Fields,
    (mut messages, mut learn_from): (Vec<Message>, usize),
) -> Result<Record, Problem> {
    for name in ["system", "system_prompt"] {
        let Some(system) = fields.get(name).filter(|value| !is_empty(value)) else {
            continue;
        };
        let Value::String(system) = system else {
            return Err(Problem::WrongType(name, kind(system), "a string"));
        };
        match messages
            .first()
            .filter(|first| *first.role() == Role::System)
        {
            None => {
                messages.insert(0, Message::new(Role::System, system));
                learn_from += usize::from(learn_from > 0);
            }
            Some(first) if first.text() == *system => {}
            Some(_) => {
                let why = "says other than the system message; keep one of them";
                return Err(Problem::Field(name.into(), why));
            }
        }
    }
    if messages.len() > MAX_MESSAGES {
        return Err(Problem::TooManyMessages(messages.len()));
    }
    Ok(Record::Chat(Box::new(Conversation {
        messages,
        learn_from,
        setting: setting(fields)?,
    })))
}

fn setting(fields: &Fields) -> Result<Setting, Problem> {
    let values = match fields.get("chat_template_kwargs") {
        None | Some(Value::Null) => Fields::new(),
        Some(Value::Object(values)) => values.clone(),
        Some(other) => {
            let name = "chat_template_kwargs";
            return Err(Problem::WrongType(name, kind(other), "an object"));
        }
    };
    if let Some(name) = RESERVED.iter().find(|name| values.contains_key(**name)) {
        let why = "stands in chat_template_kwargs, and is given to the template otherwise";
        return Err(Problem::Field((*name).into(), why));
    }
    Ok(Setting {
        tools: objects(fields, "tools")?,
        documents: objects(fields, "documents")?,
        values,
    })
}

/// A field that holds a list of objects, or a string with such a list in JSON.
fn objects(fields: &Fields, name: &'static str) -> Result<Option<Value>, Problem> {
    const WANTED: &str = "a list of JSON objects";
    let value = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => match within(name, text)? {
            Some(Value::Null) => return Ok(None),
            Some(value) => value,
            None => return Err(Problem::WrongType(name, "a string that is no JSON", WANTED)),
        },
        Some(value) => value.clone(),
    };
    let Value::Array(items) = &value else {
        return Err(Problem::WrongType(name, kind(&value), WANTED));
    };
    match items.iter().all(Value::is_object) {
        true => Ok(Some(value)),
        false => Err(Problem::WrongType(name, "a list of other things", WANTED)),
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
