//! Model folders and files: what loads, and what is said about the rest.

use std::path::Path;
use std::sync::Arc;

use crate::common;
use crate::common::Named;
use assay_kernel::Kernel;
use assay_model::{
    Base, Generator, LoadError, ModelConfig, ModelFiles, WeightId, check_safetensors,
};
use half::{bf16, f16};
use proptest::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

fn refused(files: ModelFiles) -> String {
    Base::from_files(files).unwrap_err().to_string()
}

fn with_tensors(change: fn(&mut Vec<Named>)) -> ModelFiles {
    let mut tensors = common::tensors(common::QWEN);
    change(&mut tensors);
    let mut files = common::files(common::QWEN);
    files.insert("model.safetensors".into(), common::safetensors(&tensors));
    files
}

#[test]
fn one_file_shards_and_folder_load_the_same_model() {
    let whole = common::base(common::QWEN);
    let tensors = common::tensors(common::QWEN);
    let (front, back) = tensors.split_at(5);
    let mut files = common::files(common::QWEN);
    files.remove("model.safetensors");
    files.insert("one.safetensors".into(), common::safetensors(front));
    files.insert("two.safetensors".into(), common::safetensors(back));
    let place = |(i, (name, _, _)): (usize, &Named)| {
        let file = if i < 5 {
            "one.safetensors"
        } else {
            "two.safetensors"
        };
        (name.clone(), file.into())
    };
    let map: serde_json::Map<_, _> = tensors.iter().enumerate().map(place).collect();
    let index = serde_json::json!({"metadata": {}, "weight_map": map}).to_string();
    files.insert("model.safetensors.index.json".into(), index.into());

    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in &files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    std::fs::write(folder.path().join("unrelated.bin"), [0; 100]).unwrap();
    let sharded = Base::from_files(files.clone()).unwrap();
    assert_eq!(sharded.digest(), whole.digest());
    assert_eq!(
        Base::from_folder(folder.path()).unwrap().digest(),
        whole.digest()
    );

    files.remove("two.safetensors");
    assert!(refused(files).starts_with("two.safetensors is missing"));
}

#[test]
fn half_precision_storage_widens_exactly() {
    let tensors = common::tensors(common::PLAIN);
    let load = |dtype: Dtype, narrow: fn(f32) -> ([u8; 2], f32)| {
        let bytes: Vec<Vec<u8>> = (tensors.iter())
            .map(|(_, _, values)| values.iter().flat_map(|v| narrow(*v).0).collect())
            .collect();
        let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            (name, TensorView::new(dtype, shape.clone(), bytes).unwrap())
        });
        let mut files = common::files(common::PLAIN);
        let file = safetensors::serialize(views, None).unwrap();
        files.insert("model.safetensors".into(), file);
        let base = Base::from_files(files).unwrap();
        for (i, (_, _, values)) in tensors.iter().enumerate() {
            let widened: Vec<f32> = values.iter().map(|v| narrow(*v).1).collect();
            assert_eq!(*base.weight(WeightId(i as u32)), widened);
        }
    };
    load(Dtype::F16, |v| {
        (f16::from_f32(v).to_le_bytes(), f16::from_f32(v).to_f32())
    });
    load(Dtype::BF16, |v| {
        (bf16::from_f32(v).to_le_bytes(), bf16::from_f32(v).to_f32())
    });
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let text = refused(with_tensors(|t| drop(t.remove(3))));
    assert!(
        text.contains("is missing; the weights do not belong to this config.json"),
        "{text}"
    );
    let text = refused(with_tensors(|t| {
        t[0].1 = vec![16, 20];
    }));
    assert!(
        text.contains("has shape [16, 20], and config.json asks for [20, 16]"),
        "{text}"
    );
    for bad in [f32::NAN, f32::INFINITY] {
        let mut tensors = common::tensors(common::QWEN);
        tensors[2].2[5] = bad;
        let mut files = common::files(common::QWEN);
        files.insert("model.safetensors".into(), common::safetensors(&tensors));
        let text = refused(files);
        assert!(
            text.contains("holds a NaN or infinity in row 0, column 5"),
            "{text}"
        );
    }
    let mut files = common::files(common::QWEN);
    let ints = [0u8; 8];
    let view = TensorView::new(Dtype::I64, vec![1], &ints).unwrap();
    let one = safetensors::serialize([("model.norm.weight", view)], None).unwrap();
    files.insert("model.safetensors".into(), one);
    assert!(refused(files).contains("model.norm.weight has shape [1]"));
}

#[test]
fn a_tokenizer_may_know_more_than_the_embedding() {
    let mut files = common::files(common::QWEN);
    let other = common::TOKENIZER.replace("\"b\": 19", "\"b\": 19, \"spare\": 20");
    files.insert("tokenizer.json".into(), other.into());
    let base = Arc::new(Base::from_files(files).unwrap());
    let kernel = Kernel::detect().unwrap();
    let mut generator = Generator::new(&kernel, base.clone(), None, 8).unwrap();
    let ids = |text: &str| base.tokenizer().unwrap().encode(text, false).unwrap().ids;
    generator.read(&ids("a b")).unwrap();
    let told = generator.reread(&ids("a spare b")).unwrap_err().to_string();
    assert!(
        told.contains("the token \"spare\" (id 20), and the model's embedding ends at id 19"),
        "{told}"
    );
}

#[test]
fn tensors_that_the_configuration_does_not_describe_are_refused() {
    let with = |config: &str, name: &str, shape: &[usize], value: f32| {
        let mut tensors = common::tensors(config);
        let count = shape.iter().product();
        tensors.push((name.into(), shape.to_vec(), vec![value; count]));
        let mut files = common::files(config);
        files.insert("model.safetensors".into(), common::safetensors(&tensors));
        Base::from_files(files)
    };
    let told = |name: &str| {
        with(common::PLAIN, name, &[2], 1.0)
            .unwrap_err()
            .to_string()
    };
    for name in [
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.0.self_attn.q_norm.weight",
        "model.layers.3.input_layernorm.weight",
        "model.layers.1.mlp.up_proj.weight_scale",
    ] {
        let expected = format!("tensor {name} is in the weights and not in the model");
        assert!(told(name).contains(&expected), "{}", told(name));
    }
    for name in [
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        "vision_tower.patch.weight",
        "score.weight",
    ] {
        assert!(with(common::PLAIN, name, &[2], 1.0).is_ok(), "{name}");
    }
    // A tied output that is stored as well must be the embedding.
    let told = with(common::BIASED_TIED, "lm_head.weight", &[20, 16], 1.0);
    let told = told.unwrap_err().to_string();
    assert!(told.contains("tie_word_embeddings = true"), "{told}");
    let mut tensors = common::tensors(common::BIASED_TIED);
    let same = tensors[0].2.clone();
    tensors.push(("lm_head.weight".into(), vec![20, 16], same));
    let mut files = common::files(common::BIASED_TIED);
    files.insert("model.safetensors".into(), common::safetensors(&tensors));
    let base = Base::from_files(files).unwrap();
    assert_eq!(base.digest(), common::base(common::BIASED_TIED).digest());
}

#[test]
fn missing_and_unreadable_files_are_named() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let mut files = common::files(common::QWEN);
        files.remove(name);
        let text = refused(files);
        assert!(text.starts_with(&format!("{name} is missing")), "{text}");
    }
    let error = Base::from_folder(Path::new("/nonexistent"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nonexistent is missing"), "{error}");
    for (index, expected) in [
        ("{}", "it has no weight_map"),
        (
            r#"{"weight_map": {"a": "../../etc/passwd"}}"#,
            "is no name of a .safetensors file",
        ),
        (
            r#"{"weight_map": {"a": "/x.safetensors"}}"#,
            "is no name of a .safetensors file",
        ),
        (
            r#"{"weight_map": {"a": 3}}"#,
            "is no name of a .safetensors file",
        ),
    ] {
        let mut files = common::files(common::QWEN);
        files.remove("model.safetensors");
        files.insert("model.safetensors.index.json".into(), index.into());
        let text = refused(files);
        assert!(text.contains(expected), "{text}");
    }
}

/// A file with this header and `data` bytes of zeros.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn lying_headers_are_refused() {
    let good = r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}"#;
    assert_eq!(check_safetensors(&file(good, 8)).unwrap(), 1);
    let offsets = |offsets: &str| good.replace("[0, 8]", offsets);
    let big = u64::MAX;
    let cases = [
        (vec![1, 2, 3], "too few for a header"),
        (
            u64::MAX.to_le_bytes().to_vec(),
            "its header claims 18446744073709551615 bytes",
        ),
        (
            file(good, 8)[..40].to_vec(),
            "it is cut off: it has 40 bytes, and its header describes 69",
        ),
        (file("nonsense", 8), "its header is not JSON"),
        (
            file(good, 7),
            "it is cut off: it has 76 bytes, and its header describes 77",
        ),
        (
            file(&offsets(&format!("[0, {big}]")), 8),
            "tensor a claims data at",
        ),
        (file(&offsets("[8, 0]"), 8), "tensor a claims data at"),
        (file(&offsets("[-1, 8]"), 8), "tensor a claims data at"),
        (file(&offsets("[0]"), 8), "tensor a claims data at"),
        (file(&offsets("[0, 4]"), 8), "TensorInvalidInfo"),
        (file(good, 9), "MetadataIncompleteBuffer"),
        (
            file(&good.replace("[2]", &format!("[{big}, {big}]")), 8),
            "Overflow",
        ),
        (file(r#"{"a": 3}"#, 0), "tensor a claims data at null"),
    ];
    for (bytes, expected) in cases {
        let text = check_safetensors(&bytes).unwrap_err().to_string();
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
        assert!(text.contains("download or save it again"));
    }
}

#[test]
fn random_bases_have_no_tokenizer_and_one_digest() {
    let config = ModelConfig::from_json(common::PLAIN.as_bytes()).unwrap();
    let base = |seed| Base::random(config.clone(), &[seed; 32]).unwrap();
    assert!(matches!(base(1).tokenizer(), Err(LoadError::NoTokenizer)));
    assert_eq!(base(1).digest(), base(1).digest());
    assert_ne!(base(1).digest(), base(2).digest());
}

proptest! {
    #[test]
    fn headers_never_panic(
        header in prop::collection::vec(any::<u8>(), 0..80),
        at in 0usize..90,
        byte in any::<u8>(),
    ) {
        let _ = check_safetensors(&header);
        let good = r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}"#;
        let mut bytes = file(good, 8);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = check_safetensors(&bytes);
    }
}
