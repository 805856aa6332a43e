//! The model's own tokenizer.

mod special;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{TemplateError, TokenizerError};
use crate::facts::{Facts, Files, TOKENIZER};
use crate::json::no_text;
use crate::record::{Message, Role, Setting};
use crate::template::{ChatTemplate, FALLBACK, SpecialTokens};
use crate::templates::Templates;
use special::{Token, special, without_dropout};

/// The largest `tokenizer.json` that is read, in bytes.
pub const MAX_TOKENIZER_BYTES: usize = 64 << 20;

/// A tokenised text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// For each token, the bytes of the text it stands for; empty for tokens added around it.
    pub spans: Vec<Range<usize>>,
}

impl Encoding {
    /// Removes a token put around a text that begins or ends with the same one.
    fn once(&mut self, bos: Option<u32>, eos: Option<u32>) {
        let put = |span: Option<&Range<usize>>| span.is_some_and(Range::is_empty);
        if let [first, second, ..] = self.ids[..]
            && first == second
            && Some(first) == bos
            && put(self.spans.first())
            && !put(self.spans.get(1))
        {
            self.ids.remove(0);
            self.spans.remove(0);
        }
        if let [.., second, last] = self.ids[..]
            && last == second
            && Some(last) == eos
            && put(self.spans.last())
            && !put(self.spans.get(self.spans.len().saturating_sub(2)))
        {
            self.ids.pop();
            self.spans.pop();
        }
    }
}

/// Files of a model folder that [`Tokenizer::from_model_files`] reads; other names are passed over.
pub fn is_tokenizer_file(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        TOKENIZER,
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "generation_config.json",
        "config.json",
        "chat_template.jinja",
        "chat_template.json",
    ];
    let extra = name.strip_prefix("additional_chat_templates/");
    let extra = extra.and_then(|name| name.strip_suffix(".jinja"));
    NAMES.contains(&name) || extra.is_some_and(|name| !name.contains('/'))
}

/// The chat templates that a folder's files bring, by name; none if they bring none, else at least one
/// called `default`.
///
/// # Errors
/// When a file is malformed.
pub fn chat_templates(
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<BTreeMap<String, String>, TokenizerError> {
    let files: Files<'_> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let mut facts = Facts::read(&files)?;
    Ok(Templates::find(&files, &mut facts)?.0)
}

/// What a person should know who brings a model without a chat template.
pub const NO_TEMPLATE: &str = "the model has no chat template: conversations are written as lines \
    \"User: ...\" and \"Assistant: ...\", and this template goes with the result";

/// `tokenizer.json`, the special tokens that the files beside it name, and the chat template.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    template: ChatTemplate,
    tool_template: Option<Result<ChatTemplate, TemplateError>>,
    source: Option<String>,
    id_limit: u32,
    bos: Option<u32>,
    eos: Option<u32>,
    pad: Option<u32>,
    ends: BTreeSet<u32>,
    notes: Vec<String>,
}

impl Tokenizer {
    /// Reads a tokenizer from the contents of `tokenizer.json`, `tokenizer_config.json` and
    /// `chat_template.jinja`. See [`Tokenizer::from_model_files`].
    ///
    /// # Errors
    /// When a file is oversized or malformed.
    pub fn from_files(
        tokenizer: &[u8],
        config: Option<&[u8]>,
        template: Option<&[u8]>,
    ) -> Result<Self, TokenizerError> {
        let mut files = Files::from([(TOKENIZER, tokenizer)]);
        files.extend(config.map(|bytes| ("tokenizer_config.json", bytes)));
        files.extend(template.map(|bytes| ("chat_template.jinja", bytes)));
        Self::read(&files)
    }

    /// Reads a tokenizer from the files of a model folder, by name: `tokenizer.json`, and what the
    /// others say of special tokens, added tokens, ends of a text and chat templates
    /// (`docs/tokenizer.md` has the order). Without a template, [`FALLBACK`] is used. Truncation,
    /// padding and dropout settings are dropped.
    ///
    /// # Errors
    /// When `tokenizer.json` is missing, a file is oversized or malformed, or the end-of-text token
    /// or an added token is not the one of `tokenizer.json`.
    pub fn from_model_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, TokenizerError> {
        let files = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        Self::read(&files.collect())
    }

    fn read(files: &Files<'_>) -> Result<Self, TokenizerError> {
        let json = files.get(TOKENIZER).copied().unwrap_or_default();
        if json.len() > MAX_TOKENIZER_BYTES {
            return Err(TokenizerError::TooLarge(json.len()));
        }
        let load = |problem| {
            let problem = no_text(json).map_or(problem, |what| format!("the file is {what}"));
            TokenizerError::Load(problem)
        };
        let mut inner = guarded(|| tokenizers::Tokenizer::from_bytes(json)).map_err(load)?;
        guarded(|| inner.with_truncation(None).map(|_| ())).map_err(TokenizerError::Load)?;
        inner.with_padding(None);
        let mut facts = Facts::read(files)?;
        facts.notes.extend(without_dropout(&mut inner));
        let templates = Templates::find(files, &mut facts)?;
        let [bos, eos, pad, unk] = special(&mut inner, &mut facts)?;
        let highest = inner.get_vocab(true).into_values().max();
        let id_limit = match highest.map(|id| id.checked_add(1)) {
            None => return Err(TokenizerError::Load("its vocabulary is empty".into())),
            Some(None) => return Err(TokenizerError::Load("an id is too large".into())),
            Some(Some(limit)) => limit,
        };
        let text = |token: &Option<Token>| match token {
            Some((text, _)) => text.clone(),
            None => String::new(),
        };
        let tokens = SpecialTokens {
            bos: text(&bos),
            eos: text(&eos),
            pad: text(&pad),
            unk: text(&unk),
        };
        let id = |token: Option<Token>| token.and_then(|(_, id)| id);
        let default = templates.default().map(str::to_owned);
        let source = default.as_deref().unwrap_or(FALLBACK);
        let tool_template = templates.tool_use();
        let mut tokenizer = Self {
            template: ChatTemplate::new(source, tokens.clone())?,
            tool_template: tool_template.map(|source| ChatTemplate::new(source, tokens)),
            source: default,
            inner,
            id_limit,
            bos: id(bos),
            eos: id(eos),
            pad: id(pad),
            ends: facts.ends,
            notes: facts.notes,
        };
        tokenizer.ends.extend(tokenizer.eos);
        tokenizer.ends.extend(tokenizer.end_of_turn());
        tokenizer.compare_added(facts.adds);
        Ok(tokenizer)
    }

    /// The token that the model's template writes after an answer, if it is one of the tokens that
    /// stand for no text: a model that learned from the template ends its answers with it.
    fn end_of_turn(&self) -> Option<u32> {
        const ANSWER: &str = "an answer";
        self.source.as_ref()?;
        let turns = [
            Message::new(Role::User, "a question"),
            Message::new(Role::Assistant, ANSWER),
        ];
        let text = self
            .template
            .render(&turns, &Setting::default(), false)
            .ok()?;
        let from = text.rfind(ANSWER)? + ANSWER.len();
        let after = text.get(from..)?.trim_start();
        let after = self.encode(after, false).ok()?;
        let id = *after.ids.first()?;
        let added = self.inner.get_added_tokens_decoder();
        added.get(&id).filter(|token| token.special).map(|_| id)
    }

    /// Notes where `add_bos_token` and `add_eos_token` differ from what `tokenizer.json` does.
    fn compare_added(&mut self, [bos, eos]: [Option<bool>; 2]) {
        let Ok(around) = self.encode("", true) else {
            return;
        };
        for (field, said, token) in [
            ("add_bos_token", bos, self.bos),
            ("add_eos_token", eos, self.eos),
        ] {
            let does = token.is_some_and(|id| around.ids.contains(&id));
            if let (Some(said), Some(_)) = (said, token)
                && said != does
            {
                let adds = if does { "adds it" } else { "does not" };
                self.notes.push(format!(
                    "tokenizer_config.json says {field} = {said}, and tokenizer.json {adds}; tokenizer.json is followed, as transformers 5 does"
                ));
            }
        }
    }

    /// One more than the highest id: a model's vocabulary must be at least this large.
    pub fn id_limit(&self) -> u32 {
        self.id_limit
    }

    /// The beginning-of-text token.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The end-of-text token.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The padding token, else the end-of-text token, else 0. Padded positions carry no label and
    /// causal attention hides them, so the choice changes no result.
    pub fn pad(&self) -> u32 {
        self.pad.or(self.eos).unwrap_or(0)
    }

    /// The chat template in use.
    pub fn template(&self) -> &ChatTemplate {
        &self.template
    }

    /// The chat template for conversations with tools: the one that the model names `tool_use`, else
    /// the one for all.
    ///
    /// # Errors
    /// When it does not parse.
    pub fn tool_template(&self) -> Result<&ChatTemplate, TemplateError> {
        match &self.tool_template {
            None => Ok(&self.template),
            Some(Ok(template)) => Ok(template),
            Some(Err(error)) => Err(TemplateError::Syntax(error.to_string())),
        }
    }

    /// Whether the model brought its own chat template.
    pub fn has_template(&self) -> bool {
        self.source.is_some()
    }

    /// The text of the chat template in use.
    pub fn template_source(&self) -> &str {
        self.source.as_deref().unwrap_or(FALLBACK)
    }

    /// Every id that ends a text: the end-of-text token, those that `generation_config.json` and
    /// `config.json` name, and the one that the chat template writes after an answer.
    pub fn ends(&self) -> impl Iterator<Item = u32> + '_ {
        self.ends.iter().copied()
    }

    /// What the files say differently from one another, and which of them was followed.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Tokenises a text; `add_special` lets the tokenizer put its own tokens around it. One that the
    /// text itself begins or ends with is not put there a second time.
    ///
    /// # Errors
    /// When the tokenizer fails, for instance on a character it has no token for.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Encoding, TokenizerError> {
        let encoded =
            guarded(|| self.inner.encode(text, add_special)).map_err(TokenizerError::Encode)?;
        let spans = encoded.get_offsets().iter().map(|(from, to)| *from..*to);
        let mut encoding = Encoding {
            ids: encoded.get_ids().to_vec(),
            spans: spans.collect(),
        };
        if add_special {
            encoding.once(self.bos, self.eos);
        }
        Ok(encoding)
    }

    /// The text of some tokens; special tokens are left out when `skip_special` is set.
    ///
    /// # Errors
    /// When the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        guarded(|| self.inner.decode(ids, skip_special)).map_err(TokenizerError::Decode)
    }

    /// The tokens a model answers to: the conversation with the mark of the next answer.
    ///
    /// # Errors
    /// When the template or the tokenizer fails.
    pub fn encode_chat(&self, messages: &[Message]) -> Result<Vec<u32>, TokenizerError> {
        let text = self.template.render(messages, &Setting::default(), true)?;
        Ok(self.encode(&text, false)?.ids)
    }
}

/// Runs a call into the tokenizers library. `tokenizer.json` comes from outside and the library
/// panics on some malformed ones, which must not take the process down.
fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string().chars().take(300).collect()),
        Err(_) => Err("it is inconsistent".into()),
    }
}
