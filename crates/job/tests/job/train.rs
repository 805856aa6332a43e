//! Jobs that train small models on tables and images.

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use assay_crypto::Digest;
use assay_estimator::{Shard, Specification, State, export};
use assay_job::{
    BuildError, Delivery, Job, JobError, KINDS, Local, Price, Registry, Sizes, deliver,
};
use assay_ledger::{Counts, StepIndex, Taken, rules};
use assay_proof::{Handle, Program, ProgramError, Programs, Task};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// The example with these texts replaced.
fn changed(changes: &[(&str, &str)]) -> Result<Job, JobError> {
    let mut text = fs::read_to_string(examples().join("train.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from}");
        text = text.replacen(from, to, 1);
    }
    assay_job::read(&text, &examples())
}

/// A job on a table of two features and a label.
fn on_table(table: &str, model: &str, data: &str) -> Result<Job, JobError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rows.csv"), table).unwrap();
    let text = format!(
        "kind = \"train\"\nname = \"n\"\n[model]\n{model}\n[data]\npath = \"rows.csv\"\n{data}\n\
         [training]\nsteps = 20\nbatch_size = 4\nlearning_rate = 0.1\n"
    );
    assay_job::read(&text, folder.path())
}

fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[test]
fn a_contest_is_refused_as_long_as_nobody_plays_it() {
    let error = changed(&[("[market]", "[contest]\nplaces = 1\n[market]")]).unwrap_err();
    assert!(told(&error).contains("no node plays a part"), "{error}");
}

fn run(job: &Job) -> (Local, Delivery) {
    let local = Local::new(job, Digest::ZERO).unwrap();
    local.check(job).unwrap();
    let run = assay_job::run(&local.task, &mut |_| ControlFlow::Continue(())).unwrap();
    let inputs = (&local.inputs, &local.private);
    let delivery = deliver(job.kind, &job.specification, inputs, &run.state).unwrap();
    (local, delivery)
}

#[test]
fn every_kind_has_a_rule_and_works_on_a_model_where_its_rule_says_so() {
    let mut kinds: Vec<_> = KINDS.iter().map(|kind| kind.name()).collect();
    let mut known: Vec<_> = rules::kinds().collect();
    kinds.sort_unstable();
    known.sort_unstable();
    assert_eq!(kinds, known);
    for kind in KINDS {
        // Of no inputs a kind that works on a model says that it misses it.
        let works = kind.model(&Default::default()).is_err();
        assert_eq!(works, rules::on_model(kind.name()), "{}", kind.name());
    }
    assert!(!rules::on_model("mine"));
}

#[test]
fn the_example_tells_tumours_apart_and_its_files_can_be_read() {
    let job = changed(&[]).unwrap();
    let (local, delivery) = run(&job);
    let figure = |name: &str| delivery.figures[name];
    assert_eq!(figure("heldout_rows"), 113.0);
    assert!(figure("accuracy") >= 0.95, "{:?}", delivery.figures);
    assert!(figure("auc") >= 0.98, "{:?}", delivery.figures);
    assert!(figure("accuracy_of_the_commonest_class") < 0.75);
    assert_eq!(figure("invalid_steps"), 0.0);
    assert_eq!(
        (&delivery.warnings[..], &delivery.notes[..]),
        (&[][..], &[][..])
    );

    let file = |name: &str| &delivery.files.iter().find(|(of, _)| of == name).unwrap().1;
    let description = std::str::from_utf8(file("model.json")).unwrap();
    let description = export::Description::from_json(description).unwrap();
    assert_eq!(description.steps, 300);
    assert_eq!(description.classes, ["malignant", "benign"]);
    assert_eq!(
        (description.features.len(), description.features[0].as_str()),
        (30, "mean_radius")
    );
    // The rows are raw in the file and standardised in the shard.
    assert!(description.scaling.as_ref().unwrap().mean[3] > 100.0);
    let state = export::from_safetensors(file("model.safetensors"), &description).unwrap();
    assert!(state.parameters().iter().any(|value| *value != 0.0));
    // Names and held-out rows are for the requester alone.
    let inputs: Vec<_> = local.inputs.keys().collect();
    assert_eq!(inputs, ["data"]);
    let rows = local.inputs["data"].whole(1 << 30).unwrap();
    let named = rows.windows(11).any(|bytes| bytes == b"mean_radius");
    assert!(!named, "the provider would read the names of the columns");
    assert_eq!(
        local.private.keys().collect::<Vec<_>>(),
        ["columns", "heldout"]
    );
}

/// What validators of a contest find: the same number from the same bytes, whoever looks.
#[test]
fn a_final_state_has_a_score_on_a_test_set_that_is_a_whole_number() {
    let job = changed(&[]).unwrap();
    let test = Local::new(&job, Digest::ZERO).unwrap().private["heldout"].clone();
    let trained = |seed: u8| {
        let local = Local::new(&job, Digest([seed; 32])).unwrap();
        let run = assay_job::run(&local.task, &mut |_| ControlFlow::Continue(())).unwrap();
        let inputs = (&local.inputs, &local.private);
        let figures = deliver(job.kind, &job.specification, inputs, &run.state).unwrap();
        let state = assay_ledger::StateFile::decode(&run.state)
            .unwrap()
            .1
            .to_vec();
        (state, figures.figures["accuracy"])
    };
    let score = |state: &[u8]| job.kind.score(&job.specification, state, &test);
    for seed in [1, 2, 3] {
        let (state, accuracy) = trained(seed);
        let found = score(&state).unwrap();
        let accuracy = (accuracy * 1e6).floor() as u64;
        assert!(found.abs_diff(accuracy) <= 1, "{seed}: {found} {accuracy}");
        assert_eq!(score(&state).unwrap(), found);
        // Another seed gives another model: nobody's is another's.
        assert_ne!(state, trained(seed + 9).0);
    }
    // What is no model has none of a test set's score, and whose fault a test set is stays clear.
    assert_eq!(score(b"no model").unwrap(), 0);
    let (state, _) = trained(1);
    let none = Handle::in_memory(b"no rows".to_vec());
    assert!(job.kind.score(&job.specification, &state, &none).is_err());
    let other = KINDS.iter().find(|kind| kind.name() == "finetune").unwrap();
    let error = other.score(&[], &state, &test).unwrap_err();
    assert!(error.to_string().contains("whole number"), "{error}");
}

#[test]
fn a_run_goes_on_from_any_state_with_the_same_bits() {
    let job = changed(&[]).unwrap();
    let local = Local::new(&job, Digest([9; 32])).unwrap();
    let mut straight = Registry.build(&local.task).unwrap();
    straight.restart().unwrap();
    let mut states = vec![straight.encode()];
    for step in 1..=12 {
        let report = straight.advance(StepIndex(step)).unwrap();
        assert_eq!((report.taken, report.units), (Taken::Valid, 32));
        assert!(report.loss_micro.is_some());
        states.push(straight.encode());
    }
    let mut jumping = Registry.build(&local.task).unwrap();
    for from in [7, 0, 11] {
        jumping.restore(&states[from]).unwrap();
        jumping.advance(StepIndex(from as u64 + 1)).unwrap();
        assert_eq!(jumping.encode(), states[from + 1], "{from}");
    }
    // Another draw, other batches.
    let other = Local::new(&job, Digest([8; 32])).unwrap();
    let mut other = Registry.build(&other.task).unwrap();
    other.restart().unwrap();
    other.advance(StepIndex(1)).unwrap();
    assert_ne!(other.encode(), states[1]);
}

#[test]
fn images_are_trained_on_and_told() {
    let job = changed(&[
        (
            "kind = \"logistic\"",
            "kind = \"cnn\"\nheight = 8\nwidth = 8\nfilters = [4]",
        ),
        ("tables/breast-cancer.csv", "tables/digits.csv"),
        ("\"diagnosis\"", "\"digit\"\ndivide_by = 16.0"),
        (
            "[\"malignant\", \"benign\"]",
            "[\"0\", \"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]",
        ),
        ("learning_rate = 0.02", "learning_rate = 0.05"),
    ]);
    let (_, delivery) = run(&job.unwrap());
    assert!(
        delivery.figures["accuracy"] >= 0.9,
        "{:?}",
        delivery.figures
    );
    assert!(!delivery.figures.contains_key("auc"));
}

const ROWS: &str = "a,b,y\n1,2,p\n2,1,q\n3,4,p\n4,3,q\n5,6,p\n";
const NUMBERS: &str = "a,b,y\n1,2,3\n2,1,3\n3,4,7\n4,3,7\n5,6,11\n";
const CLASSES: &str = "label = \"y\"\nclasses = [\"p\", \"q\"]";

#[test]
fn numbers_are_told_by_a_regression_on_its_own_held_out_rows() {
    let job = on_table(
        NUMBERS,
        "kind = \"linear\"",
        "label = \"y\"\nheldout_share = 0.4",
    )
    .unwrap();
    let (_, delivery) = run(&job);
    assert_eq!(delivery.figures["heldout_rows"], 2.0);
    assert!(delivery.figures.contains_key("rmse") && !delivery.figures.contains_key("accuracy"));
}

#[test]
fn what_cannot_be_trained_is_refused_with_field_and_reason() {
    let logistic = "kind = \"logistic\"";
    let label = |extra: &str| format!("{CLASSES}\n{extra}");
    for (table, model, data, expected) in [
        (
            ROWS,
            logistic,
            String::new(),
            "data.label: a table needs the name of the column",
        ),
        (
            ROWS,
            logistic,
            "label = \"z\"".into(),
            "there is no column \"z\"",
        ),
        (
            ROWS,
            logistic,
            "label = \"y\"".into(),
            "holds \"p\", which is no finite number",
        ),
        (
            ROWS,
            "kind = \"linear\"",
            label(""),
            "model.kind: the labels are 2 classes",
        ),
        (
            NUMBERS,
            "kind = \"softmax\"",
            "label = \"y\"".into(),
            "model.kind: it tells classes",
        ),
        (
            NUMBERS,
            logistic,
            "label = \"y\"".into(),
            "the labels are numbers",
        ),
        (ROWS, "kind = \"mlp\"\nhidden = []", label(""), "hidden"),
        (
            ROWS,
            "kind = \"mlp\"\nhidden = [0]",
            label(""),
            "`hidden` is 0",
        ),
        (
            ROWS,
            "kind = \"logistic\"\nhidden = [3]",
            label(""),
            "unknown field `hidden`",
        ),
        (
            ROWS,
            "kind = \"transformer\"",
            label(""),
            "unknown variant `transformer`",
        ),
        (
            ROWS,
            logistic,
            label("heldout_share = 0.1"),
            "one part would have none",
        ),
        (
            ROWS,
            logistic,
            label("heldout_share = 1.5"),
            "write 0.001 to 0.9",
        ),
        (
            ROWS,
            logistic,
            label("heldout_share = 0.2\nheldout = \"rows.csv\""),
            "remove one",
        ),
        (
            ROWS,
            logistic,
            label("heldout = \"gone.csv\""),
            "data.heldout: cannot read",
        ),
        (
            ROWS,
            logistic,
            label("divide_by = 0.0"),
            "write a number above 0",
        ),
        (
            ROWS,
            logistic,
            label("divide_by = 2.0\nstandardise = true"),
            "remove one",
        ),
        (
            ROWS,
            logistic,
            label("arrays = { rows = \"x\", labels = \"y\", classes = 2 }"),
            "no `arrays`",
        ),
        (
            "a,b,y\n1,,p\n2,1,q\n",
            logistic,
            label(""),
            "column \"b\" is empty",
        ),
        (
            "a,b,y\n1,nan,p\n2,1,q\n",
            logistic,
            label(""),
            "which is no finite number",
        ),
        ("a,b,y\n", logistic, label(""), "there are no rows"),
    ] {
        let error = on_table(table, model, &data).err();
        let said = error.map(|error| told(&error)).unwrap_or_default();
        assert!(
            said.contains(expected),
            "{model} {data}: {said:?} lacks {expected:?}"
        );
    }
    for (from, to, expected) in [
        (
            "learning_rate = 0.02",
            "learning_rate = nan",
            "learning_rate",
        ),
        ("momentum = 0.9", "momentum = 1.0", "momentum"),
        (
            "momentum = 0.9",
            "warmup_steps = 3",
            "training.warmup_steps: a constant rate",
        ),
        ("batch_size = 32", "batch_size = 0", "batch_size"),
        (
            "momentum = 0.9",
            "proximal = 0.1",
            "unknown field `proximal`",
        ),
    ] {
        let error = changed(&[(from, to)]).err();
        let said = error.map(|error| told(&error)).unwrap_or_default();
        assert!(said.contains(expected), "{to}: {said:?} lacks {expected:?}");
    }
}

#[test]
fn odd_rows_are_told_before_anything_is_paid() {
    let twice = format!("{ROWS}1,2,p\n1,2,q\n");
    let job = on_table(&twice, "kind = \"logistic\"", CLASSES).unwrap();
    let local = Local::new(&job, Digest::ZERO).unwrap();
    let notes = job.notes(&local.inputs).unwrap();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes.iter().all(|note| note.starts_with("data.path: ")),
        "{notes:?}"
    );
}

/// The example's task with other bytes for its rows.
fn with_rows(rows: Vec<u8>) -> Task {
    let job = changed(&[]).unwrap();
    let mut task = Local::new(&job, Digest::ZERO).unwrap().task;
    task.inputs[0].handle = Handle::in_memory(rows);
    task
}

fn refused(task: &Task) -> String {
    match Registry.build(task) {
        Err(ProgramError::Refused(text)) => text,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was built"),
    }
}

#[test]
fn rows_of_another_shape_are_refused_by_every_machine_before_they_are_read() {
    let job = on_table(ROWS, "kind = \"logistic\"", CLASSES).unwrap();
    let narrow = Local::new(&job, Digest::ZERO).unwrap().inputs["data"].clone();
    let narrow = narrow.whole(1 << 20).unwrap().into_owned();
    let said = refused(&with_rows(narrow));
    assert!(
        said.contains("a row has 2 features, and the model takes 30"),
        "{said}"
    );
    for garbage in [vec![], vec![7; 31], vec![7; 400]] {
        assert!(refused(&with_rows(garbage)).contains("\"data\" cannot be used"));
    }
    // No rows at all: nothing to learn from.
    let mut empty = b"ASSAYSH\0".to_vec();
    empty.extend([1_u32, 2].map(u32::to_le_bytes).concat());
    empty.extend([30_u64, 0].map(u64::to_le_bytes).concat());
    let said = refused(&with_rows(empty));
    assert!(said.contains("there are no rows"), "{said}");
}

#[test]
fn specifications_and_states_from_liars_are_refused() {
    let job = changed(&[]).unwrap();
    let task = Local::new(&job, Digest::ZERO).unwrap().task;
    let with = |change: &dyn Fn(&mut Specification)| {
        let mut specification = Specification::from_bytes(&job.specification).unwrap();
        change(&mut specification);
        let spec = specification.to_bytes();
        Task {
            spec,
            ..task.clone()
        }
    };
    let said = refused(&with(&|of| of.training.proximal = 0.5));
    assert!(said.contains("proximal"), "{said}");
    assert!(refused(&with(&|of| of.training.learning_rate = -1.0)).contains("learning_rate"));
    let mut longer = task.clone();
    longer.spec.push(0);
    assert!(refused(&longer).contains("not canonical"));
    let mut told_of_model = task.clone();
    told_of_model.model = vec![1];
    assert!(refused(&told_of_model).contains("language model"));

    let mut program = Registry.build(&task).unwrap();
    program.restart().unwrap();
    let honest = program.encode();
    let at = |place: usize, bytes: &[u8]| {
        let mut state = honest.clone();
        state[place..place + bytes.len()].copy_from_slice(bytes);
        state
    };
    for state in [
        at(48, &u64::MAX.to_le_bytes()),
        at(56, &f32::NAN.to_le_bytes()),
        at(20, &[1]),
        honest[1..].to_vec(),
    ] {
        let error = program.restore(&state).unwrap_err();
        assert!(matches!(error, ProgramError::Refused(_)), "{error}");
    }
    assert_eq!(program.encode(), honest);
}

#[test]
fn a_run_takes_no_more_than_its_price() {
    let job = changed(&[]).unwrap();
    let local = Local::new(&job, Digest::ZERO).unwrap();
    let price = |local: &Local| -> Price { local.price(&job).unwrap() };
    let told = price(&local);
    // The rows twice, and their tree.
    assert!(told.inputs >= 2 * local.inputs["data"].length(), "{told}");
    // Three times a product of 30 features for each of 32 rows.
    assert_eq!((told.work, told.anywhere), (3 * 32 * 30, told.total()));
    let state = State::initial(
        &Specification::from_bytes(&job.specification).unwrap().model,
        &[0; 32],
    );
    assert!(told.state as usize >= state.unwrap().to_bytes().len());
    let memory = told.anywhere - 1;
    let less = Task {
        memory,
        ..local.task.clone()
    };
    assert!(refused(&less).contains("the order says"));
    let sizes = Sizes::of(&local.inputs).unwrap();
    let unknown = job.kind.price(b"garbage", None, &sizes);
    assert!(matches!(unknown, Err(BuildError::Specification(_))));
}

#[test]
fn a_step_that_cannot_be_taken_changes_nothing_and_without_any_there_is_no_result() {
    let job = on_table(
        NUMBERS,
        "kind = \"linear\"",
        "label = \"y\"\nstandardise = false",
    )
    .unwrap();
    let mut specification = Specification::from_bytes(&job.specification).unwrap();
    specification.training.learning_rate = 1e6;
    specification.training.max_grad_norm = None;
    let job = Job {
        specification: specification.to_bytes(),
        ..job
    };
    let local = Local::new(&job, Digest::ZERO).unwrap();
    let mut program: Box<dyn Program> = Registry.build(&local.task).unwrap();
    program.restart().unwrap();
    let none = Counts {
        invalid: 20,
        ..Counts::default()
    };
    let state = (&none, &program.encode()[..]);
    let nothing = (job.kind).deliver(&job.specification, &local.inputs, &local.private, state);
    assert!(matches!(
        nothing,
        Err(BuildError::NothingLearned { steps: 20 })
    ));
    let taken: Vec<_> = (1..=20)
        .map(|step| program.advance(StepIndex(step)).unwrap().taken)
        .collect();
    assert!(taken.contains(&Taken::Invalid), "{taken:?}");
    assert!(program.fault().is_some());
    let before = program.encode();
    program.advance(StepIndex(20)).unwrap();
    assert_eq!(
        program.encode(),
        before,
        "a step that is invalid changes nothing"
    );
}

/// Results are told in JSON and compared with what is computed anew: a reader that is off by the last bit
/// would call an honest one forged.
#[test]
fn figures_are_read_from_json_as_they_were_written() {
    let mut word = 7_u64;
    for _ in 0..10_000 {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let figure = (word >> 11) as f64 / (1_u64 << 53) as f64;
        let json = serde_json::to_string(&figure).unwrap();
        assert_eq!(
            serde_json::from_str::<f64>(&json).unwrap(),
            figure,
            "{json}"
        );
    }
}

#[test]
fn arrays_are_read_by_name_and_are_scaled_only_if_told() {
    let archive = "../../crates/estimator/tests/fixtures/packed.npz";
    let file = |extra: &str| {
        let text = format!(
            "kind = \"train\"\nname = \"n\"\n[model]\nkind = \"softmax\"\n[data]\npath = \"{archive}\"\n\
             arrays = {{ rows = \"images\", labels = \"labels\", classes = 3 }}\n{extra}\n\
             [training]\nsteps = 4\nbatch_size = 4\nlearning_rate = 0.1\n"
        );
        assay_job::read(&text, Path::new(env!("CARGO_MANIFEST_DIR")))
    };
    let rows = |job: &Job| {
        let bytes = job.read_inputs().unwrap()["data"]
            .whole(1 << 20)
            .unwrap()
            .into_owned();
        Shard::from_bytes(&bytes)
            .unwrap()
            .samples()
            .features()
            .to_vec()
    };
    let plain = rows(&file("").unwrap());
    let halved = rows(&file("divide_by = 2.0").unwrap());
    assert!(plain.iter().any(|value| *value != 0.0));
    assert!(
        plain
            .iter()
            .zip(&halved)
            .all(|(plain, halved)| plain / 2.0 == *halved)
    );
    let error = told(&file("label = \"digit\"").unwrap_err());
    assert!(
        error.contains("data.arrays") && error.contains("no `label`"),
        "{error}"
    );
    let (_, delivery) = run(&file("").unwrap());
    assert_eq!(delivery.files.len(), 2);
}
