//! What can be wrong with a data set, a template or a tokenizer.

use std::fmt;

use crate::foreign::Foreign;
use crate::table::error::TableError;

/// What is read, for messages.
pub(crate) const READ: &str = ".jsonl, .json, .csv, .tsv, .parquet, or .txt for running text";

/// Where in the data a record stands, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a JSON Lines file.
    Line(usize),
    /// An element of a JSON array, or a row of a Parquet table.
    Element(usize),
    /// The whole of a plain text.
    Text,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n) => write!(f, "line {n}"),
            Self::Element(n) => write!(f, "record {n}"),
            Self::Text => f.write_str("the text"),
        }
    }
}

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// More bytes than are read.
    #[error("the data has {0} bytes, and at most 268435456 are read; split it into several jobs")]
    TooLarge(usize),
    /// More records than are read.
    #[error("the data has more than 4194304 records; split it into several jobs")]
    TooManyRecords,
    /// No record at all.
    #[error("the data holds no records; put at least one into it")]
    Empty,
    /// The file's name does not say what it holds.
    #[error("the ending of {0:?} does not say what it holds; name it {READ}")]
    UnknownFormat(String),
    /// The file's name says that it holds something that is not read.
    #[error("{name:?} is {what}, by its ending; {remedy} (what is read: {READ})")]
    OtherKind {
        /// The file's name.
        name: String,
        /// What it is.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The bytes are another kind of file than the name says.
    #[error("the file is {0}")]
    Foreign(Foreign),
    /// A mark or zero bytes show an encoding with more than one byte a character.
    #[error(
        "the file is encoded in {0}; save it as UTF-8, for instance with \
         `iconv -f {0} -t UTF-8 FILE > NEW`"
    )]
    OtherEncoding(&'static str),
    /// A zero byte.
    #[error("line {0} holds a zero byte, so the file is no text; export its content as text")]
    Binary(usize),
    /// The bytes are not text.
    #[error(
        "byte 0x{byte:02X} in line {line}, column {column} is not UTF-8; save the file as UTF-8, or \
         convert it from the encoding of older Windows programs (Windows-1252, Latin-1) with \
         `iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW`"
    )]
    NotUtf8 {
        /// Where, in bytes from the start.
        at: usize,
        /// The byte.
        byte: u8,
        /// Its line.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// The last character is incomplete.
    #[error(
        "the file ends within a character of line {0}: it is cut off; download or copy it again"
    )]
    CutCharacter(usize),
    /// Running text that is a list of records.
    #[error(
        "{objects} of the first {seen} lines of the text are JSON records; give the file an ending of \
         .jsonl, so that they are read as records and not as running text"
    )]
    JsonInText {
        /// Lines that are JSON objects.
        objects: usize,
        /// Lines looked at.
        seen: usize,
    },
    /// Running text that is a JSON array.
    #[error(
        "the text is a JSON array of records; give the file an ending of .json, so that they are read \
         as records and not as running text"
    )]
    ArrayInText,
    /// One object that holds the records.
    #[error(
        "the file is one JSON object whose field {0:?} holds the list of records; write that list \
         alone, for instance with `jq -c '.[\"{0}\"][]' FILE > NEW.jsonl`"
    )]
    Wrapped(String),
    /// The file ends within a JSON array.
    #[error(
        "the file ends within its list of records (line {0}): it is cut off; download or copy it again"
    )]
    ArrayCutOff(usize),
    /// A table cannot be read.
    #[error("{0}")]
    Table(#[from] TableError),
    /// A JSON file that is no array of records.
    #[error("the JSON file is no array of records: {0}; write [{{...}}, ...], or a record a line")]
    NotAnArray(String),
    /// A setting outside its range.
    #[error("sequence_length is {0}; use a number from 2 to 131072")]
    BadSequenceLength(usize),
    /// More tokens than are kept.
    #[error("the data has more than 2147483647 tokens; split it into several jobs")]
    TooManyTokens,
    /// One record cannot be used.
    #[error("{place}: {problem}")]
    Record {
        /// Where it stands.
        place: Place,
        /// What is wrong with it.
        problem: Problem,
    },
    /// Nothing to predict is left.
    #[error(
        "no token of the data counts towards the loss; give records with at least two tokens, or \
         set completion_only = false"
    )]
    NothingToLearn,
}

/// What is wrong with one record.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Not JSON.
    #[error("not a JSON object ({0}); write one record {{...}} on each line")]
    NotJson(String),
    /// The file ends within the record.
    #[error(
        "not a JSON object: the file ends within it, so it is cut off; download or copy it again, or \
         remove the line"
    )]
    CutOff,
    /// A record over several lines.
    #[error(
        "not a JSON object: the record goes on in the next line; write each record on one line, for \
         instance with `jq -c . FILE > NEW.jsonl`"
    )]
    SeveralLines,
    /// A record larger than is read.
    #[error("the record has {0} bytes, and at most 4194304 are read; shorten it")]
    TooLarge(usize),
    /// A record whose fields match no known kind.
    #[error(
        "unknown fields ({0}); use messages, or conversations, or prompt and completion, or \
         instruction and output, or dialogue and summary, or text"
    )]
    UnknownKind(String),
    /// A field whose name is known in other letters.
    #[error("the field {0:?} is not read; did you mean {1:?}? Write its name so")]
    OtherLetters(String, &'static str),
    /// A record that is of two kinds at once.
    #[error("the record has {0}, and {1} beside it; remove what is not to be learned")]
    TwoShapes(String, String),
    /// A field that would change what is meant, and cannot be honoured.
    #[error("field {0} {1}")]
    Field(String, &'static str),
    /// A message that cannot be used as it is.
    #[error("message {0} {1}")]
    Message(usize, &'static str),
    /// A message with a field that the template does not read.
    #[error(
        "message {0} has the field {1}, which the model's chat template does not write, so it \
         would be lost; write it into content, remove it, or use a template that knows it"
    )]
    UnreadField(usize, String),
    /// A field of the record that the template does not read.
    #[error(
        "the record has {0}, which the model's chat template does not write, so they would be \
         lost; remove the field, or use a template that knows it"
    )]
    UnreadSetting(&'static str),
    /// A tool call that cannot be read.
    #[error("message {0}: {1}")]
    Call(usize, &'static str),
    /// A part of content that is no text.
    #[error(
        "message {0} has a part of content of the type {1:?}; only parts of type \"text\" with \
         a text are learned, so remove the part or the record"
    )]
    Part(usize, String),
    /// A weight that is neither zero nor one.
    #[error("message {0} has the weight {1}; use 0 (not learned) or 1")]
    Weight(usize, String),
    /// A message marked as not learned where everything is.
    #[error(
        "message {0} is marked as not learned, and completion_only = false learns everything; set \
         completion_only = true or remove the mark"
    )]
    MarkedOut(usize),
    /// A whole number that would be rounded.
    #[error(
        "field {0} holds the whole number {1}, which has more than 64 bits and would be rounded; write \
         it as a string"
    )]
    LongNumber(String, String),
    /// JSON in a text that says two things.
    #[error("field {0} holds JSON that is not understood: {1}")]
    Within(String, String),
    /// A list of messages in a text.
    #[error(
        "field {0} is a text that holds a list of messages, and would be learned as it is; write the list \
         itself, in a table as JSON with double quotes"
    )]
    MessagesInText(&'static str),
    /// A field of the wrong type.
    #[error("field {0} is {1}; it must be {2}")]
    WrongType(&'static str, &'static str, &'static str),
    /// A message with an unknown role.
    #[error("role {0:?} is unknown; use system, user, assistant or tool")]
    UnknownRole(String),
    /// A role that the template does not know.
    #[error(
        "message {0} has the role {1:?}, which the model's chat template does not write; use \
         system, user, assistant or tool"
    )]
    UnwrittenRole(usize, String),
    /// The template leaves out what a message says.
    #[error(
        "message {0} ({1}) says something that the model's chat template does not write; put it where \
         the template has a place for it, or remove it"
    )]
    UnwrittenMessage(usize, String),
    /// The template leaves out calls of a message.
    #[error(
        "message {0} has the field tool_calls, of which the model's chat template does not write all, so \
         that calls would be lost; write them into messages of their own, remove them, or use a template \
         that knows them"
    )]
    UnwrittenCalls(usize),
    /// An empty field.
    #[error("{0} is empty; fill it in or remove the record")]
    Empty(String),
    /// More messages than are read.
    #[error("the record has {0} messages, and at most 256 are read; shorten the conversation")]
    TooManyMessages(usize),
    /// `completion_only` with a record that has no completion.
    #[error("the record has no assistant message to learn; add one or set completion_only = false")]
    NoCompletion,
    /// A record longer than a row.
    #[error(
        "the record has {tokens} tokens, more than sequence_length = {limit}; raise \
         sequence_length, shorten the record, or set truncation = true"
    )]
    TooLong {
        /// Its length.
        tokens: usize,
        /// The length of a row.
        limit: usize,
    },
    /// Truncation removed all there was to learn.
    #[error(
        "nothing to learn is left within sequence_length = {0}; raise it or shorten the prompt"
    )]
    CutAway(usize),
    /// A token that the model has no embedding for.
    #[error(
        "the record holds the token {text:?} (id {id}), and the model's embedding ends at id {last}; \
         remove it from the record, or use a model that was trained with it"
    )]
    NotEmbedded {
        /// How it is written.
        text: String,
        /// Its id.
        id: u32,
        /// The highest id that has an embedding.
        last: usize,
    },
    /// Too short to predict anything.
    #[error("the record has {0} token(s), so nothing can be predicted; remove it")]
    TooShort(usize),
    /// The chat template failed on the record.
    #[error("{0}")]
    Template(#[source] TemplateError),
    /// The tokenizer failed on the record.
    #[error("{0}")]
    Tokenizer(#[source] TokenizerError),
}

impl Problem {
    pub(crate) fn long_number(field: &str, number: &str) -> Self {
        let short = |text: &str| text.chars().take(60).collect();
        Self::LongNumber(short(field), short(number))
    }
}

/// Why a chat template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Larger than is read.
    #[error("the chat template has {0} bytes, and at most 262144 are read")]
    TooLarge(usize),
    /// Not a template.
    #[error("the chat template does not parse: {0}; correct chat_template in the tokenizer files")]
    Syntax(String),
    /// It failed while writing a conversation.
    #[error("the chat template refuses the conversation: {0}")]
    Render(String),
    /// What a message says changes nothing in the text.
    #[error(
        "the chat template writes nothing of message {0}, so there is no answer to learn; give \
         the message weight 0, remove it, or set completion_only = false"
    )]
    Unwritten(usize),
    /// An answer cannot be told from another message.
    #[error(
        "what message {0} says changes the text around message {1} too, so the answer cannot be told \
         from it; mark answers in the chat template with {{% generation %}}, or set completion_only = \
         false"
    )]
    Mixed(usize, usize),
    /// Which `generation` block belongs to which message is not clear.
    #[error(
        "the chat template marks {0} answers, and the conversation has {1}, so the ones that are \
         not to be learned cannot be told apart; remove their marks or set completion_only = false"
    )]
    Unpaired(usize, usize),
    /// A text holds what marks answers.
    #[error(
        "the conversation holds U+FDD0 or U+FDD1, which are no characters and mark answers here; \
         remove them"
    )]
    Marks,
}

/// Why a tokenizer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// Larger than is read.
    #[error("tokenizer.json has {0} bytes, and at most 67108864 are read")]
    TooLarge(usize),
    /// Not a tokenizer.
    #[error("tokenizer.json is no tokenizer this program reads: {0}")]
    Load(String),
    /// A text cannot be tokenised.
    #[error("the tokenizer failed: {0}")]
    Encode(String),
    /// Ids that stand for no text.
    #[error("the tokenizer cannot decode: {0}")]
    Decode(String),
    /// A file beside `tokenizer.json` is wrong.
    #[error("{file} is wrong: {problem}")]
    File {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The chat template is wrong.
    #[error("{0}")]
    Template(#[from] TemplateError),
}
