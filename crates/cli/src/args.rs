//! The command line. What a command does is said once, on its variant; its arguments live with
//! its code under `commands`.

use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser},
};

use crate::commands;

/// Train models with people you do not trust, and let anyone check how.
#[derive(Debug, Parser)]
#[command(
    name = "assay",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 not found; 4 node unreachable; \
                  5 a check failed: something told to you is not true.\n\
                  Logs go to standard error; choose them with ASSAY_LOG (for example \
                  ASSAY_LOG=info) and ASSAY_LOG_FORMAT=text|json."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Print exactly one JSON object, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Directory with your key, the network's genesis file and what is stored here
    #[arg(long, global = true, env = "ASSAY_DIR", value_name = "DIR", value_parser = place())]
    pub(crate) dir: Option<PathBuf>,
    /// HTTP address of a node to talk to; what it says is checked, so any node will do
    #[arg(long, global = true, env = "ASSAY_NODE", value_name = "URL")]
    pub(crate) node: Option<String>,
}

/// A place where something is kept: a path, in which a leading `~` that no shell has replaced is the
/// home directory, as in a configuration. `-`, which elsewhere is standard output, is none.
pub(crate) fn place() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|path| {
        let path = PathBuf::from(path);
        match path.as_os_str().as_encoded_bytes() {
            b"" => Err("it is empty: name a place on the disk, or leave it out".to_owned()),
            b"-" => Err(
                "standard output keeps nothing: name a place on the disk (`./-` if it \
                         is called that)"
                    .to_owned(),
            ),
            _ => assay_node::config::at_home(&path),
        }
    })
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(commands::demo::Demo),
    Try(commands::try_job::Try),
    Train(commands::train::Train),
    #[command(subcommand)]
    Split(commands::split::Split),
    Generate(commands::generate::Generate),
    Merge(commands::merge::Merge),
    Audit(commands::audit::Audit),
    Archive(commands::archive::MakeArchive),
    Devnet(commands::devnet::RunDevnet),
    #[command(subcommand)]
    Job(commands::job::JobCommand),
    /// Play the market's game in numbers: what honesty and cheating bring
    #[command(subcommand)]
    Market(commands::market::Market),
    /// Make and look at keys
    #[command(subcommand)]
    Keys(commands::keys::Keys),
    /// Show balances, pay, and give up roles
    #[command(subcommand)]
    Account(commands::account::Account),
    #[command(subcommand)]
    Offer(commands::offer::OfferCommand),
    /// Keep files, encrypted, on the network's storage nodes
    #[command(subcommand)]
    Vault(commands::vault::Vault),
    Node(commands::node::RunNode),
    Network(commands::network::ShowNetwork),
    Why(commands::why::Why),
    #[command(hide = true)]
    Worker(commands::worker::RunWorker),
}
