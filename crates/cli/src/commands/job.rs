//! `assay job`: job files and orders.

use std::{net::SocketAddr, path::PathBuf};

use assay_api::views::OrderList;
use assay_crypto::Digest;
use assay_job::{Lengths, Local, Network, Price};
use assay_ledger::{Genesis, Order, OrderId, Phase, Role, Store, query};
use assay_model::ModelShape;
use assay_node::{
    config::{NodeConfig, PeerConfig},
    lock::{DirectoryLock, LockError},
    node::{Node, Options, read_genesis},
    requester::Requester,
};
use assay_proof::odds::Probability;
use clap::Subcommand;
use serde::Serialize;

use crate::{
    args::{self, Global},
    commands::{
        train::{undelivered, unfit},
        try_job::{block_on, check_terms, load},
        worker::worker,
    },
    failure::{Failure, Kind},
    home::Home,
    output::{Output, facts, figures, short, table},
    result_folder,
    session::Session,
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
    /// Fetch and decrypt the result of a settled order of yours
    Result {
        /// The order
        order: OrderId,
        /// Where to write it [default: result-ORDER]
        #[arg(long, value_name = "DIR", value_parser = args::place())]
        out: Option<PathBuf>,
    },
}

/// Most commands that act for one account at once.
const COMMANDS_AT_ONCE: u8 = 64;

/// What a job file amounts to.
#[derive(Serialize)]
struct Checked {
    kind: &'static str,
    name: String,
    steps: u64,
    segments: u64,
    price: String,
    provider_bond: String,
    auditor_fee: String,
    auditors: u8,
    /// Providers that do the whole job; several are compared and not audited.
    copies: u8,
    /// Detection probability when a tenth, half, or all of the segments are faked.
    detection: [String; 3],
    /// Loss of a first step, in nats.
    first_loss: Option<f64>,
    /// What the order will tell everybody of the model.
    model: ModelShape,
    /// Bytes of memory that a run takes, by what they hold.
    memory: Price,
    /// The same together.
    memory_bytes: u64,
    /// What the model's files leave open or say differently from one another.
    notes: Vec<String>,
}

/// An order, and what its terms tell of the work.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    order: Order,
    /// Its model; none when no model can be as the terms say.
    model: Option<ModelShape>,
    /// The most bytes of memory that a run takes, by what they hold.
    memory: Option<Price>,
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
            Self::Check { job } => check(&job, global, output),
            Self::Post {
                job,
                no_wait,
                again,
                out,
            } => block_on(post(&job, (no_wait, again), out, global, output))?,
            Self::Show { order } => show(order, global, output),
            Self::List => list(global, output),
            Self::Result { order, out } => block_on(result(order, out, global, output))?,
        }
    }
}

fn check(path: &std::path::Path, global: &Global, output: &Output) -> Result<(), Failure> {
    let job = load(path)?;
    let network = network(global)?;
    check_terms(path, &job, &network)?;
    let cannot_run = |error| {
        let context = format!("{} cannot run", path.display());
        Failure::new(Kind::Usage, anyhow::Error::new(error).context(context))
    };
    let local = Local::new(&job, Digest::ZERO).map_err(cannot_run)?;
    let fits = job.check_lengths(&local.inputs, &network);
    fits.map_err(unfit)?;
    let checked = assay_job::check_read(&job, &local).map_err(cannot_run)?;
    let assay_job::Checked { first, price } = checked;
    let notes = job.notes(&local.inputs).map_err(unfit)?;
    let model = job.model(&local.inputs).map_err(unfit)?;
    let odds = |part: u64| {
        Probability::ratio(part, 10)
            .detection(job.audit.segments)
            .to_string()
    };
    let checked = Checked {
        kind: job.kind.name(),
        name: job.name.clone(),
        steps: job.steps,
        segments: job
            .steps
            .div_ceil(u64::from(job.audit.segment_steps.max(1))),
        price: job.market.price.to_string(),
        provider_bond: job.market.provider_bond.to_string(),
        auditor_fee: job.market.auditor_fee.to_string(),
        auditors: job.audit.auditors,
        copies: job.market.copies,
        detection: [odds(1), odds(5), odds(10)],
        first_loss: first.loss_micro.map(|loss| loss as f64 / 1e6),
        model,
        memory: price,
        memory_bytes: price.total(),
        notes,
    };
    output.notes(&checked.notes);
    output.result(&checked, |c| {
        let [tenth, half, all] = &c.detection;
        facts([
            ("kind", c.kind.to_owned()),
            ("name", c.name.clone()),
            ("steps", format!("{} in {} segments", c.steps, c.segments)),
            (
                "price",
                match c.copies {
                    1 => format!(
                        "{} and {} to each of {} auditors",
                        c.price, c.auditor_fee, c.auditors
                    ),
                    copies => format!("{} to each of {copies} providers", c.price),
                },
            ),
            ("provider's bond", c.provider_bond.clone()),
            (
                "odds",
                match c.copies {
                    1 => format!(
                        "who fakes 10% is caught with {tenth}, 50% with {half}, all with {all}"
                    ),
                    _ => "a wrong result is caught if one provider is honest".to_owned(),
                },
            ),
            ("model", c.model.to_string()),
            ("memory", c.memory.to_string()),
            (
                "first loss",
                c.first_loss
                    .map(|l| format!("{l:.4} nats"))
                    .unwrap_or_default(),
            ),
        ])
    })
}

/// The network in `--dir`, if there is one, else one as networks begin.
fn network(global: &Global) -> Result<Network, Failure> {
    let genesis = Home::find(global).map(|home| home.genesis());
    let Some(genesis) = genesis.ok().filter(|genesis| genesis.exists()) else {
        return Ok(Network::default());
    };
    let genesis = read_genesis(&genesis).map_err(failed)?;
    Ok(Network {
        supply: genesis.supply().ok(),
        parameters: genesis.parameters,
    })
}

/// A node for the user's account, which plays the requester's part while a command runs.
async fn requester_node(global: &Global) -> Result<Node, Failure> {
    let home = Home::find(global)?;
    let genesis: Genesis = read_genesis(&home.genesis()).map_err(|error| {
        Failure::new(Kind::NotFound, anyhow::Error::new(error))
            .hint("use --dir with a directory that has a genesis.json, such as a devnet's")
    })?;
    let validators = genesis
        .registrations
        .iter()
        .filter(|r| r.role == Role::Validator);
    let peers = validators
        .filter_map(|r| {
            Some(PeerConfig {
                key: r.account,
                address: r.address.parse().ok()?,
            })
        })
        .collect();
    let lock = own_directory(&home.path().join("requester"))?;
    let config = NodeConfig {
        roles: vec![],
        key: home.key(),
        dir: lock.dir().to_owned(),
        genesis: home.genesis(),
        listen: SocketAddr::from(([0, 0, 0, 0], 0)).into(),
        advertise: None,
        http: None,
        http_names: Vec::new(),
        validator: None,
        provider: None,
        auditor: None,
        storage: None,
        work: None,
        peers,
    };
    // What comes back is a stranger's: it is looked at in a worker.
    let worker = worker(&config.dir, config.memory())?;
    let options = Options {
        requester: true,
        lock: Some(lock),
        runner: Box::new(worker.desk()),
        ..Options::default()
    };
    let node = Node::start(&config, options).await.map_err(failed)?;
    let chain = node.services().chain.clone();
    let mut heights = chain.heights();
    let first = heights.wait_for(|height| height.0 > 0);
    match tokio::time::timeout(std::time::Duration::from_secs(30), first).await {
        Ok(Ok(_)) => {}
        _ => {
            let failure = Failure::say(Kind::Unreachable, "no validator of the network answers");
            return Err(failure.hint("is it running? `assay devnet --dir DIR` starts one"));
        }
    }
    // What is read before the copy here is up to date may be long past.
    chain.caught_up().await;
    Ok(node)
}

/// A directory that no other command uses now. What lies in it only saves work: the requester's
/// part follows from key and ledger.
fn own_directory(parent: &std::path::Path) -> Result<DirectoryLock, Failure> {
    let mut number = 1;
    loop {
        let name = match number {
            1 => "client".to_owned(),
            _ => format!("client-{number}"),
        };
        match DirectoryLock::take(&parent.join(name)) {
            Err(LockError::InUse { .. }) if number < COMMANDS_AT_ONCE => number += 1,
            other => return other.map_err(failed),
        }
    }
}

async fn post(
    path: &std::path::Path,
    (no_wait, again): (bool, bool),
    out: Option<PathBuf>,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let job = load(path)?;
    if let Some(out) = out.as_ref().filter(|_| !no_wait) {
        result_folder::claim(out)?;
    }
    let network = network(global)?;
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
    let node = requester_node(global).await?;
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
                phase: Phase::Posted,
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
    let node = requester_node(global).await?;
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
        let delivered = kind.deliver(&task.spec, &inputs, &private, &state);
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

fn show(id: OrderId, global: &Global, output: &Output) -> Result<(), Failure> {
    let session = Session::open(global)?;
    let order = session.light().read(|store| query::order(store, &id))?;
    let order = order.ok_or_else(|| {
        Failure::say(Kind::NotFound, format!("the chain has no order {id}"))
            .hint("`assay job list` shows those it has")
    })?;
    let terms = &order.head.terms;
    let mut most = Lengths::new();
    for input in &terms.inputs {
        let record = |store: &dyn Store| query::file(store, &input.file, &order.head.requester);
        let class = session
            .light()
            .read(record)?
            .map_or(0, |of| of.length_class);
        most.insert(input.name.to_string(), class);
    }
    let shown = Shown {
        model: ModelShape::from_bytes(&terms.model).ok(),
        memory: Price::of_terms(terms, &most).ok(),
        order,
    };
    output.result(&shown, |shown| {
        let order = &shown.order;
        let impossible = || "none that there can be: no machine can do this job".to_owned();
        facts([
            ("order", order.head.id.to_string()),
            ("kind", order.head.terms.kind.to_string()),
            ("phase", order.head.phase.to_string()),
            (
                "attempt",
                format!("{} of {}", order.attempt().0 + 1, order.head.terms.attempts),
            ),
            (
                "provider",
                order.provider().map(|p| p.to_string()).unwrap_or_default(),
            ),
            (
                "model",
                shown.model.map_or_else(impossible, |of| of.to_string()),
            ),
            (
                "memory",
                shown
                    .memory
                    .map(|of| format!("up to {of}"))
                    .unwrap_or_default(),
            ),
            ("price", order.head.terms.price.to_string()),
            ("escrow", order.head.escrow.to_string()),
            ("deadline", format!("block {}", order.head.deadline)),
        ])
    })
}

fn list(global: &Global, output: &Output) -> Result<(), Failure> {
    let session = Session::open(global)?;
    let orders: OrderList = session.light().node().get("/v1/orders")?;
    output.result(&orders, |orders| {
        let rows = orders.orders.iter().map(|order| {
            let kind = order.kind.to_string();
            [
                short(order.order),
                kind,
                order.phase.to_string(),
                order.posted.to_string(),
            ]
        });
        table(["order", "kind", "phase", "posted at"], rows)
    })
}
