//! Tokenizer files: what loads gives ids below its limit and spans inside the text.
//!
//! The library that reads them panics on some; `assay-data` turns that into an error, so here a
//! panic that is caught is none. One that is not still ends the run.
#![no_main]

use assay_data::Tokenizer;
use assay_fuzz::parts::{Parts, part};
use assay_fuzz::samples::model::{BYTES, TOKENIZER, TOKENIZER_CONFIG};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    [TOKENIZER, BYTES]
        .iter()
        .map(|file| {
            let mut seed = part(file.as_bytes());
            seed.extend(part(TOKENIZER_CONFIG.as_bytes()));
            seed.extend(b"User: ab abba");
            seed
        })
        .collect()
}

fn start() {
    assay_fuzz::plant(seeds());
    // libFuzzer's hook aborts on every panic, caught or not.
    std::panic::set_hook(Box::new(|_| {}));
}

fuzz_target!(init: start(), |data: &[u8]| {
    let mut parts = Parts::new(data);
    let (file, config, text) = (parts.part(), parts.part(), parts.rest());
    let config = Some(config).filter(|config| !config.is_empty());
    let Ok(tokenizer) = Tokenizer::from_files(file, config, None) else {
        return;
    };
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    if let Ok(encoding) = tokenizer.encode(text, true) {
        assert_eq!(encoding.ids.len(), encoding.spans.len());
        assert!(encoding.ids.iter().all(|id| *id < tokenizer.id_limit()), "an id over the limit");
        let _ = tokenizer.decode(&encoding.ids, true);
    }
});
