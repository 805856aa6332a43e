//! Blocks and headers, as peers send them and disks return them: one encoding.
#![no_main]

use assay_chain::{Block, HEADER_BYTES, Header};
use assay_fuzz::canonical;
use assay_fuzz::samples::node::{block, header};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let empty = Block {
        transactions: vec![],
        ..block()
    };
    vec![
        block().to_bytes(),
        empty.to_bytes(),
        header(None, true).to_bytes().to_vec(),
    ]
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    if data.len() == HEADER_BYTES {
        canonical(data, Header::decode, |header| header.to_bytes().to_vec());
    }
    if let Some(block) = canonical(data, Block::decode, Block::to_bytes) {
        assert_eq!(block.encoded_len(), data.len());
        Block::tx_root(&block.transactions);
    }
});
