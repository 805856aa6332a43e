//! One module per command.

pub(crate) mod keys;

use crate::{
    args::{Cli, Command},
    failure::Failure,
    output::Output,
};

/// Carries out a command and prints its result.
pub(crate) fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    match cli.command {
        Command::Keys(keys) => keys.run(&cli.global, output),
    }
}
