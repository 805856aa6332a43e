//! `job check`, `job post` and `try` refuse the same terms, before the first byte leaves.

use std::{fs, path::Path};

use crate::support::assay;

fn examples(path: &str) -> String {
    let path = format!("{}/../../examples/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::canonicalize(path).unwrap().display().to_string()
}

/// The example's job with another market and audit.
fn job(dir: &Path, more: &str) -> String {
    let text = fs::read_to_string(examples("finetune.toml")).unwrap();
    let (before, _) = text.split_once("[audit]").unwrap();
    let text = before
        .replace("\"glassllm\"", &format!("{:?}", examples("glassllm")))
        .replace("dialogue/", &examples("dialogue/"));
    let path = dir.join("job.toml");
    fs::write(&path, format!("{text}\n{more}\n")).unwrap();
    path.display().to_string()
}

#[test]
fn terms_that_no_ledger_takes_are_refused_before_anything_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let net = dir.path().join("net");
    let laid_out = ["devnet", "--lay-out", "--json", "--dir"];
    let laid_out = [&laid_out[..], &[net.to_str().unwrap()]].concat();
    assay(dir.path(), &laid_out).ok();
    for (more, expected) in [
        ("[market]\nprice = \"ten\"", "price = \"ten\""),
        ("[audit]\nauditors = 99", "from 1 to 16"),
        ("[audit]\nsegments = 5000", "from 1 to 64"),
        ("[audit]\nsegment_steps = 5000", "audit.segment_steps: "),
        ("[deadlines]\nrun = 0", "above zero"),
        ("[deadlines]\nrun = \"a while\"", "no length of time"),
        ("[deadlines]\naudit = \"31d\"", "deadlines.audit: "),
        ("[market]\nprice = -3", "price = -3"),
        ("[market]\nprice = \"0\"", "market.price: "),
        ("[market]\nauditor_bond = 0.5", "market.auditor_bond: "),
    ] {
        let job = job(dir.path(), more);
        // Nobody runs the network: whoever asked it would wait, and say so.
        for command in [["job", "check"], ["job", "post"]] {
            let run = [
                &command[..],
                &[&job, "--json", "--dir", net.to_str().unwrap()],
            ]
            .concat();
            let refused = assay(dir.path(), &run);
            assert_eq!(refused.code, 2, "{more}: {} {}", refused.out, refused.err);
            let told = refused.json()["error"].as_str().unwrap().to_owned();
            assert!(told.contains(expected), "{command:?} {more}: {told}");
        }
        let fresh = dir.path().join("trial");
        let tried = assay(
            dir.path(),
            &["try", &job, "--json", "--dir", fresh.to_str().unwrap()],
        );
        assert_eq!(tried.code, 2, "{more}: {} {}", tried.out, tried.err);
        assert!(!fresh.exists(), "a network was started for {more}");
    }
    // More than all the money of this very network.
    let job = job(
        dir.path(),
        "[market]\nprice = 1000000000\nprovider_bond = \"99999999\"",
    );
    for command in ["check", "post"] {
        let refused = assay(
            dir.path(),
            &[
                "job",
                command,
                &job,
                "--json",
                "--dir",
                net.to_str().unwrap(),
            ],
        );
        assert_eq!(refused.code, 2, "{}", refused.out);
        let told = refused.json()["error"].as_str().unwrap().to_owned();
        for field in [
            "market.price",
            "market.provider_bond",
            "in the whole network",
        ] {
            assert!(told.contains(field), "{told}");
        }
    }
}
