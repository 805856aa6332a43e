//! Safetensors files: every byte of data belongs to a tensor.
#![no_main]

use assay_fuzz::samples::model::adapters;
use assay_model::{ADAPTER_WEIGHTS, check_safetensors};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]}}"#;
    let by_hand = [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        &[0; 4],
    ]
    .concat();
    let files = adapters()
        .into_iter()
        .flat_map(|adapter| adapter.peft_files("base"));
    let weights = files
        .filter(|(name, _)| name == ADAPTER_WEIGHTS)
        .map(|(_, bytes)| bytes);
    weights.chain([by_hand]).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Ok(count) = check_safetensors(data) else {
        return;
    };
    let file = safetensors::SafeTensors::deserialize(data).expect("it was checked");
    assert_eq!(file.len(), count);
    let bytes: usize = file.tensors().iter().map(|(_, tensor)| tensor.data().len()).sum();
    let header = u64::from_le_bytes(*data.first_chunk().expect("it was checked"));
    assert_eq!(bytes as u64, data.len() as u64 - 8 - header);
});
