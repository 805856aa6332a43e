//! A federation on real data: handwritten digits, dealt to trainers.

use std::path::Path;
use std::sync::OnceLock;

use assay_crypto::Digest;
use assay_data::Format;
use assay_data::table::Table;
use assay_estimator::{
    Labels, ModelSpec, Order, Samples, Shard, Specification, Split, State, TableSpec, TrainSpec,
    hold_out, score,
};
use assay_kernel::{Isa, Kernel};
use assay_rounds::{
    Age, Encoding, Event, Local, Merged, RoundSpec, Rounds, Sender, Submission, Weights, train,
};
use proptest::prelude::ProptestConfig;

/// The digits, a fifth of them held out; pixels from 0 to 1.
pub(crate) fn digits() -> &'static (Samples, Samples) {
    static DIGITS: OnceLock<(Samples, Samples)> = OnceLock::new();
    DIGITS.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tables/digits.csv");
        let table = Table::open(std::fs::read(path).unwrap(), Format::Csv).unwrap();
        let spec = TableSpec {
            label: "digit".into(),
            classes: (0..10).map(|n| n.to_string()).collect(),
            ..TableSpec::default()
        };
        let all = spec.read(table).unwrap();
        let features = all.features().iter().map(|pixel| pixel / 16.0).collect();
        let all = Samples::new(features, all.width(), all.labels().clone()).unwrap();
        let (kept, held) = hold_out(all.rows(), 200, &[0; 32]);
        (all.of_rows(&kept), all.of_rows(&held))
    })
}

/// Softmax regression on them, 650 parameters.
pub(crate) fn spec() -> RoundSpec {
    RoundSpec {
        learning: Specification {
            model: ModelSpec::Softmax {
                features: 64,
                classes: 10,
            },
            training: TrainSpec {
                batch_size: 16,
                ..TrainSpec::at_rate(1.0)
            },
        },
        rounds: 30,
        local_steps: 8,
        server_rate: 1.0,
        quorum: 1,
        quantiser: assay_aggregate::Quantiser::new(20, 14).unwrap(),
        encoding: Encoding::Dense,
        aggregation: assay_aggregate::Settings::rule(assay_aggregate::Rule::Mean),
        weights: Weights::Equal,
        age: Age::default(),
    }
}

/// How many cases a property is tried with; `ASSAY_CASES` sets it.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("ASSAY_CASES").ok();
    ProptestConfig::with_cases(cases.map_or(usual, |n| n.parse().unwrap()))
}

/// What a round draws.
pub(crate) fn seed(round: u64) -> Digest {
    Digest::of("test round", &[&round.to_le_bytes()])
}

/// The fastest of one thread: these models are too small for more.
pub(crate) fn kernel() -> Kernel {
    Kernel::new(Kernel::detect().unwrap().isa(), 1).unwrap()
}

/// The plainest way to compute.
pub(crate) fn plain() -> Kernel {
    Kernel::new(Isa::Scalar, 1).unwrap()
}

/// Rows dealt alike.
pub(crate) fn alike(samples: &Samples, trainers: u32) -> Vec<Shard> {
    let split = Split::iid(samples.rows(), trainers, &[1; 32]).unwrap();
    dealt(samples, &split)
}

/// Rows dealt by shares of their classes.
pub(crate) fn unlike(samples: &Samples, trainers: u32, alpha: f32) -> Vec<Shard> {
    let split = Split::dirichlet(samples.labels(), trainers, alpha, &[1; 32]).unwrap();
    dealt(samples, &split)
}

fn dealt(samples: &Samples, split: &Split) -> Vec<Shard> {
    let shard = |rows: &Vec<u32>| Shard::new(samples.of_rows(rows));
    split.rows.iter().map(shard).collect()
}

/// Steps that led to these parameters, however they did.
pub(crate) fn led_to(model: &State, parameters: Vec<f32>) -> Local {
    Local {
        state: model.at_rest(parameters, 1).unwrap(),
        valid: 1,
        invalid: 0,
        first_loss: None,
        last_loss: None,
    }
}

/// Trainers with their shards, and the model between them.
pub(crate) struct Federation {
    pub(crate) kernel: Kernel,
    pub(crate) rounds: Rounds,
    pub(crate) shards: Vec<Shard>,
    pub(crate) senders: Vec<Sender>,
}

impl Federation {
    pub(crate) fn new(spec: RoundSpec, shards: Vec<Shard>) -> Federation {
        Federation {
            kernel: kernel(),
            rounds: Rounds::new(spec, &Digest::ZERO).unwrap(),
            senders: vec![Sender::default(); shards.len()],
            shards,
        }
    }

    /// Where the steps of one trainer lead in this round.
    pub(crate) fn local(&self, trainer: usize) -> Option<Local> {
        let round = self.rounds.round();
        let order = Order {
            seed: seed(round).0,
            round,
            trainer: trainer as u64,
        };
        let (spec, model) = (self.rounds.spec(), self.rounds.model());
        train(&self.kernel, spec, model, &self.shards[trainer], order).ok()
    }

    /// The bytes of one trainer's update.
    pub(crate) fn sent(&mut self, trainer: usize, local: &Local) -> Vec<u8> {
        self.try_sent(trainer, local).unwrap()
    }

    /// The same, unless it does not fit the scale.
    pub(crate) fn try_sent(
        &mut self,
        trainer: usize,
        local: &Local,
    ) -> Result<Vec<u8>, assay_rounds::NoUpdate> {
        let round = self.rounds.round();
        let (spec, model) = (self.rounds.spec(), self.rounds.model());
        let head = self.rounds.head(trainer as u64);
        let sender = &mut self.senders[trainer];
        sender.send(spec, &head, model, local, &seed(round))
    }

    /// Merges what came of whom.
    pub(crate) fn merge(&mut self, sent: &[(usize, Vec<u8>)]) -> Merged {
        let rows = |trainer: usize| self.shards[trainer].samples().rows() as u64;
        let submissions: Vec<_> = sent
            .iter()
            .map(|(trainer, bytes)| Submission {
                trainer: *trainer as u64,
                rows: rows(*trainer),
                bytes,
            })
            .collect();
        let seed = seed(self.rounds.round());
        self.rounds
            .merge(&self.kernel, &seed, &submissions)
            .unwrap()
    }

    /// A round in which everybody is honest; who has no rows sends nothing.
    pub(crate) fn round(&mut self) -> Merged {
        let all: Vec<usize> = (0..self.shards.len()).collect();
        self.round_of(&all)
    }

    /// A round in which only these take part.
    pub(crate) fn round_of(&mut self, trainers: &[usize]) -> Merged {
        let mut sent = Vec::new();
        for trainer in trainers {
            if let Some(local) = self.local(*trainer) {
                sent.push((*trainer, self.sent(*trainer, &local)));
            }
        }
        self.merge(&sent)
    }

    /// All rounds, honestly.
    pub(crate) fn run(mut self) -> Federation {
        while !self.rounds.is_over() {
            let merged = self.round();
            assert!(matches!(merged.event, Event::Merged { .. }), "{merged:?}");
        }
        self
    }

    pub(crate) fn accuracy(&self) -> f64 {
        accuracy(self.rounds.model())
    }
}

/// On the digits that were held out.
pub(crate) fn accuracy(model: &State) -> f64 {
    score(&kernel(), model, &digits().1)
        .unwrap()
        .accuracy()
        .unwrap()
}

/// The same rows with labels of one's own.
pub(crate) fn relabelled(shard: &Shard, label: impl Fn(u32) -> u32) -> Shard {
    let samples = shard.samples();
    let Labels::Classes { count, of } = samples.labels() else {
        panic!("digits have classes");
    };
    let labels = Labels::classes(of.iter().map(|class| label(*class)).collect(), *count).unwrap();
    let features = samples.features().to_vec();
    Shard::new(Samples::new(features, samples.width(), labels).unwrap())
}
