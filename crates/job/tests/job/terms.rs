//! Terms are refused by the field of the job file they come from, before anything is read of the
//! inputs or leaves the machine.

use std::path::Path;

use assay_job::{Job, JobError, Network, Problem, read};
use assay_ledger::{Amount, Parameters};

/// A job file whose inputs lie nowhere: to read them would fail.
const FILE: &str = r#"kind = "finetune"
name = "dialogue"

[model]
path = "nowhere"

[data]
train = "nowhere.jsonl"
sequence_length = 32

[training]
steps = 160
batch_size = 8
learning_rate = 3e-4
"#;

fn written(more: &str) -> Result<Job, JobError> {
    read(&format!("{FILE}\n{more}\n"), Path::new("/nowhere"))
}

fn problems(job: &Job) -> Vec<Problem> {
    job.problems(&Network::default())
}

fn fields(job: &Job) -> Vec<String> {
    problems(job).into_iter().map(|p| p.field).collect()
}

#[test]
fn a_good_job_has_no_problem() {
    assert_eq!(problems(&written("").unwrap()), []);
    let numbers = "[market]\nprice = 12\nprovider_bond = 20.5\nauditor_fee = \"0.25\"";
    let job = written(numbers).unwrap();
    assert_eq!(problems(&job), []);
    assert_eq!(job.market.price, Amount::tokens(12));
    assert_eq!(job.market.provider_bond, Amount(20_500_000));
}

#[test]
fn what_no_network_takes_is_refused_where_it_is_written() {
    for (table, line) in [
        ("market", "price = \"ten\""),
        ("market", "price = -1"),
        ("market", "provider_bond = \"1e9\""),
        ("market", "auditor_bond = 0.0000001"),
        ("market", "auditor_fee = \"18446744073710\""),
        ("market", "attempts = 0"),
        ("market", "attempts = 17"),
        ("audit", "auditors = 99"),
        ("audit", "auditors = 300"),
        ("audit", "segments = 5000"),
        ("audit", "segments = 0"),
        ("audit", "segment_steps = 0"),
        ("audit", "segment_steps = 99999999999"),
        ("deadlines", "run = 0"),
        ("deadlines", "grant = -1"),
        ("deadlines", "attest = \"a while\""),
        ("deadlines", "open = 2.5"),
    ] {
        let error = written(&format!("[{table}]\n{line}")).unwrap_err();
        let told = error.to_string();
        let at = FILE.lines().count() + 3;
        assert!(told.contains(&format!("line {at}")), "{line}: {told}");
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn what_this_network_refuses_is_named_by_the_field_of_the_job_file() {
    for (more, field) in [
        ("[deadlines]\nrun = 1", "deadlines.run"),
        ("[deadlines]\ngrant = \"31d\"", "deadlines.grant"),
        ("[deadlines]\nattest = \"1199999ms\"", "deadlines.attest"),
        ("[audit]\nsegment_steps = 161", "audit.segment_steps"),
        ("[market]\nprice = \"0\"", "market.price"),
        (
            "[market]\nprovider_bond = \"0.999999\"",
            "market.provider_bond",
        ),
        ("[market]\nauditor_bond = \"0\"", "market.auditor_bond"),
        ("[market]\nauditor_fee = \"0\"", "market.auditor_bond"),
        (
            "[market]\nprice = \"0.5\"\nprovider_bond = \"10.000001\"",
            "market.provider_bond",
        ),
        (
            "[market]\nauditor_fee = \"18446744073709.551615\"",
            "market.price",
        ),
    ] {
        assert_eq!(fields(&written(more).unwrap()), [field], "{more}");
    }
    // More segments than there may be, with the steps alone within bounds.
    let many = FILE.replace("steps = 160", "steps = 2000");
    let many = read(
        &format!("{many}\n[audit]\nsegment_steps = 1\n"),
        Path::new(""),
    )
    .unwrap();
    assert_eq!(fields(&many), ["audit.segment_steps"]);
    let steps = FILE.replace("steps = 160", "steps = 1048577");
    let steps = read(
        &format!("{steps}\n[audit]\nsegment_steps = 2000\n"),
        Path::new(""),
    );
    assert_eq!(fields(&steps.unwrap()), ["training.steps"]);
}

#[test]
fn every_problem_is_told_at_once() {
    let job = written(
        "[audit]\nsegment_steps = 500\n[market]\nprice = 0\nauditor_bond = 0\n[deadlines]\nrun = 1\ndispute = 1",
    );
    let job = job.unwrap();
    let expected = [
        "audit.segment_steps",
        "market.price",
        "market.auditor_bond",
        "deadlines.run",
        "deadlines.dispute",
    ];
    assert_eq!(fields(&job), expected);
    let told = job
        .check_terms(&Network::default())
        .unwrap_err()
        .to_string();
    for field in expected {
        assert!(told.contains(&format!("\n  {field}: ")), "{told}");
    }
}

#[test]
fn sums_beyond_all_the_money_of_a_network_are_refused() {
    let job = written(
        "[market]\nprice = 1001\nprovider_bond = 1000\nauditor_bond = \"5000.5\"\nauditor_fee = 300",
    );
    let network = Network {
        supply: Some(Amount::tokens(1000)),
        ..Network::default()
    };
    let job = job.unwrap();
    let found: Vec<_> = job
        .problems(&network)
        .into_iter()
        .map(|p| p.field)
        .collect();
    assert_eq!(found, ["market.price", "market.auditor_bond"]);
}

#[test]
fn a_networks_own_limits_count() {
    let network = Network {
        parameters: Parameters {
            floors: assay_ledger::Deadlines::all(600_000),
            provider_bond: Amount::tokens(50),
            ..Parameters::default()
        },
        supply: None,
    };
    let job = written("").unwrap();
    let found: Vec<_> = job
        .problems(&network)
        .into_iter()
        .map(|p| p.field)
        .collect();
    assert_eq!(found[0], "market.provider_bond");
    assert!(found.contains(&"deadlines.assign".to_owned()), "{found:?}");
    assert!(!found.contains(&"deadlines.run".to_owned()), "{found:?}");
}

#[test]
fn names_and_inputs_that_an_order_cannot_have_are_known_before_they_are_stored() {
    let long = FILE.replace("\"dialogue\"", &format!("\"{}\"", "x".repeat(123)));
    assert_eq!(fields(&read(&long, Path::new("")).unwrap()), ["name"]);
    let fits = FILE.replace("\"dialogue\"", &format!("\"{}\"", "x".repeat(122)));
    assert_eq!(problems(&read(&fits, Path::new("")).unwrap()), []);
    let watching = FILE
        .replace(
            "sequence_length",
            "validation = \"v.jsonl\"\nsequence_length",
        )
        .replace("batch_size", "eval_steps = 10\nbatch_size");
    let found = problems(&read(&watching, Path::new("")).unwrap());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].field, "data.validation");
    assert!(found[0].problem.contains("assay train"), "{found:?}");
}

#[test]
fn the_schema_states_types_and_ranges() {
    let schema = assay_job::schema().to_string();
    for part in [
        r#""maximum":16"#,
        r#""maximum":64"#,
        r#""maximum":1048576"#,
        r#"^[0-9]+(\\.[0-9]{1,6})?$"#,
    ] {
        assert!(schema.contains(part), "{part} is not in {schema}");
    }
}
