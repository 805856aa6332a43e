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
        "unknown fields ({0}); use messages, or conversations, or prompt and completion, or \
         instruction and output, or dialogue and summary, or text"
    )]
    UnknownKind(String),
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
    /// What a message says changes nothing in the text.
    #[error(
        "the chat template writes nothing of message {0}, so there is no answer to learn; give \
         the message weight 0, remove it, or set completion_only = false"
    )]
    Unwritten(usize),
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
