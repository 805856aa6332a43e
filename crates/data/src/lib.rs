//! Read, split and batch data sets.
//!
//! A file becomes canonical bytes ([`canonical`]), those become [`Record`]s ([`read`]), records become token rows ([`DataSet`]), and rows become
//! [`Batch`]es in an order that a 32-byte seed decides ([`Sampler`]). Every step is a pure
//! function, so a provider, an auditor and a validator that hold the same bytes and the same seed
//! train on the same batches.
//!
//! Records are written out with the model's own chat template ([`ChatTemplate`]), as the
//! `transformers` library does, and tokenised with the model's own `tokenizer.json`
//! ([`Tokenizer`]).

mod batch;
mod canonical;
mod dataset;
mod encode;
mod error;
mod facts;
mod foreign;
mod format;
mod json;
mod order;
mod read;
mod record;
pub mod table;
mod template;
mod templates;
mod tokenizer;
mod unseen;

pub use batch::Batch;
pub use canonical::canonical;
pub use dataset::{DataSet, Options};
pub use encode::{Sequence, encode};
pub use error::{DataError, Place, Problem, TemplateError, TokenizerError};
pub use foreign::Foreign;
pub use json::{JsonFault, from_json, without_mark};
pub use order::{ORDER_PURPOSE, Sampler};
pub use read::{Format, MAX_BYTES, MAX_RECORD_BYTES, MAX_RECORDS, read};
pub use record::{Conversation, Message, Record, Role, Setting};
pub use template::{ChatTemplate, FALLBACK, SpecialTokens};
pub use tokenizer::{
    Encoding, MAX_TOKENIZER_BYTES, NO_TEMPLATE, Tokenizer, chat_templates, is_tokenizer_file,
};
