//! Messages between vault parties: one encoding. The first byte picks request or response.
#![no_main]

use assay_crypto::Signature;
use assay_fuzz::canonical;
use assay_fuzz::samples::ledger::digest;
use assay_fuzz::samples::vault::file;
use assay_ledger::{Acceptance, Amount, FileId, LedgerTime};
use assay_vault::Digests;
use assay_vault::wire::{Asked, Flags, Refusal, Request, Response, Unrecorded};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let (_, slice) = file();
    let (digest, piece) = (digest("piece"), slice.piece);
    let file = FileId(digest);
    let requests = [
        Request::Free,
        Request::Put {
            digest,
            piece: piece.clone(),
        },
        Request::Get { digest },
        Request::Has {
            digests: Digests::new(vec![digest; 2]).expect("few"),
        },
        Request::Commit {
            file,
            slices: Digests::new(vec![digest]).expect("few"),
        },
        Request::Delete { digest },
        Request::Room,
        Request::Pending {
            after: Some(digest),
        },
        Request::Accept(Asked {
            file,
            root: digest,
            slices: 1,
            length_class: 2,
            until: LedgerTime(3),
        }),
    ];
    let responses = [
        Response::Free { bytes: 5 },
        Response::Stored { digest },
        Response::Piece { piece },
        Response::Has {
            held: Flags::new(vec![true, false]),
        },
        Response::Committed { file },
        Response::Deleted { digest },
        Response::Refused(Refusal::Full { free: 1 }),
        Response::Refused(Refusal::Incomplete { missing: 1 }),
        Response::Room {
            free: 1,
            pending: 2,
            allowed: 3,
            price: Amount(4),
        },
        Response::Pending {
            pieces: Unrecorded::new(vec![(digest, 4)]),
        },
        Response::Accepted(Acceptance {
            price: Amount(1),
            by: LedgerTime(2),
            signature: Signature([3; 64]),
        }),
    ];
    let requests = requests.iter().map(|r| [vec![0], r.encode()].concat());
    let responses = responses.iter().map(|r| [vec![1], r.encode()].concat());
    requests.chain(responses).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    match data.split_first() {
        Some((0, bytes)) => {
            canonical(bytes, Request::decode, Request::encode);
        }
        Some((1, bytes)) => {
            canonical(bytes, Response::decode, Response::encode);
        }
        _ => {}
    }
});
