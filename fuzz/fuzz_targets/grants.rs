//! Keys granted by another party: sealed by it, so their content is its choice.
#![no_main]

use assay_crypto::aead::FileKey;
use assay_fuzz::parts::Parts;
use assay_fuzz::samples::ledger::{account, digest, order, place, secret};
use assay_fuzz::{canonical_borsh, to_borsh};
use assay_ledger::{Occasion, SealedKeys};
use assay_proof::{GrantUse, InputKeys, OrderKeys, ReaderKeys, RunKeys};
use libfuzzer_sys::fuzz_target;

fn keys() -> OrderKeys {
    OrderKeys::new(vec![FileKey([1; 32]), FileKey([2; 32])], [3; 32])
}

/// What a provider makes of what it was granted.
fn run_keys(granted: InputKeys) -> RunKeys {
    RunKeys::new(granted, &secret(4).encryption(), &place(order(0), Occasion::Work))
}

fn seeds() -> Vec<Vec<u8>> {
    let provider = keys().for_provider();
    let run = run_keys(provider.clone());
    let mut reader = run.for_reader([0, 2]);
    let plain = to_borsh(&reader);
    reader.witness = Some([4; 32]);
    let all = [
        (0, to_borsh(&keys())),
        (1, to_borsh(&provider)),
        (2, plain),
        (2, to_borsh(&reader)),
        (2, to_borsh(&run.for_judge())),
    ];
    let all = all.into_iter();
    all.map(|(kind, bytes)| [&[kind][..], &bytes].concat())
        .collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let mut parts = Parts::new(data);
    let (kind, bytes) = (parts.byte(), parts.rest());
    match kind {
        // The requester's own, from its own disk.
        0 => {
            canonical_borsh::<OrderKeys>(bytes);
        }
        1 => {
            let Some(granted) = canonical_borsh::<InputKeys>(bytes) else {
                return;
            };
            // Only what the requester made matches what it committed to.
            if granted.match_terms(&keys().commitment()) {
                assert!(granted.inputs() == keys().inputs(), "other inputs match");
            }
            let run = run_keys(granted);
            run.for_reader([0, u32::MAX]);
            run.randomness(&account(0), &place(order(0), Occasion::Round(0)));
        }
        2 => {
            let Some(granted) = canonical_borsh::<ReaderKeys>(bytes) else {
                return;
            };
            granted.checkpoint(0);
            let grant = GrantUse {
                place: place(order(0), Occasion::Round(0)),
                from: account(4),
                to: account(6),
            };
            let to = secret(6).encryption();
            if let Some(sealed) = grant.seal(&to.public(), &granted, digest("random").0) {
                assert!(grant.open::<ReaderKeys>(&to, &sealed) == Some(granted));
            }
        }
        _ => {
            let grant = GrantUse {
                place: place(order(0), Occasion::Dispute(kind.into())),
                from: account(4),
                to: account(6),
            };
            if let Ok(sealed) = SealedKeys::new(bytes) {
                let opened = grant.open::<ReaderKeys>(&secret(6).encryption(), &sealed);
                assert!(opened.is_none(), "a grant that nobody sealed");
            }
        }
    }
});
