//! `assay job`: job files and orders.

mod check;
mod leave;
mod node;
mod show;
mod takers;

pub(crate) use check::network;

use std::path::{Path, PathBuf};

use assay_crypto::Digest;
use assay_job::Local;
use assay_ledger::{Order, OrderId, Phase, query};
use assay_node::requester::Requester;
use clap::Subcommand;
use serde::Serialize;

use crate::{
    args::{self, Global},
    commands::{
        train::{undelivered, unfit},
        try_job::{block_on, check_terms, load},
    },
    failure::{Failure, Kind},
    output::{Output, facts, figures, short},
    result_folder,
    trial::{failed, not_settled, task_of, write_result},
};

/// Write job files, post orders and fetch results
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Print the JSON Schema of job files
    Schema,
    /// Check a job file against its model and data, and show price, odds and bonds
    Check {
        /// The job file
        #[arg(value_name = "JOB.toml")]
        job: PathBuf,
    },
    /// Put the inputs into the vault, post the order and wait for the result
    #[command(
        after_help = "Example:\n  assay job post examples/finetune.toml --dir net --out adapter"
    )]
    Post {
        /// The job file
        #[arg(value_name = "JOB.toml")]
        job: PathBuf,
        /// Leave as soon as the order is posted; a node of this account must grant the keys
        #[arg(long)]
        no_wait: bool,
        /// Post it although an order of this account for the same work is under way
        #[arg(long)]
        again: bool,
        /// Where to write the result [default: result-ORDER]
        #[arg(long, value_name = "DIR", value_parser = args::place())]
        out: Option<PathBuf>,
    },
    /// Show an order, verified
    Show {
        /// The order
        order: OrderId,
    },
    /// List orders, newest first
    List,
    /// Take part no more in an order with rounds
    ///
    /// A trainer whose update of the round under way is not sent yet leaves at once; otherwise it goes when the
    /// round ends, and is paid for it. Its bond comes free then. It cannot join that order again. A `[[join]]` for the order may
    /// stay in the node.toml: it does nothing any more.
    #[command(after_help = "Example:\n  assay job leave 3b6a... --config node.toml")]
    Leave {
        /// The order
        order: OrderId,
        /// The configuration of the node that trains, whose key, genesis and HTTP address are used instead of those in
        /// --dir
        #[arg(long, value_name = "NODE.toml", value_parser = args::place())]
        config: Option<PathBuf>,
    },
    /// Fetch and decrypt the result of a settled order of yours
    Result {
        /// The order
        order: OrderId,
        /// Where to write it [default: result-ORDER]
        #[arg(long, value_name = "DIR", value_parser = args::place())]
        out: Option<PathBuf>,
    },
}

/// An order that was posted, and its result once there is one.
#[derive(Serialize)]
struct Posted {
    job_id: OrderId,
    phase: Phase,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    #[serde(flatten)]
    figures: std::collections::BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// What the model's files leave open or say differently from one another.
    notes: Vec<String>,
}

impl JobCommand {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Schema => output.result(&assay_job::schema(), |schema| {
                serde_json::to_string_pretty(schema).unwrap_or_default()
            }),
            Self::Leave { order, config } => leave::run(order, config, global, output),
            Self::Check { job } => check::run(&job, global, output),
            Self::Post {
                job,
                no_wait,
                again,
                out,
            } => block_on(post(&job, (no_wait, again), out, global, output))?,
            Self::Show { order } => show::show(order, global, output),
            Self::List => show::list(global, output),
            Self::Result { order, out } => block_on(result(order, out, global, output))?,
        }
    }
}

async fn post(
    path: &Path,
    (no_wait, again): (bool, bool),
    out: Option<PathBuf>,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let job = load(path)?;
    if let Some(out) = out.as_ref().filter(|_| !no_wait) {
        result_folder::claim(out)?;
    }
    let network = check::network(global)?;
    check_terms(path, &job, &network)?;
    // Everything is looked at before anything is uploaded or paid.
    let local = Local::new(&job, Digest::ZERO).map_err(unfit)?;
    job.check_lengths(&local.inputs, &network).map_err(unfit)?;
    local.check(&job).map_err(unfit)?;
    let Local {
        inputs, private, ..
    } = local;
    let notes = job.notes(&inputs).map_err(unfit)?;
    output.notes(&notes);
    let node = node::start(global).await?;
    let requester = Requester::new(node.services().clone());
    let outcome = async {
        if !again && let Some(id) = requester.under_way(&job, &inputs).map_err(failed)? {
            let text = format!("order {id} of this account is the same work and is under way");
            let hint = format!("`assay job result {id}` waits for it; --again posts it once more");
            return Err(Failure::say(Kind::Usage, text).hint(hint));
        }
        let id = requester
            .post(&job, &inputs, &private, |_, _| {})
            .await
            .map_err(failed)?;
        output.aside(&format!(
            "posted as order {id}; if this ends early, `assay job result {id}` goes on"
        ));
        if no_wait {
            let figures = Default::default();
            return Ok(Posted {
                job_id: id,
                phase: match job.rounds {
                    None => Phase::Posted,
                    Some(_) => Phase::Joining,
                },
                out: None,
                figures,
                warnings: Vec::new(),
                notes,
            });
        }
        let bar = crate::commands::train::bar(job.steps, output);
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        let order = requester
            .follow(id, |order| bar.set_message(order.head.phase.name()))
            .await;
        bar.finish_and_clear();
        let order = order.map_err(failed)?;
        fetch(&requester, &order, out, private, job.model_path()).await
    };
    let outcome = outcome.await;
    node.stop().await;
    print(&outcome?, output)
}

async fn result(
    id: OrderId,
    out: Option<PathBuf>,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let node = node::start(global).await?;
    let requester = Requester::new(node.services().clone());
    let outcome = async {
        let known = query::order(&*node.services().chain.state(), &id).map_err(failed)?;
        let Some(known) = known else {
            let text = format!("the chain has no order {id}");
            return Err(
                Failure::say(Kind::NotFound, text).hint("`assay job list` shows those it has")
            );
        };
        if known.head.requester != node.account() {
            let (theirs, own) = (known.head.requester, node.account());
            let text = format!("order {id} is of account {theirs}, and this is account {own}");
            return Err(Failure::say(Kind::Usage, text)
                .hint("only who posted an order can read its result: name its --dir"));
        }
        let order = requester.follow(id, |_| {}).await.map_err(failed)?;
        let private = requester.private(&order).await.map_err(failed)?;
        fetch(&requester, &order, out, private, None).await
    };
    let outcome = outcome.await;
    node.stop().await;
    print(&outcome?, output)
}

/// Fetches and writes the result of a settled order.
async fn fetch(
    requester: &Requester,
    order: &Order,
    out: Option<PathBuf>,
    private: assay_job::Inputs,
    base: Option<String>,
) -> Result<Posted, Failure> {
    let (id, phase) = (order.head.id, order.head.phase);
    let out = out.unwrap_or_else(|| PathBuf::from(format!("result-{}", short(id))));
    result_folder::claim(&out)?;
    if phase != Phase::Settled {
        return Err(not_settled(order).hint(format!("`assay why {id}` tells the whole story")));
    }
    let state = requester.result(order).await.map_err(failed)?;
    let inputs = requester.inputs(order).await.map_err(failed)?;
    let kind = assay_job::kind(order.head.terms.kind.as_str())
        .ok_or_else(|| Failure::say(Kind::Failed, "this build does not know the job's kind"))?;
    let task = task_of(order, &inputs);
    let judged = tokio::task::spawn_blocking(move || {
        let delivered = assay_job::deliver(kind, &task.spec, (&inputs, &private), &state);
        delivered.map_err(|error| undelivered(error, &task))
    });
    let mut delivery = judged.await.map_err(failed)??;
    delivery.name_base(base.as_deref());
    write_result(&out, &delivery)?;
    Ok(Posted {
        job_id: id,
        phase,
        out: Some(out),
        figures: delivery.figures,
        warnings: delivery.warnings,
        notes: delivery.notes,
    })
}

fn print(posted: &Posted, output: &Output) -> Result<(), Failure> {
    output.warn(&posted.warnings);
    output.result(posted, |posted| {
        let out = posted.out.as_ref().map(|out| out.display().to_string());
        let mut text = facts([
            ("order", posted.job_id.to_string()),
            ("phase", posted.phase.to_string()),
            (
                "result",
                out.unwrap_or_else(|| "not yet; `assay job result ORDER`".to_owned()),
            ),
        ]);
        text += &figures(&posted.figures);
        text
    })
}
