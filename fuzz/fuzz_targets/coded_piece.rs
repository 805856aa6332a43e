//! Coded pieces and the heads of their blobs: one encoding each, and whatever they say, a restorer answers.
#![no_main]

use assay_fuzz::canonical_borsh;
use assay_vault::coded::{BlobHead, Code, CodedPiece, Restorer, encode};
use libfuzzer_sys::fuzz_target;

fn honest() -> Option<(BlobHead, Vec<CodedPiece>)> {
    let mut pieces = Vec::new();
    let code = Code { needed: 2, total: 3 };
    let coded = encode(code, b"what a trainer publishes", |slice, holder, bytes| {
        pieces.push((slice, holder, bytes.to_vec()));
    })?;
    let shown = pieces.into_iter().map(|(slice, holder, bytes)| coded.show(slice, holder, bytes));
    Some((coded.head(), shown.collect::<Option<_>>()?))
}

fn seeds() -> Vec<Vec<u8>> {
    let Some((head, pieces)) = honest() else {
        return Vec::new();
    };
    let pieces = pieces.iter().filter_map(|piece| borsh::to_vec(piece).ok());
    borsh::to_vec(&head).into_iter().chain(pieces).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    if let Some(head) = canonical_borsh::<BlobHead>(data) {
        let (_, _) = (head.name(), head.slices());
        let _ = Restorer::new(head);
    }
    let Some(piece) = canonical_borsh::<CodedPiece>(data) else {
        return;
    };
    let Some((head, pieces)) = honest() else {
        return;
    };
    if let Ok(mut restorer) = Restorer::new(head) {
        let given = [pieces[0].clone(), piece.clone()];
        // Whatever passes is a piece of the blob, so the blob is what it was.
        if restorer.slice(&given).is_ok() {
            assert_eq!(restorer.finish(), Ok(()));
        }
    }
});
