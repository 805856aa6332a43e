//! `assay devnet`: a whole network in one process that stays.

use std::{net::SocketAddr, path::PathBuf};

use assay_node::devnet::{Devnet, DevnetOptions, Plan};
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
    trial::failed,
};

/// Run a whole network in this process until Ctrl-C
///
/// Four validators, three storage nodes, two providers and two auditors, the same code and files
/// as on separate machines. Everything is in --dir [default: ./assay-devnet]; started again there,
/// the network and every job under way go on. An account with money is in DIR/requester.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  assay devnet --dir net\n  \
                        assay job post examples/finetune.toml --dir net   (from another terminal)")]
pub(crate) struct RunDevnet {
    /// Where the first validator serves the JSON API; fixed when the network is made
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8100")]
    http: SocketAddr,
    /// Providers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    providers: u8,
    /// Auditors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    auditors: u8,
    /// Storage nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    storage: u8,
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
        let plan = Plan {
            providers: self.providers,
            auditors: self.auditors,
            storage: self.storage,
            http: Some(self.http),
            ..Plan::default()
        };
        if self.lay_out {
            if dir.join("genesis.json").exists() {
                let text = format!("{} holds a network already", dir.display());
                return Err(Failure::say(Kind::Usage, text).hint("name a new directory with --dir"));
            }
            assay_node::devnet::lay_out(&dir, &plan).map_err(failed)?;
            let started = Started {
                dir,
                http: Some(self.http.to_string()),
                nodes: vec![],
            };
            return output.result(&started, |started| {
                format!(
                    "laid out in {}; start each nodes/*/node.toml",
                    started.dir.display()
                )
            });
        }
        let worker = worker(&dir, memory_of_nodes())?;
        block_on(async {
            let options = DevnetOptions {
                runner: Box::new(move |_| Box::new(worker.desk())),
                on_report: std::sync::Arc::new(|_, _, _| {}),
            };
            let devnet = Devnet::start(&dir, &plan, options).await.map_err(failed)?;
            let nodes = devnet.nodes();
            let http = devnet.nodes().find_map(|(_, node)| node.http());
            let started = Started {
                http: http.map(|address| format!("http://{address}")),
                nodes: nodes
                    .map(|(name, node)| Named {
                        name: name.to_owned(),
                        account: node.account().to_string(),
                    })
                    .collect(),
                dir: dir.clone(),
            };
            output.result(&started, |started| {
                let rows = started
                    .nodes
                    .iter()
                    .map(|n| [n.name.clone(), n.account.clone()]);
                let mut text = table(["node", "account"], rows);
                text += &format!("files  {}\n", started.dir.display());
                text += &format!("http   {}\n", started.http.clone().unwrap_or_default());
                text += "Ctrl-C stops it; the same command goes on where it stopped\n";
                text
            })?;
            tokio::signal::ctrl_c().await.map_err(failed)?;
            devnet.stop().await;
            Ok(())
        })?
    }
}
