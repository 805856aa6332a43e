//! Keys granted by another party: sealed by it, so their content is its choice.
#![no_main]

use assay_crypto::aead::FileKey;
use assay_fuzz::parts::Parts;
use assay_fuzz::samples::ledger::{account, digest, order, place, secret};
use assay_fuzz::{canonical_borsh, to_borsh};
use assay_ledger::{Occasion, RunIndex, SealedKeys};
use assay_proof::{GrantUse, OrderKeys, ProviderKeys, ReaderKeys};
use libfuzzer_sys::fuzz_target;

fn keys() -> OrderKeys {
    OrderKeys::new(vec![FileKey([1; 32]), FileKey([2; 32])], [3; 32], 3)
}

fn seeds() -> Vec<Vec<u8>> {
    let provider = keys().for_provider(RunIndex(1));
    let mut reader = provider.for_reader([0, 2]);
    let plain = to_borsh(&reader);
    reader.witness = Some([4; 32]);
    let all = [
        (0, to_borsh(&keys())),
        (1, to_borsh(&provider)),
        (2, plain),
        (2, to_borsh(&reader)),
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
            let Some(granted) = canonical_borsh::<ProviderKeys>(bytes) else {
                return;
            };
            // Only what the requester made matches what it committed to.
            if granted.match_terms(&keys().commitment(), RunIndex(1)) {
                let honest = keys().for_provider(RunIndex(1));
                assert!(granted.inputs() == honest.inputs(), "other inputs match");
                assert!(granted.checkpoint(0) == honest.checkpoint(0), "another secret matches");
            }
            granted.for_reader([0, u32::MAX]);
            granted.randomness(&account(0), &place(order(0), Occasion::Round(0)));
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
