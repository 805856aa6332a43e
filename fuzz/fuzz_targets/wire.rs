//! Messages between nodes: one encoding each. The first byte picks a protocol, and request or answer.
#![no_main]

use assay_api::views::ProgressReport;
use assay_fuzz::samples::ledger::{order, transactions};
use assay_fuzz::samples::node::{block, certified, receipt_proof, terms, tx, value_proof};
use assay_fuzz::samples::vault::file;
use assay_fuzz::{canonical, to_borsh};
use assay_ledger::Height;
use assay_node::client::protocol::{Request, Response};
use assay_node::progress::HowFar;
use assay_node::split::Terms;
use assay_node::transport::{Question, Refusal, Refused, read_answer};
use assay_vault::wire as vault;
use libfuzzer_sys::fuzz_target;

fn chain() -> Vec<Request> {
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
    ]
}

fn answers() -> Vec<Response> {
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
    ]
}

fn seeds() -> Vec<Vec<u8>> {
    let (_, slice) = file();
    let report = ProgressReport {
        step: 1,
        steps: 2,
        invalid: 0,
        loss: Some(0.5),
        per_second: None,
    };
    let chosen = |pick: u8, bytes: Vec<u8>| [vec![pick], bytes].concat();
    let mut seeds: Vec<_> = chain().iter().map(|r| chosen(0, to_borsh(r))).collect();
    seeds.push(chosen(1, to_borsh(&vault::Request::Free)));
    seeds.push(chosen(2, to_borsh(&HowFar { order: order(0) })));
    seeds.extend(terms().iter().map(|terms| chosen(3, to_borsh(terms))));
    let answer = |bytes| [vec![0], bytes].concat();
    seeds.extend(answers().iter().map(|a| chosen(4, answer(to_borsh(a)))));
    let piece = vault::Response::Piece { piece: slice.piece };
    seeds.push(chosen(5, answer(to_borsh(&piece))));
    seeds.push(chosen(6, answer(to_borsh(&Some(report)))));
    seeds.push(chosen(7, answer(to_borsh(&terms()[0].digest()))));
    let refused = to_borsh(&Refused::new(Refusal::Busy, "later"));
    seeds.push(chosen(4, [vec![1], refused].concat()));
    seeds
}

fn request<Q: Question>(bytes: &[u8]) {
    if let Some(request) = canonical(bytes, borsh::from_slice::<Q>, to_borsh) {
        assert!(!request.name().is_empty());
        request.manner();
    }
}

/// What is read, written again, is the same.
fn answer<Q: Question>(bytes: &[u8]) {
    match read_answer::<Q>(bytes) {
        Ok(Ok(answer)) => assert_eq!(to_borsh(&answer), bytes[1..]),
        Ok(Err(refused)) => assert_eq!(to_borsh(&refused), bytes[1..]),
        Err(_) => {}
    }
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    match data.split_first() {
        Some((0, bytes)) => request::<Request>(bytes),
        Some((1, bytes)) => request::<vault::Request>(bytes),
        Some((2, bytes)) => request::<HowFar>(bytes),
        Some((3, bytes)) => request::<Terms>(bytes),
        Some((4, bytes)) => answer::<Request>(bytes),
        Some((5, bytes)) => answer::<vault::Request>(bytes),
        Some((6, bytes)) => answer::<HowFar>(bytes),
        Some((7, bytes)) => answer::<Terms>(bytes),
        _ => {}
    }
});
