//! Plans of interrupted uploads, as a bad disk may leave them: one encoding each.
#![no_main]

use assay_fuzz::samples::ledger::{account, digest};
use assay_node::files::unfinished::Plan;
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let plan = Plan {
        chain: digest("chain"),
        owner: account(1),
        path: b"/data/caf\xe9".to_vec(),
        name: "rows".to_owned(),
        media_type: "text/plain".to_owned(),
        copies: 2,
        length: 11,
        identity: digest("identity"),
        salt: digest("salt"),
    };
    vec![plan.encode()]
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    if let Some(plan) = Plan::decode(data) {
        assert_eq!(plan.encode(), data, "another encoding of the same plan");
        assert_eq!(plan.id().len(), 16);
    }
});
