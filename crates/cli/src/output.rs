//! Where results go: a person's terminal or a program's pipe.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use assay_ledger::{Lasting, LedgerTime};
use comfy_table::{Table, presets};
use owo_colors::OwoColorize;
use serde::Serialize;

use crate::{failure::Failure, next};

/// Bytes of a result that is told once more where it could not be written. What a command changes it says
/// in fewer.
const SHORT: usize = 2_000;

/// The shape of a failure under `--json`.
#[derive(Serialize)]
struct Report {
    error: String,
    hint: String,
}

/// Prints one result, for people or as one JSON object.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    colour: bool,
    /// Options of this command that a next one needs too.
    options: String,
}

impl Output {
    /// For programs if `json`, else for people; `options` are those that a next command needs too.
    pub(crate) fn new(json: bool, options: String) -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            json,
            colour,
            options,
        }
    }

    /// A command that goes on from here, with the options that this one was given.
    pub(crate) fn next(&self, command: &str) -> String {
        format!("{command}{}", self.options)
    }

    /// Whether a program reads along, so that nothing else may be shown.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the one result of a command: as JSON, or as `text` makes it for people.
    pub(crate) fn result<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let line = if self.json {
            serde_json::to_string(value).map_err(anyhow::Error::from)?
        } else {
            text(value)
        };
        let mut out = io::stdout().lock();
        match writeln!(out, "{}", line.trim_end()).and_then(|()| out.flush()) {
            // The reader has had enough, as in `assay ... | head`.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|e| {
                let context = "what was asked for is done, and its result cannot be written to \
                               standard output";
                let failure = Failure::from(anyhow::Error::from(e).context(context));
                let line = line.trim_end();
                failure.hint(match line.len() {
                    0..=SHORT => format!("do not repeat it blindly; the result was: {line}"),
                    _ => "where it only shows something, send its output elsewhere and ask again"
                        .to_owned(),
                })
            }),
        }
    }

    /// Says one more line to people; programs have the one result, and this in the log.
    pub(crate) fn remark(&self, line: &str) {
        if self.json {
            tracing::info!("{line}");
        } else {
            // Nothing is left to be done if the reader is gone.
            let _ = writeln!(io::stdout(), "{line}");
        }
    }

    /// Says at once, on standard error, what must not be lost if the command ends before its result.
    pub(crate) fn aside(&self, line: &str) {
        let line = next::with_options(line, &self.options);
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Shows what a person should know before the result comes; with `--json` it stands in the result.
    pub(crate) fn notes(&self, notes: &[String]) {
        if !self.json {
            for note in notes {
                let _ = writeln!(io::stderr(), "note: {note}");
            }
        }
    }

    /// Prints a failure: `{"error", "hint"}` on standard output, or two lines on standard error.
    pub(crate) fn fail(&self, failure: &Failure) {
        if self.json && failure.is_in_result() {
            return;
        }
        let here = |text: &str| next::with_options(&printable(text), &self.options);
        let text = here(&failure.to_string());
        let advice = failure.advice().map(here);
        if self.json {
            let report = Report {
                error: text,
                hint: advice.unwrap_or_default(),
            };
            if let Ok(line) = serde_json::to_string(&report) {
                let mut out = io::stdout().lock();
                let told = writeln!(out, "{line}").and_then(|()| out.flush());
                // Perhaps it is standard output that failed.
                if told.is_err() {
                    let _ = writeln!(io::stderr(), "{line}");
                }
            }
            return;
        }
        let mut err = io::stderr().lock();
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let label = if colour {
            "error:".red().bold().to_string()
        } else {
            "error:".to_owned()
        };
        let _ = writeln!(err, "{label} {text}");
        if let Some(hint) = advice {
            let label = if colour {
                "hint:".cyan().to_string()
            } else {
                "hint:".to_owned()
            };
            let _ = writeln!(err, "{label} {hint}");
        }
    }

    /// Says what should be known about a result, on standard error; with `--json` the result has it.
    pub(crate) fn warn(&self, warnings: &[String]) {
        if self.json {
            return;
        }
        let mut err = io::stderr().lock();
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        for warning in warnings {
            let label = match colour {
                true => "warning:".yellow().bold().to_string(),
                false => "warning:".to_owned(),
            };
            let _ = writeln!(err, "{label} {warning}");
        }
    }

    /// Makes a heading stand out where the terminal can.
    pub(crate) fn strong(&self, text: impl Display) -> String {
        if self.colour {
            text.bold().to_string()
        } else {
            text.to_string()
        }
    }
}

/// Text from elsewhere without the characters that steer a terminal. Our own emphasis stays.
fn printable(text: &str) -> String {
    const OURS: [&str; 2] = ["\x1b[1m", "\x1b[0m"];
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(ours) = OURS.iter().find(|ours| rest.starts_with(**ours)) {
            clean.push_str(ours);
            rest = &rest[ours.len()..];
            continue;
        }
        let steers = next.is_control() && next != '\n' && next != '\t';
        if steers || is_reordering(next) {
            clean.extend(next.escape_default());
        } else {
            clean.push(next);
        }
        rest = &rest[next.len_utf8()..];
    }
    clean
}

/// Marks that let a line read in another order than it is written.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Names and values, one pair a line.
pub(crate) fn facts<const N: usize>(rows: [(&str, String); N]) -> String {
    let width = rows
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    rows.iter()
        .map(|(name, value)| format!("{name:width$}  {}\n", printable(value)))
        .collect()
}

/// Figures of a result, one a line; counts without decimals.
pub(crate) fn figures(figures: &std::collections::BTreeMap<String, f64>) -> String {
    let line = |(name, figure): (&String, &f64)| match figure.fract() == 0.0 && *figure >= 0.0 {
        true => format!("{name}  {figure:.0}\n"),
        false => format!("{name}  {figure:.6}\n"),
    };
    figures.iter().map(line).collect()
}

/// A table with a heading.
pub(crate) fn table<const N: usize>(
    heading: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::ASCII_HORIZONTAL_ONLY)
        .set_header(heading);
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell)));
    }
    format!("{}\n", table.trim_fmt())
}

/// The beginning of a name, enough to tell a few apart.
pub(crate) fn short(name: impl Display) -> String {
    name.to_string().chars().take(12).collect()
}

/// How long it is until a ledger time, in whole seconds at least; "no time" once it has come.
pub(crate) fn left(now: LedgerTime, until: LedgerTime) -> Lasting {
    Lasting(until.since(now).div_ceil(1_000).saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_told_in_whole_seconds() {
        for (ms, told) in [
            (0, "no time"),
            (1, "1 s"),
            (61_000, "1 min 1 s"),
            (3_600_000, "1 h"),
            (90_061_000, "1 d 1 h"),
        ] {
            assert_eq!(left(LedgerTime(5), LedgerTime(5 + ms)).to_string(), told);
        }
        assert_eq!(left(LedgerTime(9), LedgerTime(5)).to_string(), "no time");
    }

    #[test]
    fn what_a_node_says_cannot_steer_the_terminal() {
        let told = "gone\x1b[2J\x1b]0;title\x07 \u{202e}txt\r\u{9b}1m";
        let shown = printable(told);
        assert!(
            shown.chars().all(|c| !c.is_control() && !is_reordering(c)),
            "{shown:?}"
        );
        assert!(shown.starts_with("gone\\u{1b}[2J"), "{shown}");
        assert_eq!(printable("two\nlines\tof text"), "two\nlines\tof text");
        let strong = "\x1b[1mstrong\x1b[0m";
        assert_eq!(printable(strong), strong);
    }
}
