//! What is given as a model or an adapter and is none: each is said by its name.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common;
use assay_model::{Adapter, Base, read_file};
use tempfile::{TempDir, tempdir};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1709224\n";

/// A folder of a whole model.
fn model() -> TempDir {
    let folder = tempdir().unwrap();
    for (name, bytes) in common::files(common::QWEN) {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn told(path: &Path) -> String {
    Base::from_folder(path).unwrap_err().to_string()
}

fn assert_told(path: &Path, expected: &[&str]) {
    let told = told(path);
    for part in expected {
        assert!(told.contains(part), "{told:?} lacks {part:?}");
    }
}

#[test]
fn files_in_the_place_of_others_are_named() {
    let cases: [(&[u8], &str); 6] = [
        (POINTER.as_bytes(), "a Git LFS pointer"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"\x80\x02}q\0.", "a Python pickle"),
        (b"\x1f\x8b\x08\0\0\0", "compressed with gzip"),
        (b"", "an empty file"),
        (b"Repository not found", "the error message of a server"),
    ];
    for name in [
        "model.safetensors",
        "tokenizer.json",
        "config.json",
        "tokenizer_config.json",
    ] {
        for (bytes, expected) in cases {
            let folder = model();
            fs::write(folder.path().join(name), bytes).unwrap();
            assert_told(folder.path(), &[&format!("{name} is {expected}"), ";"]);
        }
    }
}

#[test]
fn json_faults_say_where_and_a_mark_is_passed_over() {
    for name in [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
    ] {
        let folder = model();
        fs::write(folder.path().join(name), "{\n  \"a\": 1,\n  'b': 2\n}").unwrap();
        let expected = format!("{name}: line 3, column 3: key must be a string");
        assert_told(folder.path(), &[&expected, "at   <here>'b': 2"]);
    }
    let folder = model();
    let config = folder.path().join("config.json");
    let marked = format!("\u{feff}{}", fs::read_to_string(&config).unwrap());
    fs::write(&config, marked).unwrap();
    let plain = common::base(common::QWEN).digest();
    assert_eq!(Base::from_folder(folder.path()).unwrap().digest(), plain);
}

#[test]
fn folders_that_lack_something_say_what_they_hold() {
    let without = |name: &str, instead: &[&str]| {
        let folder = model();
        fs::remove_file(folder.path().join(name)).unwrap();
        for file in instead {
            fs::write(folder.path().join(file), "x").unwrap();
        }
        folder
    };
    let weights = "model.safetensors";
    let cases: [(&str, &[&str], &[&str]); 12] = [
        (
            weights,
            &[],
            &["model.safetensors is missing", "no weights"],
        ),
        (
            weights,
            &["pytorch_model.bin"],
            &["pickles of PyTorch", "safe_serialization"],
        ),
        (weights, &["consolidated.00.pth"], &["pickles of PyTorch"]),
        (weights, &["tf_model.h5"], &["in the form of Keras"]),
        (
            weights,
            &["other.safetensors"],
            &["rename it to model.safetensors"],
        ),
        (
            weights,
            &["model-00001-of-00002.safetensors"],
            &["model.safetensors.index.json is missing"],
        ),
        (weights, &["m.gguf"], &["name the file itself, m.gguf"]),
        (weights, &["model.safetensors.part"], &["has not finished"]),
        (
            "config.json",
            &[],
            &["config.json is missing", "weights only"],
        ),
        ("config.json", &["params.json"], &["another format"]),
        (
            "config.json",
            &["adapter_config.json"],
            &["it is an adapter and no model"],
        ),
        (
            "tokenizer.json",
            &["tokenizer.model"],
            &["tokenizer.model only", "save_pretrained"],
        ),
    ];
    for (name, instead, expected) in cases {
        assert_told(without(name, instead).path(), expected);
    }
    assert_told(tempdir().unwrap().path(), &["the folder is empty"]);
}

#[test]
fn an_index_whose_parts_are_missing_names_them() {
    let folder = model();
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let index = r#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    fs::write(folder.path().join("model-00001-of-00002.safetensors"), "x").unwrap();
    assert_told(
        folder.path(),
        &["2 files of weights, and 1 of them", "model-00002-of-00002"],
    );
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_are_said_to() {
    use std::os::unix::fs::symlink;
    let folder = model();
    for name in ["model.safetensors", "tokenizer.json"] {
        let path = folder.path().join(name);
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        symlink("../../blobs/0123abcd", &path).unwrap();
        assert_told(
            folder.path(),
            &[
                name,
                "is a link to ../../blobs/0123abcd, which does not exist",
            ],
        );
        fs::remove_file(&path).unwrap();
        fs::write(&path, kept).unwrap();
    }
    let link = folder.path().join("elsewhere");
    symlink("/nowhere/at/all", &link).unwrap();
    assert_told(&link, &["is a link to /nowhere/at/all"]);
}

#[test]
fn the_hubs_cache_names_the_snapshot_to_use() {
    let cache = tempdir().unwrap();
    let snapshot = cache.path().join("snapshots/0123abcd");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(cache.path().join("refs")).unwrap();
    fs::write(cache.path().join("refs/main"), "0123abcd").unwrap();
    let place = snapshot.display().to_string();
    assert_told(cache.path(), &["hub's cache", &place]);
    assert_told(&cache.path().join("snapshots"), &["hub's cache", &place]);
    let all = tempdir().unwrap();
    fs::create_dir(all.path().join("models--a--b")).unwrap();
    assert_told(all.path(), &["several models", "models--a--b/snapshots/"]);
}

#[test]
fn files_given_as_a_model_are_named() {
    let folder = tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let tensors = common::files(common::QWEN)
        .remove("model.safetensors")
        .unwrap();
    assert_told(
        &write("model.safetensors", &tensors),
        &["a safetensors file", "folder"],
    );
    assert_told(
        &write("m.gguf", POINTER.as_bytes()),
        &["a Git LFS pointer", "git lfs pull"],
    );
    assert_told(&write("n.gguf", b"<html>"), &["a web page"]);
    assert_told(
        &write("o.gguf", b"\x28\xb5\x2f\xfd\0"),
        &["compressed with zstd"],
    );
    assert_told(
        &write("p.bin", b"PK\x03\x04aaaaarchive/data.pkl"),
        &["a PyTorch checkpoint"],
    );
    assert_told(
        &write("q.onnx", b"\x08\x07\x12\x07pytorch"),
        &["an ONNX model"],
    );
    assert_told(
        &write("notes", b"words"),
        &["it is a file; name a model's folder"],
    );
    let part = write("m-00002-of-00003.gguf", b"GGUF\x03\0\0\0");
    assert_told(&part, &["part 2 of 3", "llama-gguf-split"]);
    assert_told(&write("r.gguf", b"GGU"), &["GGUF"]);
}

#[test]
fn folders_given_as_an_adapter_are_named() {
    let base = common::base(common::QWEN);
    let told = |folder: &Path| {
        Adapter::load_peft(folder, base.config())
            .unwrap_err()
            .to_string()
    };
    let folder = model();
    assert!(told(folder.path()).contains("it is a whole model"));
    assert!(told(Path::new("/nonexistent")).contains("there is no such folder"));
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("adapter_config.json"), "{}").unwrap();
    let missing = read_file(folder.path(), "adapter_model.safetensors")
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("adapter_model.safetensors is missing"),
        "{missing}"
    );
    fs::write(folder.path().join("adapter_model.bin"), b"\x80\x02").unwrap();
    let pickled = read_file(folder.path(), "adapter_model.safetensors")
        .unwrap_err()
        .to_string();
    assert!(pickled.contains("a pickle"), "{pickled}");
    fs::write(folder.path().join("adapter_model.safetensors"), POINTER).unwrap();
    let pointer = read_file(folder.path(), "adapter_model.safetensors")
        .unwrap_err()
        .to_string();
    assert!(pointer.contains("Git LFS pointer"), "{pointer}");
}
