//! Adapters as PEFT folders, and generation with them.

use std::path::Path;
use std::sync::Arc;

use crate::common;
use assay_data::{Message, Role};
use assay_kernel::Kernel;
use assay_model::{Adapter, Base, LoraConfig, MethodError, Target, answer, generate, logits};
use serde_json::{Value, json};

fn example() -> Arc<Base> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/glassllm");
    Arc::new(Base::from_folder(&folder).unwrap())
}

#[test]
fn a_folder_comes_back_as_the_same_adapter() {
    let base = common::base(common::BIASED_TIED);
    for targets in [&Target::ALL[..], &[Target::QProj, Target::DownProj]] {
        let adapter = common::adapter(&base, &common::lora(targets));
        let folder = tempfile::tempdir().unwrap();
        adapter.save_peft(folder.path(), "some/base").unwrap();
        let back = Adapter::load_peft(folder.path(), base.config()).unwrap();
        assert_eq!(back, adapter);
        let files: Vec<_> = adapter.peft_files("some/base");
        assert_eq!(files, back.peft_files("some/base"));
    }
}

#[test]
fn the_settings_are_those_peft_expects() {
    let base = common::base(common::PLAIN);
    let lora = common::lora(&[Target::VProj, Target::QProj]);
    let adapter = common::fresh(&base, &lora, 1);
    let files = adapter.peft_files("examples/model");
    let value: Value = serde_json::from_slice(&files[0].1).unwrap();
    for (name, expected) in [
        ("base_model_name_or_path", json!("examples/model")),
        ("peft_type", json!("LORA")),
        ("task_type", json!("CAUSAL_LM")),
        ("r", json!(3)),
        ("lora_alpha", json!(4)),
        ("lora_dropout", json!(0.0)),
        ("target_modules", json!(["q_proj", "v_proj"])),
        ("bias", json!("none")),
        ("fan_in_fan_out", json!(false)),
        ("inference_mode", json!(true)),
    ] {
        assert_eq!(value[name], expected, "{name}");
    }
    let first = &adapter.params()[0].info;
    assert_eq!(
        first.name,
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    );
    assert_eq!((first.rows, first.cols), (3, 16));
}

#[test]
fn a_fresh_adapter_changes_nothing_and_its_a_is_kaiming_uniform() {
    let kernel = Kernel::detect().unwrap();
    let base = common::base(common::QWEN);
    let fresh = common::fresh(&base, &common::lora(&Target::ALL), 1);
    let batch = common::batch(2, 9, 0);
    let plain = logits(&kernel, &base, None, &batch).unwrap();
    assert_eq!(logits(&kernel, &base, Some(&fresh), &batch).unwrap(), plain);
    let moved = common::adapter(&base, fresh.method());
    assert_ne!(logits(&kernel, &base, Some(&moved), &batch).unwrap(), plain);
    for pair in fresh.params().chunks_exact(2) {
        let bound = 1.0 / (pair[0].info.cols as f32).sqrt();
        assert!(pair[0].values.iter().all(|v| v.abs() <= bound));
        let largest = pair[0].values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(largest > 0.8 * bound);
        assert!(pair[1].values.iter().all(|v| *v == 0.0));
    }
    let other = common::fresh(&base, fresh.method(), 2);
    assert_ne!(other, fresh);
}

#[test]
fn settings_that_are_not_computed_are_refused() {
    let new = |r, alpha, dropout, names: &[&str]| LoraConfig::new(r, alpha, dropout, names);
    let error = new(8, 16, 0.0, &["q_proj", "query"]).unwrap_err();
    assert_eq!(error, MethodError::UnknownTarget("query".into()));
    assert!(
        error
            .to_string()
            .contains("q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj")
    );
    assert_eq!(new(8, 16, 0.0, &[]).unwrap_err(), MethodError::NoTargets);
    assert_eq!(
        new(0, 16, 0.0, &["q_proj"]).unwrap_err(),
        MethodError::BadRank(0)
    );
    assert_eq!(
        new(8, 0, 0.0, &["q_proj"]).unwrap_err(),
        MethodError::BadAlpha("0".into())
    );
    assert!(matches!(
        new(8, 16, 1.0, &["q_proj"]),
        Err(MethodError::BadDropout(_))
    ));

    let base = common::base(common::PLAIN);
    let adapter = common::adapter(&base, &common::lora(&[Target::QProj]));
    let files = adapter.peft_files("x");
    let read = |change: &dyn Fn(&mut Value), weights: &[u8]| {
        let mut value: Value = serde_json::from_slice(&files[0].1).unwrap();
        change(&mut value);
        let bytes = value.to_string();
        Adapter::from_peft_files(bytes.as_bytes(), weights, base.config())
    };
    assert_eq!(read(&|_| (), &files[1].1).unwrap(), adapter);
    let cases: [(&str, Value, &str); 10] = [
        ("peft_type", json!("VERA"), "peft_type is \"VERA\""),
        ("use_dora", json!(true), "lora_magnitude_vector is missing"),
        ("use_rslora", json!(1), "use_rslora is 1"),
        ("bias", json!("all"), "bias is \"all\""),
        ("modules_to_save", json!(["lm_head"]), "modules_to_save"),
        (
            "rank_pattern",
            json!({"q_proj": 4}),
            "has shape [3, 16], and adapter_config.json and this model ask for [4, 16]",
        ),
        (
            "target_modules",
            json!("all-linear"),
            "k_proj.lora_A.weight is missing",
        ),
        (
            "target_modules",
            json!(["fc1"]),
            "target module \"fc1\" is unknown",
        ),
        ("r", json!(2.5), "r is 2.5; it must be a whole number"),
        (
            "r",
            json!(4),
            "has shape [3, 16], and adapter_config.json and this model ask for [4, 16]",
        ),
    ];
    for (name, value, expected) in cases {
        let change = |all: &mut Value| all[name] = value.clone();
        let text = read(&change, &files[1].1).unwrap_err().to_string();
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    }
    let more = common::adapter(&base, &common::lora(&[Target::QProj, Target::KProj]));
    let text = read(&|_| (), &more.peft_files("x")[1].1)
        .unwrap_err()
        .to_string();
    assert!(text.contains("belongs to no adapted projection"), "{text}");
    let text = read(&|_| (), b"").unwrap_err().to_string();
    assert!(
        text.contains("adapter_model.safetensors is no valid safetensors"),
        "{text}"
    );
}

#[test]
fn greedy_generation_is_the_argmax_of_the_logits() {
    let (kernel, base) = (Kernel::detect().unwrap(), common::base(common::PLAIN));
    assert!(base.config().eos_token_ids.is_empty());
    let prompt = [3, 1, 4, 1, 5];
    let more = generate(&kernel, &base, None, &prompt, 20).unwrap();
    assert_eq!(more.len(), 20);
    let mut row = prompt.to_vec();
    for next in &more {
        let batch = assay_data::Batch {
            batch: 1,
            seq: row.len(),
            ids: row.clone(),
            labels: vec![assay_kernel::IGNORE; row.len()],
        };
        let all = logits(&kernel, &base, None, &batch).unwrap();
        let last = &all[(row.len() - 1) * common::VOCAB..];
        assert!(last.iter().all(|v| *v <= last[*next as usize]));
        row.push(*next);
    }
    // The context ends generation, and a prompt that fills it is refused.
    let long = generate(&kernel, &base, None, &prompt, 1000).unwrap();
    assert_eq!((long.len(), &long[..20]), (27, &more[..]));
    assert!(generate(&kernel, &base, None, &[], 4).is_err());
    assert!(generate(&kernel, &base, None, &[5; 32], 4).is_err());
    assert!(generate(&kernel, &base, None, &[20], 4).is_err());
    assert!(
        generate(&kernel, &base, None, &prompt, 0)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn answers_are_the_generated_text_up_to_the_stop() {
    let (kernel, base) = (Kernel::detect().unwrap(), example());
    let tokenizer = base.tokenizer().unwrap();
    let questions = [
        "What is the matter?",
        "Who are you?",
        "Do you like tea?",
        "Why?",
    ];
    let mut cut = 0;
    for question in questions {
        let asked = [Message::new(Role::User, question)];
        let prompt = tokenizer.encode_chat(&asked).unwrap();
        let ids = generate(&kernel, &base, None, &prompt, 30).unwrap();
        let whole = tokenizer.decode(&ids, true).unwrap();
        let all = answer(&kernel, &base, None, &asked, 30, None).unwrap();
        assert_eq!(all, whole.trim());
        let word = answer(&kernel, &base, None, &asked, 30, Some(" ")).unwrap();
        assert_eq!(word, all.split(' ').next().unwrap());
        cut += usize::from(word != all);
    }
    assert!(cut > 0, "no answer has two words: a weak test");
}
