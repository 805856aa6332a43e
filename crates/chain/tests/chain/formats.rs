//! Frozen encodings, and decoders under arbitrary bytes.

use assay_chain::light::CertifiedHeader;
use assay_chain::{
    BeaconSignature, Block, BlockError, HEADER_BYTES, Header, HeaderError, MAX_BLOCK_BYTES,
    ThresholdShare,
};
use assay_crypto::Digest;
use assay_ledger::{Height, MAX_TX_BYTES};
use proptest::prelude::*;

fn header() -> Header {
    Header {
        height: Height(7),
        parent: Digest([1; 32]),
        view: 9,
        timestamp_ms: 0x0102_0304_0506_0708,
        beacon: Some(BeaconSignature([2; 48])),
        tx_root: Digest([3; 32]),
        state_root: Digest([4; 32]),
        receipts_root: Digest([5; 32]),
    }
}

fn block() -> Block {
    Block {
        header: header(),
        transactions: vec![vec![6; 3], vec![7; 1]],
    }
}

#[test]
fn header_bytes_are_frozen() {
    let expected = [
        vec![1],
        vec![7, 0, 0, 0, 0, 0, 0, 0],
        vec![1; 32],
        vec![9, 0, 0, 0, 0, 0, 0, 0],
        vec![8, 7, 6, 5, 4, 3, 2, 1],
        vec![2; 48],
        vec![3; 32],
        vec![4; 32],
        vec![5; 32],
    ]
    .concat();
    assert_eq!(header().to_bytes().to_vec(), expected);
    assert_eq!(Header::decode(&expected), Ok(header()));
    assert_eq!(
        header().digest().to_string(),
        "4bcbd96fac0697d6d70dd9a098b00c25ed2b19d5cc8f0bd754bbce528d1b0408"
    );
    let mut without = header();
    without.beacon = None;
    assert_eq!(Header::decode(&without.to_bytes()), Ok(without));
}

#[test]
fn block_bytes_are_frozen() {
    let expected = [
        header().to_bytes().to_vec(),
        vec![2, 0, 0, 0],
        vec![3, 0, 0, 0, 6, 6, 6],
        vec![1, 0, 0, 0, 7],
    ]
    .concat();
    assert_eq!(block().to_bytes(), expected);
    assert_eq!(block().encoded_len(), expected.len());
    assert_eq!(Block::decode(&expected), Ok(block()));
    assert_eq!(
        Block::tx_root(&block().transactions).to_string(),
        "566dac1cad33c1ad63f3546260d9c25207aabd22765f8b08a2353f38652e0b09"
    );
}

#[test]
fn odd_blocks_are_refused() {
    let good = block().to_bytes();
    assert_eq!(Header::decode(&good), Err(HeaderError::Length(good.len())));
    let mut version = good.clone();
    version[0] = 2;
    assert_eq!(
        Block::decode(&version),
        Err(BlockError::Header(HeaderError::Version(2)))
    );
    for end in 0..good.len() {
        assert!(Block::decode(&good[..end]).is_err(), "cut at {end}");
    }
    let longer = [good.clone(), vec![0]].concat();
    assert_eq!(Block::decode(&longer), Err(BlockError::Trailing(1)));
    let mut count = good.clone();
    count[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        Block::decode(&count),
        Err(BlockError::TooMany(u32::MAX as usize))
    );
    for length in [0, MAX_TX_BYTES as u32 + 1, u32::MAX] {
        let mut lying = good.clone();
        lying[HEADER_BYTES + 4..HEADER_BYTES + 8].copy_from_slice(&length.to_le_bytes());
        let expected = BlockError::TransactionSize {
            index: 0,
            length: length as usize,
        };
        assert_eq!(Block::decode(&lying), Err(expected));
    }
    let large = vec![1; MAX_BLOCK_BYTES + 1];
    assert_eq!(
        Block::decode(&large),
        Err(BlockError::TooLarge(MAX_BLOCK_BYTES + 1))
    );
}

proptest! {
    #[test]
    fn decoders_survive_arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Header::decode(&bytes);
        let _ = CertifiedHeader::decode(&bytes);
        let _ = ThresholdShare::from_bytes(&bytes);
        if let Ok(block) = Block::decode(&bytes) {
            prop_assert_eq!(block.to_bytes(), bytes);
        }
    }

    #[test]
    fn altered_blocks_decode_canonically_or_not_at_all(
        lengths in prop::collection::vec(1usize..100, 0..10),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let transactions = lengths.iter().map(|length| vec![8; *length]).collect();
        let block = Block { header: header(), transactions };
        let mut bytes = block.to_bytes();
        prop_assert_eq!(Block::decode(&bytes), Ok(block));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(altered) = Block::decode(&bytes) {
            prop_assert_eq!(altered.to_bytes(), bytes);
        }
    }

    #[test]
    fn certified_headers_read_back(
        count in 0usize..5,
        certificate in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let certified =
            CertifiedHeader { header: header(), descendants: vec![header(); count], certificate };
        prop_assert_eq!(CertifiedHeader::decode(&certified.to_bytes()), Ok(certified));
    }
}
