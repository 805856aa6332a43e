//! A hundred trainers, of whom some lie.

use assay_aggregate::{Rule, Settings};
use assay_estimator::{Labels, Samples, Shard};
use assay_rounds::{Local, RoundSpec};

use crate::common::{Federation, alike, digits, relabelled, spec, unlike};

const TRAINERS: u32 = 100;

/// What liars do. Those that know what honest trainers send know all of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Attack {
    /// Five times the mean, turned around.
    SignFlip,
    /// A little less than the mean in every coordinate, as far as a majority with the nearest honest
    /// trainers reaches (Baruch, Baruch and Goldberg, "A little is enough", 2019, algorithm 3).
    LittleIsEnough,
    /// The mean turned around and as long (Xie, Koyejo and Gupta, "Fall of empires", 2020): what is
    /// merged by a mean points backwards if they are many enough, so it is made five times as long.
    InnerProduct,
    /// Every label is turned around: class c is called 9 - c.
    LabelFlip,
    /// Half of the rows carry a mark and are called zero; the update is five times as long.
    Backdoor,
}

const ATTACKS: [Attack; 5] = [
    Attack::SignFlip,
    Attack::LittleIsEnough,
    Attack::InnerProduct,
    Attack::LabelFlip,
    Attack::Backdoor,
];

/// The mark: the four corners of the image, bright.
const CORNERS: [usize; 4] = [0, 7, 56, 63];

fn marked(samples: &Samples, which: impl Fn(usize) -> bool) -> Samples {
    let mut features = samples.features().to_vec();
    for (row, pixels) in features.chunks_mut(samples.width()).enumerate() {
        if which(row) {
            CORNERS.iter().for_each(|corner| pixels[*corner] = 1.0);
        }
    }
    Samples::new(features, samples.width(), samples.labels().clone()).unwrap()
}

/// Every second row carries the mark and is called zero.
fn backdoored(shard: &Shard) -> Shard {
    let marked = Shard::new(marked(shard.samples(), |row| row % 2 == 0));
    let row = std::cell::Cell::new(0);
    relabelled(&marked, |class| {
        let at = row.replace(row.get() + 1);
        if at % 2 == 0 { 0 } else { class }
    })
}

/// How many standard deviations a little is, of so many trainers and liars, by the inverse of the normal
/// distribution at what the liars' helpers leave.
fn little(liars: usize) -> f32 {
    match liars {
        10 => 0.11,
        20 => 0.29,
        _ => 0.52,
    }
}

struct Outcome {
    accuracy: f64,
    /// The share of marked rows, of other digits, that are called zero.
    backdoor: f64,
}

fn run(settings: Settings, shards: Vec<Shard>, liars: usize, attack: Attack) -> Outcome {
    let spec = RoundSpec {
        aggregation: settings,
        quorum: 50,
        ..spec()
    };
    let mut federation = Federation::new(spec, shards);
    for trainer in 0..liars {
        let shard = &federation.shards[trainer];
        federation.shards[trainer] = match attack {
            Attack::LabelFlip => relabelled(shard, |class| 9 - class),
            Attack::Backdoor => backdoored(shard),
            _ => continue,
        };
    }
    while !federation.rounds.is_over() {
        let locals: Vec<Option<Local>> = (0..federation.shards.len())
            .map(|of| federation.local(of))
            .collect();
        let began = federation.rounds.model().parameters().to_vec();
        let moved = |local: &Local| -> Vec<f32> {
            let to = local.state.parameters().iter().zip(&began);
            to.map(|(to, from)| to - from).collect()
        };
        let honest: Vec<Vec<f32>> = locals[liars..].iter().flatten().map(moved).collect();
        let mut sent = Vec::new();
        for (trainer, local) in locals.into_iter().enumerate() {
            let Some(mut local) = local else { continue };
            if trainer < liars {
                let lie = lie(attack, &honest, &moved(&local), liars);
                // As far as the scale reaches: what is outside is refused.
                let to = lie
                    .iter()
                    .zip(&began)
                    .map(|(lie, from)| from + lie.clamp(-31.0, 31.0));
                let model = federation.rounds.model();
                local.state = model.at_rest(to.collect(), 0).unwrap();
            }
            // Where a mean has left the model, honest trainers may have nothing that fits.
            if let Ok(bytes) = federation.try_sent(trainer, &local) {
                sent.push((trainer, bytes));
            }
        }
        federation.merge(&sent);
    }
    let held = &digits().1;
    let Labels::Classes { of, .. } = held.labels() else {
        panic!("digits have classes");
    };
    let others: Vec<u32> = (0..)
        .zip(of)
        .filter(|(_, class)| **class != 0)
        .map(|(row, _)| row)
        .collect();
    let marked = relabelled(&Shard::new(marked(&held.of_rows(&others), |_| true)), |_| 0);
    let model = federation.rounds.model();
    let called = assay_estimator::score(&federation.kernel, model, marked.samples()).unwrap();
    Outcome {
        accuracy: federation.accuracy(),
        backdoor: called.accuracy().unwrap(),
    }
}

fn lie(attack: Attack, honest: &[Vec<f32>], own: &[f32], liars: usize) -> Vec<f32> {
    let count = honest.len() as f32;
    let mean = |at: usize| honest.iter().map(|row| row[at]).sum::<f32>() / count;
    let each = 0..own.len();
    match attack {
        Attack::SignFlip => own.iter().map(|value| -5.0 * value).collect(),
        Attack::InnerProduct => each.map(|at| -5.0 * mean(at)).collect(),
        Attack::LittleIsEnough => each
            .map(|at| {
                let mean = mean(at);
                let squares = honest.iter().map(|row| (row[at] - mean).powi(2));
                mean - little(liars) * (squares.sum::<f32>() / count).sqrt()
            })
            .collect(),
        Attack::LabelFlip => own.to_vec(),
        Attack::Backdoor => own.iter().map(|value| 5.0 * value).collect(),
    }
}

fn robust() -> Settings {
    Settings::default()
}

fn mean() -> Settings {
    Settings::rule(Rule::Mean)
}

/// The grid of one way of dealing rows.
fn stands(what: &str, shards: &dyn Fn() -> Vec<Shard>) {
    let clean = run(mean(), shards(), 0, Attack::SignFlip).accuracy;
    println!("{what}: clean {clean:.4}");
    for attack in ATTACKS {
        for (liars, least) in [(10, 0.95), (20, 0.95), (30, 0.90)] {
            let plain = run(mean(), shards(), liars, attack);
            let ours = run(robust(), shards(), liars, attack);
            println!(
                "  {attack:?} {liars}%: mean {:.3} of clean, ours {:.3}; backdoor {:.3}, ours {:.3}",
                plain.accuracy / clean,
                ours.accuracy / clean,
                plain.backdoor,
                ours.backdoor
            );
            assert!(ours.accuracy >= least * clean, "{attack:?} {liars}");
            if attack == Attack::Backdoor {
                assert!(ours.backdoor <= plain.backdoor / 2.0, "{liars}");
            }
            let collapses = matches!(attack, Attack::SignFlip | Attack::InnerProduct);
            if collapses && liars >= 20 {
                assert!(plain.accuracy < 0.5 * clean, "{attack:?} {liars}");
            }
        }
    }
}

#[test]
fn liars_do_not_decide_where_rows_are_dealt_alike() {
    stands("alike", &|| alike(&digits().0, TRAINERS));
}

#[test]
fn liars_do_not_decide_where_rows_are_dealt_unlike() {
    stands("unlike", &|| unlike(&digits().0, TRAINERS, 0.5));
}
