//! Use the network from a terminal.
//!
//! One module per command under `commands`; every command returns a value that is printed
//! either for people or, with `--json`, as exactly one JSON object on standard output. Errors
//! go to standard error with a hint, or with `--json` as `{"error", "hint"}` on standard
//! output. Exit codes are in [`failure`].

mod args;
mod commands;
mod failure;
mod home;
mod next;
mod output;
mod result_folder;
mod session;
mod signals;
mod trial;

use std::{io::Write as _, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};

use crate::{
    args::{Cli, Command},
    failure::{Failure, Kind},
    output::Output,
};

fn main() -> ExitCode {
    let parsed = command().try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return refuse_usage(&error),
    };
    let output = Output::new(cli.global.json, next::options(&cli.global));
    let outcome = assay_node::logs::install("warn")
        .map_err(Failure::from)
        .and_then(|()| match cli.command {
            // It writes no files, and has no descriptor that it does not need.
            Command::Worker(_) => Ok(()),
            _ => signals::catch_limits().map_err(|error| Failure::new(Kind::Failed, error)),
        })
        .and_then(|()| commands::run(cli, &output));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.fail(&failure);
            ExitCode::from(failure.code())
        }
    }
}

/// The command line. A variable of the environment that is empty says nothing.
fn command() -> clap::Command {
    let empty = |name: &str| std::env::var_os(name).is_some_and(|value| value.is_empty());
    [("dir", "ASSAY_DIR"), ("node", "ASSAY_NODE")]
        .into_iter()
        .filter(|(_, variable)| empty(variable))
        .fold(Cli::command(), |command, (option, _)| {
            command.mut_arg(option, |option| option.env(None::<&str>))
        })
}

/// Help and version are answers; anything else is a mistake, told as JSON if that was asked
/// for anywhere on the command line.
fn refuse_usage(error: &clap::Error) -> ExitCode {
    let asked_for = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    // The parser counts what the environment says as arguments.
    if error.kind() == ErrorKind::MissingSubcommand && std::env::args_os().len() < 2 {
        // Whoever closed standard error does not read it.
        let _ = write!(std::io::stderr(), "{}", Cli::command().render_help());
        return ExitCode::from(error.exit_code() as u8);
    }
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && !asked_for {
        let failure = Failure::usage(error);
        Output::new(true, String::new()).fail(&failure);
        return ExitCode::from(failure.code());
    }
    match error.print() {
        Err(lost) if lost.kind() != std::io::ErrorKind::BrokenPipe => {
            ExitCode::from(Kind::Failed as u8)
        }
        _ => ExitCode::from(error.exit_code() as u8),
    }
}
