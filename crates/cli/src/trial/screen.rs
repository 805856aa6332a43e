//! What a person sees while an order runs. Nothing of it is needed: with `--json` it is silent.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use assay_job::Job;
use assay_ledger::{Order, OrderId, Phase, Rounds, RunIndex};
use assay_node::{progress::ProgressBoard, roles::OnReport};
use assay_proof::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::{AnsiColors, OwoColorize};
use tokio::task::JoinHandle;

use crate::output::{Output, short};

/// Time between two looks at the progress of a run.
const LOOK: Duration = Duration::from_millis(100);

/// Lines on standard error, and one bar below them.
#[derive(Clone)]
pub(super) struct Screen {
    silent: bool,
    bar: ProgressBar,
    told: Arc<Mutex<Told>>,
}

/// What was already said about the order on the screen.
#[derive(Default)]
struct Told {
    phase: Option<(RunIndex, Phase)>,
    failures: usize,
}

impl Screen {
    pub(super) fn new(output: &Output) -> Self {
        let silent = output.is_json();
        let target = if silent {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        Self {
            silent,
            bar,
            told: Arc::default(),
        }
    }

    /// Colours text where there is a terminal to show it.
    fn tint(&self, text: String, colour: AnsiColors) -> String {
        if self.bar.is_hidden() {
            text
        } else {
            text.color(colour).to_string()
        }
    }

    fn line(&self, text: String) {
        if self.silent {
            return;
        }
        if self.bar.is_hidden() {
            // Not a terminal: plain lines for a log.
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "{text}");
        } else {
            self.bar.println(text);
        }
    }

    pub(super) fn heading(&self, text: &str) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Told::default();
        self.line(format!(
            "\n{}",
            self.tint(text.to_owned(), AnsiColors::Cyan)
        ));
    }

    pub(super) fn stored(&self, name: &str, bytes: u64, copies: u8) {
        self.line(format!(
            "  {name}: {} KiB encrypted, on {copies} storage nodes",
            bytes.div_ceil(1024)
        ));
    }

    pub(super) fn posted(&self, id: OrderId, job: &Job) {
        let market = &job.market;
        let to = match market.copies {
            _ if job.rounds.is_some() => format!("{} to each trainer in each round", market.price),
            1 => format!(
                "{} to the provider, {} to each of {} auditors",
                market.price, market.auditor_fee, job.audit.auditors
            ),
            copies => format!("{} to each of {copies} providers", market.price),
        };
        let (name, steps) = (&job.name, job.steps);
        self.line(format!(
            "  order {} for {name:?}: {steps} steps, {to}",
            short(id)
        ));
    }

    /// What parties report besides the ledger.
    pub(super) fn on_report(&self) -> OnReport {
        let screen = self.clone();
        Arc::new(move |_, part, progress| {
            if let Progress::Resumed(segment) = progress {
                screen.line(format!(
                    "  the {} goes on at segment {segment}",
                    part.name()
                ));
            }
        })
    }

    /// The order changed on the ledger.
    pub(super) fn changed(&self, order: &Order) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (run, failure) in order.failures().skip(told.failures) {
            let text = format!(
                "  provider {} lost {} of its bond: {}",
                short(run.provider),
                failure.slashed,
                failure.reason
            );
            self.line(self.tint(text, AnsiColors::Red));
        }
        told.failures = order.failures().count();
        let round = order
            .head
            .rounds
            .as_ref()
            .map(|of| RunIndex(of.round.into()));
        let now = (round.unwrap_or(order.attempt()), order.head.phase);
        if told.phase == Some(now) {
            return;
        }
        told.phase = Some(now);
        drop(told);
        if let Some(text) = describe(order) {
            let colour = match order.head.phase {
                Phase::Delivering | Phase::Accepted | Phase::Settled => AnsiColors::Green,
                Phase::Bisecting | Phase::Attesting | Phase::Refunded => AnsiColors::Yellow,
                _ => AnsiColors::Default,
            };
            self.line(self.tint(format!("  {text}"), colour));
        }
    }

    /// Shows the live progress of an order until it is finished.
    pub(super) fn watch(&self, id: OrderId, boards: impl Iterator<Item = ProgressBoard>) -> Watch {
        let style = "  {bar:30} {pos}/{len} steps  {msg}  {elapsed} (left {eta})";
        if let Ok(style) = ProgressStyle::with_template(style) {
            self.bar.set_style(style);
        }
        self.bar.reset();
        let (bar, boards): (_, Vec<_>) = (self.bar.clone(), boards.collect());
        let task = tokio::spawn(async move {
            loop {
                // Several nodes work on an order; the provider is the one that is furthest.
                let reports = boards.iter().filter_map(|board| board.get(&id));
                if let Some(report) = reports.max_by_key(|report| report.step) {
                    bar.set_length(report.steps);
                    bar.set_position(report.step);
                    let loss = report.loss.map(|loss| format!("loss {loss:.3}"));
                    let speed = report.per_second.map(|rate| format!("{rate:.0} tokens/s"));
                    let skipped = report.invalid;
                    let skipped = (skipped > 0).then(|| format!("{skipped} invalid"));
                    let parts: Vec<_> = loss.into_iter().chain(skipped).chain(speed).collect();
                    bar.set_message(parts.join(", "));
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Watch {
            bar: self.bar.clone(),
            task,
        }
    }
}

/// A bar that moves by itself.
pub(super) struct Watch {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Watch {
    pub(super) async fn finish(self) {
        self.task.abort();
        let _ = self.task.await;
        self.bar.finish_and_clear();
    }
}

/// What happens in an order with rounds.
fn round(order: &Order, rounds: &Rounds) -> Option<String> {
    let all = order.head.terms.rounds.map_or(0, |of| of.rounds);
    let (round, of) = (rounds.round + 1, format!("of {all}"));
    Some(match order.head.phase {
        Phase::Joining => "trainers bring their rows and join".to_owned(),
        Phase::Training => {
            let trainers = rounds.present.count();
            format!("round {round} {of}: {trainers} trainers take their steps")
        }
        Phase::Checking => {
            let (held, drawn) = (rounds.counted.count(), rounds.audits.count());
            format!("  {held} updates are there; the beacon drew {drawn} trainers to audit")
        }
        Phase::Merging if rounds.model.is_none() => {
            "the validators make the model that all begin with".to_owned()
        }
        Phase::Merging => {
            let counted = rounds.counted.count();
            format!("  {counted} updates stand; the validators merge them")
        }
        Phase::Settled => "settled: every trainer is paid for its rounds".to_owned(),
        _ => return None,
    })
}

fn describe(order: &Order) -> Option<String> {
    if let Some(rounds) = &order.head.rounds {
        return round(order, rounds);
    }
    let provider = || order.provider().map(short).unwrap_or_default();
    let copies = order.head.terms.copies;
    Some(match order.head.phase {
        Phase::Posted if copies > 1 => {
            format!("waiting for the beacon to draw whom to ask; {copies} are to provide")
        }
        Phase::Assigned if copies > 1 => {
            let drawn: Vec<_> = order.standing().map(|run| short(run.provider)).collect();
            format!("providers {} took it", drawn.join(", "))
        }
        Phase::Asked | Phase::Called => {
            let asked = order
                .head
                .asked
                .as_ref()
                .map_or(0, |asked| asked.ranked.len());
            format!("the beacon drew {asked} nodes, which say whether they take it")
        }
        Phase::Taken => "taken; the next beacon gives the seed".to_owned(),
        Phase::Running if copies > 1 => {
            "keys handed over; each provider runs the job by itself".to_owned()
        }
        Phase::Revealing if copies > 1 => {
            "all have committed to their results; now they reveal them".to_owned()
        }
        Phase::Bisecting if copies > 1 => {
            "in dispute: two providers narrow their difference down to one step".to_owned()
        }
        Phase::Delivering if copies > 1 => {
            "the results that stand are equal; the providers release their keys".to_owned()
        }
        Phase::Settled if copies > 1 => "settled: every provider that stands is paid".to_owned(),
        Phase::Posted if order.attempt() > RunIndex(0) => {
            "the order goes to another provider".to_owned()
        }
        Phase::Posted => "waiting for the beacon to draw whom to ask".to_owned(),
        Phase::Assigned => format!("provider {} took it", provider()),
        Phase::Running => "keys handed over; the provider runs the job".to_owned(),
        Phase::Committed => {
            let trace = order.run().and_then(|run| run.trace.as_ref());
            let root = trace.map(|trace| short(trace.root)).unwrap_or_default();
            format!("the provider committed to its run: trace root {root}")
        }
        Phase::Seated => "every auditor's seat is taken; the next beacon draws segments".to_owned(),
        Phase::Opening => {
            let round = order.round()?;
            let seats: Vec<_> = round.seats.iter().map(|seat| short(seat.auditor)).collect();
            let segments: Vec<_> = round.segments.iter().map(ToString::to_string).collect();
            format!(
                "auditors {} replay; the beacon drew segments {}",
                seats.join(", "),
                segments.join(", ")
            )
        }
        Phase::Auditing => "the auditors replay the drawn segments".to_owned(),
        Phase::Closing => "the auditors committed to their answers".to_owned(),
        Phase::Revealing => "the provider opened its answers; the auditors reveal".to_owned(),
        Phase::Bisecting => {
            "in dispute: provider and auditor narrow it down to one step".to_owned()
        }
        Phase::Attesting => {
            let step = order.dispute().map(|dispute| dispute.disputed.step)?;
            format!("the validators replay step {step} themselves")
        }
        Phase::Delivering => {
            "every replay agrees; the provider releases the key of its result".to_owned()
        }
        Phase::Accepted => "accepted: the requester can read the result".to_owned(),
        // Of orders with rounds, and of contests.
        Phase::Dealing
        | Phase::Holding
        | Phase::Claiming
        | Phase::Sealed
        | Phase::TestOpen
        | Phase::Validating
        | Phase::Verifying
        | Phase::Recounting
        | Phase::Joining
        | Phase::Training
        | Phase::Gathering
        | Phase::Closed
        | Phase::Checking
        | Phase::Merging
        | Phase::Between => return None,
        Phase::Settled => "settled: provider and auditors are paid".to_owned(),
        Phase::Cancelled => "cancelled".to_owned(),
        Phase::Refunded => "refunded".to_owned(),
    })
}
