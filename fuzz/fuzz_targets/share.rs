//! Threshold shares from key files: one encoding.
#![no_main]

use assay_chain::{ThresholdShare, deal};
use assay_fuzz::canonical;
use assay_fuzz::samples::ledger::account;
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let validators: Vec<_> = (0..4).map(account).collect();
    let dealt = deal(&validators, [1; 32]).expect("a valid committee");
    let shares = dealt.shares.iter();
    shares.map(|(_, share)| share.to_bytes().to_vec()).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    canonical(data, ThresholdShare::from_bytes, |share| share.to_bytes().to_vec());
});
