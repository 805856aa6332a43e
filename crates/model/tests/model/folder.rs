//! Which files of a model folder are read, go on to a merged model, and go with an adapter.

use std::fs;
use std::path::Path;

use crate::common;
use assay_kernel::Kernel;
use assay_model::{
    ADAPTER_CONFIG, Base, Method, ModelFiles, Target, carried_files, merged_files, name_base,
    read_model_folder, take_adapter_tokenizer,
};
use serde_json::{Value, json};

const BESIDE: [(&str, &str); 7] = [
    ("tokenizer_config.json", r#"{"pad_token": null}"#),
    ("special_tokens_map.json", r#"{"eos_token": "b"}"#),
    ("added_tokens.json", "{}"),
    ("generation_config.json", r#"{"eos_token_id": [19, 0]}"#),
    ("chat_template.json", r#"{"chat_template": "{{ 1 }}"}"#),
    ("additional_chat_templates/default.jinja", "{{ 2 }}"),
    ("additional_chat_templates/tool_use.jinja", "{{ 3 }}"),
];

/// A folder with a small model and more files.
fn folder(more: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in common::files(common::PLAIN) {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    for (name, text) in more {
        put(dir.path(), name, text);
    }
    dir
}

fn put(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn merged(dir: &Path) -> ModelFiles {
    let files = read_model_folder(dir).unwrap();
    let base = Base::from_files(files.clone()).unwrap();
    let adapter = common::adapter(&base, &common::lora(&[Target::QProj]));
    let kernel = Kernel::detect().unwrap();
    merged_files(&kernel, &base, files, &adapter).unwrap()
}

#[test]
fn every_file_that_speaks_of_the_tokenizer_is_read_and_goes_on_to_a_merged_model() {
    let dir = folder(&BESIDE);
    put(dir.path(), "README.md", "not read");
    put(
        dir.path(),
        "additional_chat_templates/notes.txt",
        "not read",
    );
    let (read, merged) = (read_model_folder(dir.path()).unwrap(), merged(dir.path()));
    for (name, text) in BESIDE {
        assert_eq!(read[name], text.as_bytes(), "{name}");
        assert_eq!(merged[name], text.as_bytes(), "{name}");
    }
    assert!(
        read.keys()
            .all(|name| !name.contains("README") && !name.contains("notes"))
    );
    let base = Base::from_files(read).unwrap();
    assert_eq!(base.config().eos_token_ids, [0, 19]);
    assert_eq!(base.tokenizer().unwrap().template_source(), "{{ 2 }}");
}

#[test]
fn tokenizer_files_go_with_an_adapter_but_not_what_makes_a_model_of_it() {
    let dir = folder(&BESIDE);
    let files = read_model_folder(dir.path()).unwrap();
    let carried = carried_files(&files, None);
    for name in [
        "tokenizer.json",
        "special_tokens_map.json",
        "additional_chat_templates/tool_use.jinja",
    ] {
        assert_eq!(carried[name], files[name], "{name}");
    }
    for name in ["config.json", "generation_config.json", "model.safetensors"] {
        assert!(!carried.contains_key(name), "{name}");
    }
    assert!(!carried.contains_key("chat_template.jinja"));
    let taught = carried_files(&files, Some("{{ 4 }}"));
    assert_eq!(taught["chat_template.jinja"], b"{{ 4 }}");
}

#[test]
fn an_adapters_chat_template_comes_before_the_models() {
    let source = |files: &ModelFiles| {
        let base = Base::from_files(files.clone()).unwrap();
        base.tokenizer().unwrap().template_source().to_owned()
    };
    let adapter = tempfile::tempdir().unwrap();
    let (with, without) = (folder(&BESIDE), folder(&[]));
    let mut files = read_model_folder(without.path()).unwrap();
    assert_eq!(
        take_adapter_tokenizer(&mut files, adapter.path()).unwrap(),
        None
    );
    assert!(!files.contains_key("chat_template.jinja"));
    // As Assay writes it, and as others do.
    for (name, text) in [
        ("chat_template.jinja", "{{ 5 }}".to_owned()),
        (
            "tokenizer_config.json",
            json!({"chat_template": "{{ 5 }}"}).to_string(),
        ),
    ] {
        let adapter = tempfile::tempdir().unwrap();
        put(adapter.path(), name, &text);
        let mut files = read_model_folder(without.path()).unwrap();
        assert_eq!(
            take_adapter_tokenizer(&mut files, adapter.path()).unwrap(),
            None
        );
        assert_eq!(source(&files), "{{ 5 }}");
        let mut files = read_model_folder(with.path()).unwrap();
        let note = take_adapter_tokenizer(&mut files, adapter.path()).unwrap();
        assert!(note.unwrap().contains("another chat template"));
        assert_eq!(source(&files), "{{ 5 }}");
    }
    let same = tempfile::tempdir().unwrap();
    put(same.path(), "chat_template.jinja", "{{ 2 }}\n");
    let mut files = read_model_folder(with.path()).unwrap();
    assert_eq!(
        take_adapter_tokenizer(&mut files, same.path()).unwrap(),
        None
    );
    put(same.path(), "tokenizer_config.json", "{");
    assert!(take_adapter_tokenizer(&mut files, same.path()).is_err());
}

#[test]
fn an_adapters_chat_templates_replace_all_of_the_models() {
    let tool_template = |files: &ModelFiles| {
        let base = Base::from_files(files.clone()).unwrap();
        let tokenizer = base.tokenizer().unwrap();
        let tools = tokenizer.tool_template().unwrap();
        tools.render(&[], &Default::default(), false).unwrap()
    };
    let named = json!({"chat_template": {"default": "{{ 6 }}", "tool_use": "{{ 7 }}"}});
    let base = folder(&[("tokenizer_config.json", &named.to_string())]);
    // One that brings a default only has it for conversations with tools too.
    let adapter = tempfile::tempdir().unwrap();
    put(adapter.path(), "chat_template.jinja", "{{ 5 }}");
    for model in [folder(&BESIDE), base] {
        let mut files = read_model_folder(model.path()).unwrap();
        assert_ne!(tool_template(&files), "5");
        let note = take_adapter_tokenizer(&mut files, adapter.path()).unwrap();
        assert!(note.unwrap().contains("another chat template"));
        assert_eq!(tool_template(&files), "5");
        assert!(!files.contains_key("chat_template.json"));
    }
    // One that brings several has all of them carried.
    let adapter = tempfile::tempdir().unwrap();
    put(adapter.path(), "tokenizer_config.json", &named.to_string());
    let mut files = read_model_folder(folder(&BESIDE).path()).unwrap();
    assert!(
        take_adapter_tokenizer(&mut files, adapter.path())
            .unwrap()
            .is_some()
    );
    assert_eq!(files["chat_template.jinja"], b"{{ 6 }}");
    let tools = "additional_chat_templates/tool_use.jinja";
    assert_eq!(files[tools], b"{{ 7 }}");
    assert!(!files.contains_key("additional_chat_templates/default.jinja"));
    assert_eq!(tool_template(&files), "7");
}

#[test]
fn an_adapters_own_tokenizer_comes_before_the_models() {
    let model = folder(&BESIDE);
    let text = fs::read_to_string(model.path().join("tokenizer.json")).unwrap();
    let own: Value = serde_json::from_str(&text).unwrap();
    let adapter = tempfile::tempdir().unwrap();
    // Written in another way, it is the same one.
    put(adapter.path(), "tokenizer.json", &format!("{own:#}"));
    let mut files = read_model_folder(model.path()).unwrap();
    let before = files.clone();
    assert_eq!(
        take_adapter_tokenizer(&mut files, adapter.path()).unwrap(),
        None
    );
    assert_eq!(files, before);

    let mut other = own;
    other["normalizer"] = json!({"type": "Lowercase"});
    put(adapter.path(), "tokenizer.json", &other.to_string());
    put(
        adapter.path(),
        "special_tokens_map.json",
        r#"{"eos_token": "c"}"#,
    );
    let note = take_adapter_tokenizer(&mut files, adapter.path()).unwrap();
    assert!(note.unwrap().contains("another tokenizer"));
    assert_eq!(files["tokenizer.json"], other.to_string().as_bytes());
    assert_eq!(files["special_tokens_map.json"], br#"{"eos_token": "c"}"#);
    assert!(!files.contains_key("added_tokens.json"));
    // What the adapter says nothing of stays the model's.
    for name in ["config.json", "generation_config.json", "model.safetensors"] {
        assert_eq!(files[name], before[name], "{name}");
    }
    assert_eq!(files["chat_template.jinja"], b"{{ 2 }}");
}

#[test]
fn a_model_with_an_adapter_in_its_folder_is_not_guessed_about() {
    let dir = folder(&[("adapter_config.json", "{}")]);
    let error = read_model_folder(dir.path()).unwrap_err().to_string();
    assert!(error.contains("a model and an adapter"), "{error}");
}

#[test]
fn a_vocabulary_in_another_form_is_refused_by_name_with_the_remedy() {
    for name in ["tokenizer.model", "vocab.json", "vocab.txt", "tekken.json"] {
        let dir = folder(&[(name, "x")]);
        fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
        let error = read_model_folder(dir.path()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        assert!(error.contains("save_pretrained"), "{error}");
    }
    let dir = folder(&[]);
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    let error = read_model_folder(dir.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json is missing"), "{error}");
}

#[test]
fn an_adapters_base_is_named_later_and_nothing_else_changes() {
    let base = common::base(common::PLAIN);
    let adapter = common::adapter(&base, &common::lora(&[Target::QProj]));
    let files = adapter.peft_files(None::<&str>);
    assert_eq!(files[0].0, ADAPTER_CONFIG);
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    assert!(read(&files[0].1)["base_model_name_or_path"].is_null());
    let named = name_base(&files[0].1, Some("/models/a"));
    assert_eq!(named, adapter.peft_files("/models/a")[0].1);
    assert_eq!(name_base(&named, None), files[0].1);
    assert_eq!(name_base(b"[1]", Some("x")), b"[1]");
    let full = common::adapter(&base, &Method::Full);
    assert!(read(&full.peft_files("x")[0].1)["base_model_name_or_path"] == "x");
}
