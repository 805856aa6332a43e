//! `assay split train`: the requesting side.

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

use assay_api::told;
use assay_crypto::PublicKey;
use assay_job::Local;
use assay_node::{
    split::{self, Peers, Progress, SplitError, Store, TrainOptions},
    transport::{Limits, Protocols, Standing, Transport},
};
use clap::Args;
use indicatif::ProgressBar;

use super::{
    MASKED_WARNING, PLAIN_WARNING, ProviderAt,
    report::{Report, Traffic},
};
use crate::{
    args::{self, Global},
    commands::{
        train::{bar, claim, say, seed, undelivered, unfit, write},
        try_job::load,
    },
    failure::{Failure, Kind},
    home::Home,
    output::Output,
    trial::failed,
};

/// The name of a run's files in its result folder.
const RUN: &str = "split";

/// Train a job with a provider that computes the frozen layers
///
/// The job is an ordinary `finetune` job with method = "private_lora". Tokens, labels, M and the
/// optimiser stay here. The state digest is that of `assay train` of the same job and seed.
///
/// WARNING: locality, not secrecy. A provider that has the public base model reads the text out of
/// what it is sent. --masked hides it from two providers that do not collude, for far more traffic
/// and other bits.
///
/// The state is saved in --out as the run goes. Whatever is killed, the same command goes on from
/// there, with the same provider or another one, and ends with the same digest.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    assay split train examples/private-lora.toml --provider ACCOUNT@127.0.0.1:7400 --out adapter\n  \
    assay split train job.toml --masked --provider ACCOUNT@HOST:PORT --provider ACCOUNT@HOST:PORT")]
pub(crate) struct SplitTrain {
    /// The job file
    #[arg(value_name = "JOB.toml")]
    job: PathBuf,
    /// Who computes, as `assay split serve` prints it; twice with --masked
    #[arg(long, value_name = "ACCOUNT@ADDR", required = true)]
    provider: Vec<ProviderAt>,
    /// Hide activations: two providers that do not collude multiply random shares of them
    #[arg(long)]
    masked: bool,
    /// Stands for the randomness that an order draws: up to 64 hex digits, zeros are added
    #[arg(long, value_name = "HEX", default_value = "00")]
    seed: String,
    /// Where the adapter is written and the run's state is kept
    #[arg(long, value_name = "DIR", default_value = "split-result", value_parser = args::place())]
    out: PathBuf,
    /// Steps between two saved states
    #[arg(long, value_name = "N", default_value_t = 1)]
    save_every: u64,
    /// How long a provider may be away before this gives up, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
    /// How long a provider may take for one answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    answer_timeout: u64,
}

impl SplitTrain {
    pub(super) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let peers = self.peers()?;
        let warning = match peers {
            Peers::Plain(_) => PLAIN_WARNING,
            Peers::Masked(_) => MASKED_WARNING,
        };
        let seed = seed(&self.seed)?;
        let job = load(&self.job)?;
        let key = assay_node::keys::load(&Home::find(global)?.key())?;
        claim(&self.out, RUN, job.steps)?;
        let local = Local::new(&job, seed).map_err(unfit)?;
        local.check(&job).map_err(unfit)?;
        let notes = job.notes(&local.inputs).map_err(unfit)?;
        output.notes(&notes);
        let store = Store::open(&self.out, RUN).map_err(failed)?;
        let bar = bar(job.steps, output);
        say(&bar, output, &format!("warning: {warning}"));
        let began = std::time::Instant::now();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.enable_all().build().map_err(failed)?;
        let listen = (Ipv4Addr::UNSPECIFIED, 0).into();
        let nobody = Arc::new(|_: &PublicKey| Standing::Stranger);
        let limits = Limits {
            request_timeout: Duration::from_secs(self.answer_timeout),
            ..Limits::default()
        };
        let bound = Transport::bind(&key, listen, limits, nobody, Protocols::default());
        let transport = runtime.block_on(bound)?;
        for provider in &self.provider {
            let addresses = provider.addresses.iter().copied();
            transport.book().set(provider.account, addresses);
        }
        let options = TrainOptions {
            save_every: self.save_every,
            patience: Duration::from_secs(self.patience),
            answer_timeout: Duration::from_secs(self.answer_timeout),
        };
        let way = (transport.clone(), runtime.handle().clone());
        let mut on = |progress: Progress<'_>| show(&bar, output, progress);
        let trained = split::train(&local.task, &peers, way, &store, &options, &mut on);
        runtime.block_on(transport.close());
        bar.finish_and_clear();
        let trained = trained?;
        let seconds = began.elapsed().as_secs_f64();
        let (spec, state) = (&job.specification, &trained.state);
        let inputs = (&local.inputs, &local.private);
        let mut delivery = assay_job::deliver(job.kind, spec, inputs, state)
            .map_err(|error| undelivered(error, &local.task))?;
        delivery.name_base(job.model_path().as_deref());
        write(&self.out, RUN, &delivery)?;
        let report = Report {
            state_digest: trained.state_digest,
            trace_root: trained.trace_root,
            steps: job.steps,
            resumed_at: trained.resumed_at,
            skipped: trained.skipped,
            seconds,
            figures: delivery.figures,
            warnings: delivery.warnings,
            notes,
            traffic: Traffic::of(&self.provider, &trained),
            wasted_bytes: trained.wasted.sent + trained.wasted.received,
            out: self.out,
            warning,
        };
        output.warn(&report.warnings);
        output.result(&report, Report::text)
    }

    fn peers(&self) -> Result<Peers, Failure> {
        let usage = |text: &str, hint: &str| Failure::say(Kind::Usage, text).hint(hint);
        match (self.masked, self.provider.as_slice()) {
            (false, [one]) => Ok(Peers::Plain(one.account)),
            (false, _) => Err(usage(
                "the plain split has one provider",
                "leave one --provider out, or hide activations from two with --masked",
            )),
            (true, [first, second]) if first.account == second.account => Err(usage(
                "both providers are one account, which would see everything",
                "name two that do not collude",
            )),
            (true, [first, second]) => Ok(Peers::Masked([first.account, second.account])),
            (true, _) => Err(usage(
                "the masked split has two providers",
                "give --provider twice",
            )),
        }
    }
}

fn show(bar: &ProgressBar, output: &Output, progress: Progress<'_>) {
    match progress {
        Progress::Resumed { step } => {
            bar.set_position(step);
            bar.reset_eta();
            say(bar, output, &format!("going on after step {step}"));
        }
        Progress::Step(report) => {
            bar.set_position(report.step.0);
            if let Some(loss) = report.loss_micro {
                bar.set_message(format!("loss {:.3}", loss as f64 / 1e6));
            }
        }
        Progress::Broken(error) => {
            say(bar, output, &format!("{}; trying again", told(error)));
        }
    }
}

impl From<SplitError> for Failure {
    fn from(error: SplitError) -> Self {
        let kind = match &error {
            error if error.is_untrue() => Kind::Untrue,
            SplitError::Open { .. } if error.is_transient() => Kind::Unreachable,
            SplitError::Channel(_) => Kind::Unreachable,
            SplitError::Job(_) | SplitError::Setup(_) => Kind::Usage,
            _ => Kind::Failed,
        };
        let kept = "the state is saved: the same command goes on from it, with any provider";
        let hint = match kind {
            Kind::Untrue | Kind::Unreachable => Some(kept),
            _ => None,
        };
        let failure = Self::new(kind, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
