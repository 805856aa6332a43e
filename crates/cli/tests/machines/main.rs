//! A federated job between hosts of their own: slow links that lose packets, a network that falls apart for a while, and
//! nodes that are killed.
//!
//! Hosts are network namespaces, which take root: without it the test says `not run`. `ASSAY_CASES` sets how many
//! networks are tried, each of 7 validators and 12 others, and `ASSAY_FROM` the first of them; without it there is one of 4
//! and 9.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may panic, and prints what it draws"
)]

mod hosts;
mod relay;
#[path = "../cli/support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    sync::atomic::Ordering,
    thread::sleep,
    time::{Duration, Instant},
};

use assay_crypto::{Digest, stream::Stream};
use assay_node::devnet::Plan;
use serde_json::Value;

use crate::{
    hosts::Machines,
    relay::{Hub, Links},
};

/// The node on whose host commands are given.
const DESK: &str = "validator-0";

/// Not a test of anything: what a host's carrier runs. Without a hub it has nothing to do.
#[test]
fn packets_of_a_host_are_carried() {
    let (Ok(hub), Ok(host)) = (std::env::var(relay::HUB), std::env::var(relay::HOST)) else {
        return;
    };
    // Until it is killed.
    relay::carry(Path::new(&hub), host.parse().unwrap()).unwrap();
}

#[test]
fn a_federated_job_between_hosts_outlives_losses_a_partition_and_kills() {
    if let Some(why) = hosts::unable() {
        println!("not run: {why}");
        return;
    }
    let cases = std::env::var("ASSAY_CASES").ok();
    let count: u64 = cases.as_ref().map_or(1, |count| count.parse().unwrap());
    let from = std::env::var("ASSAY_FROM").map_or(0, |from| from.parse().unwrap());
    for case in from..from + count {
        println!("network {case}");
        is_outlived(case, cases.is_some());
    }
}

fn plan(whole: bool) -> Plan {
    let (validators, providers) = if whole { (7, 7) } else { (4, 4) };
    Plan {
        validators,
        storage: 3,
        providers,
        auditors: 2,
        http: Some(([127, 0, 0, 1], 0).into()),
        quota: Some(64 << 20),
        ..Plan::default()
    }
}

/// The example's job for so many trainers, with time for slow links.
fn job(dir: &Path, trainers: u8) -> String {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let examples = examples.canonicalize().unwrap();
    let text = fs::read_to_string(examples.join("federated.toml")).unwrap();
    let table = examples.join("tables/digits.csv");
    let most = format!("most = {trainers}");
    let text = text
        .replace("rounds = 10", "rounds = 3")
        .replace("most = 10", &most)
        .replace("least = 4", "least = 2")
        .replace("tables/digits.csv", table.to_str().unwrap());
    let text = text
        + "\n[deadlines]\nrun = 40\nopen = 60\naudit = 60\nreveal = 40\nattest = 60\nassign = 60\n";
    let path = dir.join("federated.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn is_outlived(case: u64, whole: bool) {
    let temp = tempfile::tempdir().unwrap();
    let seed = Digest::of("test/machines", &[&case.to_le_bytes()]);
    println!("seed {seed}");
    let links = Links {
        latency: Duration::from_millis(50),
        lost_per_mille: 10,
    };
    let path = temp.path().join("hub");
    let hub = Hub::new(&path, links, seed);
    let plan = plan(whole);
    let dir = temp.path().join("net");
    let mut net = Machines::new(&dir, &plan, (&path, hub));
    for name in net.names() {
        net.start(&name);
    }
    await_that(&mut net, "the network answers", |net| {
        net.assay(DESK, &["network", "--json"]).code == 0
    });
    let job = job(temp.path(), plan.providers);
    let posted = net
        .assay(DESK, &["job", "post", &job, "--no-wait", "--json"])
        .ok();
    let order = posted["job_id"].as_str().unwrap().to_owned();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tables/digits.csv");
    let table = table.canonicalize().unwrap();
    for at in 0..plan.providers {
        let name = format!("provider-{at}");
        net.kill(&name);
        let config = dir.join("nodes").join(&name).join("node.toml");
        let text = fs::read_to_string(&config).unwrap();
        let join = format!("\n[[join]]\norder = \"{order}\"\njob = {job:?}\nrows = {table:?}\n");
        fs::write(&config, text + &join).unwrap();
        net.start(&name);
    }
    let show = |net: &Machines| {
        let shown = net.assay(DESK, &["job", "show", &order, "--json"]);
        (shown.code == 0).then(|| shown.json())
    };
    let phase = |shown: &Value| shown["phase"].as_str().unwrap().to_owned();
    await_that(&mut net, "training begins", |net| {
        show(net).is_some_and(|shown| phase(&shown) == "training")
    });
    trouble(&mut net, &plan, seed);
    await_that(&mut net, "the order is settled", |net| {
        show(net).is_some_and(|shown| phase(&shown) == "settled")
    });
    let shown = show(&net).unwrap();
    assert_eq!(shown["outcome"], "paid", "{shown}");
    let network = net.assay(DESK, &["network", "--json"]).ok();
    let supply = &network["supply"];
    assert_eq!(supply["total"], supply["genesis"], "{supply}");
    for member in network["members"].as_array().unwrap() {
        // Of a thousand tokens.
        assert_eq!(
            member["bond"], 1_000_000_000,
            "nobody honest loses: {member}"
        );
    }
    let counts = net.hub.counts();
    let [carried, lost, cut] =
        [&counts.carried, &counts.lost, &counts.cut].map(|of| of.load(Ordering::Relaxed));
    println!("{carried} packets carried, {lost} lost, {cut} cut off");
    assert!(lost > 0 && cut > 0);
    // What is told of the history is true.
    let archive = temp.path().join("history");
    let archive = archive.to_str().unwrap();
    net.assay(DESK, &["archive", archive, "--json"]).ok();
    let genesis = dir.join("genesis.json");
    let genesis = genesis.to_str().unwrap();
    let audit = [
        "audit",
        "--archive",
        archive,
        "--network",
        genesis,
        "--json",
    ];
    let verdict = support::assay(temp.path(), &audit).ok();
    assert_eq!(verdict["all"]["different"], 0, "{verdict}");
}

/// A part of the hosts is cut off for a while, and nodes are killed one after the other, each back after some seconds.
fn trouble(net: &mut Machines, plan: &Plan, seed: Digest) {
    let mut stream = Stream::new(seed, "trouble", 0);
    let names = net.names();
    let mut draw = |bound: usize| stream.below(bound as u64) as usize;
    // Fewer than a third of the validators, and a provider with a storage node.
    let validator = draw(plan.validators.into());
    let provider = draw(plan.providers.into());
    let apart = [
        format!("validator-{validator}"),
        format!("provider-{provider}"),
        "storage-1".to_owned(),
    ];
    let hosts: Vec<u8> = apart.iter().map(|name| net.host(name)).collect();
    println!("cut off for 20 s: {}", apart.join(", "));
    net.hub.cut(&hosts);
    sleep(Duration::from_secs(20));
    net.hub.cut(&[]);
    for _ in 0..4 {
        // Commands need one that answers.
        let name = loop {
            let name = &names[draw(names.len())];
            if name != DESK {
                break name.clone();
            }
        };
        let away = Duration::from_millis(500 + draw(2_500) as u64);
        println!("{name} killed for {away:?}");
        net.kill(&name);
        sleep(away);
        net.start(&name);
        sleep(Duration::from_millis(draw(2_000) as u64));
    }
}

fn await_that(net: &mut Machines, what: &str, mut is: impl FnMut(&mut Machines) -> bool) {
    let began = Instant::now();
    while !is(net) {
        let ended = net.names().into_iter().find(|name| net.has_ended(name));
        let late = began.elapsed() > Duration::from_secs(300);
        assert!(
            ended.is_none() && !late,
            "never: {what}; ended by itself: {ended:?}\n{}",
            net.logs()
        );
        sleep(Duration::from_millis(300));
    }
    println!("{what} after {:?}", began.elapsed());
}
