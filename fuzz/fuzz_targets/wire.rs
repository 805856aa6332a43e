//! Messages between nodes: one encoding. The first byte picks request or response.
#![no_main]

use assay_fuzz::samples::ledger::{order, transactions};
use assay_fuzz::samples::node::{block, certified, receipt_proof, terms, tx, value_proof};
use assay_fuzz::samples::vault::file;
use assay_fuzz::{canonical, to_borsh};
use assay_ledger::Height;
use assay_node::transport::{ProgressReport, Refusal, Request, Response};
use assay_vault::wire as vault;
use libfuzzer_sys::fuzz_target;

fn requests() -> Vec<Request> {
    vec![
        Request::SubmitTx {
            transaction: transactions()[0].encode(),
        },
        Request::Head,
        Request::Blocks { first: Height(3) },
        Request::Prove {
            key: b"key".to_vec(),
        },
        Request::Receipt { tx: tx() },
        Request::Vault(vault::Request::Free),
        Request::Progress { order: order(0) },
    ]
    .into_iter()
    .chain(terms().into_iter().map(Request::Split))
    .collect()
}

fn responses() -> Vec<Response> {
    let (_, slice) = file();
    vec![
        Response::Submitted { tx: tx() },
        Response::Head {
            header: Some(certified().to_bytes()),
        },
        Response::Blocks {
            blocks: vec![block().to_bytes()],
            evidence: Some(certified().to_bytes()),
        },
        Response::Proof(value_proof()),
        Response::Receipt {
            proof: Some(receipt_proof()),
        },
        Response::Vault(vault::Response::Piece { piece: slice.piece }),
        Response::Progress {
            progress: Some(ProgressReport {
                step: 1,
                steps: 2,
                invalid: 0,
                loss: Some(0.5),
                per_second: None,
            }),
        },
        Response::refused(Refusal::Busy, "later"),
        Response::Split {
            agreed: terms()[0].digest(),
        },
    ]
}

fn seeds() -> Vec<Vec<u8>> {
    let requests = requests()
        .into_iter()
        .map(|r| [vec![0], to_borsh(&r)].concat());
    let responses = responses()
        .into_iter()
        .map(|r| [vec![1], to_borsh(&r)].concat());
    requests.chain(responses).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    match data.split_first() {
        Some((0, bytes)) => {
            if let Some(request) = canonical(bytes, Request::decode, to_borsh) {
                assert!(!request.name().is_empty());
                request.needs_registration();
                request.opens_conversation();
            }
        }
        Some((1, bytes)) => {
            canonical(bytes, Response::decode, to_borsh);
        }
        _ => {}
    }
});
