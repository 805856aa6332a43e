//! `assay generate`: text from a model, with or without an adapter.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use assay_data::{Message, Role, Tokenizer};
use assay_kernel::Kernel;
use assay_model::{
    ADAPTER_CONFIG, Adapter, Base, Ended, GenerateError, GenerateSettings, Generated, Generator,
    ModelSource, Precision, Sampling, adapter_notes, read_file, take_adapter_tokenizer,
};
use clap::Args;
use serde::Serialize;

use crate::{
    args::Global,
    commands::train::seed,
    failure::{Failure, Kind},
    output::Output,
    trial::failed,
};

/// Write text with a model, to try an adapter
///
/// Without PROMPT it answers what you type, line by line, and remembers the conversation; a prompt
/// can also come from a pipe. The most likely text is written, the same on every machine. With
/// --seed, --temperature, --top-k or --top-p tokens are drawn; the same seed draws the same text.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  assay generate examples/glassllm --raw \"Who are\"\n  \
                  assay generate examples/glassllm --adapter adapter --seed 7 --temperature 0.8"
)]
pub(crate) struct Generate {
    /// The model's folder or .gguf file
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// What to answer, or with --raw what to continue
    #[arg(value_name = "PROMPT")]
    prompt: Option<String>,
    /// An adapter's folder, as PEFT or Assay wrote it
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Continue the prompt as it stands, without the model's chat format
    #[arg(long)]
    raw: bool,
    /// The most tokens to write
    #[arg(long, value_name = "N", default_value_t = 64)]
    max_new_tokens: usize,
    /// Draw tokens from the randomness of this seed: up to 64 hex digits, zeros are added
    #[arg(long, value_name = "HEX")]
    seed: Option<String>,
    /// Draw tokens; below 1 likely ones more often, above 1 less often [default: 1]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f32>,
    /// Draw from the so many most likely tokens only; 0 for all [default: 50]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    top_k: Option<usize>,
    /// Draw from the fewest tokens whose probabilities add up to this [default: 1]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// End before this text; can be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    text: String,
    prompt_tokens: usize,
    new_tokens: usize,
    ended: &'static str,
    seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// What the model's files leave open or say differently from one another.
    notes: Vec<String>,
}

impl Generate {
    pub(crate) fn run(self, _global: &Global, output: &Output) -> Result<(), Failure> {
        let settings = self.settings()?;
        let kernel = Kernel::detect().map_err(failed)?;
        let mut model = ModelSource::open(&self.model).map_err(failed)?;
        let note = match &self.adapter {
            Some(folder) => take_adapter_tokenizer(&mut model.files, folder).map_err(failed)?,
            None => None,
        };
        let base = Base::load(model, Precision::Float32).map_err(failed)?;
        let mut notes = self.notes(base.tokenizer().map_err(failed)?, note);
        let adapter = self.adapter.as_ref();
        let adapter = adapter
            .map(|folder| Adapter::load_peft(folder, base.config()))
            .transpose()
            .map_err(failed)?;
        if let Some(folder) = &self.adapter {
            let settings = read_file(folder, ADAPTER_CONFIG).map_err(failed)?;
            notes.extend(adapter_notes(&settings, base.config()).map_err(failed)?);
        }
        output.notes(&notes);
        let mut warnings = Vec::new();
        if let Some(adapter) = &adapter
            && adapter.changes_nothing(&kernel, &base)
        {
            warnings.push("the adapter changes nothing: the base model answers".to_owned());
        }
        output.warn(&warnings);
        let context = usize::MAX;
        let mut generator =
            Generator::new(&kernel, Arc::new(base), adapter.as_ref(), context).map_err(failed)?;
        let piped = !io::stdin().is_terminal();
        let prompt = match &self.prompt {
            Some(prompt) => prompt.clone(),
            None if piped => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text).map_err(failed)?;
                text.trim_end_matches('\n').to_owned()
            }
            None if output.is_json() || self.raw => {
                let failure = Failure::say(Kind::Usage, "there is no prompt");
                return Err(failure.hint("write it after the model, or pipe it in"));
            }
            None => return self.converse(&mut generator, &settings),
        };
        let began = Instant::now();
        let shown = |piece: &str| show(piece, output);
        let answer = match self.raw {
            true => generator.complete(&prompt, &settings, shown),
            false => generator.answer(&[Message::new(Role::User, &prompt)], &settings, shown),
        };
        let seconds = began.elapsed().as_secs_f64();
        let mut answer = told(answer.map_err(refused)?, seconds, notes);
        answer.warnings = warnings;
        if answer.new_tokens == 0 {
            let warning = "the model ended its answer before it began: no text was written";
            output.warn(&[warning.to_owned()]);
            answer.warnings.push(warning.to_owned());
        }
        if !output.is_json() {
            println(&answer);
            return Ok(());
        }
        output.result(&answer, |answer| answer.text.clone())
    }

    /// What a person should know of the model's files.
    fn notes(&self, tokenizer: &Tokenizer, note: Option<&str>) -> Vec<String> {
        let mut notes = tokenizer.notes().to_vec();
        notes.extend(note.map(str::to_owned));
        if !self.raw && !tokenizer.has_template() {
            let note = "the model has no chat template: the prompt is written as a line \
                        \"User: ...\"; --raw continues it as it stands";
            notes.push(note.to_owned());
        }
        notes
    }

    fn settings(&self) -> Result<GenerateSettings, Failure> {
        let draws = self.seed.is_some()
            || self.temperature.is_some()
            || self.top_k.is_some()
            || self.top_p.is_some();
        let sampling = match draws {
            false => None,
            true => {
                let seed = seed(self.seed.as_deref().unwrap_or("00"))?;
                let temperature = self.temperature.unwrap_or(1.0);
                let (top_k, top_p) = (self.top_k.unwrap_or(50), self.top_p.unwrap_or(1.0));
                let sampling = Sampling::new(temperature, top_k, top_p, seed.0);
                Some(sampling.map_err(|error| Failure::new(Kind::Usage, error))?)
            }
        };
        Ok(GenerateSettings {
            sampling,
            stop_strings: self.stop.clone(),
            ..GenerateSettings::greedy(self.max_new_tokens)
        })
    }

    /// Answers line by line until the input ends.
    fn converse(
        &self,
        generator: &mut Generator,
        settings: &GenerateSettings,
    ) -> Result<(), Failure> {
        let mut out = io::stdout();
        let mut messages = Vec::new();
        let mut lines = io::stdin().lock().lines();
        loop {
            write!(out, "> ")
                .and_then(|()| out.flush())
                .map_err(failed)?;
            let Some(line) = lines.next().transpose().map_err(failed)? else {
                writeln!(out).map_err(failed)?;
                return Ok(());
            };
            if line.trim().is_empty() {
                continue;
            }
            messages.push(Message::new(Role::User, &line));
            let mut piece = |piece: &str| {
                // Nothing is left to be done if the terminal is gone.
                let _ = write!(out, "{piece}").and_then(|()| out.flush());
            };
            let mut answer = generator.answer(&messages, settings, &mut piece);
            if let Err(GenerateError::Prompt(..)) = answer {
                // The conversation has outgrown the context: it begins anew with this line.
                messages.drain(..messages.len() - 1);
                answer = generator.answer(&messages, settings, &mut piece);
            }
            let answer = answer.map_err(refused)?;
            writeln!(out).map_err(failed)?;
            messages.push(Message::new(Role::Assistant, &answer.text));
        }
    }
}

fn told(generated: Generated, seconds: f64, notes: Vec<String>) -> Answer {
    Answer {
        text: generated.text,
        prompt_tokens: generated.prompt_tokens,
        new_tokens: generated.new_tokens,
        ended: match generated.ended {
            Ended::EndOfText => "end_of_text",
            Ended::Stopped => "stop",
            Ended::MaxNewTokens => "max_new_tokens",
            Ended::Context => "context",
        },
        seconds,
        warnings: Vec::new(),
        notes,
    }
}

/// Shows a piece as soon as it is there; not with `--json`.
fn show(piece: &str, output: &Output) {
    if !output.is_json() {
        let mut out = io::stdout();
        // Nothing is left to be done if the reader is gone.
        let _ = write!(out, "{piece}").and_then(|()| out.flush());
    }
}

/// Ends the shown text, and says on a terminal how fast it was.
fn println(answer: &Answer) {
    let _ = writeln!(io::stdout());
    if io::stderr().is_terminal() {
        let rate = answer.new_tokens as f64 / answer.seconds.max(1e-9);
        let _ = writeln!(
            io::stderr(),
            "{} tokens, {rate:.0} a second, ended at {}",
            answer.new_tokens,
            answer.ended
        );
    }
}

fn refused(error: GenerateError) -> Failure {
    let kind = match error {
        GenerateError::Settings(_) | GenerateError::Prompt(..) => Kind::Usage,
        _ => Kind::Failed,
    };
    Failure::new(kind, error)
}
