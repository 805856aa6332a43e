//! What can be wrong with a data set, a template or a tokenizer.

use std::fmt;

/// Where in the data a record stands, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a JSON Lines file.
    Line(usize),
    /// An element of a JSON array.
    Element(usize),
    /// The whole of a plain text.
    Text,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n) => write!(f, "line {n}"),
            Self::Element(n) => write!(f, "element {n}"),
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
    #[error("the data holds no records; put at least one JSON record on a line")]
    Empty,
    /// The file's name does not say what it holds.
    #[error("cannot tell the format of {0:?}; name it .jsonl, .json or .txt")]
    UnknownFormat(String),
    /// The bytes are not text.
    #[error("byte {0} of the data is not UTF-8; save the file as UTF-8")]
    NotUtf8(usize),
    /// A JSON file that is no array of records.
    #[error("the JSON file is no array of records: {0}; write [{{...}}, ...], or use .jsonl")]
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
    /// A record larger than is read.
    #[error("the record has {0} bytes, and at most 4194304 are read; shorten it")]
    TooLarge(usize),
    /// A record whose fields match no known kind.
    #[error(
        "unknown fields ({0}); use messages, or prompt and completion, or dialogue and summary, \
         or text"
    )]
    UnknownKind(String),
    /// A field of the wrong type.
    #[error("field {0} is {1}; it must be {2}")]
    WrongType(&'static str, &'static str, &'static str),
    /// A message with an unknown role.
    #[error("role {0:?} is unknown; use system, user, assistant or tool")]
    UnknownRole(String),
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
    /// The text of a conversation does not begin with the text of its first messages.
    #[error(
        "the chat template rewrites earlier messages, so the answer in message {0} cannot be told \
         apart; set completion_only = false"
    )]
    NotIncremental(usize),
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
