//! `assay devnet`: a whole network in one process that stays.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use assay_node::{
    address::{Address, BadAddress},
    devnet::{Devnet, DevnetError, DevnetOptions, LayoutError, Plan, Wish},
    lock::DirectoryLock,
};
use clap::Args;
use serde::Serialize;

use crate::{
    args::Global,
    commands::{
        try_job::block_on,
        worker::{memory_of_nodes, worker},
    },
    failure::{Failure, Kind},
    output::{Output, table},
    signals::Stop,
    trial::failed,
};

/// Where the API is served unless told otherwise.
const HTTP: ([u8; 4], u16) = ([127, 0, 0, 1], 8100);

/// How often the nodes are asked whether one of them has to end.
const CHECK: Duration = Duration::from_millis(500);

/// How long the network may take to work before a word is said.
const PATIENCE: Duration = Duration::from_secs(15);

/// Run a whole network in this process until Ctrl-C
///
/// Four validators, three storage nodes, three providers and two auditors, the same code and files
/// as on separate machines. Everything is in --dir [default: ./assay-devnet]; started again there,
/// the network and every job under way go on. An account with money is in DIR/requester.
///
/// What it prints comes when commands work. SIGINT (Ctrl-C), SIGTERM and SIGHUP stop it cleanly, a
/// second one at once. When one of its nodes has to end, for want of disk or open files, all end.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  assay devnet --dir net\n  \
                        assay job post examples/finetune.toml --dir net   (from another terminal)")]
pub(crate) struct RunDevnet {
    /// Where the first validator serves the JSON API [default: as laid out; 127.0.0.1:8100 at first]
    #[arg(long, value_name = "ADDRESS", value_parser = numeric)]
    http: Option<SocketAddr>,
    /// Providers [default: 2]; fixed when the network is made
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=16))]
    providers: Option<u8>,
    /// Auditors [default: 2]; fixed when the network is made
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=16))]
    auditors: Option<u8>,
    /// Storage nodes [default: 3]; fixed when the network is made
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=16))]
    storage: Option<u8>,
    /// Only write the network's files, for starting its nodes one by one with `assay node`
    #[arg(long)]
    lay_out: bool,
}

#[derive(Serialize)]
struct Started {
    dir: PathBuf,
    http: Option<String>,
    nodes: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    name: String,
    account: String,
}

impl RunDevnet {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let dir = global
            .dir
            .clone()
            .unwrap_or_else(|| PathBuf::from("assay-devnet"));
        let dir = std::path::absolute(dir).map_err(failed)?;
        let wish = Wish {
            providers: self.providers,
            auditors: self.auditors,
            storage: self.storage,
            http: self.http,
            otherwise: Plan {
                http: Some(HTTP.into()),
                ..Plan::default()
            },
        };
        if self.lay_out {
            if dir.join("genesis.json").exists() {
                let text = format!("{} holds a network already", dir.display());
                return Err(Failure::say(Kind::Usage, text).hint("name a new directory with --dir"));
            }
            let plan = wish.plan();
            let lock = DirectoryLock::take(&dir).map_err(failed)?;
            assay_node::devnet::lay_out(&dir, &plan).map_err(refused)?;
            drop(lock);
            let started = Started {
                dir,
                http: plan.http.map(|http| http.to_string()),
                nodes: vec![],
            };
            return output.result(&started, |started| {
                format!(
                    "laid out in {}; start each nodes/*/node.toml",
                    started.dir.display()
                )
            });
        }
        assay_node::metrics::install();
        block_on(run(&dir, &wish, output))?
    }
}

async fn run(dir: &Path, wish: &Wish, output: &Output) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let worker = worker(dir, memory_of_nodes())?;
    let options = DevnetOptions {
        runner: Box::new(move |_| Box::new(worker.desk())),
        on_report: std::sync::Arc::new(|_, _, _| {}),
    };
    let devnet = tokio::select! {
        devnet = Devnet::start_as(dir, wish, options) => devnet.map_err(not_started)?,
        () = stop.wait() => return Ok(()),
    };
    let began = Instant::now();
    let mut said = PATIENCE;
    let ready = devnet.ready(|name| {
        if began.elapsed() > said {
            said += PATIENCE;
            tracing::warn!(node = name, "waiting until it works");
        }
    });
    let ended = tokio::select! {
        ready = ready => ready.err(),
        () = stop.wait() => {
            stop.at_once();
            devnet.stop().await;
            return Ok(());
        }
    };
    let ended = match ended {
        Some(reason) => Some(reason),
        None => {
            // It runs whether anybody hears of it or not.
            if let Err(unheard) = output.result(&started(dir, &devnet), people) {
                tracing::warn!("{unheard}");
            }
            loop {
                tokio::select! {
                    () = stop.wait() => break None,
                    () = tokio::time::sleep(CHECK) => if let Some(reason) = devnet.failure() {
                        break Some(reason);
                    },
                }
            }
        }
    };
    stop.at_once();
    devnet.stop().await;
    match ended {
        None => Ok(()),
        Some(reason) => Err(Failure::say(Kind::Failed, reason)
            .hint("the other nodes are stopped too; the same command goes on where they were")),
    }
}

/// An address, or what a name such as `localhost` stands for now, since a devnet keeps it.
fn numeric(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = match text.parse().map_err(|bad: BadAddress| bad.to_string())? {
        Address::Socket(address) => return Ok(address),
        Address::Name { host, port } => (host, port),
    };
    let found = (host.as_str(), port).to_socket_addrs();
    let mut found = found.map_err(|error| format!("{host} cannot be looked up: {error}"))?;
    let any = found.clone().next();
    let found = found.find(SocketAddr::is_ipv4).or(any);
    found.ok_or_else(|| format!("{host} stands for no address"))
}

fn started(dir: &Path, devnet: &Devnet) -> Started {
    let http = devnet.nodes().find_map(|(_, node)| node.http());
    let nodes = devnet.nodes().map(|(name, node)| Named {
        name: name.to_owned(),
        account: node.account().to_string(),
    });
    Started {
        http: http.map(|address| format!("http://{address}")),
        nodes: nodes.collect(),
        dir: dir.to_owned(),
    }
}

fn people(started: &Started) -> String {
    let rows = started
        .nodes
        .iter()
        .map(|n| [n.name.clone(), n.account.clone()]);
    let mut text = table(["node", "account"], rows);
    text += &format!("files  {}\n", started.dir.display());
    text += &format!("http   {}\n", started.http.clone().unwrap_or_default());
    text += "ready: Ctrl-C stops it; the same command goes on where it stopped\n";
    text
}

fn not_started(error: DevnetError) -> Failure {
    match error {
        DevnetError::Layout(error) => refused(error),
        DevnetError::Contradiction(_) => Failure::new(Kind::Usage, error),
        error => Failure::new(Kind::Failed, error),
    }
}

/// The directory is as it was.
fn refused(error: LayoutError) -> Failure {
    let nothing = matches!(error, LayoutError::Need(_));
    let failure = Failure::new(Kind::Failed, error);
    match nothing {
        true => failure.hint("nothing was laid out"),
        false => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_addresses_and_the_rest_is_refused_with_its_reason() {
        assert_eq!(numeric("127.0.0.1:8"), Ok("127.0.0.1:8".parse().unwrap()));
        assert_eq!(numeric("[::1]:8"), Ok("[::1]:8".parse().unwrap()));
        assert!(numeric("localhost:8").unwrap().ip().is_loopback());
        for (bad, says) in [
            ("localhost", "it has no port"),
            ("::1", "[IPV6]:PORT"),
            ("http://localhost:8", "leave out"),
            ("no-such-host.invalid:8", "cannot be looked up"),
        ] {
            let error = numeric(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
