//! Files of one slice.

use std::sync::OnceLock;

use assay_crypto::aead::FileKey;
use assay_vault::{Coding, SealedFile, SealedSlice, Sealer};

/// The key of the sample file.
pub fn key() -> FileKey {
    FileKey([7; 32])
}

/// A sealed file of a few bytes and its slice.
pub fn file() -> (SealedFile, SealedSlice) {
    static FILE: OnceLock<(SealedFile, SealedSlice)> = OnceLock::new();
    let seal = || {
        let coding = Coding::Replicated { copies: 2 };
        let mut sealer = Sealer::new(b"a few bytes".as_slice(), key(), coding);
        let slice = sealer.next_slice().ok().flatten().expect("one slice");
        (sealer.finish().expect("a short file"), slice)
    };
    FILE.get_or_init(seal).clone()
}
