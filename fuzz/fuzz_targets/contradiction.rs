//! Contradictions in results: bounded when decoded, one encoding each, and judged without a panic.
#![no_main]

use assay_crypto::aead::{self, FileKey};
use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, merkle};
use assay_fuzz::canonical_borsh;
use assay_ledger::{
    Contradiction, Counts, Examined, NotTheSlices, Promised, StateFile, examine, sealed_digest,
};
use libfuzzer_sys::fuzz_target;

const KEY: FileKey = FileKey([1; 32]);

fn state() -> Vec<u8> {
    (0..70_000_u32).map(|at| (at / 3) as u8).collect()
}

/// A sealed file of the state, in which one byte is another one, and what is promised of it.
fn sealed(at: Option<usize>) -> (Vec<u8>, Promised) {
    let mut file = StateFile::encode(&Counts::default(), state());
    if let Some(at) = at {
        file[at] ^= 1;
    }
    let slice = aead::encrypt(&KEY, 0, b"", &file).expect("a short slice");
    let promised = Promised {
        state: Tiled::of(&state()),
        root: merkle::root(vec![sealed_digest(&slice)]),
        slices: 1,
    };
    (slice, promised)
}

fn found(slice: &[u8], promised: &Promised) -> Option<Contradiction> {
    let digests: [Digest; 1] = [sealed_digest(slice)];
    let read = |_| Ok::<_, NotTheSlices>(slice.to_vec());
    match examine(promised, &KEY, &digests, read) {
        Ok(Examined::Bad(found)) => Some(*found),
        _ => None,
    }
}

fn seeds() -> Vec<Vec<u8>> {
    // In the first tile, in the last one, and in a node that a right tile contradicts.
    let bytes = [0, 69_999].into_iter().filter_map(|at| {
        let (slice, promised) = sealed(Some(at));
        borsh::to_vec(&found(&slice, &promised)?).ok()
    });
    bytes.collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Some(contradiction) = canonical_borsh::<Contradiction>(data) else {
        return;
    };
    let (_, good) = sealed(None);
    assert!(contradiction.check(&good, &KEY).is_err(), "a good result was contradicted");
    let (_, bad) = sealed(Some(0));
    let _ = contradiction.check(&bad, &KEY);
});
