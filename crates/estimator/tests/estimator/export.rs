//! Files for other programs, and back.

use crate::common::{every_kind, random, trained};
use assay_estimator::export::{Description, ExportError, from_safetensors, to_safetensors};
use assay_estimator::{ModelSpec, Scaling, Shard};
use assay_kernel::Kernel;
use safetensors::SafeTensors;

#[test]
fn every_model_comes_back_with_the_same_parameters() {
    let kernel = Kernel::detect().unwrap();
    for (name, specification) in every_kind() {
        let shard = Shard::new(random(&specification.model, 60));
        let state = trained(&kernel, &specification, &shard, 3);
        let mut description = Description::of(&state);
        description.scaling = Some(Scaling {
            mean: vec![0.25; specification.model.features()],
            factor: vec![1.0 / 3.0; specification.model.features()],
        });
        let text = description.to_json();
        let read = Description::from_json(&text).unwrap();
        assert_eq!(read, description, "{name}");
        assert_eq!(read.state, state.digest().to_string());
        let bytes = to_safetensors(&state).unwrap();
        let back = from_safetensors(&bytes, &read).unwrap();
        assert_eq!(back.parameters(), state.parameters());
        assert_eq!(back.steps(), 3);
        assert_eq!(to_safetensors(&back).unwrap(), bytes);
    }
}

#[test]
fn tensors_have_the_names_and_shapes_of_pytorch() {
    let (_, specification) = every_kind().swap_remove(4);
    let shard = Shard::new(random(&specification.model, 60));
    let state = trained(&Kernel::detect().unwrap(), &specification, &shard, 1);
    let bytes = to_safetensors(&state).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (name, shape) in [
        ("0.weight", &[6, 2, 3, 3][..]),
        ("0.bias", &[6]),
        ("3.weight", &[5, 6, 3, 3]),
        ("3.bias", &[5]),
        ("7.weight", &[4, 20]),
        ("7.bias", &[4]),
    ] {
        assert_eq!(file.tensor(name).unwrap().shape(), shape, "{name}");
    }
    assert_eq!(file.names().len(), 6);
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let kinds = every_kind();
    let state_of = |i: usize| {
        let specification = &kinds[i].1;
        let shard = Shard::new(random(&specification.model, 60));
        trained(&Kernel::detect().unwrap(), specification, &shard, 1)
    };
    let (mlp, logistic) = (state_of(3), state_of(1));
    let bytes = to_safetensors(&mlp).unwrap();
    let error = from_safetensors(&bytes, &Description::of(&logistic)).unwrap_err();
    assert!(matches!(error, ExportError::Tensor(name) if name == "0.weight"));
    let softmax = ModelSpec::Softmax {
        features: 37,
        classes: 40,
    };
    let mut fewer = Description::of(&mlp);
    fewer.model = softmax;
    let error = from_safetensors(&bytes, &fewer).unwrap_err();
    assert!(matches!(error, ExportError::Tensor(_)), "{error}");
    assert!(from_safetensors(&bytes[..bytes.len() - 1], &Description::of(&mlp)).is_err());
    let mut infinite = bytes.clone();
    let last = infinite.len() - 4;
    infinite[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(from_safetensors(&infinite, &Description::of(&mlp)).is_err());

    let text = Description::of(&mlp).to_json();
    for wrong in [
        text.replace("assay-estimator", "another"),
        text.replace("\"version\": 1", "\"version\": 2"),
        text.replace("\"features\": 37", "\"features\": 0"),
        text.replace("\"classes\": []", "\"classes\": [\"a\"]"),
        text.replace("\"features\": []", "\"features\": [\"a\"]"),
        text.replace(
            "\"scaling\": null",
            "\"scaling\": {\"mean\": [0], \"factor\": [1]}",
        ),
        text.replace("\"steps\"", "\"other\""),
    ] {
        assert_ne!(wrong, text);
        assert!(Description::from_json(&wrong).is_err(), "{wrong}");
    }
}
