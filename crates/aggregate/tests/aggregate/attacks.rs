//! Liars in a federated problem: the mean collapses, the default does not.
//!
//! Thirty trainers fit a linear model by gradient steps, each on data of its own that leans another way.
//! Liars know what all honest ones send. Everything is drawn from one seed.

use assay_aggregate::{Liars, Quantiser, Rule, Settings};
use assay_crypto::Digest;
use assay_crypto::stream::Stream;

use crate::common::run;

const TRAINERS: usize = 30;
const FEATURES: usize = 40;
const ROUNDS: usize = 120;

/// What liars send, given the mean and deviation of the honest updates.
#[derive(Clone, Copy, Debug)]
enum Attack {
    /// Four times the mean, turned around.
    SignFlip,
    /// A little less than the mean in every coordinate, too little to stand out (Baruch, Baruch and Goldberg, "A
    /// little is enough", 2019).
    LittleIsEnough,
    /// The mean turned around, by as much as turns the sum of nine among thirty (Xie, Koyejo and Gupta, "Fall of empires", 2020).
    InnerProduct,
}

/// Trainers whose data agree on the model but for a lean of their own.
struct Problem {
    truth: Vec<f32>,
    leans: Vec<Vec<f32>>,
    stream: Stream,
}

fn uniform(stream: &mut Stream) -> f32 {
    (stream.next_u64() >> 40) as f32 / (1 << 23) as f32 - 1.0
}

impl Problem {
    fn new() -> Problem {
        let mut stream = Stream::new(Digest::of("attacks", &[]), "problem", 0);
        let mut vector = |scale: f32| {
            (0..FEATURES)
                .map(|_| uniform(&mut stream) * scale)
                .collect::<Vec<_>>()
        };
        let truth = vector(1.0);
        let leans = (0..TRAINERS).map(|_| vector(0.1)).collect();
        Problem {
            truth,
            leans,
            stream,
        }
    }

    /// The gradient of a trainer's squared loss on a batch of 32.
    fn gradient(&mut self, trainer: usize, model: &[f32]) -> Vec<f32> {
        let mut gradient = vec![0.0; FEATURES];
        for _ in 0..32 {
            let x: Vec<f32> = (0..FEATURES).map(|_| uniform(&mut self.stream)).collect();
            let target = self
                .truth
                .iter()
                .zip(&self.leans[trainer])
                .map(|(t, l)| t + l);
            let wrong: f32 = model
                .iter()
                .zip(target)
                .zip(&x)
                .map(|((m, t), x)| (m - t) * x)
                .sum();
            for (sum, x) in gradient.iter_mut().zip(&x) {
                *sum += wrong * x / 32.0;
            }
        }
        gradient
    }

    fn distance(&self, model: &[f32]) -> f32 {
        let square = model
            .iter()
            .zip(&self.truth)
            .map(|(m, t)| (m - t) * (m - t));
        square.sum::<f32>().sqrt()
    }
}

fn lie(attack: Attack, honest: &[Vec<f32>]) -> Vec<f32> {
    let count = honest.len() as f32;
    let column = |k: usize| honest.iter().map(move |row| row[k]);
    let mean: Vec<f32> = (0..FEATURES)
        .map(|k| column(k).sum::<f32>() / count)
        .collect();
    let deviation = |k: usize| {
        (column(k)
            .map(|v| (v - mean[k]) * (v - mean[k]))
            .sum::<f32>()
            / count)
            .sqrt()
    };
    match attack {
        Attack::SignFlip => mean.iter().map(|m| -4.0 * m).collect(),
        Attack::LittleIsEnough => (0..FEATURES)
            .map(|k| mean[k] - 1.2 * deviation(k))
            .collect(),
        Attack::InnerProduct => mean.iter().map(|m| -2.5 * m).collect(),
    }
}

/// How far the model ends up from the truth; at the start it is 1.
fn train(liars: usize, attack: Attack, settings: &Settings) -> f32 {
    let mut problem = Problem::new();
    let start = problem.distance(&[0.0; FEATURES]);
    let quantiser = Quantiser::new(20, 14).unwrap();
    let mut model = vec![0.0; FEATURES];
    for round in 0..ROUNDS {
        let honest: Vec<_> = (liars..TRAINERS)
            .map(|trainer| problem.gradient(trainer, &model))
            .collect();
        let mut updates = vec![lie(attack, &honest); liars];
        updates.extend(honest);
        let seed = Digest::of("round", &[&(round as u64).to_le_bytes()]);
        let limit = quantiser.largest() as f32 * quantiser.step();
        let integers = (0..).zip(&updates).map(|(i, update)| {
            let bounded: Vec<f32> = update.iter().map(|v| v.clamp(-limit, limit)).collect();
            quantiser.quantise(&bounded, &seed, i).unwrap()
        });
        let integers: Vec<_> = integers.collect();
        let update = quantiser.restore(&run(&integers, quantiser.bits(), settings).update);
        for (value, step) in model.iter_mut().zip(update) {
            *value -= 0.5 * step;
        }
    }
    problem.distance(&model) / start
}

const ATTACKS: [Attack; 3] = [
    Attack::SignFlip,
    Attack::LittleIsEnough,
    Attack::InnerProduct,
];

#[test]
fn the_default_learns_with_one_two_and_three_liars_of_ten() {
    let clean = train(0, Attack::SignFlip, &Settings::default());
    assert!(clean < 0.1, "{clean}");
    for attack in ATTACKS {
        for liars in [3, 6, 9] {
            let left = train(liars, attack, &Settings::default());
            assert!(left < 0.3, "{attack:?} by {liars}: {left}");
        }
    }
}

#[test]
fn the_mean_collapses_under_three_liars_of_ten() {
    let settings = Settings::rule(Rule::Mean);
    assert!(train(0, Attack::SignFlip, &settings) < 0.1);
    for (attack, least) in [(Attack::SignFlip, 0.9), (Attack::InnerProduct, 0.9)] {
        let left = train(9, attack, &settings);
        assert!(left > least || left.is_nan(), "{attack:?}: {left}");
    }
}

#[test]
fn other_robust_rules_stand_a_fifth_of_liars_that_turn_around() {
    let liars = Liars::Count(6);
    let rules = [
        Rule::Median,
        Rule::TrimmedMean { liars },
        Rule::MultiKrum { liars, keep: 20 },
        Rule::Bulyan { liars },
        Rule::GeometricMedian { iterations: 8 },
    ];
    for rule in rules {
        let left = train(6, Attack::SignFlip, &Settings::rule(rule));
        assert!(left < 0.3, "{rule:?}: {left}");
    }
}
