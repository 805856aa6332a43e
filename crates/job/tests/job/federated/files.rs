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
    };
    assert_eq!(terms.rounds, Some(rounds));
    assert_eq!((terms.steps, terms.copies, terms.attempts), (9, 1, 1));
    assert_eq!((terms.segments(), terms.segments_drawn), (1, 1));
    assert!(terms.inputs.is_empty() && terms.model.is_empty());
    // Of ten two are audited: five times the price would do, and a token is the least.
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
    // A bond of price * most / audited, or twice the price.
    assert_eq!(of(&[dear]).0, Amount::tokens(15));
    let all = ("audited = 2", "audited = 10");
    assert_eq!(of(&[dear, all]).0, Amount::tokens(6));
    let many = ("most = 10", "most = 4096");
    assert_eq!(
        of(&[dear, many, ("audited = 2", "audited = 64")]).0,
        Amount::tokens(192)
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
        "price = \"0.1\"\nmerge_fee = \"0.000001\"\nprovider_bond = 2",
    );
    assert_eq!(of(&[own]), (Amount::tokens(2), Amount(1)));
}

#[test]
fn every_impossible_number_is_refused_by_its_field() {
    let market = "price = \"0.1\"";
    for (from, to, expected) in [
        ("rounds = 10\n", "rounds = 0\n", "rounds = 0"),
        ("rounds = 10\n", "rounds = 10001\n", "1 to 10000"),
        ("local_steps = 8", "local_steps = 0", "local_steps = 0"),
        ("local_steps = 8", "local_steps = 65537", "1 to 65536"),
        ("least = 4", "least = 0", "least = 0"),
        ("least = 4", "least = 4097", "1 to 4096"),
        ("most = 10", "most = 4097", "1 to 4096"),
        ("audited = 2", "audited = 0", "audited = 0"),
        ("audited = 2", "audited = 65", "1 to 64"),
        (
            "most_rows = 2000",
            "most_rows = 16777216",
            "trainers.most_rows: 16777216 rows of 64 features are rows * (features + 1) * 4 + 32 = 4362076192",
        ),
        ("most_rows = 2000", "most_rows = 0", "most_rows = 0"),
        (
            "local_steps = 8",
            "local_steps = 8\nserver_rate = 0.0",
            "server_rate: ",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\nserver_rate = nan",
            "server_rate: ",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\nserver_rate = -1.0",
            "server_rate: ",
        ),
        ("bits = 20", "bits = 25", "quantiser: "),
        ("bits = 20", "bits = 1", "quantiser: "),
        ("exponent = 14", "exponent = 101", "quantiser: "),
        ("exponent = 14", "exponent = 300", "exponent = 300"),
        (
            "features = 64",
            "features = 0",
            "learning.model: `features` is 0",
        ),
        ("features = 64", "features = 63", "data.path: "),
        (
            "classes = 10",
            "classes = 1",
            "learning.model: `classes` is 1",
        ),
        (
            "batch_size = 16",
            "batch_size = 0",
            "learning.training: `batch_size` is 0",
        ),
        (
            "learning_rate = 1.0",
            "learning_rate = nan",
            "learning.training: `learning_rate`",
        ),
        (
            "learning_rate = 1.0",
            "learning_rate = -1.0",
            "learning.training: `learning_rate`",
        ),
        (
            "batch_size = 16",
            "batch_size = 16\nproximal = -0.5",
            "learning.training: `proximal`",
        ),
        (
            "batch_size = 16",
            "batch_size = 16\nmomentum = 1.0",
            "learning.training: `momentum`",
        ),
        (
            "heldout_share = 0.2",
            "heldout_share = 0.95",
            "write 0.001 to 0.9",
        ),
        ("divide_by = 16.0", "divide_by = 0.0", "data.divide_by: "),
        (market, "price = \"x\"", "price = \"x\""),
        (market, "price = 1\nmerge_fee = -1", "merge_fee = -1"),
        (
            market,
            "price = 1\nattempts = 2",
            "unknown field `attempts`",
        ),
        (market, "price = 1\ncopies = 2", "unknown field `copies`"),
        (
            "least = 4",
            "least = 4\nquorum = 4",
            "unknown field `quorum`",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\nencoding = \"signs\"",
            "encoding: ",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\nencoding = { largest = { per_thousand = 10 } }",
            "only \"dense\"",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\nage = { most = 1, decay = 9 }",
            "age: a late update",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\nweights = \"rows\"",
            "weights: nobody but a trainer",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\n[aggregation]\nrule = { krum = { liars = { count = 3 } } }",
            "trainers.least: the rule of `aggregation` must stand",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\n[aggregation]\nrule = { krum = { liars = { count = 3 } } }",
            "n >= 2 f + 3 = 9",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\n[aggregation]\nrule = { geometric_median = { iterations = 65 } }",
            "aggregation: 65 iterations",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\n[aggregation]\nrule = \"mean\"\nnorm_bound = 0",
            "aggregation: ",
        ),
        (
            "local_steps = 8",
            "local_steps = 8\n[aggregation]\nrule = \"best\"",
            "unknown variant `best`",
        ),
        (
            "label = \"digit\"",
            "label = \"digits\"",
            "there is no column \"digits\"",
        ),
        (
            "  \"pixel_7_0\",",
            "  \"pixel_9_9\",",
            "there is no column \"pixel_9_9\"",
        ),
        (
            "path = \"tables/digits.csv\"",
            "",
            "data.heldout_share: there is no data.path",
        ),
        (
            "path = \"tables/digits.csv\"",
            "path = \"gone.csv\"",
            "data.path: cannot read",
        ),
    ] {
        let quantiser = "quantiser = { bits = 20, exponent = 14 }  # updates are integers; 20 bits and exponent 14 hold values up to 32\n";
        let error = match to.contains("[aggregation]") {
            // A table comes after the fields that stand in none.
            true => changed(&[
                (quantiser, ""),
                (
                    from,
                    &to.replace("[aggregation]", &format!("{quantiser}[aggregation]")),
                ),
            ]),
            false => changed(&[(from, to)]),
        };
        let said = error.err().map(|error| told(&error)).unwrap_or_default();
        assert!(said.contains(expected), "{to}: {said:?} lacks {expected:?}");
    }
    let text = text(&[]);
    let (before, features) = text.split_once("features = [\n").unwrap();
    let (_, after) = features.split_once("]\n").unwrap();
    let error = assay_job::read(&format!("{before}{after}"), &examples()).unwrap_err();
    assert!(told(&error).contains("data.features: name the columns"));
}

#[test]
fn what_a_network_refuses_is_named_by_the_field_of_the_job_file() {
    let market = "price = \"0.1\"";
    for (from, to, field, expected) in [
        ("least = 4", "least = 11", "trainers.least", "from 1 to 10"),
        ("most = 10", "most = 3", "trainers.least", "from 1 to 3"),
        (
            "audited = 2",
            "audited = 11",
            "trainers.audited",
            "from 1 to 10",
        ),
        (
            market,
            "price = 3\nprovider_bond = 14",
            "market.provider_bond",
            "price * 10 / 2 = 15",
        ),
        (
            market,
            "price = 3\nprovider_bond = 601",
            "market.provider_bond",
            "20 times the price of all rounds",
        ),
        (market, "price = \"0\"", "market.price", ""),
        (
            "segment_steps = 9",
            "segment_steps = 10",
            "audit.segment_steps",
            "",
        ),
    ] {
        // More segments than steps can be said where ten are the usual ones.
        let to = if field == "audit.segment_steps" {
            "segment_steps = 11"
        } else {
            to
        };
        let job = changed(&[(from, to)]).unwrap();
        let problems = job.problems(&Network::default());
        let found = problems.iter().find(|problem| problem.field == field);
        let found = found.unwrap_or_else(|| panic!("{to}: {problems:?}"));
        assert!(found.problem.contains(expected), "{to}: {found}");
    }
    // No bond can be as much: it is said before any network is asked.
    let error = changed(&[
        ("rounds = 10\n", "rounds = 1\n"),
        ("most = 10", "most = 1000"),
        ("audited = 2", "audited = 9"),
    ]);
    let said = told(&error.unwrap_err());
    assert!(said.starts_with("trainers.audited: "), "{said}");
    assert!(
        said.contains("audit at least most / (20 * rounds) = 50 of them"),
        "{said}"
    );
    let enough = changed(&[
        ("rounds = 10\n", "rounds = 1\n"),
        ("most = 10", "most = 1000"),
        ("audited = 2", "audited = 50"),
    ]);
    assert_eq!(enough.unwrap().problems(&Network::default()), []);
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
