//! Updates of rounds in every encoding: whatever is read is in range, and can be read in parts. And what federations
//! and audits go on from.
#![no_main]

use assay_estimator::{ModelSpec, Specification, TrainSpec};
use assay_fuzz::plant;
use assay_rounds::{
    Age, Auditor, Encoding, Local, Look, RoundSpec, Rounds, Sender, Update, Weights,
};
use libfuzzer_sys::fuzz_target;

/// Parameters of the model that updates are of.
const COORDINATES: usize = 21;

fn spec(encoding: Encoding) -> RoundSpec {
    RoundSpec {
        learning: Specification {
            model: ModelSpec::Logistic { features: 20 },
            training: TrainSpec::at_rate(0.1),
        },
        rounds: 1,
        local_steps: 1,
        server_rate: 1.0,
        quorum: 1,
        quantiser: assay_aggregate::Quantiser::new(16, 10).expect("a valid scale"),
        encoding,
        aggregation: assay_aggregate::Settings::rule(assay_aggregate::Rule::Mean),
        weights: Weights::Equal,
        age: Age::default(),
    }
}

const ENCODINGS: [Encoding; 3] = [
    Encoding::Dense,
    Encoding::Largest { per_thousand: 200 },
    Encoding::Signs,
];

fn seeds() -> Vec<Vec<u8>> {
    let sent = |encoding| {
        let spec = spec(encoding);
        let seed = assay_crypto::Digest::ZERO;
        let rounds = Rounds::new(spec.clone(), &seed).ok()?;
        let values = (0..COORDINATES).map(|at| at as f32 - 9.5).collect();
        let local = Local {
            state: rounds.model().at_rest(values, 1).ok()?,
            valid: 1,
            invalid: 0,
            first_loss: None,
            last_loss: None,
        };
        let (head, mut sender) = (rounds.head(3), Sender::default());
        sender
            .send(&spec, &head, rounds.model(), &local, &seed)
            .ok()
    };
    let seed = assay_crypto::Digest::ZERO;
    let auditor = Auditor::new(spec(Encoding::Signs), &seed, Look::All);
    let rounds = Rounds::new(spec(Encoding::Dense), &seed);
    let saved = [
        auditor.ok().map(|of| of.to_bytes()),
        rounds.ok().map(|of| of.to_bytes()),
    ];
    let sent = ENCODINGS.into_iter().filter_map(sent);
    sent.chain(saved.into_iter().flatten()).collect()
}

fuzz_target!(init: plant(seeds()), |data: &[u8]| {
    // A digest before them refuses nearly everything; what it lets through is read again.
    if let Ok(rounds) = Rounds::from_bytes(data) {
        assert!(Rounds::from_bytes(&rounds.to_bytes()).is_ok());
    }
    if let Ok(auditor) = Auditor::from_bytes(data) {
        assert!(Auditor::from_bytes(&auditor.to_bytes()).is_ok());
    }
    if let Ok(sender) = Sender::from_bytes(data) {
        assert_eq!(sender.to_bytes(), data);
    }
    for encoding in ENCODINGS {
        let spec = spec(encoding);
        let Ok(update) = Update::decode(data, &spec, COORDINATES) else {
            continue;
        };
        let all = update.to_vec();
        assert!(all.iter().all(|value| value.abs() <= spec.quantiser.largest()));
        let mut part = [0; 8];
        update.read(7, &mut part);
        assert_eq!(part, all[7..15]);
        let mut longer = data.to_vec();
        longer.push(0);
        assert!(Update::decode(&longer, &spec, COORDINATES).is_err());
    }
});
