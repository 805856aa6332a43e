//! What stands in the way of a network is said before anything is written.

use std::{fs, net::TcpListener, path::Path};

use assay_crypto::Digest;
use assay_ledger::{Offer, Role};

use super::*;

fn plan() -> Plan {
    Plan {
        storage: 1,
        providers: 0,
        auditors: 0,
        ..Plan::default()
    }
}

#[test]
fn a_port_in_use_is_found_before_anything_is_laid_out() {
    let temp = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = Plan {
        http: Some(taken.local_addr().unwrap()),
        ..plan()
    };
    let error = lay_out(temp.path(), &plan).unwrap_err().to_string();
    assert!(
        error.contains("--http") && error.contains("choose another port"),
        "{error}"
    );
    assert_eq!(
        fs::read_dir(temp.path()).unwrap().count(),
        0,
        "nothing is written"
    );
}

#[test]
fn an_address_of_another_machine_is_found_before_anything_is_laid_out() {
    let temp = tempfile::tempdir().unwrap();
    let plan = Plan {
        http: Some("192.0.2.1:8100".parse().unwrap()),
        ..plan()
    };
    let error = lay_out(temp.path(), &plan).unwrap_err().to_string();
    assert!(error.contains("no address 192.0.2.1"), "{error}");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn a_network_that_was_half_laid_out_is_laid_out_again() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    lay_out(dir, &plan()).unwrap();
    assert!(!dir.join(layout::MARKER).exists());
    // As a kill leaves it: the marker, some of the files, no genesis.
    fs::write(dir.join(layout::MARKER), "").unwrap();
    fs::remove_file(dir.join("genesis.json")).unwrap();
    fs::remove_file(dir.join("nodes/validator-2/share.json")).unwrap();
    fs::remove_dir_all(dir.join("nodes/storage-0")).unwrap();
    let genesis = lay_out(dir, &plan()).unwrap();
    let names = node_names(dir).unwrap();
    assert_eq!(names.len(), 5);
    for (_, config) in configurations(dir).unwrap() {
        let key = crate::keys::load(&config.key).unwrap().public();
        assert!(genesis.registrations.iter().any(|r| r.account == key));
    }
    assert!(!dir.join(layout::MARKER).exists());
}

#[test]
fn nodes_whose_genesis_is_gone_are_not_written_over() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    lay_out(dir, &plan()).unwrap();
    let key = fs::read(dir.join("requester/key.json")).unwrap();
    fs::remove_file(dir.join("genesis.json")).unwrap();
    let error = lay_out(dir, &plan()).unwrap_err().to_string();
    assert!(error.contains("no genesis.json"), "{error}");
    assert_eq!(fs::read(dir.join("requester/key.json")).unwrap(), key);
}

#[test]
fn a_wish_that_contradicts_what_is_laid_out_is_refused_by_its_flag() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    lay_out(dir, &plan()).unwrap();
    let before = fs::read_to_string(dir.join("nodes/validator-0/node.toml")).unwrap();
    for (wish, flag) in [
        (
            Wish {
                storage: Some(2),
                ..Wish::default()
            },
            "--storage 2",
        ),
        (
            Wish {
                providers: Some(1),
                ..Wish::default()
            },
            "--providers 1",
        ),
        (
            Wish {
                auditors: Some(3),
                ..Wish::default()
            },
            "--auditors 3",
        ),
    ] {
        let error = wish.apply(dir).unwrap_err().to_string();
        assert!(error.contains(flag) && error.contains("--dir"), "{error}");
    }
    let same = Wish {
        storage: Some(1),
        auditors: Some(0),
        ..Wish::default()
    };
    same.apply(dir).unwrap();
    let http: SocketAddr = "127.0.0.1:8123".parse().unwrap();
    Wish {
        http: Some(http),
        ..Wish::default()
    }
    .apply(dir)
    .unwrap();
    let after = fs::read_to_string(dir.join("nodes/validator-0/node.toml")).unwrap();
    assert_ne!(before, after);
    let served = || {
        let config = NodeConfig::load(&dir.join("nodes/validator-0/node.toml")).unwrap();
        config.http.unwrap()
    };
    assert_eq!(served(), http.into());

    // Port 0 keeps the port that was chosen, and is never written down.
    let any = |address: &str| {
        let wish = Wish {
            http: Some(address.parse().unwrap()),
            ..Wish::default()
        };
        wish.apply(dir).unwrap();
        served().to_string()
    };
    assert_eq!(any("127.0.0.1:0"), "127.0.0.1:8123");
    let other = any("127.0.0.2:0");
    assert!(
        other.starts_with("127.0.0.2:") && !other.ends_with(":0"),
        "{other}"
    );
}

#[test]
fn a_genesis_without_nodes_is_no_devnet() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("genesis.json"), "{}").unwrap();
    let error = Wish::default().apply(temp.path()).unwrap_err().to_string();
    assert!(error.contains("no devnet's directory"), "{error}");
}

/// Whoever configures nothing takes what a newcomer posts first.
#[test]
fn the_usual_offer_takes_the_shipped_examples() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut taken = 0;
    for name in [
        "finetune",
        "evaluate",
        "evaluate-copies",
        "smollm2",
        "train",
    ] {
        let file = examples.join(name).with_extension("toml");
        let text = fs::read_to_string(&file).unwrap();
        let job = assay_job::read(&text, &examples).unwrap();
        let draft = assay_job::Draft::new(&job, (&[], &Default::default()), |_| Digest::ZERO, None);
        let terms = draft.unwrap().place([]);
        let auditor = (terms.copies < 2).then_some(Role::Auditor);
        for role in [Some(Role::Provider), auditor].into_iter().flatten() {
            let unmet = Offer::standard().refuses(role, &terms);
            let unmet: Vec<String> = unmet.iter().map(ToString::to_string).collect();
            assert_eq!(unmet, Vec::<String>::new(), "{name}, {role}");
            taken += 1;
        }
    }
    assert!(taken > 4);
}
