//! Job files, and the terms that they become.

use std::error::Error;
use std::fs;

use assay_crypto::Digest;
use assay_estimator::Shard;
use assay_job::{Draft, Job, JobError, Network, Sizes, federated};
use assay_ledger::{Amount, RoundTerms, Terms, rules};
use assay_proof::Handle;

use super::{changed, examples, text};

/// The terms that a job is posted with.
pub(super) fn terms(job: &Job) -> Terms {
    let about = (&[][..], &Sizes::default());
    let draft = Draft::new(job, about, |_| Digest::ZERO, None).unwrap();
    draft.place([])
}

pub(super) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[test]
fn the_example_becomes_terms_that_a_network_takes() {
    let job = changed(&[]).unwrap();
    assert_eq!(job.problems(&Network::default()), []);
    let terms = terms(&job);
    let network = Network::default();
    rules::check_terms(&terms, &network.parameters).unwrap();
    let rounds = RoundTerms {
        rounds: 10,
        least: 4,
        most: 10,
        audited: 2,
        // Ten times ten updates of 650 for the price of 8 steps of 3 * 16 * 640 products.
        merge_fee: Amount(100_000),
        // 57 and 7 bytes, and 3 for each of 650 coordinates.
        update_bytes: 2_014,
    };
    assert_eq!(terms.rounds, Some(rounds));
    assert_eq!((terms.steps, terms.copies, terms.attempts), (9, 1, 1));
    assert_eq!((terms.segments(), terms.segments_drawn), (1, 1));
    assert!(terms.inputs.is_empty() && terms.model.is_empty());
    // Of ten two are audited, and half of what is cut is lost for sure: ten times the price.
    assert_eq!(terms.provider_bond, Amount::tokens(1));
    federated::check_terms(&terms).unwrap();
    // No names of columns, and no rows of the requester's.
    let length = job.specification.len();
    assert!(length < 200, "{length}");
    // What is said elsewhere than in the job is another order.
    let draft = || Draft::new(&job, (&[], &Sizes::default()), |_| Digest::ZERO, None).unwrap();
    assert!(draft().is_same_work(&terms));
    let other = Terms {
        rounds: Some(RoundTerms { most: 9, ..rounds }),
        ..terms
    };
    assert!(!draft().is_same_work(&other));
}

#[test]
fn what_is_left_out_of_the_market_follows_from_price_and_trainers() {
    let of = |changes: &[(&str, &str)]| {
        let job = changed(changes).unwrap();
        assert_eq!(job.problems(&Network::default()), [], "{changes:?}");
        (job.market.provider_bond, job.rounds.unwrap().merge_fee)
    };
    let dear = ("price = \"0.1\"", "price = \"3\"");
    // A bond of 2 price * most / audited, or twice the price.
    assert_eq!(of(&[dear]).0, Amount::tokens(30));
    let all = ("audited = 2", "audited = 10");
    assert_eq!(of(&[dear, all]).0, Amount::tokens(6));
    let many = ("most = 10", "most = 4096");
    assert_eq!(
        of(&[dear, many, ("audited = 2", "audited = 64")]).0,
        Amount::tokens(384)
    );
    let (_, few) = of(&[dear]);
    let (_, more) = of(&[
        dear,
        ("most = 10", "most = 100"),
        ("audited = 2", "audited = 20"),
    ]);
    assert!(
        more.0 > 90 * few.0 && more < Amount::tokens(300),
        "{few} {more}"
    );
    let own = (
        "price = \"0.1\"",
        "price = \"0.1\"\nmerge_fee = \"0.005\"\nprovider_bond = 2",
    );
    assert_eq!(of(&[own]), (Amount::tokens(2), Amount(5_000)));
}

#[test]
fn a_trainer_is_told_before_it_joins_whether_it_can() {
    let job = changed(&[]).unwrap();
    let terms = terms(&job);
    let check = |terms: &Terms, rows: &[u8]| {
        federated::check_rows(terms, &Handle::in_memory(rows.to_vec()))
    };
    let rows = federated::rows_of(&text(&[]), &examples().join("tables/digits.csv")).unwrap();
    check(&terms, &rows).unwrap();
    // Two thousand rows are what the file says, and these are 1,797.
    let fewer = Terms {
        memory: terms.memory / 2,
        ..terms.clone()
    };
    assert!(
        check(&fewer, &rows)
            .unwrap_err()
            .to_string()
            .contains("the order says")
    );
    assert!(check(&terms, &rows[..rows.len() - 1]).is_err());
    assert!(check(&terms, b"").is_err());
    for (what, change) in [
        (
            "rounds",
            &(|of: &mut Terms| of.rounds.as_mut().unwrap().rounds = 11) as &dyn Fn(&mut Terms),
        ),
        ("at least", &|of| of.rounds.as_mut().unwrap().least = 3),
        ("steps", &|of| of.steps = 8),
        ("no rounds", &|of| of.rounds = None),
        ("not canonical", &|of| of.spec = Default::default()),
    ] {
        let mut terms = terms.clone();
        change(&mut terms);
        let said = check(&terms, &rows).unwrap_err().to_string();
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn rows_are_dealt_without_those_that_are_held_out_and_read_in_one_order() {
    let dealt = federated::deal(&text(&[]), &examples(), 10).unwrap();
    let shards: Vec<Shard> = dealt
        .iter()
        .map(|rows| Shard::from_bytes(rows).unwrap())
        .collect();
    let rows: Vec<usize> = shards.iter().map(|shard| shard.samples().rows()).collect();
    assert_eq!(rows.iter().sum::<usize>(), 1_797 - 359);
    assert!(
        rows.iter().all(|rows| (143..=144).contains(rows)),
        "{rows:?}"
    );
    assert!(shards.iter().all(|of| {
        of.samples()
            .features()
            .iter()
            .all(|pixel| (0.0..=1.0).contains(pixel))
    }));
    // A trainer's table with its columns the other way around.
    let folder = tempfile::tempdir().unwrap();
    let table = fs::read_to_string(examples().join("tables/digits.csv")).unwrap();
    let turned = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",");
    let table: Vec<_> = table.lines().map(turned).collect();
    let path = folder.path().join("mine.csv");
    fs::write(&path, table.join("\n")).unwrap();
    let own = federated::rows_of(&text(&[]), &path).unwrap();
    let as_it_is = federated::rows_of(&text(&[]), &examples().join("tables/digits.csv")).unwrap();
    assert_eq!(own, as_it_is);
    let error = federated::rows_of(&text(&[]), &examples().join("tables/breast-cancer.csv"));
    assert!(matches!(error, Err(JobError::Input { field: "rows", .. })));
    let text = text(&[])
        .replace("path = \"tables/digits.csv\"         #", "#")
        .replace("heldout_share = 0.2 ", "# ");
    let error = federated::deal(&text, &examples(), 2).unwrap_err();
    assert!(told(&error).starts_with("data.path: it names the rows"));
    // Such a job measures nothing, and can be posted.
    let job = assay_job::read(&text, &examples()).unwrap();
    assert!(job.private.is_empty());
    let checked = assay_job::check(&job).unwrap();
    assert_eq!(checked.first.units, 0);
}

#[test]
fn a_check_takes_a_first_step_on_what_is_held_out_and_tells_a_mean_of_its_weakness() {
    let job = changed(&[]).unwrap();
    let checked = assay_job::check(&job).unwrap();
    assert_eq!(
        (checked.first.units, checked.first.loss_micro),
        (16, Some(2_302_585))
    );
    // With the rows of two thousand.
    assert!(
        checked.price.inputs > 2 * 2_000 * 65 * 4,
        "{}",
        checked.price
    );
    assert_eq!(terms(&job).memory, checked.price.anywhere);
    let none = Default::default();
    assert!(job.notes(&none).unwrap().is_empty());
    let mean = changed(&[(
        "[learning.model]",
        "[aggregation]\nrule = \"mean\"\n\n[learning.model]",
    )]);
    let notes = mean.unwrap().notes(&none).unwrap();
    assert!(
        notes[0].starts_with("aggregation.rule: one trainer"),
        "{notes:?}"
    );
    let linear = [
        ("kind = \"softmax\"", "kind = \"linear\""),
        ("classes = 10\n", ""),
    ];
    assert!(told(&changed(&linear).unwrap_err()).contains("data.path"));
}

#[test]
fn the_schema_knows_every_field_of_the_example_and_of_the_documentation() {
    let schema = assay_job::schema();
    let all = schema["oneOf"].as_array().unwrap();
    let own = all
        .iter()
        .find(|of| of["properties"]["kind"]["const"] == "federated")
        .unwrap();
    let example: toml::Table = toml::from_str(&text(&[])).unwrap();
    for field in example.keys() {
        assert!(own["properties"].get(field).is_some(), "{field}");
    }
    assert_eq!(own["additionalProperties"], false);
    for field in [
        "server_rate",
        "encoding",
        "weights",
        "aggregation",
        "deadlines",
        "quantiser",
    ] {
        assert!(own["properties"].get(field).is_some(), "{field}");
    }
    assert_eq!(own["properties"]["encoding"]["const"], "dense");
}

/// Who is audited may take its steps again, so it has as long to answer as it had to train, unless the file says how long.
#[test]
fn a_file_that_says_some_deadlines_gets_others_that_go_with_them() {
    let with = |text: &str| {
        let to = format!("[deadlines]\n{text}\n\n[market]");
        let job = changed(&[("[market]", to.as_str())]).unwrap();
        let problems = job.problems(&Network::default());
        let problems: Vec<String> = problems.iter().map(|of| of.field.to_string()).collect();
        (job.deadlines.run, job.deadlines.open, problems)
    };
    let (run, open, problems) = with("attest = \"30m\"");
    assert!(run <= open && problems.is_empty(), "{problems:?}");
    let (run, open, problems) = with("run = \"40m\"");
    assert!(run == open && problems.is_empty(), "{problems:?}");
    let (_, _, problems) = with("run = \"40m\"\nopen = \"20m\"");
    assert_eq!(problems, ["deadlines.open"]);
}
