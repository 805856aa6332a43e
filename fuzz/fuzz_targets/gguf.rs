//! GGUF files: what converts is a model that loads, with exactly the values of the file.
//!
//! The seeds are the small models of the tests of `assay-model`: they hold every storage type and
//! every family of tokenizers.
#![no_main]

use assay_model::gguf::{GgufFile, Storage, convert};
use assay_model::{Base, check_safetensors};
use libfuzzer_sys::fuzz_target;

const TINY: &[u8] = include_bytes!("../../crates/model/tests/fixtures/gguf/tiny.gguf");
const BLOCKS: &[u8] = include_bytes!("../../crates/model/tests/fixtures/gguf/blocks.gguf");
const PIECES: &[u8] = include_bytes!("../../crates/model/tests/fixtures/gguf/sentencepiece.gguf");
const LLAMA3: &[u8] = include_bytes!("../../crates/model/tests/fixtures/gguf/llama-bpe.gguf");
const QWEN2: &[u8] = include_bytes!("../../crates/model/tests/fixtures/gguf/qwen2.gguf");
const TEKKEN: &[u8] = include_bytes!("../../crates/model/tests/fixtures/gguf/tekken.gguf");

fn start() {
    let seeds = [TINY, BLOCKS, PIECES, LLAMA3, QWEN2, TEKKEN];
    assay_fuzz::plant(seeds.map(<[u8]>::to_vec));
    // The tokenizer library panics on some vocabularies, which `assay-data` turns into an error;
    // libFuzzer's hook aborts on every panic, caught or not.
    std::panic::set_hook(Box::new(|_| {}));
}

fuzz_target!(init: start(), |data: &[u8]| {
    if let Ok(file) = GgufFile::open(data) {
        // No type packs two values into a byte, and tensors do not overlap: memory follows the file.
        let values: usize = file.tensors().map(|(_, tensor)| tensor.values().len()).sum();
        assert!(values < 2 * data.len(), "{values} values");
    }
    match convert(data, Storage::F32) {
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() < 4_096, "message: {text:?}");
        }
        Ok(files) => {
            check_safetensors(&files["model.safetensors"]).expect("own weights are well formed");
            let base = Base::from_files(files).expect("what converts loads");
            assert!(base.tokenizer().is_ok());
        }
    }
});
