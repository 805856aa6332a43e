//! What surrounds the messages of split training: terms, last words, saved runs. One encoding each,
//! and a provider that takes or refuses any terms. The first byte picks the format.
#![no_main]

use std::sync::{Arc, LazyLock};

use assay_crypto::Digest;
use assay_fuzz::samples::node::{base, terms};
use assay_fuzz::{canonical, canonical_borsh, to_borsh};
use assay_kernel::{Isa, Kernel};
use assay_node::split::{Allowed, Closing, Saved, SplitLimits, SplitProvider, Terms, Why};
use libfuzzer_sys::fuzz_target;

static PROVIDER: LazyLock<SplitProvider> = LazyLock::new(|| {
    let kernel = Kernel::new(Isa::Scalar, 1).expect("a kernel");
    let limits = SplitLimits {
        step_memory: 1 << 20,
        ..SplitLimits::default()
    };
    let silent = Arc::new(|_| ());
    let base = Arc::new(base());
    let provider = SplitProvider::new(kernel, base, limits, Allowed::Anyone, silent);
    provider.expect("a base in float32")
});

fn seeds() -> Vec<Vec<u8>> {
    let good = terms();
    assert!(good.iter().all(|terms| PROVIDER.would_take(terms).is_ok()));
    let closings = [
        (Why::Done, ""),
        (Why::NotFinite, "a"),
        (Why::Refused, "b"),
        (Why::Silence, "c"),
        (Why::Failed, "d"),
    ];
    let closings = closings.map(|(why, text)| Closing::new(why, text).encode());
    let saved = Saved {
        run: Digest([1; 32]),
        leaves: vec![Digest([2; 32]); 2],
        fault: None,
        state: vec![3; 5],
    };
    let tagged = |tag: u8, bytes: Vec<u8>| [vec![tag], bytes].concat();
    (good.iter().map(|terms| tagged(0, to_borsh(terms))))
        .chain(closings.into_iter().map(|bytes| tagged(1, bytes)))
        .chain([tagged(2, saved.encode())])
        .collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    match data.split_first() {
        Some((0, bytes)) => {
            if let Some(terms) = canonical_borsh::<Terms>(bytes)
                && let Err(error) = PROVIDER.would_take(&terms)
            {
                assert!(!assay_api::told(&error).is_empty());
            }
        }
        Some((1, bytes)) => {
            canonical(bytes, Closing::decode, Closing::encode);
            assert!(bytes.len() <= Closing::MAX || Closing::decode(bytes).is_err());
        }
        Some((2, bytes)) => {
            canonical(bytes, Saved::decode, Saved::encode);
        }
        _ => {}
    }
});
