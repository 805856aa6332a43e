//! Numbers that make no sense, by the fields of the job file.

use assay_job::Network;

use super::files::told;
use super::{changed, examples, text};

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
        ("most = 10", "most = 500"),
        ("audited = 2", "audited = 9"),
    ]);
    let said = told(&error.unwrap_err());
    assert!(said.starts_with("trainers.audited: "), "{said}");
    assert!(
        said.contains("audit at least 2 * most / (20 * rounds) = 50 of them"),
        "{said}"
    );
    let enough = changed(&[
        ("rounds = 10\n", "rounds = 1\n"),
        ("most = 10", "most = 500"),
        ("audited = 2", "audited = 50"),
    ]);
    assert_eq!(enough.unwrap().problems(&Network::default()), []);
}
