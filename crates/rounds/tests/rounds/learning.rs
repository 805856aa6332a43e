//! What rounds learn from real data.

use assay_crypto::Digest;
use assay_estimator::{Order, Shard, State, Trainer};
use assay_kernel::{Isa, Kernel};
use assay_rounds::{Age, Encoding, RoundSpec, Rounds, Sender, Submission};

use crate::common::{
    Federation, accuracy, alike, digits, kernel, plain, relabelled, seed, spec, unlike,
};

/// One process on all rows, with as many rows seen as all trainers see together.
fn alone(spec: &RoundSpec, trainers: u64) -> State {
    let begun = Rounds::new(spec.clone(), &Digest::ZERO).unwrap();
    let order = Order {
        seed: [0; 32],
        round: 0,
        trainer: 0,
    };
    let mut state = begun.model().clone();
    let mut trainer = Trainer::new(&kernel(), &spec.learning, order).unwrap();
    let shard = Shard::new(digits().0.clone());
    for step in 0..spec.rounds * spec.local_steps * trainers {
        assert!(trainer.step(&mut state, &shard, step).unwrap().is_valid());
    }
    state
}

#[test]
fn twenty_trainers_learn_what_one_process_learns() {
    let mut spec = RoundSpec {
        rounds: 80,
        local_steps: 32,
        ..spec()
    };
    spec.learning.training.learning_rate = 2.0;
    let alone = accuracy(&alone(&spec, 20));
    let run = |shards| Federation::new(spec.clone(), shards).run().accuracy();
    let alike = run(alike(&digits().0, 20));
    let unlike = run(unlike(&digits().0, 20, 0.5));
    println!("alone {alone:.4}, alike {alike:.4}, unlike {unlike:.4}");
    assert!(alike >= 0.99 * alone);
    assert!(unlike >= 0.98 * alone);
}

#[test]
fn bytes_against_what_is_learned() {
    let ways = [
        (1, Encoding::Dense),
        (8, Encoding::Dense),
        (64, Encoding::Dense),
        (8, Encoding::Largest { per_thousand: 100 }),
        (8, Encoding::Largest { per_thousand: 10 }),
        (8, Encoding::Signs),
    ];
    for (local_steps, encoding) in ways {
        let spec = RoundSpec {
            local_steps,
            encoding,
            rounds: 240_u64.div_ceil(local_steps),
            ..spec()
        };
        let mut federation = Federation::new(spec, alike(&digits().0, 10));
        let mut bytes = 0;
        while !federation.rounds.is_over() {
            let mut sent = Vec::new();
            for trainer in 0..10 {
                let local = federation.local(trainer).unwrap();
                sent.push((trainer, federation.sent(trainer, &local)));
            }
            bytes += sent.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            federation.merge(&sent);
        }
        let accuracy = federation.accuracy();
        println!("H {local_steps:3} {encoding:?}: {bytes} bytes, {accuracy:.4}");
        assert!(accuracy > 0.85, "{encoding:?}");
    }
}

/// Every part of a round computes the same bits with every instruction set and number of threads.
#[test]
fn every_machine_computes_the_same_model() {
    let mut kernels = vec![Kernel::without_fma(1).unwrap()];
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        kernels.extend([1, 3].map(|threads| Kernel::new(isa, threads).unwrap()));
    }
    for encoding in [
        Encoding::Dense,
        Encoding::Largest { per_thousand: 50 },
        Encoding::Signs,
    ] {
        let spec = RoundSpec {
            rounds: 3,
            encoding,
            aggregation: assay_aggregate::Settings::default(),
            quorum: 3,
            ..spec()
        };
        let wanted = Federation::new(spec.clone(), alike(&digits().0, 7)).run();
        for kernel in &kernels {
            let mut other = Federation::new(spec.clone(), alike(&digits().0, 7));
            other.kernel = kernel.clone();
            let other = other.run();
            assert_eq!(wanted.rounds.model(), other.rounds.model(), "{kernel:?}");
            assert_eq!(wanted.senders, other.senders, "{kernel:?}");
        }
    }
}

/// Trainers that come and go are no part of the seed: whoever has the updates alone, some time later, comes to
/// the same models.
#[test]
fn joins_and_leaves_change_nothing_for_whoever_replays() {
    let mut federation = Federation::new(spec(), alike(&digits().0, 12));
    let mut written = Vec::new();
    for round in 0..10 {
        let there = (0..12).filter(|of| (of + round) % 5 != 0);
        let sent: Vec<(usize, Vec<u8>)> = there
            .map(|trainer| {
                let local = federation.local(trainer).unwrap();
                (trainer, federation.sent(trainer, &local))
            })
            .collect();
        federation.merge(&sent);
        written.push((sent, federation.rounds.model().digest()));
    }
    let mut replayed = Rounds::new(spec(), &Digest::ZERO).unwrap();
    for (sent, digest) in written {
        let submission = |(trainer, bytes): &(usize, Vec<u8>)| (*trainer as u64, bytes.clone());
        let sent: Vec<(u64, Vec<u8>)> = sent.iter().map(submission).collect();
        let submissions: Vec<_> = sent
            .iter()
            .map(|(trainer, bytes)| Submission {
                trainer: *trainer,
                rows: 1,
                bytes,
            })
            .collect();
        let seed = seed(replayed.round());
        replayed.merge(&plain(), &seed, &submissions).unwrap();
        assert_eq!(replayed.model().digest(), digest);
    }
}

/// A third of the trainers is always a round late, or two.
#[test]
fn late_updates_help_where_they_are_asked_for() {
    let spec = RoundSpec {
        age: Age {
            most: 2,
            decay: 1 << 19,
        },
        ..spec()
    };
    let mut federation = Federation::new(spec, alike(&digits().0, 12));
    let mut late: Vec<Vec<(usize, Vec<u8>)>> = Vec::new();
    while !federation.rounds.is_over() {
        let mut sent = Vec::new();
        for trainer in 0..12 {
            let local = federation.local(trainer).unwrap();
            sent.push((trainer, federation.sent(trainer, &local)));
        }
        late.push(sent.split_off(8));
        if late.len() > 2 {
            sent.extend(late.remove(0));
        }
        let merged = federation.merge(&sent);
        assert_eq!(merged.left_out, []);
    }
    assert!(federation.accuracy() > 0.9, "{}", federation.accuracy());
}

/// What is sent and what is left unsent add up to where the steps led, as far as floats add up.
#[test]
fn nothing_is_lost_that_is_left_unsent() {
    for encoding in [Encoding::Largest { per_thousand: 30 }, Encoding::Signs] {
        let spec = RoundSpec { encoding, ..spec() };
        let mut federation = Federation::new(spec.clone(), alike(&digits().0, 1));
        let mut all = vec![0.0f64; 650];
        let mut sent = vec![0.0f64; 650];
        for _ in 0..20 {
            let local = federation.local(0).unwrap();
            let began = federation.rounds.model().parameters().to_vec();
            let moved = local.state.parameters().iter().zip(&began);
            for (all, (to, from)) in all.iter_mut().zip(moved) {
                *all += f64::from(to - from);
            }
            let bytes = federation.sent(0, &local);
            let update = assay_rounds::Update::decode(&bytes, &spec, 650).unwrap();
            let values = spec.quantiser.restore(&update.to_vec());
            for (sent, value) in sent.iter_mut().zip(values) {
                *sent += f64::from(value);
            }
            federation.merge(&[(0, bytes)]);
        }
        let unsent = federation.senders[0].unsent();
        assert_eq!(unsent.len(), 650);
        for ((all, sent), unsent) in all.iter().zip(&sent).zip(unsent) {
            assert!((all - sent - f64::from(*unsent)).abs() < 1e-4);
        }
    }
}

#[test]
fn who_learns_nothing_sends_nothing_and_says_why() {
    // No rows.
    let empty = Shard::new(digits().0.of_rows(&[]));
    let federation = Federation::new(spec(), vec![empty]);
    let (model, order) = (
        federation.rounds.model(),
        Order {
            seed: [0; 32],
            round: 0,
            trainer: 0,
        },
    );
    let failed = |spec: &RoundSpec, shard: &Shard| {
        let local = assay_rounds::train(&kernel(), spec, model, shard, order);
        match local {
            Err(error) => error.to_string(),
            Ok(local) => {
                let head = federation.rounds.head(0);
                let sent = Sender::default().send(spec, &head, model, &local, &seed(0));
                let error: &dyn std::error::Error = &sent.unwrap_err();
                format!("{error}: {}", error.source().unwrap())
            }
        }
    };
    let said = failed(&spec(), &federation.shards[0]);
    assert!(
        said.contains("none of 8 steps") && said.contains("empty"),
        "{said}"
    );
    // Too large for the scale: an error, and nothing is clipped.
    let mut far = spec();
    far.learning.training.learning_rate = 1e4;
    let said = failed(
        &far,
        &relabelled(&alike(&digits().0, 5)[0], |class| 9 - class),
    );
    assert!(said.contains("nothing was clipped"), "{said}");
    assert!(said.contains("outside of"), "{said}");
}

#[test]
fn a_merged_model_is_read_back_as_any_state() {
    let mut federation = Federation::new(spec(), alike(&digits().0, 3));
    federation.round();
    let model = federation.rounds.model();
    assert_eq!(model.steps(), 8);
    let read = State::from_bytes(&model.to_bytes(), model.model()).unwrap();
    assert_eq!(&read, model);
}

/// A submission is no more than what it says.
#[test]
fn a_mean_weighs_by_rows_where_it_is_told_to() {
    let spec = RoundSpec {
        weights: assay_rounds::Weights::Rows,
        ..spec()
    };
    let mut federation = Federation::new(spec.clone(), alike(&digits().0, 2));
    let sent: Vec<Vec<u8>> = (0..2)
        .map(|trainer| {
            let local = federation.local(trainer).unwrap();
            federation.sent(trainer, &local)
        })
        .collect();
    let update = |bytes: &[u8]| {
        let update = assay_rounds::Update::decode(bytes, &spec, 650).unwrap();
        spec.quantiser.restore(&update.to_vec())
    };
    let (first, second) = (update(&sent[0]), update(&sent[1]));
    let before = federation.rounds.model().parameters().to_vec();
    let submission = |trainer: usize, rows| Submission {
        trainer: trainer as u64,
        rows,
        bytes: &sent[trainer],
    };
    let both = [submission(0, 300), submission(1, 100)];
    federation.rounds.merge(&kernel(), &seed(0), &both).unwrap();
    let step = spec.quantiser.step();
    for (at, after) in federation.rounds.model().parameters().iter().enumerate() {
        let wanted = before[at] + 0.75 * first[at] + 0.25 * second[at];
        assert!((after - wanted).abs() <= step, "{after} {wanted}");
    }
}
