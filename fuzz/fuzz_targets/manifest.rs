//! Manifests: one encoding; sealed, they open to themselves and to nothing when altered.
#![no_main]

use assay_fuzz::samples::vault::{file, key};
use assay_fuzz::{canonical, to_borsh};
use assay_vault::{Manifest, OpenManifestError, Piece, slice_count};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let (file, _) = file();
    vec![to_borsh(&file.manifest), file.piece.bytes().to_vec()]
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    if let Ok(piece) = Piece::new(data.to_vec()) {
        match Manifest::open(&piece, &key()) {
            Ok(_) => assert!(piece == file().0.piece, "an altered manifest opened"),
            Err(OpenManifestError::Malformed(_)) => panic!("nobody sealed this"),
            Err(_) => {}
        }
    }
    let Some(manifest) = canonical(data, Manifest::decode, to_borsh) else {
        return;
    };
    let slices = manifest.slices().len() as u64;
    assert_eq!(slice_count(manifest.length), Some(slices));
    let held: u64 = (0..slices as u32).map(|i| manifest.slice_length(i)).sum();
    assert_eq!(held, manifest.length);
    let piece = manifest.seal(&key()).expect("a decoded manifest fits");
    assert_eq!(Manifest::open(&piece, &key()), Ok(manifest));
});
