//! Transactions: one encoding, and their JSON form says as much.
#![no_main]

use assay_fuzz::{canonical, samples, through_json};
use assay_ledger::Transaction;
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let all = samples::ledger::transactions();
    all.iter().map(Transaction::encode).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Some(transaction) = canonical(data, Transaction::decode, Transaction::encode) else {
        return;
    };
    assert_eq!(transaction.encoded_len(), data.len());
    through_json(&transaction);
    if transaction.verify().is_ok() {
        let mut other = transaction.clone();
        other.nonce ^= 1;
        assert!(other.verify().is_err(), "the signature does not cover the nonce");
    }
});
