//! A step told without the model's files.

use std::path::Path;

use assay_crypto::Digest;
use assay_job::{Course, Job, Local, Registry};
use assay_ledger::Terms;
use assay_model::{ModelShape, Plan, TrainState, Trainer, state_values};
use assay_proof::{ProgramError, Programs, Task};

fn job(changes: &[(&str, &str)]) -> Job {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut text = std::fs::read_to_string(folder.join("finetune.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from}");
        text = text.replacen(from, to, 1);
    }
    assay_job::read(&text, &folder).unwrap()
}

/// Whoever has only the specification and the few bytes of the model that an order tells enumerates the very operators of a
/// run, and tells its memory and arithmetic.
#[test]
fn a_step_is_told_from_public_facts() {
    let changes: [&[(&str, &str)]; 3] = [
        &[],
        &[(
            "batch_size = 8",
            "batch_size = 8\ngradient_accumulation_steps = 4",
        )],
        &[(
            "warmup_steps = 8",
            "warmup_steps = 8\nactivation_storage = \"bfloat16\"",
        )],
    ];
    for job in changes.map(job) {
        let course = Course::new(&Local::new(&job, Digest::ZERO).unwrap().task).unwrap();
        let shape = ModelShape::of(course.base().config());
        let bytes = shape.to_bytes();
        assert_eq!((bytes.len(), bytes[0]), (41, 1));
        assert_eq!(bytes.len(), Terms::MODEL_BYTES);
        assert_eq!(bytes[0], Terms::MODEL_VERSION);
        let shape = ModelShape::from_bytes(&bytes).unwrap();
        let step = job.kind.step(&job.specification, &shape).unwrap();
        let trainer = Trainer::new(
            course.kernel(),
            course.base().clone(),
            course.method(),
            course.settings(),
            course.shape(),
            course.seed(),
        )
        .unwrap();
        let (public, run) = (step.graph().unwrap(), trainer.graph());
        assert_eq!(public.digest(), run.digest());
        assert_eq!(&public, run);
        let told = step.footprint().unwrap();
        assert_eq!(told.weights, course.base().bytes() as u64);
        let (planned, work) = (Plan::new(run).bytes() as u64, run.work());
        let off = told.step.abs_diff(planned) * 100 / planned;
        assert!(off <= 5, "{told:?}, {planned}");
        assert!(
            (work..work + work / 4).contains(&told.work),
            "{told:?}, {work}"
        );
        let state = TrainState::new(course.state().adapter().clone()).to_bytes();
        let values = state_values(course.base().config(), course.method());
        assert_eq!(state.len() as u64, 64 + 4 * values);
    }
}

/// A provider took the work by what the order tells; whoever then has the files refuses any other
/// model, by the first size that differs.
#[test]
fn an_order_that_tells_of_another_model_is_refused() {
    let mut task = Local::new(&job(&[]), Digest::ZERO).unwrap().task;
    assert!(Registry.build(&task).is_ok());
    let told = ModelShape::from_bytes(&task.model).unwrap();
    let refused = |task: &Task| match Registry.build(task).err() {
        Some(ProgramError::Refused(text)) => text,
        other => panic!("{other:?}"),
    };
    let changed = ModelShape {
        intermediate_size: told.intermediate_size + 1,
        ..told
    };
    task.model = changed.to_bytes();
    let text = refused(&task);
    let sizes = format!(
        "intermediate_size = {}, and its model's is {}",
        changed.intermediate_size, told.intermediate_size
    );
    assert!(text.contains(&sizes), "{text}");
    for place in 0..ModelShape::BYTES {
        task.model = told.to_bytes();
        task.model[place] ^= 1;
        refused(&task);
    }
    task.model = told.to_bytes();
    task.model.push(0);
    refused(&task);
    task.model.clear();
    refused(&task);
}

/// Sizes from nowhere are a model or an error, and are priced at once.
#[test]
fn any_shape_is_answered() {
    let huge = ModelShape {
        vocab_size: 1 << 20,
        hidden_size: 65_536,
        intermediate_size: 1 << 20,
        num_hidden_layers: 1_024,
        num_attention_heads: 1_024,
        num_key_value_heads: 1_024,
        head_dim: 1_024,
        max_sequence: 8_192,
        rms_norm_eps: 1e-5,
        qkv_bias: true,
        o_bias: true,
        mlp_bias: true,
        tie_word_embeddings: false,
    };
    let job = job(&[]);
    let step = |shape: &ModelShape| job.kind.step(&job.specification, shape);
    let told = step(&huge).unwrap().footprint().unwrap();
    assert!(told.work > 1 << 50 && told.weights > 1 << 40, "{told:?}");
    let changes: [fn(&mut ModelShape); 8] = [
        |s| s.vocab_size = 0,
        |s| s.hidden_size = u32::MAX,
        |s| s.num_hidden_layers = 1_025,
        |s| s.num_key_value_heads = 3,
        |s| s.head_dim = 7,
        |s| s.max_sequence = 8_193,
        |s| s.rms_norm_eps = 0.0,
        |s| s.rms_norm_eps = f32::INFINITY,
    ];
    for change in changes {
        let mut shape = huge;
        change(&mut shape);
        assert!(step(&shape).is_err(), "{shape:?}");
    }
    let short = ModelShape {
        max_sequence: 32,
        ..huge
    };
    assert!(step(&short).unwrap().footprint().is_err());
}
