//! `assay node`: one machine of a network.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use assay_crypto::PublicKey;
use assay_ledger::Role;
use assay_node::{
    config::{ConfigError, NodeConfig},
    node::{Node, Options},
};
use clap::Args;
use serde::Serialize;

use crate::{
    commands::{try_job::block_on, worker::worker},
    failure::{Failure, Kind},
    output::{Output, facts},
    signals::Stop,
};

/// How often a running validator is asked whether it had to stop.
const CHECK: Duration = Duration::from_secs(1);

/// Run one machine of a network until it is told to stop
///
/// The machine plays the roles its configuration names, takes up unfinished work where it left
/// it, and stops cleanly on SIGINT, SIGTERM or SIGHUP, at once on a second one. It may also be
/// killed at any moment: nothing that was promised to others is lost. When a part of it has to
/// end, for want of disk or open files, the whole process ends with exit code 1 and says why.
///
/// `ready` is said when it follows the chain and its roles are offered on the ledger; `/v1/status`
/// says so too.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct RunNode {
    /// The node's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

const EXAMPLE: &str = r#"Example:
  assay node --config node.toml

A node.toml:
  roles = ["provider", "storage"]     # any of validator, provider, auditor, storage
  key = "key.json"                    # `assay keys new --out key.json` makes one
  dir = "data"
  genesis = "genesis.json"            # the same file on every node of the network
  listen = "0.0.0.0:7100"             # UDP, for the other nodes
  advertise = "203.0.113.5:7100"      # where they dial it, if that differs
  http = "127.0.0.1:8100"             # JSON API and metrics; leave out for none

  [storage]
  quota = "20 GiB"

  [work]                              # may be left out
  memory = "8 GiB"                    # for the programs of jobs; most of what is free, if left out

  [[peers]]                           # at least one validator
  key = "<64 hexadecimal digits>"
  address = "203.0.113.7:7100"

A validator adds:
  [validator]
  listen = "0.0.0.0:7200"             # TCP, for the other validators
  share = "share.json""#;

#[derive(Serialize)]
struct NodeReport {
    account: PublicKey,
    roles: Vec<Role>,
    listen: SocketAddr,
    http: Option<SocketAddr>,
}

impl RunNode {
    pub(crate) fn run(self, output: &Output) -> Result<(), Failure> {
        let config = NodeConfig::load(&self.config)?;
        block_on(serve(&config, output))?
    }
}

async fn serve(config: &NodeConfig, output: &Output) -> Result<(), Failure> {
    assay_node::metrics::install();
    let mut stop = Stop::listen()?;
    let worker = worker(&config.dir, config.memory())?.with_threads(config.threads());
    let options = Options {
        runner: Box::new(worker.desk()),
        ..Options::default()
    };
    let node = tokio::select! {
        node = Node::start(config, options) => {
            node.map_err(|error| Failure::new(Kind::Failed, error))?
        }
        () = stop.wait() => return Ok(()),
    };
    let report = NodeReport {
        account: node.account(),
        roles: config.roles.clone(),
        listen: node.services().transport.address(),
        http: node.http(),
    };
    let said = output.result(&report, |report| {
        let http = report
            .http
            .map_or("not served".to_owned(), |http| format!("http://{http}"));
        facts([
            ("account", output.strong(report.account)),
            ("roles", format!("{:?}", report.roles).to_lowercase()),
            ("peers", format!("udp {}", report.listen)),
            ("api", http),
            ("stop", "SIGINT (Ctrl-C), SIGTERM or SIGHUP".to_owned()),
        ])
    });
    if let Err(unheard) = said {
        tracing::warn!("{unheard}");
    }
    let failure = until_stopped(&node, &mut stop, output).await;
    stop.at_once();
    node.stop().await;
    match failure {
        None => Ok(()),
        Some(reason) => Err(Failure::say(Kind::Failed, reason)
            .hint("what it has agreed to is on disk; ASSAY_LOG=info shows what led to it")),
    }
}

/// Waits for a signal, or for the reason why the node must end; says when the node is ready.
async fn until_stopped(node: &Node, stop: &mut Stop, output: &Output) -> Option<String> {
    let mut ready = false;
    loop {
        tokio::select! {
            () = stop.wait() => return None,
            () = node.health().ready(), if !ready => {
                ready = true;
                let height = node.services().chain.head().height;
                output.remark(&format!("ready at height {height}"));
            }
            () = tokio::time::sleep(CHECK) => if let Some(reason) = node.failure() {
                return Some(reason);
            },
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Kind::Usage, error)
    }
}
