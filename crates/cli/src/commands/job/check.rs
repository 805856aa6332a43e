//! `assay job check`.

use std::path::Path;

use assay_crypto::Digest;
use assay_job::{Job, Local, Network, Price, Sizes};
use assay_ledger::{Amount, Ppm};
use assay_model::ModelShape;
use assay_node::node::read_genesis;
use assay_proof::odds::{Probability, Stakes};
use serde::Serialize;

use crate::{
    args::Global,
    commands::{
        train::unfit,
        try_job::{check_terms, load},
    },
    failure::{Failure, Kind},
    home::Home,
    output::{Output, facts},
    trial::failed,
};

use super::takers::{Taker, takers, told};

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
    /// The dearest work, in tokens, with which faking any share of it still loses money on average,
    /// where a third of the auditors' bonds would pass a lie; none for copies, which are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    deterred_cost: Option<String>,
    /// Loss of a first step, in nats.
    first_loss: Option<f64>,
    /// What the order will tell everybody of the language model, if the job works on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelShape>,
    /// Bytes of memory that a run takes, by what they hold.
    memory: Price,
    /// The same together.
    memory_bytes: u64,
    /// Who of the network at hand would take it, if a node of it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    takers: Option<Vec<Taker>>,
    /// The share of the auditors' bonds whose offers take it, in parts per million, if it is audited.
    #[serde(skip_serializing_if = "Option::is_none")]
    eligible_share: Option<Ppm>,
    /// What the model's files leave open or say differently from one another.
    notes: Vec<String>,
}

pub(super) fn run(path: &Path, global: &Global, output: &Output) -> Result<(), Failure> {
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
    let sizes = Sizes::of(&local.inputs).map_err(failed)?;
    let about = job.told_model(&local.inputs).map_err(unfit)?;
    let takers = takers(&job, (&about, &sizes), &network.parameters, global)?;
    let told = takers.as_ref().map(told).unwrap_or_default();
    let eligible_share = takers.as_ref().and_then(|takers| takers.share);
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
        deterred_cost: deterred(&job, &network).map(|cost| cost.to_string()),
        first_loss: first.loss_micro.map(|loss| loss as f64 / 1e6),
        model,
        memory: price,
        memory_bytes: price.total(),
        takers: takers.map(|takers| takers.all),
        eligible_share,
        notes,
    };
    output.notes(&checked.notes);
    output.result(&checked, |c| {
        let [tenth, half, all] = &c.detection;
        let text = facts([
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
            (
                "deterrence",
                match &c.deterred_cost {
                    Some(cost) => format!(
                        "faking any share of it loses money unless the work costs a provider more than {cost}"
                    ),
                    None => "two equal lies are a loss only while the liars are different people".to_owned(),
                },
            ),
            ("model", c.model.map_or_else(|| "none".to_owned(), |of| of.to_string())),
            ("memory", c.memory.to_string()),
            (
                "first loss",
                c.first_loss
                    .map(|l| format!("{l:.4} nats"))
                    .unwrap_or_default(),
            ),
        ]);
        text + &told
    })
}

/// What work may cost a provider at most for cheating to be a loss. What challengers are paid of a
/// slashed bond does not count: a cheater may be its own.
fn deterred(job: &Job, network: &Network) -> Option<Amount> {
    (job.market.copies < 2).then(|| {
        let stakes = Stakes {
            price: job.market.price.0,
            bond: job.market.provider_bond.0,
            challenger_share: Probability::from_ppm(network.parameters.reward_rate.0),
            cost: 0,
            dishonest: Probability::ratio(1, 3),
            auditors: job.audit.auditors,
        };
        Amount(stakes.deterred_cost())
    })
}

/// The network in `--dir`, if there is one, else one as networks begin.
pub(crate) fn network(global: &Global) -> Result<Network, Failure> {
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
