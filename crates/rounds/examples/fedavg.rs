//! Times rounds of many clients in one process. For `cargo xtask bench federated`.
//!
//! `... --example fedavg -- CLIENTS ROUNDS` prints a JSON object. Every client takes one step of softmax regression
//! (7,850 parameters) on 32 rows of its own and sends its update whole; a mean of them moves the model. Rows are
//! standard normal, their class the largest of ten random products, as in `bench/federated_peers.py`.

use assay_aggregate::{Quantiser, Rule, Settings};
use assay_crypto::Digest;
use assay_estimator::{Labels, ModelSpec, Order, Samples, Shard, Specification, TrainSpec, score};
use assay_kernel::{Kernel, random::Stream};
use assay_rounds::{Age, Encoding, RoundSpec, Rounds, Sender, Submission, Weights, train};
use rustix::time::{ClockId, clock_gettime};

const FEATURES: usize = 784;
const CLASSES: usize = 10;
const ROWS: usize = 32;

type Failure = Box<dyn std::error::Error>;

/// The processor time of this process, in seconds.
fn processor_time() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// Rows of one client.
fn rows(teacher: &[f32], client: u64, count: usize) -> Result<Samples, Failure> {
    let mut stream = Stream::new(&[1; 32], 1, client);
    let features: Vec<f32> = (0..count * FEATURES).map(|_| stream.normal()).collect();
    let class = |row: &[f32]| {
        let product =
            |weights: &[f32]| -> f32 { weights.iter().zip(row).map(|(w, x)| w * x).sum() };
        let products: Vec<f32> = teacher.chunks(FEATURES).map(product).collect();
        let best = (0..CLASSES).max_by(|a, b| products[*a].total_cmp(&products[*b]));
        best.unwrap_or(0) as u32
    };
    let classes = features.chunks(FEATURES).map(class).collect();
    let labels = Labels::classes(classes, CLASSES as u32)?;
    Ok(Samples::new(features, FEATURES, labels)?)
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut next = |usual| numbers.next().unwrap_or(Ok(usual));
    let (clients, rounds) = (next(100)?, next(8)?);
    let spec = RoundSpec {
        learning: Specification {
            model: ModelSpec::Softmax {
                features: FEATURES as u32,
                classes: CLASSES as u32,
            },
            training: TrainSpec::at_rate(0.1),
        },
        rounds,
        local_steps: 1,
        server_rate: 1.0,
        quorum: 1,
        quantiser: Quantiser::new(16, 14)?,
        encoding: Encoding::Dense,
        aggregation: Settings::rule(Rule::Mean),
        weights: Weights::Rows,
        age: Age::default(),
    };
    let mut stream = Stream::new(&[1; 32], 0, 0);
    let teacher: Vec<f32> = (0..FEATURES * CLASSES).map(|_| stream.normal()).collect();
    let shards = (0..clients).map(|client| Ok(Shard::new(rows(&teacher, client, ROWS)?)));
    let shards: Vec<Shard> = shards.collect::<Result<_, Failure>>()?;
    let kernel = Kernel::from_settings(None, std::env::var("ASSAY_THREADS").ok().as_deref())?;
    let mut federation = Rounds::new(spec.clone(), &Digest::ZERO)?;
    let mut senders = vec![Sender::default(); shards.len()];
    let began = processor_time();
    while !federation.is_over() {
        let round = federation.round();
        let seed = Digest::of("fedavg", &[&round.to_le_bytes()]);
        let mut sent = Vec::with_capacity(shards.len());
        for (trainer, (shard, sender)) in (0..).zip(shards.iter().zip(&mut senders)) {
            let order = Order {
                seed: seed.0,
                round,
                trainer,
            };
            let model = federation.model();
            let local = train(&kernel, &spec, model, shard, order)?;
            let head = federation.head(trainer);
            sent.push(sender.send(&spec, &head, model, &local, &seed)?);
        }
        let submission = |(trainer, bytes)| Submission {
            trainer,
            rows: ROWS as u64,
            bytes,
        };
        let bytes = sent.iter().map(Vec::as_slice);
        let submissions: Vec<_> = (0..).zip(bytes).map(submission).collect();
        let merged = federation.merge(&kernel, &seed, &submissions)?;
        assert!(merged.left_out.is_empty(), "{merged:?}");
    }
    let seconds = (processor_time() - began) / rounds as f64;
    let held = rows(&teacher, u64::MAX, 2_000)?;
    let accuracy = score(&kernel, federation.model(), &held)?.accuracy();
    println!(
        r#"{{"clients":{clients},"rounds":{rounds},"cpu_s_per_round":{seconds},"accuracy":{}}}"#,
        accuracy.unwrap_or(0.0)
    );
    Ok(())
}
