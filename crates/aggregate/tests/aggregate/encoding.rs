//! Bytes of updates.

use assay_aggregate::{
    DecodeError, Encoded, EncodedUpdates, Quantiser, Rows, Settings, aggregate, encode,
};
use proptest::prelude::*;

use crate::common::{cases, kernel, rows, seed};

#[test]
fn golden() {
    let quantiser = Quantiser::new(12, -3).unwrap();
    let bytes = encode(&quantiser, &[1, -1, 2047, -2047]).unwrap();
    assert_eq!(
        bytes,
        [1, 12, 253, 4, 0, 0, 0, 1, 0, 255, 255, 255, 7, 1, 248]
    );
    let update = Encoded::decode(&bytes, 4).unwrap();
    assert_eq!(
        update.digest().to_string(),
        "0463eb05a1d1bfa8b03cb8a67f53208312b170a605b323a90e9abf2426f496b7"
    );
}

#[test]
fn whatever_is_not_the_one_encoding_is_refused() {
    let quantiser = Quantiser::new(12, 0).unwrap();
    let good = encode(&quantiser, &[5, -6]).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Encoded::decode(&bytes, 100)
            .map(|update| update.to_vec())
            .unwrap_err()
    };
    assert_eq!(with(0, 2), DecodeError::Version(2));
    assert!(matches!(with(1, 25), DecodeError::Scale(_)));
    assert!(matches!(with(2, 101), DecodeError::Scale(_)));
    assert_eq!(
        with(3, 0),
        DecodeError::Coordinates {
            found: 0,
            limit: 100
        }
    );
    assert_eq!(
        with(3, 101),
        DecodeError::Coordinates {
            found: 101,
            limit: 100
        }
    );
    assert_eq!(
        with(3, 3),
        DecodeError::Length {
            found: 4,
            wanted: 6
        }
    );
    assert_eq!(
        with(8, 8),
        DecodeError::Value {
            coordinate: 0,
            value: 2053,
            largest: 2047
        }
    );
    assert!(matches!(
        Encoded::decode(&good[..6], 100),
        Err(DecodeError::Short(6))
    ));
    let lowest = [&good[..7], &[0, 0xf8, 0, 0]].concat();
    assert!(matches!(
        Encoded::decode(&lowest, 100),
        Err(DecodeError::Value { value: -2048, .. })
    ));
    assert!(encode(&quantiser, &[2048]).is_err() && encode(&quantiser, &[]).is_err());
}

#[test]
fn updates_of_another_scale_are_not_aggregated() {
    let bytes = |exponent| encode(&Quantiser::new(12, exponent).unwrap(), &[5, -6]).unwrap();
    let all = [bytes(0), bytes(0), bytes(1)];
    let all: Vec<_> = all
        .iter()
        .map(|bytes| Encoded::decode(bytes, 2).unwrap())
        .collect();
    let error = EncodedUpdates::new(all.clone(), Vec::new())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("update 2 has another scale or length"));
    assert!(EncodedUpdates::new(all[..2].to_vec(), vec![1, 2]).is_ok());
    assert!(EncodedUpdates::new(Vec::new(), Vec::new()).is_err());
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn values_come_back_and_aggregate_alike_from_bytes_and_from_memory(bits in 2u8..=24, rows in rows(4..8, 1..60, 2), by in 1i32..8) {
        let largest = (1 << (bits - 1)) - 1;
        let rows: Vec<Vec<i32>> = rows.iter().map(|row| row.iter().map(|v| v * (largest / by)).collect()).collect();
        let quantiser = Quantiser::new(bits, 3).unwrap();
        let bytes: Vec<_> = rows.iter().map(|row| encode(&quantiser, row).unwrap()).collect();
        let encoded: Vec<_> = bytes.iter().map(|bytes| Encoded::decode(bytes, 60).unwrap()).collect();
        for (row, encoded) in rows.iter().zip(&encoded) {
            prop_assert_eq!(row, &encoded.to_vec());
            prop_assert_eq!(encoded.coordinates(), row.len());
        }
        let encoded = EncodedUpdates::new(encoded, Vec::new()).unwrap();
        let settings = Settings::default();
        let from_bytes = aggregate(&kernel(), &encoded, &settings, &seed()).unwrap();
        let from_memory = aggregate(&kernel(), &Rows::new(&rows, bits).unwrap(), &settings, &seed()).unwrap();
        prop_assert_eq!(from_bytes, from_memory);
    }
}
