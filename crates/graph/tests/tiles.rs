//! Digests of tensors and of what is made of them, and proofs of single tiles.
#![allow(clippy::unwrap_used)] // helpers of tests

use assay_crypto::Digest;
use assay_graph::{
    MAX_HEAD, MAX_NAME, MAX_PROOF_BYTES, Shape, TILE, TILE_BYTES, Tensors, TileProof, Unproven,
    Whole, tensor_digest, tile_digest, values_root,
};
use borsh::BorshDeserialize;
use proptest::prelude::*;

/// Tensors of some sizes: below a tile, exactly one and two, and a last tile that is shorter.
const SHAPES: [(usize, usize); 6] = [(1, 1), (3, 5), (1, TILE), (2, TILE), (33, 500), (4, 2000)];

fn values(seed: u32, count: usize) -> Vec<f32> {
    let value = |i: u32| f32::from_bits(0x3f00_0000 ^ (i.wrapping_mul(2_654_435_761) ^ seed) >> 9);
    (0..count as u32).map(value).collect()
}

fn names() -> Vec<String> {
    (0..SHAPES.len())
        .map(|i| format!("layer.{i}.weight"))
        .collect()
}

fn all() -> Vec<Vec<f32>> {
    let count = |i: usize| SHAPES[i].0 * SHAPES[i].1;
    (0..SHAPES.len())
        .map(|i| values(i as u32, count(i)))
        .collect()
}

fn tensors() -> Tensors {
    let parts = names().into_iter().zip(SHAPES).zip(all());
    let digest = |((name, (rows, cols)), values): ((String, _), Vec<f32>)| {
        tensor_digest(&name, rows, cols, &values)
    };
    Tensors {
        head: vec![7; 48],
        digests: parts.map(digest).collect(),
    }
}

fn digest() -> Digest {
    tensors().digest(Whole::Adapter)
}

fn shape(i: usize) -> Shape {
    Shape {
        rows: SHAPES[i].0 as u64,
        cols: SHAPES[i].1 as u64,
    }
}

fn prove(i: usize, tile: u64) -> Option<TileProof> {
    tensors().prove(i as u64, &names()[i], shape(i), &all()[i], tile)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn digests_are_frozen() {
    let found = [
        tile_digest(&values(1, 3)).to_string(),
        values_root(&values(2, TILE + 1)).to_string(),
        tensor_digest("a", 2, 3, &values(3, 6)).to_string(),
        tensors().digest(Whole::Base).to_string(),
        digest().to_string(),
        Digest::of(
            "assay/test",
            &[&borsh::to_vec(&prove(4, 4).unwrap()).unwrap()],
        )
        .to_string(),
    ];
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 6] = [
    "13f6cd00789a6e9226521ca865dd7f0391e9551e29b87414eae596157d5d1527",
    "d46e59a27ad402842db2837ba871cab38067cd1b752ef8da3ead307b88b83f0d",
    "0cd408edf1c2ac54d9c8fc2623399607bf99f47b1c3ce0e4500cc204ca1ecf49",
    "2369f3a8a45d62cac0dc5f6ebcbe369faba6d1f59251366598ca05a815c6e91c",
    "98009db3c895cb2a4d0d12cfcd4bd9cec75ffd16a48a6879b56198affa9b66b3",
    "34f93bc47b65025b6d59800052432e98e7550fd8e6ab246829ecfd06a103724a",
];

#[test]
fn every_tile_of_every_tensor_is_shown() {
    for (i, values) in all().iter().enumerate() {
        for (tile, expected) in values.chunks(TILE).enumerate() {
            let proof = prove(i, tile as u64).unwrap();
            assert_eq!(proof.verify(Whole::Adapter, &digest()), Ok(()));
            assert_eq!(bits(&proof.values()), bits(expected));
            let bytes = borsh::to_vec(&proof).unwrap();
            assert!(bytes.len() <= MAX_PROOF_BYTES);
            assert_eq!(TileProof::try_from_slice(&bytes).unwrap(), proof);
            let otherwise = proof.verify(Whole::Base, &digest());
            assert_eq!(otherwise, Err(Unproven::OtherDigest));
            let mut short = proof.clone();
            short.bytes.pop();
            let refused = short.verify(Whole::Adapter, &digest());
            assert!(
                matches!(refused, Err(Unproven::Length { .. })),
                "{refused:?}"
            );
            let mut beyond = proof;
            beyond.tile += 5;
            let refused = beyond.verify(Whole::Adapter, &digest());
            assert_eq!(refused, Err(Unproven::NoSuchTile(beyond.tile)));
        }
        assert_eq!(prove(i, values.len().div_ceil(TILE) as u64), None);
    }
    assert_eq!(tensors().prove(6, "a", shape(0), &[0.5], 0), None);
    let long = "n".repeat(MAX_NAME + 1);
    assert_eq!(tensors().prove(0, &long, shape(0), &[0.5], 0), None);
}

/// Three tiles, shown as badly as they may be, are evidence for one transaction of the ledger.
#[test]
fn three_proofs_fit_64_kib() {
    const { assert!(3 * MAX_PROOF_BYTES <= 65_536) };
    let mut proof = prove(3, 1).unwrap();
    proof.head = vec![0; MAX_HEAD];
    proof.name = "n".repeat(MAX_NAME);
    proof.path.0 = vec![Digest::ZERO; 63];
    proof.tile_path.0 = vec![Digest::ZERO; 63];
    let mut bytes = borsh::to_vec(&proof).unwrap();
    assert_eq!(bytes.len(), MAX_PROOF_BYTES);
    assert!(TileProof::try_from_slice(&bytes).is_ok());
    proof.bytes.push(0);
    bytes = borsh::to_vec(&proof).unwrap();
    assert!(TileProof::try_from_slice(&bytes).is_err());
}

/// Whoever changes a tensor, its name, its shape, its place or the head has another digest.
#[test]
fn the_digest_covers_order_names_shapes_and_head() {
    let mut digests = vec![digest()];
    for i in 0..SHAPES.len() - 1 {
        let mut swapped = tensors();
        swapped.digests.swap(i, i + 1);
        digests.push(swapped.digest(Whole::Adapter));
        let mut fewer = tensors();
        fewer.digests.remove(i);
        digests.push(fewer.digest(Whole::Adapter));
    }
    let mut head = tensors();
    head.head[47] ^= 1;
    digests.push(head.digest(Whole::Adapter));
    let six = values(9, 6);
    digests.push(tensor_digest("a", 2, 3, &six));
    digests.push(tensor_digest("a", 3, 2, &six));
    digests.push(tensor_digest("a", 1, 6, &six));
    digests.push(tensor_digest("b", 2, 3, &six));
    for (i, one) in digests.iter().enumerate() {
        assert!(!digests[i + 1..].contains(one), "{i}");
    }
}

proptest! {
    /// No bit of a proof can be another one.
    #[test]
    fn a_proof_with_any_bit_changed_shows_nothing(
        i in 0..SHAPES.len(), tile: prop::sample::Index, at: prop::sample::Index, bit in 0u32..8,
    ) {
        let tiles = all()[i].len().div_ceil(TILE);
        let proof = prove(i, tile.index(tiles) as u64).unwrap();
        let mut bytes = borsh::to_vec(&proof).unwrap();
        // Most bytes are the tile's: every second time one of the others.
        let outside = bytes.len() - proof.bytes.len();
        let reach = if bit % 2 == 0 { bytes.len() } else { outside };
        bytes[at.index(reach)] ^= 1u8 << bit;
        if let Ok(other) = TileProof::try_from_slice(&bytes) {
            prop_assert!(other != proof);
            prop_assert!(other.verify(Whole::Adapter, &digest()).is_err());
        }
    }

    /// Counts and shapes of any size are answered, not computed with.
    #[test]
    fn any_proof_is_answered(
        rows: u64, cols: u64, tile: u64, place: u64, tensors: u64, length in 0..TILE_BYTES,
        small in 0u64..9,
    ) {
        let mut proof = prove(4, 0).unwrap();
        proof.shape = Shape { rows, cols: if small < 3 { small } else { cols } };
        (proof.tile, proof.place, proof.tensors) = (tile, place, tensors);
        proof.bytes.truncate(length);
        prop_assert!(proof.verify(Whole::Adapter, &digest()).is_err());
        proof.shape = Shape { rows: small, cols: small };
        proof.tile = small;
        prop_assert!(proof.verify(Whole::Adapter, &digest()).is_err());
    }
}
