//! `assay keys`: make and look at keys.

use std::path::PathBuf;

use assay_crypto::PublicKey;
use clap::Subcommand;
use serde::Serialize;

use crate::{
    args::{self, Global},
    failure::{Failure, Kind},
    home::Home,
    output::{Output, facts},
};

/// Make and look at keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a new key file
    ///
    /// The file is the account: whoever has it can spend from it, and nobody can bring it back.
    /// An existing file is never overwritten.
    #[command(after_help = "Examples:\n  assay keys new\n  assay keys new --out provider.key.json")]
    New {
        /// Where to write it [default: DIR/key.json]
        #[arg(long, value_name = "FILE", value_parser = args::place())]
        out: Option<PathBuf>,
    },
    /// Show the public half of a key file
    #[command(after_help = "Example:\n  assay keys show --json")]
    Show {
        /// The key file [default: DIR/key.json]
        file: Option<PathBuf>,
    },
}

/// What both commands print. The secret half is in no output.
#[derive(Serialize)]
struct KeyReport {
    account: PublicKey,
    file: PathBuf,
}

impl Keys {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let (given, new) = match self {
            Self::New { out } => (out, true),
            Self::Show { file } => (file, false),
        };
        let file = match given {
            Some(file) => file,
            None => Home::find(global)?.key(),
        };
        let key = if new {
            let key = assay_node::keys::generate().map_err(|e| Failure::new(Kind::Failed, e))?;
            assay_node::keys::save(&file, &key)?;
            key
        } else {
            assay_node::keys::load(&file)?
        };
        let report = KeyReport {
            account: key.public(),
            file,
        };
        output.result(&report, |report| {
            facts([
                ("account", output.strong(report.account)),
                ("key file", report.file.display().to_string()),
            ])
        })
    }
}
