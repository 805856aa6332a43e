//! What an adapter's settings may say, what its files may hold, and when it means nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common;
use crate::common::Named;
use assay_kernel::Kernel;
use assay_model::{
    Adapter, Base, BitFitConfig, Ia3Config, LoraConfig, Method, Modules, Names, PrivateLoraConfig,
    Target, adapter_notes, logits, merge_note, merged_files,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

/// What a recent PEFT writes for a plain LoRA, but for r, lora_alpha and target_modules.
fn recent() -> Value {
    json!({
        "alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null,
        "auto_mapping": {"base_model_class": "LlamaForCausalLM", "parent_library": "transformers"},
        "base_model_name_or_path": "meta/llama", "bias": "none", "corda_config": null,
        "ensure_weight_tying": false, "eva_config": null, "exclude_modules": null,
        "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
        "layer_replication": null, "layers_pattern": null, "layers_to_transform": null,
        "loftq_config": {}, "lora_alpha": 4, "lora_bias": false, "lora_dropout": 0.05,
        "megatron_config": null, "megatron_core": "megatron.core", "modules_to_save": null,
        "peft_type": "LORA", "peft_version": "0.18.0", "qalora_group_size": 16, "r": 3,
        "rank_pattern": {}, "revision": "main", "target_modules": ["q_proj", "down_proj"],
        "target_parameters": null, "task_type": "CAUSAL_LM", "trainable_token_indices": null,
        "use_dora": false, "use_qalora": false, "use_rslora": false,
    })
}

struct Saved {
    base: Arc<Base>,
    adapter: Adapter,
    weights: Vec<u8>,
}

impl Saved {
    fn new() -> Self {
        let base = common::base(common::PLAIN);
        let method = common::lora(&[Target::QProj, Target::DownProj]);
        let adapter = common::adapter(&base, &method);
        let weights = adapter.peft_files("x").remove(1).1;
        Self {
            base,
            adapter,
            weights,
        }
    }

    fn read(&self, settings: &Value) -> Result<Adapter, String> {
        self.read_with(settings, &self.weights)
    }

    fn read_with(&self, settings: &Value, weights: &[u8]) -> Result<Adapter, String> {
        let bytes = settings.to_string();
        let read = Adapter::from_peft_files(bytes.as_bytes(), weights, self.base.config());
        read.map_err(|error| error.to_string())
    }

    /// The tensors, to change.
    fn tensors(&self) -> BTreeMap<String, Named> {
        let file = SafeTensors::deserialize(&self.weights).unwrap();
        let all = file.iter().map(|(name, view)| {
            let words = view.data().as_chunks::<4>().0.iter();
            let values = words.map(|word| f32::from_le_bytes(*word)).collect();
            let named = (name.to_owned(), view.shape().to_vec(), values);
            (name.to_owned(), named)
        });
        all.collect()
    }

    fn refused(&self, change: impl FnOnce(&mut BTreeMap<String, Named>)) -> String {
        let mut tensors = self.tensors();
        change(&mut tensors);
        let all: Vec<Named> = tensors.into_values().collect();
        let weights = common::safetensors(&all);
        self.read_with(&recent(), &weights).unwrap_err()
    }
}

const A: &str = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight";
const B: &str = "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight";

#[test]
fn settings_that_say_nothing_about_what_is_computed_are_read_over() {
    let saved = Saved::new();
    assert_eq!(saved.read(&recent()).unwrap(), saved.adapter);
    for (name, value) in [
        ("init_lora_weights", json!(false)),
        ("init_lora_weights", json!("gaussian")),
        ("init_lora_weights", json!("Gaussian")),
        ("init_lora_weights", json!("orthogonal")),
        ("init_lora_weights", json!("eva")),
        ("init_lora_weights", json!("mica")),
        ("eva_config", json!({"rho": 2.0, "tau": 0.99})),
        ("loftq_config", json!({"loftq_bits": 4})),
        ("corda_config", json!({"corda_method": "ipm"})),
        ("lora_ga_config", json!({"direction": "ArB2r"})),
        ("lora_alpha", json!(4.0)),
        ("target_modules", json!(r".*\.(q|down)_proj")),
        ("layers_to_transform", json!([0, 1, 2])),
        ("rank_pattern", json!({"q_proj": 3})),
        ("alpha_pattern", json!({"k_proj": 9})),
        ("a_setting_of_next_year", json!(null)),
        ("another_one", json!([])),
        ("runtime_config", json!({"ephemeral_gpu_offload": false})),
        ("modules_to_save", json!([])),
    ] {
        let mut settings = recent();
        settings[name] = value.clone();
        let read = saved.read(&settings);
        assert_eq!(read.as_ref(), Ok(&saved.adapter), "{name} = {value}");
    }
}

#[test]
fn any_other_setting_that_is_set_is_refused_by_name() {
    let saved = Saved::new();
    for (name, value, reason) in [
        ("init_lora_weights", json!("pissa"), "another start"),
        ("init_lora_weights", json!("pissa_niter_4"), "another start"),
        ("init_lora_weights", json!("olora"), "another start"),
        ("init_lora_weights", json!("corda"), "another start"),
        ("init_lora_weights", json!("loftq"), "another start"),
        ("init_lora_weights", json!("lora_ga"), "another start"),
        ("init_lora_weights", json!("a_new_one"), "another start"),
        (
            "alora_invocation_tokens",
            json!([81, 82]),
            "only after these tokens",
        ),
        ("layer_replication", json!([[0, 2], [1, 3]]), "repeated"),
        ("use_qalora", json!(true), "pooled"),
        ("trainable_token_indices", json!([5]), "rows of them"),
        ("modules_to_save", json!(["lm_head"]), "whole modules"),
        (
            "target_parameters",
            json!(["experts.gate"]),
            "no projections",
        ),
        ("lora_bias", json!(true), "biases"),
        ("bias", json!("lora_only"), "biases"),
        ("fan_in_fan_out", json!(true), "other way round"),
        ("arrow_config", json!({"top_k": 2}), "mixed"),
        ("task_type", json!("SEQ_CLS"), "only CAUSAL_LM"),
        ("a_setting_of_next_year", json!(0.5), "not known here"),
        ("use_something_new", json!(true), "not known here"),
        ("rank_pattern", json!([3]), "must be an object"),
        ("layers_to_transform", json!("all"), "layer's number"),
        ("layers_to_transform", json!(-1), "has 3 layers, 0 to 2"),
        ("layers_to_transform", json!([0, 3]), "layer 3 is named"),
        ("layers_pattern", json!("h"), "without layers_to_transform"),
        ("target_modules", json!(".*"), "matches lm_head"),
        (
            "target_modules",
            json!(7),
            "a list of names or an expression",
        ),
        ("exclude_modules", json!([3]), "must hold names"),
        ("lora_alpha", json!(0), "lora_alpha is 0"),
        ("lora_alpha", json!(-1.5), "lora_alpha is -1.5"),
    ] {
        let mut settings = recent();
        settings[name] = value.clone();
        let text = saved.read(&settings).unwrap_err();
        assert!(text.contains(reason), "{name} = {value}: {text}");
        assert!(text.contains(name) || name == "target_modules", "{text}");
    }
    let ia3 = json!({"peft_type": "IA3", "target_modules": ["k_proj"], "feedforward_modules": null,
                     "r": 4});
    let text = saved.read(&ia3).unwrap_err();
    assert!(text.contains("r is 4"), "{text}");
    let text = saved.read(&json!([1])).unwrap_err();
    assert!(text.contains("no object of settings"), "{text}");
}

#[test]
fn what_of_the_settings_is_passed_over_is_noted() {
    let saved = Saved::new();
    let notes = |settings: &Value| {
        let bytes = settings.to_string();
        adapter_notes(bytes.as_bytes(), saved.base.config()).unwrap()
    };
    assert!(notes(&recent()).is_empty());
    for (name, value, expected) in [
        (
            "target_modules",
            json!(["q_proj", "down_proj", "fc1"]),
            "target_modules names \"fc1\", and this model has no such module",
        ),
        (
            "exclude_modules",
            json!("k_proj"),
            "exclude_modules leaves nothing out",
        ),
        (
            "alpha_pattern",
            json!({"k_proj": 9}),
            "alpha_pattern has \"k_proj\", which matches no adapted module",
        ),
    ] {
        let mut settings = recent();
        settings[name] = value;
        assert_eq!(saved.read(&settings).as_ref(), Ok(&saved.adapter), "{name}");
        let notes = notes(&settings);
        assert!(
            notes.len() == 1 && notes[0].starts_with("adapter_config.json: "),
            "{notes:?}"
        );
        assert!(notes[0].contains(expected), "{notes:?}");
    }
}

#[test]
fn biases_that_config_json_has_no_field_for_are_told_before_they_are_trained() {
    let kernel = Kernel::detect().unwrap();
    let note = |config: &str, targets: &[&str]| {
        let base = common::base(config);
        let method = Method::BitFit(BitFitConfig::new(targets).unwrap());
        let files = common::files(config);
        let note = merge_note(&method, base.config(), &files["config.json"]);
        // The note comes exactly where merging is refused.
        let merged = merged_files(&kernel, &base, files, &common::adapter(&base, &method));
        assert_eq!(note.is_none(), merged.is_ok(), "{note:?}");
        if let (Some(note), Err(refused)) = (&note, merged) {
            let reason = note.split_once(": ").unwrap().1;
            assert!(refused.to_string().contains(reason), "{refused}");
        }
        note
    };
    let all = Target::ALL.map(Target::name);
    let qwen = note(common::QWEN, &all).unwrap();
    assert!(
        qwen.contains("biases of o_proj, gate_proj, up_proj, down_proj, and config.json"),
        "{qwen}"
    );
    assert_eq!(note(common::QWEN, &["q_proj", "k_proj", "v_proj"]), None);
    assert_eq!(note(common::PLAIN, &all), None);
    let base = common::base(common::QWEN);
    let lora = common::lora(&[Target::OProj]);
    let files = common::files(common::QWEN);
    assert_eq!(
        merge_note(&lora, base.config(), &files["config.json"]),
        None
    );
}

#[test]
fn tensors_that_are_not_what_the_settings_ask_for_are_named() {
    let saved = Saved::new();
    let rename = |from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        move |tensors: &mut BTreeMap<String, Named>| {
            let renamed = std::mem::take(tensors);
            *tensors = renamed
                .into_values()
                .map(|(name, shape, values)| (name.replace(&from, &to), shape, values))
                .map(|named| (named.0.clone(), named))
                .collect();
        }
    };
    let text = saved.refused(|tensors| drop(tensors.remove(B)));
    assert!(
        text.contains(&format!("tensor {B} is missing, and {A} is there")),
        "{text}"
    );
    let text = saved.refused(|tensors| drop((tensors.remove(A), tensors.remove(B))));
    assert!(
        text.contains("says that this projection is adapted"),
        "{text}"
    );
    let text = saved.refused(|tensors| {
        let empty = tensors.get_mut(A).unwrap();
        (empty.1, empty.2) = (vec![0, 16], Vec::new());
    });
    assert!(
        text.contains(&format!("tensor {A} is empty")) && text.contains("ZeRO-3"),
        "{text}"
    );
    let text = saved.refused(|tensors| {
        let head = "base_model.model.lm_head.lora_A.weight".to_owned();
        tensors.insert(head.clone(), (head, vec![3, 16], vec![0.0; 48]));
    });
    assert!(
        text.contains("lm_head.lora_A.weight belongs to no adapted projection"),
        "{text}"
    );
    let text = saved.refused(rename("base_model.model.", ""));
    assert!(text.contains("begins with \"model.\""), "{text}");
    let text = saved.refused(rename("base_model.model.model.", "base_model.model."));
    assert!(text.contains("belongs to no adapted projection"), "{text}");
    let text = saved.refused(rename(".weight", ".default.weight"));
    assert!(text.contains("still carries the adapter's name"), "{text}");
    let text = saved.refused(rename("layers.2.", "layers.9."));
    assert!(
        text.contains("is of layer 9, and the model has 3"),
        "{text}"
    );
    let text = saved.refused(|tensors| tensors.clear());
    assert!(text.contains("holds no tensor"), "{text}");
    let text = saved.refused(|tensors| tensors.get_mut(B).unwrap().2[7] = f32::NAN);
    assert!(
        text.contains(B) && text.contains("row 2, column 1"),
        "{text}"
    );
    let bytes = [0u8; 16 * 3 * 8];
    let view = TensorView::new(Dtype::F64, vec![3, 16], &bytes).unwrap();
    let all = saved.tensors();
    let others: Vec<(String, Vec<usize>, Vec<u8>)> = (all.into_values())
        .filter(|(name, _, _)| name != A)
        .map(|(name, shape, values)| {
            (
                name,
                shape,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let views = (others.iter())
        .map(|(name, shape, bytes)| {
            (
                name.as_str(),
                TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
            )
        })
        .chain([(A, view)]);
    let weights = safetensors::serialize(views, None).unwrap();
    let text = saved.read_with(&recent(), &weights).unwrap_err();
    assert!(
        text.contains("stored as F64; save the adapter as"),
        "{text}"
    );

    let folder = tempfile::tempdir().unwrap();
    let load = || Adapter::load_peft(folder.path(), saved.base.config()).unwrap_err();
    std::fs::write(folder.path().join("config.json"), "{}").unwrap();
    assert!(load().to_string().contains("it is a whole model"));
    std::fs::write(
        folder.path().join("adapter_config.json"),
        recent().to_string(),
    )
    .unwrap();
    std::fs::write(folder.path().join("adapter_model.bin"), "x").unwrap();
    let text = load().to_string();
    assert!(
        text.contains("it holds adapter_model.bin, a pickle"),
        "{text}"
    );
}

#[test]
fn layers_ranks_and_scales_of_their_own_come_back_from_their_files() {
    let (kernel, base) = (Kernel::detect().unwrap(), common::base(common::PLAIN));
    let layers = base.config().num_hidden_layers;
    let some = |text: &str| Modules::new(Names::Pattern(text.to_owned())).on(layers);
    let some = some(r"model\.layers\.[02]\.self_attn\.[qo]_proj").unwrap();
    let ranks = BTreeMap::from([("2.self_attn.q_proj".to_owned(), 5)]);
    let alphas = BTreeMap::from([(r".*\.0\..*o_proj".to_owned(), 0.1)]);
    let lora = LoraConfig::new(3, 4, 0.0, &["q_proj"]).unwrap();
    let lora = lora.with_alpha(2.5).unwrap().on(some.clone());
    let lora = lora.with_patterns(&ranks, &alphas, layers).unwrap();
    assert_eq!(lora.scale_at(2, Target::QProj), 0.5);
    assert_eq!(lora.scale_at(0, Target::OProj), 0.1 / 3.0);
    let dora = lora.clone().with_dora(true).unwrap();
    let ia3 = Ia3Config::on(some.clone(), some.clone()).unwrap();
    let methods = [
        Method::Lora(lora),
        Method::Lora(dora),
        Method::Ia3(ia3),
        Method::BitFit(BitFitConfig::on(some)),
    ];
    let batch = common::batch(2, 9, 0);
    let plain = logits(&kernel, &base, None, &batch).unwrap();
    for method in methods {
        let adapter = common::adapter(&base, &method);
        let files = adapter.peft_files("x");
        let settings: Value = serde_json::from_slice(&files[0].1).unwrap();
        let paths = [
            "model.layers.0.self_attn.q_proj",
            "model.layers.0.self_attn.o_proj",
            "model.layers.2.self_attn.q_proj",
            "model.layers.2.self_attn.o_proj",
        ];
        assert_eq!(settings["target_modules"], json!(paths));
        let back = Adapter::from_peft_files(&files[0].1, &files[1].1, base.config()).unwrap();
        assert_eq!(back, adapter);
        assert_eq!(back.digest(), adapter.digest());
        // It acts, and merged into the weights it acts alike.
        let moved = logits(&kernel, &base, Some(&adapter), &batch).unwrap();
        assert_ne!(moved, plain);
        let merged = Arc::new(adapter.merge(&kernel, &base).unwrap());
        let again = logits(&kernel, &merged, None, &batch).unwrap();
        let worst = moved.iter().zip(&again).map(|(a, b)| (a - b).abs());
        assert!(worst.fold(0.0, f32::max) < 1e-3, "{method:?}");
    }
    let lora = Method::Lora(LoraConfig::new(3, 4, 0.0, &["q_proj"]).unwrap());
    let digests = |method: &Method| common::adapter(&base, method).digest();
    let half = LoraConfig::new(3, 4, 0.0, &["q_proj"]).unwrap();
    let half = Method::Lora(half.with_alpha(4.5).unwrap());
    assert_ne!(digests(&lora), digests(&half));
}

/// A base whose row `row` of tensor `name` is filled with a value.
fn with_row(name: &str, row: usize, value: f32) -> Arc<Base> {
    let mut tensors = common::tensors(common::PLAIN);
    let (_, shape, values) = tensors.iter_mut().find(|t| t.0 == name).unwrap();
    let width = shape[1];
    values[row * width..(row + 1) * width].fill(value);
    let mut files = common::files(common::PLAIN);
    files.insert("model.safetensors".into(), common::safetensors(&tensors));
    Arc::new(Base::from_files(files).unwrap())
}

#[test]
fn dora_on_a_row_of_length_zero_is_refused_wherever_it_is_used() {
    let kernel = Kernel::detect().unwrap();
    let name = "model.layers.1.self_attn.o_proj.weight";
    let base = with_row(name, 5, 0.0);
    let lora = common::lora_config(&[Target::OProj]);
    let dora = Method::Lora(lora.clone().with_dora(true).unwrap());
    let fresh = common::fresh(&base, &dora, 1);
    let batch = common::batch(2, 9, 0);
    let named = |text: String| {
        assert!(
            text.contains("row 5 of model.layers.1.self_attn.o_proj.weight"),
            "{text}"
        );
        assert!(text.contains("leave o_proj out"), "{text}");
    };
    named(fresh.check_rows(&kernel, &base).unwrap_err().to_string());
    named(fresh.merge(&kernel, &base).unwrap_err().to_string());
    let error = logits(&kernel, &base, Some(&fresh), &batch).unwrap_err();
    named(error.to_string());
    // Tiny rows whose squares are zero in f32 are as long.
    let tiny = with_row(name, 5, 1e-30);
    named(fresh.check_rows(&kernel, &tiny).unwrap_err().to_string());
    let huge = with_row(name, 5, 3e30);
    let text = fresh.check_rows(&kernel, &huge).unwrap_err().to_string();
    assert!(
        text.contains("row 5") && text.contains("not finite"),
        "{text}"
    );
    // An update that fills the row makes it an ordinary one, and one that empties a row is found.
    let moved = common::adapter(&base, &dora);
    moved.check_rows(&kernel, &base).unwrap();
    logits(&kernel, &base, Some(&moved), &batch).unwrap();
    let whole = common::base(common::PLAIN);
    let mut emptied = common::fresh(&whole, &dora, 1);
    let id = assay_model::ModelSpec::new(whole.config());
    let at = id.weights().iter().position(|w| w.name == name).unwrap();
    let row = whole.weight(assay_model::WeightId(at as u32))[..16].to_vec();
    let scale = 4.0 / 3.0;
    let a = emptied
        .params_mut()
        .iter_mut()
        .find(|p| p.info.name.contains("layers.1.") && p.info.name.contains("lora_A"));
    let a = a.unwrap();
    a.values.fill(0.0);
    a.values[..16].copy_from_slice(&row);
    let b = emptied
        .params_mut()
        .iter_mut()
        .find(|p| p.info.name.contains("layers.1.") && p.info.name.contains("lora_B"));
    b.unwrap().values[0] = -1.0 / scale;
    let text = emptied.check_rows(&kernel, &whole).unwrap_err().to_string();
    assert!(
        text.contains("row 0 of model.layers.1.self_attn.o_proj.weight"),
        "{text}"
    );
    // Without use_dora nothing is divided.
    let plain = Method::Lora(lora);
    common::fresh(&base, &plain, 1)
        .check_rows(&kernel, &base)
        .unwrap();
}

#[test]
fn merging_never_writes_what_is_no_number() {
    let (kernel, base) = (Kernel::detect().unwrap(), common::base(common::PLAIN));
    let lora = common::lora(&[Target::VProj]);
    let mut adapter = common::adapter(&base, &lora);
    for param in adapter
        .params_mut()
        .iter_mut()
        .filter(|p| p.info.name.contains("layers.2"))
    {
        param.values.fill(3e38);
    }
    let text = adapter.merge(&kernel, &base).unwrap_err().to_string();
    assert!(
        text.contains("row 0 of model.layers.2.self_attn.v_proj.weight"),
        "{text}"
    );
    let files = common::files(common::PLAIN);
    let merged = merged_files(&kernel, &base, files, &adapter);
    assert!(merged.is_err());
    let ia3 = Method::Ia3(Ia3Config::new(&["down_proj"], &[] as &[&str]).unwrap());
    let mut factors = common::adapter(&base, &ia3);
    factors.params_mut()[1].values[3] = 3e38;
    let huge = with_row("model.layers.1.mlp.down_proj.weight", 3, 10.0);
    let text = factors.merge(&kernel, &huge).unwrap_err().to_string();
    assert!(
        text.contains("row 3 of model.layers.1.mlp.down_proj.weight"),
        "{text}"
    );
}

#[test]
fn an_adapter_that_changes_nothing_is_known() {
    let kernel = Kernel::detect().unwrap();
    for config in [common::PLAIN, common::BIASED_TIED] {
        let base = common::base(config);
        for (name, method) in common::methods() {
            let fresh = common::fresh(&base, &method, 1);
            assert!(fresh.changes_nothing(&kernel, &base), "{name}");
            let moved = common::adapter(&base, &method);
            assert!(!moved.changes_nothing(&kernel, &base), "{name}");
        }
    }
    let base = common::base(common::PLAIN);
    let private = PrivateLoraConfig::new(3, 4, &["q_proj"]).unwrap();
    let private = Method::PrivateLora(private);
    let mut adapter = common::fresh(&base, &private, 1);
    adapter.params_mut()[2].values[0] = 1e-9;
    assert!(!adapter.changes_nothing(&kernel, &base));
}
