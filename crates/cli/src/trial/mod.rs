//! One job in a network of its own, all of it in this process: what `try` and `demo` do.

mod example;
mod report;
mod screen;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use assay_crypto::{Digest, tiles::Tiled};
use assay_job::{Delivery, Inputs, Job, Registry};
use assay_ledger::{AccountId, Amount, Order, OrderId, Phase, Role, StateFile, Store};
use assay_node::{
    devnet::{Devnet, DevnetOptions, Plan},
    pace::Pace,
    requester::Requester,
    rounds,
    worker::{InProcess, Runner, WorkerDesk},
};
use assay_proof::{
    Handle, Programs, StepReport, Task, Work, WorkDone, WorkFailure,
    lazy::{LazyPrograms, Share},
};

pub(crate) use self::example::{on_model, unpack as unpack_example};
pub(crate) use self::report::{Cheater, Report, Run, balances, caught};
use self::screen::Screen;
use crate::{
    commands::{
        train::undelivered,
        worker::{memory_of_nodes, worker},
    },
    failure::{Failure, Kind},
    next,
    output::{Output, short},
    result_folder,
};

/// Makes the runner of the provider with a name.
type Runners = Box<dyn Fn(&str, WorkerDesk) -> Box<dyn Runner> + Send + Sync>;

/// Who takes part in a trial besides the usual nodes.
#[derive(Default)]
pub(crate) struct Cast {
    /// A provider for each trainer of a job that has some.
    pub(crate) trainers: usize,
    /// Least number of auditors.
    pub(crate) auditors: u8,
    /// How providers work; left out: as they should, but for the one that cheats when it is told to.
    pub(crate) runners: Option<Runners>,
}

/// A network, its requester and the screen that shows them.
pub(crate) struct Trial {
    dir: PathBuf,
    devnet: Devnet,
    requester: Requester,
    trick: Trick,
    screen: Screen,
}

/// An order that ran to its end, with what it gave.
pub(crate) struct Finished {
    pub(crate) order: Order,
    pub(crate) delivery: Delivery,
    pub(crate) state_digest: Digest,
    pub(crate) pace: Pace,
}

impl Trial {
    /// Starts the network in `dir`.
    pub(crate) async fn start(dir: &Path, cast: Cast, output: &Output) -> Result<Self, Failure> {
        let screen = Screen::new(output);
        // With an API, so that the network can be asked while it runs, and when it is started again.
        let mut plan = Plan {
            http: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            ..Plan::default()
        };
        let trainers = u8::try_from(cast.trainers).unwrap_or(u8::MAX);
        plan.providers = plan.providers.max(trainers);
        plan.auditors = plan.auditors.max(cast.auditors);
        screen.heading(&format!(
            "Starting a network: {} validators, {} storage nodes, {} providers, {} auditors",
            plan.validators, plan.storage, plan.providers, plan.auditors
        ));
        let trick = Trick::default();
        let played = trick.clone();
        let worker = worker(dir, memory_of_nodes())?;
        let options = DevnetOptions {
            runner: Box::new(move |config| {
                let name = config.dir.parent().and_then(Path::file_name);
                let name = name.unwrap_or_default().to_string_lossy();
                match &cast.runners {
                    _ if !config.plays(Role::Provider) => Box::new(worker.desk()),
                    Some(runners) => runners(&name, worker.desk()),
                    None => Box::new(Tricked::new(worker.desk(), played.clone())),
                }
            }),
            on_report: screen.on_report(),
        };
        let devnet = Devnet::start(dir, &plan, options).await.map_err(failed)?;
        let requester = devnet.requester();
        Ok(Self {
            dir: dir.to_owned(),
            devnet,
            requester,
            trick,
            screen,
        })
    }

    /// Makes the provider of the next attempt skip its work.
    pub(crate) fn arm(&self) {
        self.trick.arm();
    }

    /// Posts a job and follows its order to the end; `rows` are those of each trainer, for a job that has some.
    pub(crate) async fn run(
        &self,
        job: &Job,
        (inputs, private): (&Inputs, &Inputs),
        rows: &[Vec<u8>],
    ) -> Result<Finished, Failure> {
        self.screen.heading("Posting the order");
        let copies = self.requester.services().upload.copies;
        let posted = self.requester.post(job, inputs, private, |name, bytes| {
            self.screen.stored(name, bytes, copies)
        });
        let id = posted.await.map_err(failed)?;
        self.screen.posted(id, job);
        self.join(id, rows).await?;
        let order = self.follow(id).await?;
        if order.head.phase != Phase::Settled {
            let dir = next::quoted(&self.dir);
            return Err(not_settled(&order).hint(format!(
                "start its network again with `assay devnet --dir {dir}`; then \
                 `assay why {id} --dir {dir}` tells the whole story"
            )));
        }
        let chain = &self.requester.services().chain;
        let pace = Pace::of(&**chain, &order).await.map_err(failed)?;
        let state = self.requester.result(&order).await.map_err(failed)?;
        let kind = job.kind;
        let specification = &order.head.terms.spec;
        let (inputs, private) = (inputs.clone(), private.clone());
        let task = task_of(&order, &inputs);
        let specification = specification.to_vec();
        let in_rounds = order.head.rounds.is_some();
        let judged = tokio::task::spawn_blocking(move || {
            let delivered = assay_job::deliver(kind, &specification, (&inputs, &private), &state);
            let delivery = delivered.map_err(|error| undelivered(error, &task))?;
            let (_, state) = StateFile::decode(&state).map_err(failed)?;
            if in_rounds {
                // A model is no state of a run.
                return Ok((delivery, Tiled::of(state).digest()));
            }
            let mut program = Registry.build(&task).map_err(failed)?;
            program.restore(state).map_err(failed)?;
            Ok::<_, Failure>((delivery, program.tiled().digest()))
        });
        let (mut delivery, state_digest) = judged.await.map_err(failed)??;
        delivery.name_base(job.model_path().as_deref());
        Ok(Finished {
            order,
            delivery,
            state_digest,
            pace,
        })
    }

    /// Has as many providers as there are parts of rows take part as trainers.
    async fn join(&self, order: OrderId, rows: &[Vec<u8>]) -> Result<(), Failure> {
        let providers = self.devnet.nodes();
        let providers = providers.filter(|(name, _)| name.starts_with("provider-"));
        let mut joining = tokio::task::JoinSet::new();
        for ((_, node), rows) in providers.zip(rows) {
            let (services, rows) = (node.services().clone(), Handle::in_memory(rows.clone()));
            joining.spawn(async move { rounds::join(&services, order, rows).await });
        }
        while let Some(joined) = joining.join_next().await {
            joined.map_err(failed)?.map_err(failed)?;
        }
        Ok(())
    }

    async fn follow(&self, id: OrderId) -> Result<Order, Failure> {
        let watch = self.screen.watch(
            id,
            self.devnet.nodes().map(|(_, node)| node.board().clone()),
        );
        let order = self
            .requester
            .follow(id, |order| self.screen.changed(order))
            .await;
        watch.finish().await;
        order.map_err(failed)
    }

    /// Everything about the orders that were run, for `result.json`. It is there as soon as the
    /// validator whose directory an auditor will read can prove all of it.
    pub(crate) async fn report(
        &self,
        honest: Finished,
        cheated: Option<Finished>,
    ) -> Result<Report, Failure> {
        let report = report::make(&self.dir, &self.devnet, &self.requester, honest, cheated)
            .await
            .map_err(failed)?;
        let head = self.requester.services().chain.head().height;
        let Some(validator) = self.devnet.nodes().next().map(|(_, node)| node) else {
            return Ok(report);
        };
        let chain = &validator.services().chain;
        let mut heights = chain.heights();
        while chain.stretch(head).await.map_err(failed)?.blocks.is_empty() {
            heights.changed().await.map_err(failed)?;
        }
        Ok(report)
    }

    /// Says something between runs.
    pub(crate) fn say(&self, heading: &str) {
        self.screen.heading(heading);
    }

    /// The state as the requester knows it.
    pub(crate) fn state(&self) -> Arc<dyn Store> {
        self.requester.services().chain.state()
    }

    /// The account of the node with a name.
    pub(crate) fn account(&self, name: &str) -> Option<AccountId> {
        let mut nodes = self.devnet.nodes();
        let found = nodes.find(|(known, _)| *known == name);
        found.map(|(_, node)| node.account())
    }

    /// The bond that a provider began with.
    pub(crate) fn bond(&self, provider: &AccountId) -> Amount {
        let genesis = self.devnet.genesis();
        let mut all = genesis.registrations.iter();
        let found = all.find(|of| of.account == *provider && of.role == Role::Provider);
        found.map_or(Amount::ZERO, |of| of.bond)
    }

    /// Stops the network; its directory stays.
    pub(crate) async fn stop(self) {
        self.devnet.stop().await;
    }
}

/// An order that came to another end than a result: what went wrong, attempt by attempt.
pub(crate) fn not_settled(order: &Order) -> Failure {
    let mut text = match order.head.outcome {
        Some(outcome) => format!("order {} was {outcome}", order.head.id),
        None => format!("order {} is {}", order.head.id, order.head.phase),
    };
    for (run, failure) in order.failures() {
        let provider = short(run.provider);
        text += &format!("; provider {provider} failed because {}", failure.reason);
    }
    Failure::say(Kind::Failed, text)
}

/// Writes the files of a result.
pub(crate) fn write_result(dir: &Path, delivery: &Delivery) -> Result<(), Failure> {
    let files = delivery.files.iter();
    let files: Vec<(&str, &[u8])> = files
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    result_folder::claim(dir)?;
    result_folder::write(dir, &files)
}

/// The task of the run whose result is delivered.
pub(crate) fn task_of(order: &Order, inputs: &Inputs) -> Task {
    let input = |input: &assay_ledger::Input| assay_proof::TaskInput {
        name: input.name.to_string(),
        handle: inputs.get(input.name.as_str()).cloned().unwrap_or_default(),
    };
    Task {
        kind: order.head.terms.kind.to_string(),
        spec: order.head.terms.spec.to_vec(),
        model: order.head.terms.model.to_vec(),
        memory: order.head.terms.memory,
        inputs: order.head.terms.inputs.iter().map(input).collect(),
        seed: order
            .result_run()
            .and_then(|run| run.seed)
            .unwrap_or(Digest::ZERO),
        steps: order.head.terms.steps,
        segment_steps: order.head.terms.segment_steps,
        stop: order.head.terms.stop,
    }
}

/// Says when a provider cheats: in the first attempt that begins after [`arm`](Self::arm).
#[derive(Clone, Default)]
struct Trick(Arc<Mutex<Armed>>);

#[derive(Default)]
struct Armed {
    armed: bool,
    /// Seed of the attempt that is cheated in.
    seed: Option<Digest>,
}

impl Trick {
    fn arm(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).armed = true;
    }

    /// Whether this task is the one.
    fn is_on(&self, task: &Task) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.armed) {
            state.seed = Some(task.seed);
        }
        state.seed == Some(task.seed)
    }
}

/// A provider that works in the worker but for the attempt in which it skips the work.
struct Tricked {
    honest: WorkerDesk,
    lazy: InProcess,
    trick: Trick,
}

impl Tricked {
    fn new(honest: WorkerDesk, trick: Trick) -> Self {
        let lazy = LazyPrograms {
            honest: Registry,
            share: Share::everything(),
        };
        Self {
            honest,
            lazy: InProcess::new(Box::new(lazy)),
            trick,
        }
    }
}

impl Runner for Tricked {
    fn run(
        &mut self,
        work: &Work,
        on_step: &mut dyn FnMut(&StepReport),
        stop: &dyn Fn() -> bool,
    ) -> Result<WorkDone, WorkFailure> {
        match self.trick.is_on(&work.task) {
            true => self.lazy.run(work, on_step, stop),
            false => self.honest.run(work, on_step, stop),
        }
    }
}

/// A failure with its causes.
pub(crate) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::new(Kind::Failed, anyhow::Error::new(error))
}
