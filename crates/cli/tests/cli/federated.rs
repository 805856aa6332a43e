//! Rounds of many trainers, end to end on a network of this machine, and what a late auditor finds.

use std::{fs, path::Path};

use crate::support::{Process, assay};

fn examples() -> std::path::PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    examples.canonicalize().unwrap()
}

/// Four trainers and two rounds of the example.
fn small(dir: &Path) -> String {
    let text = fs::read_to_string(examples().join("federated.toml")).unwrap();
    let table = examples().join("tables/digits.csv");
    let text = text
        .replace("rounds = 10", "rounds = 2")
        .replace("most = 10", "most = 4")
        .replace("tables/digits.csv", table.to_str().unwrap());
    let path = dir.join("federated.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn trainers_come_to_a_model_that_an_auditor_makes_again() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("trial");
    let job = small(temp.path());
    let trial = assay(&dir, &["try", &job, "--json"]).ok();
    assert_eq!(trial["figures"]["rounds"], 2.0, "{trial}");
    assert!(
        trial["figures"]["accuracy"].as_f64().unwrap() > 0.4,
        "{trial}"
    );
    assert_eq!(trial["supply_conserved"], true);
    assert_eq!(trial["audit_share"], 0.5);
    assert!(dir.join("adapter/model.safetensors").is_file());

    let offline = ["audit", "--offline", dir.to_str().unwrap(), "--json"];
    let audited = assay(temp.path(), &offline).ok();
    assert_eq!(audited["agrees"], true, "{audited}");
    assert_eq!(audited["state_digest"], trial["state_digest"]);
    let checks = audited["checks"].as_array().unwrap();
    let of = |figure: &str| {
        checks
            .iter()
            .find(|check| check["figure"] == figure)
            .unwrap()
    };
    // The first one, and one of each round.
    assert_eq!(of("models made again")["recomputed"], 3);
    assert_eq!(of("steps behind merged updates")["recomputed"], 8);

    crate::history::is_audited(&dir);

    // Another model in the result's place is noticed.
    let model = dir.join("adapter/model.safetensors");
    let mut bytes = fs::read(&model).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&model, bytes).unwrap();
    assert_eq!(assay(temp.path(), &offline).code, 5);
}

#[test]
fn a_job_for_more_trainers_than_a_machine_stands_for_is_refused_before_anything_starts() {
    let temp = tempfile::tempdir().unwrap();
    let job = small(temp.path());
    let text = fs::read_to_string(&job).unwrap();
    let text = text
        .replace("least = 4", "least = 17")
        .replace("most = 4", "most = 20");
    fs::write(&job, text).unwrap();
    let refused = assay(&temp.path().join("trial"), &["try", &job]);
    assert_eq!(refused.code, 2, "{}", refused.out);
    let said = refused.out + &refused.err;
    assert!(said.contains("trainers.least"), "{said}");
}

/// A network whose order is posted by one command, and whose nodes join by what their files say after they were killed.
#[test]
fn nodes_join_by_their_configuration_and_train_to_the_end() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("net");
    let home = dir.to_str().unwrap();
    let start = || {
        let arguments = ["devnet", "--dir", home, "--http", "127.0.0.1:0", "--json"];
        let devnet = Process::start(&arguments, &temp.path().join("log"));
        await_that("the network answers", || {
            assay(&dir, &["network", "--json"]).code == 0
        });
        devnet
    };
    let job = small(temp.path());
    let text = fs::read_to_string(&job).unwrap();
    let text = text
        .replace("least = 4", "least = 2")
        .replace("most = 4", "most = 2")
        .replace("audited = 2", "audited = 1");
    fs::write(&job, text).unwrap();
    let mut devnet = start();
    let posted = assay(&dir, &["job", "post", &job, "--no-wait", "--json"]).ok();
    assert_eq!(posted["phase"], "joining", "{posted}");
    let order = posted["job_id"].as_str().unwrap();
    let other = assay(
        &dir,
        &["job", "post", &job, "--no-wait", "--again", "--json"],
    )
    .ok();
    let other = other["job_id"].as_str().unwrap();
    devnet.kill();
    let table = examples().join("tables/digits.csv");
    for (node, order) in [
        ("provider-0", order),
        ("provider-1", order),
        ("provider-2", other),
    ] {
        let path = dir.join("nodes").join(node).join("node.toml");
        let text = fs::read_to_string(&path).unwrap();
        let join = format!("\n[[join]]\norder = \"{order}\"\njob = {job:?}\nrows = {table:?}\n");
        fs::write(&path, text + &join).unwrap();
    }
    let mut devnet = start();
    let show = || assay(&dir, &["job", "show", order, "--json"]);
    is_left(&dir, other);
    await_that("the order is settled", || {
        let shown = show();
        shown.code == 0 && shown.json()["phase"] == "settled"
    });
    let order_now = show().json();
    assert_eq!(order_now["outcome"], "paid", "{order_now}");
    assert_eq!(order_now["rounds"]["numbered"], 2);
    let why = assay(&dir, &["why", order]);
    assert!(why.out.contains("paid for 2 rounds"), "{}", why.out);
    crate::history::is_fetched(&dir);
    devnet.kill();
}

fn network_of(dir: &Path) -> String {
    let network = assay(dir, &["network", "--json"]).ok();
    network["node"].as_str().unwrap().to_owned()
}

/// Joined by the third provider alone, this order waits for others; so who leaves it is free at once.
fn is_left(dir: &Path, order: &str) {
    let joined = || {
        let shown = assay(dir, &["job", "show", order, "--json"]).ok();
        shown["rounds"]["numbered"] == 1
    };
    await_that("the third provider joins", joined);
    let config = dir.join("nodes/provider-2/node.toml");
    let url = network_of(dir);
    let leave = [
        "job",
        "leave",
        order,
        "--config",
        config.to_str().unwrap(),
        "--node",
        &url,
        "--json",
    ];
    let left = assay(dir, &leave).ok();
    assert_eq!(left["at_the_end_of_the_round"], false, "{left}");
    let why = assay(dir, &["why", order]);
    assert!(why.out.contains("takes part no more"), "{}", why.out);
    let again = assay(dir, &leave);
    assert_eq!(again.code, 3, "{}", again.out);
    assert!(again.out.contains("takes no part"), "{}", again.out);
}

fn await_that(what: &str, mut is: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is() {
        assert!(began.elapsed().as_secs() < 120, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
