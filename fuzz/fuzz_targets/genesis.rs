//! Genesis files, in bytes and in JSON: one encoding, and a state that adds up or a reason.
#![no_main]

use assay_fuzz::{canonical, samples, through_json};
use assay_ledger::{Genesis, MemoryStore, query};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let genesis = samples::ledger::genesis();
    let json = serde_json::to_vec(&genesis).expect("a value in memory serialises");
    vec![genesis.encode(), json]
}

fn state(genesis: &Genesis) {
    if let Ok(state) = genesis.state() {
        let store = MemoryStore::new(state);
        assert_eq!(query::chain_id(&store).unwrap(), Some(genesis.chain_id()));
        assert_eq!(query::supply(&store).unwrap().total, genesis.supply().ok());
    }
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    if data.first() == Some(&b'{') {
        if let Ok(genesis) = serde_json::from_slice::<Genesis>(data) {
            assert_eq!(Genesis::decode(&genesis.encode()).ok().as_ref(), Some(&genesis));
            state(&genesis);
        }
    } else if let Some(genesis) = canonical(data, Genesis::decode, Genesis::encode) {
        through_json(&genesis);
        state(&genesis);
    }
});
