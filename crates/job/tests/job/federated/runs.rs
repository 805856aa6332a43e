//! One trainer's round as a program.

use assay_crypto::Digest;
use assay_estimator::State;
use assay_job::{Price, Registry, federated};
use assay_ledger::{StepIndex, Taken};
use assay_proof::{Handle, ProgramError, Programs, Task};
use assay_rounds::{Age, Encoding, RoundSpec, Update, Weights};

use super::{Federation, seed};

/// Eight steps of the example on digits, of trainer 3 in round 2 with the seed of the tests: a change here is one
/// of the arithmetic, or of a format.
const GOLDEN: &str = "f09ab684714013b9e33f1f1e5fae21fd315c2fecf8208e624067d5bd69753372";

fn refused(task: &Task) -> String {
    match Registry.build(task) {
        Err(ProgramError::Refused(text)) => text,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was built"),
    }
}

#[test]
fn the_last_state_is_the_update_that_the_library_makes_bit_for_bit() {
    for changes in [
        &[][..],
        &[(
            "batch_size = 16",
            "batch_size = 16\nmomentum = 0.9\nproximal = 0.3\nmax_grad_norm = 2.0",
        )],
        &[
            ("kind = \"softmax\"", "kind = \"mlp\"\nhidden = [12]"),
            (
                "learning_rate = 1.0",
                "learning_rate = 0.2\nschedule = { kind = \"linear\", warmup_steps = 4, steps = 80 }",
            ),
        ],
    ] {
        let mut federation = Federation::new(changes, 5);
        for round in [0, 1, 2] {
            federation.round = round;
            for trainer in [0, 3] {
                let last = federation.last(trainer);
                assert_eq!(last, federation.expected(trainer).unwrap());
            }
            let lasts: Vec<_> = (0..5).map(|trainer| federation.last(trainer)).collect();
            let updates: Vec<(u16, &[u8])> = (0..).zip(lasts.iter().map(Vec::as_slice)).collect();
            federation.model = federation.merge(&updates).model.unwrap();
        }
        assert_eq!(federation.state().steps(), 24);
    }
}

#[test]
fn a_run_goes_on_from_every_state_with_the_same_bits() {
    let federation = Federation::new(&[], 5);
    let states = federation.states(2);
    assert_eq!(states.len(), 10);
    let mut program = federation.program(2);
    for from in [5, 0, 8, 9, 3, 7, 1] {
        program.restore(&states[from]).unwrap();
        assert_eq!(program.encode(), states[from], "{from}");
        for (step, state) in states.iter().enumerate().skip(from + 1) {
            let report = program.advance(StepIndex(step as u64)).unwrap();
            assert_eq!(report.taken, Taken::Valid);
            assert_eq!(report.loss_micro.is_some(), step < 9);
            assert_eq!(program.encode(), *state, "{from} {step}");
        }
    }
    let digests: Vec<_> = states
        .iter()
        .map(|state| Digest::of("test", &[state]))
        .collect();
    let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), states.len());
}

#[test]
fn a_round_has_the_golden_update() {
    let mut federation = Federation::new(&[], 5);
    federation.round = 2;
    assert_eq!(Update::name(&federation.last(3)).to_string(), GOLDEN);
}

#[test]
fn another_round_seed_trainer_model_or_shard_makes_another_update() {
    let federation = Federation::new(&[], 5);
    let last = |task: &Task| {
        let mut program = Registry.build(task).unwrap();
        program.restart().unwrap();
        for step in 1..=task.steps {
            program.advance(StepIndex(step)).unwrap();
        }
        program.encode()
    };
    let task = federation.task(1);
    let own = last(&task);
    let mut others = vec![task.clone(), task.clone(), task.clone(), task.clone(), task];
    others[0].spec = federated::run_spec(&federation.job.specification, 1, 1);
    others[1].spec = federated::run_spec(&federation.job.specification, 0, 2);
    others[2].seed = seed(7);
    let mut other = federation.model.clone();
    other[56..60].copy_from_slice(&0.25_f32.to_le_bytes());
    others[3].inputs[0].handle = Handle::in_memory(other);
    others[4].inputs[1].handle = Handle::in_memory(federation.rows[0].clone());
    for other in others {
        assert_ne!(last(&other), own);
    }
}

#[test]
fn a_step_that_gives_a_nan_changes_nothing_and_without_any_there_is_no_update() {
    let wild = [
        ("learning_rate = 1.0", "learning_rate = 1e6"),
        (
            "kind = \"softmax\"",
            "kind = \"mlp\"\nhidden = [12, 12, 12]",
        ),
    ];
    let federation = Federation::new(&wild, 5);
    let mut program = federation.program(0);
    program.restart().unwrap();
    let mut taken = Vec::new();
    let mut before = program.encode();
    for step in 1..=8 {
        let report = program.advance(StepIndex(step)).unwrap();
        if report.taken == Taken::Invalid {
            assert_eq!(program.encode(), before);
            assert!(program.fault().is_some());
        }
        taken.push(report.taken);
        before = program.encode();
    }
    assert!(taken.contains(&Taken::Invalid), "{taken:?}");
    // Steps so wild that what they lead to does not fit the scale.
    let report = program.advance(StepIndex(9)).unwrap();
    let fault = program.fault().unwrap();
    assert_eq!((report.taken, program.encode()), (Taken::Invalid, before));
    assert!(fault.contains("coordinate"), "{fault}");
    assert!(federation.expected(0).is_err());
    // From the first model nothing was learned.
    program.restart().unwrap();
    let first = program.encode();
    let report = program.advance(StepIndex(9)).unwrap();
    assert_eq!((report.taken, program.encode()), (Taken::Invalid, first));
    assert!(program.fault().unwrap().contains("none of 8 steps"));
}

#[test]
fn a_chain_that_makes_its_update_early_is_taken_on_and_comes_to_nothing() {
    let federation = Federation::new(&[], 5);
    let states = federation.states(0);
    let mut program = federation.program(0);
    program.restore(&states[9]).unwrap();
    for step in [1, 8, 9, 10, u64::MAX] {
        let report = program.advance(StepIndex(step)).unwrap();
        assert_eq!(report.taken, Taken::Invalid);
        assert_eq!(program.encode(), states[9]);
    }
    // Nor does one that counts all steps before they were taken.
    program.restore(&states[8]).unwrap();
    let report = program.advance(StepIndex(3)).unwrap();
    assert_eq!(
        (report.taken, program.encode()),
        (Taken::Invalid, states[8].clone())
    );
    // The last step can be taken on any parameters that were learned.
    program.restore(&states[4]).unwrap();
    assert_eq!(program.advance(StepIndex(9)).unwrap().taken, Taken::Valid);
}

#[test]
fn states_from_liars_are_refused_and_change_nothing() {
    let mut federation = Federation::new(&[], 5);
    federation.round = 1;
    let states = federation.states(0);
    let (parameters, update) = (&states[3], &states[9]);
    let mut program = federation.program(0);
    program.restore(parameters).unwrap();
    let honest = program.encode();
    let at = |state: &[u8], place: usize, bytes: &[u8]| {
        let mut state = state.to_vec();
        state[place..place + bytes.len()].copy_from_slice(bytes);
        state
    };
    let other = Federation::new(
        &[
            ("classes = 10", "classes = 11"),
            ("\"9\"]", "\"9\", \"x\"]"),
        ],
        5,
    );
    let mut hostile = vec![
        Vec::new(),
        vec![0; 7],
        vec![0xff; 4096],
        // Fewer and more steps than the round can lead to, values that are none, another model.
        at(parameters, 48, &7_u64.to_le_bytes()),
        at(parameters, 48, &17_u64.to_le_bytes()),
        at(parameters, 48, &u64::MAX.to_le_bytes()),
        at(parameters, 56, &f32::NAN.to_le_bytes()),
        at(parameters, 56, &f32::INFINITY.to_le_bytes()),
        at(parameters, 20, &[1]),
        federated::first_model(&other.job.specification, &Digest::ZERO).unwrap(),
        // Updates of another round, trainer, model, scale and encoding.
        at(update, 9, &[0]),
        at(update, 17, &[1]),
        at(update, 30, &[1]),
        at(update, 58, &[21]),
        at(update, 8, &[1]),
        at(update, 7, &[2]),
        // A value outside of the scale.
        at(update, 64, &[0xff, 0xff, 0x7f]),
    ];
    for state in [parameters, update] {
        hostile.extend([1, 8, 57, 60, state.len() - 1].map(|length| state[..length].to_vec()));
        hostile.push([&state[..], &[0]].concat());
    }
    for (which, state) in hostile.iter().enumerate() {
        let error = program.restore(state);
        assert!(matches!(error, Err(ProgramError::Refused(_))), "{which}");
        assert_eq!(program.encode(), honest, "{which}");
    }
}

#[test]
fn no_state_makes_a_program_panic() {
    let federation = Federation::new(&[], 5);
    let states = federation.states(0);
    let mut program = federation.program(0);
    let mut word = 7_u64;
    let mut next = || {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (word >> 33) as usize
    };
    let mut taken = 0;
    for case in 0..2_000 {
        let mut state = states[next() % states.len()].clone();
        for _ in 0..1 + next() % 4 {
            let place = if next() % 2 == 0 { next() % 70 } else { next() };
            let place = place % state.len();
            state[place] ^= 1 << (next() % 8);
        }
        if program.restore(&state).is_ok() {
            taken += 1;
            assert_eq!(program.encode(), state, "{case}");
            for step in [1 + next() as u64 % 8, 9] {
                program.advance(StepIndex(step)).unwrap();
            }
            let after = program.encode();
            program.restore(&after).unwrap();
        }
    }
    assert!((100..1_900).contains(&taken), "{taken}");
}

#[test]
fn models_rows_and_specifications_from_liars_are_refused() {
    let mut federation = Federation::new(&[], 5);
    let first = federation.model.clone();
    let learned = federation.states(0)[3].clone();
    federation.round = 3;
    let with_model = |bytes: Vec<u8>| {
        let mut task = federation.task(0);
        task.inputs[0].handle = Handle::in_memory(bytes);
        refused(&task)
    };
    let at = |place: usize, bytes: &[u8]| {
        let mut model = first.clone();
        model[place..place + bytes.len()].copy_from_slice(bytes);
        model
    };
    // Of a later round, within a round, moving, no number.
    for model in [
        at(48, &32_u64.to_le_bytes()),
        at(48, &12_u64.to_le_bytes()),
        at(48, &u64::MAX.to_le_bytes()),
        learned,
        at(first.len() - 4, &0.5_f32.to_le_bytes()),
        at(first.len() - 4, &(-0.0_f32).to_le_bytes()),
        at(56, &f32::NAN.to_le_bytes()),
        at(0, b"X"),
        first[..first.len() - 1].to_vec(),
        Vec::new(),
    ] {
        let said = with_model(model);
        assert!(said.contains("\"model\" cannot be used"), "{said}");
    }
    for rows in [Vec::new(), vec![1; 40], federation.rows[0][..80].to_vec()] {
        let mut task = federation.task(0);
        task.inputs[1].handle = Handle::in_memory(rows);
        let said = refused(&task);
        assert!(said.contains("\"rows\" cannot be used"), "{said}");
    }
    let mut without = federation.task(0);
    without.inputs.truncate(1);
    assert!(refused(&without).contains("no input named \"rows\""));

    let with_spec = |spec: Vec<u8>| {
        let task = federation.task(0);
        refused(&Task { spec, ..task })
    };
    let whole = federation.task(0).spec;
    let own = &federation.job.specification;
    for (spec, expected) in [
        (own.clone(), "neither which round"),
        (own[..own.len() - 1].to_vec(), "not canonical"),
        (whole[..whole.len() - 1].to_vec(), "11 bytes follow it"),
        ([&whole[..], &[0]].concat(), "13 bytes follow it"),
        (
            federated::run_spec(own, 10, 0),
            "round 10, and there are 10",
        ),
        (federated::run_spec(own, u64::MAX, 0), "counted from 0"),
        (federated::run_spec(own, 0, 4_096), "trainer 4096"),
        (vec![0xff; 9_000], "not canonical"),
        (Vec::new(), "not canonical"),
    ] {
        let said = with_spec(spec);
        assert!(said.contains(expected), "{said:?} lacks {expected:?}");
    }
    let spec = |change: &dyn Fn(&mut RoundSpec)| {
        let mut spec = federation.spec();
        change(&mut spec);
        with_spec(federated::run_spec(&spec.to_bytes(), 0, 0))
    };
    assert!(spec(&|of| of.encoding = Encoding::Signs).contains("only \"dense\""));
    let late = |of: &mut RoundSpec| {
        of.age = Age {
            most: 1,
            decay: 1 << 19,
        }
    };
    assert!(spec(&late).contains("only `most = 0`"));
    assert!(spec(&|of| of.weights = Weights::Rows).contains("only \"equal\""));
    assert!(spec(&|of| of.local_steps = 9).contains("is a run of 10, and this one has 9"));
    assert!(spec(&|of| of.quorum = 0).contains("quorum"));
}

#[test]
fn a_model_stays_for_the_next_round_where_nothing_was_merged() {
    let mut federation = Federation::new(&[], 5);
    let first = federation.last(0);
    federation.round = 1;
    let later = federation.last(0);
    assert_eq!(later, federation.expected(0).unwrap());
    let spec = federation.spec();
    let head = |bytes: &[u8]| *Update::decode(bytes, &spec, 650).unwrap().head();
    assert_ne!(
        head(&first).base,
        head(&later).base,
        "no update counts twice"
    );
    let state = State::from_bytes(&federation.model, &spec.learning.model).unwrap();
    assert_eq!(state.steps(), 0);
}

#[test]
fn a_run_takes_no_more_than_its_order_says() {
    let federation = Federation::new(&[], 5);
    let task = federation.task(0);
    let inputs = [
        ("model".to_owned(), federation.model.len() as u64),
        ("rows".to_owned(), federation.rows[0].len() as u64),
    ];
    let terms = super::files::terms(&federation.job);
    let told = Price::of_terms(&terms, &inputs.into()).unwrap();
    let exact = Task {
        memory: told.anywhere,
        ..task.clone()
    };
    assert!(Registry.build(&exact).is_ok());
    let less = Task {
        memory: told.anywhere - 1,
        ..task
    };
    assert!(refused(&less).contains("the order says"));
    // Three times a product of 64 features and 10 classes for each of 16 rows.
    assert_eq!(terms.step_units, 3 * 16 * 640);
}
