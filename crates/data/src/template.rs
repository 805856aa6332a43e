//! Chat templates: how a model wants a conversation written out.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value as Any, context};

use crate::error::TemplateError;
use crate::record::Message;

/// The template of a model that brings none: `User: ...`, `Assistant: ...`, one message a line,
/// the end-of-text token (where there is one) after each answer.
pub const FALLBACK: &str = "{% for m in messages %}{{ m.role | capitalize }}: {{ m.content }}\
{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}\
{% if add_generation_prompt %}Assistant:{% endif %}";

const MAX_TEMPLATE_BYTES: usize = 256 << 10;
/// Template instructions one rendering may take: a template comes from outside and must end.
const FUEL: u64 = 2_000_000;
const NAME: &str = "chat";

/// The special tokens a template may write, as text; empty when the tokenizer has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Beginning of text.
    pub bos: String,
    /// End of text.
    pub eos: String,
    /// Padding.
    pub pad: String,
    /// Unknown token.
    pub unk: String,
}

/// A compiled template, in the Jinja dialect of `transformers`.
///
/// `raise_exception` and Python's string and list methods work; the clock does not: a template
/// that asks for today's date would write another text tomorrow.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: SpecialTokens,
}

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// When it is oversized or does not parse.
    pub fn new(source: &str, tokens: SpecialTokens) -> Result<Self, TemplateError> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLarge(source.len()));
        }
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(syntax_error)?;
        let mut environment = Environment::new();
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<String, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(syntax_error)?;
        Ok(Self {
            environment,
            tokens,
        })
    }

    /// The text of a conversation; with `add_generation_prompt` it ends where the model's answer
    /// would begin.
    ///
    /// # Errors
    /// When the template refuses the conversation or does not come to an end.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, TemplateError> {
        let template = self.environment.get_template(NAME).map_err(render_error)?;
        let turn = |m: &Message| context! { role => m.role.name(), content => m.content.as_str() };
        let values = context! {
            messages => messages.iter().map(turn).collect::<Vec<Any>>(),
            add_generation_prompt => add_generation_prompt,
            bos_token => self.tokens.bos.as_str(),
            eos_token => self.tokens.eos.as_str(),
            pad_token => self.tokens.pad.as_str(),
            unk_token => self.tokens.unk.as_str(),
        };
        template.render(values).map_err(render_error)
    }
}

fn syntax_error(error: Error) -> TemplateError {
    TemplateError::Syntax(describe(&error))
}

fn render_error(error: Error) -> TemplateError {
    TemplateError::Render(describe(&error))
}

/// The error in one line, bounded: parts of it come from the template.
fn describe(error: &Error) -> String {
    error.to_string().chars().take(300).collect()
}
