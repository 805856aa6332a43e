//! Stretches of blocks and checkpoints, as archives bring them: one encoding, and no forged one is gone on from.
#![no_main]

use std::collections::BTreeMap;

use assay_chain::Checkpoint;
use assay_chain::replay::Replay;
use assay_fuzz::canonical;
use assay_fuzz::samples::node::{block, certificate, certified, genesis};
use assay_node::archive::Stretch;
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let block = block();
    let evidence = assay_chain::light::CertifiedHeader {
        certificate: certificate(&block.header),
        header: block.header.clone(),
        descendants: vec![],
    };
    let stretch = Stretch {
        blocks: vec![block],
        evidence,
    };
    let checkpoint = Checkpoint {
        header: certified(),
        state: BTreeMap::from([(b"key".to_vec(), b"value".to_vec())]),
    };
    vec![stretch.to_bytes(), checkpoint.to_bytes()]
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    if let Some(stretch) = canonical(data, Stretch::decode, Stretch::to_bytes) {
        assert_eq!(stretch.blocks.last().map(|of| of.header.height), Some(stretch.last()));
    }
    if let Some(checkpoint) = canonical(data, Checkpoint::decode, Checkpoint::to_bytes) {
        assert!(Replay::resume(&genesis(), checkpoint).is_err(), "a forged checkpoint");
    }
});
