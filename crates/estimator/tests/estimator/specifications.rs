//! Specifications: their forms, and what is refused.

use crate::common::every_kind;
use assay_estimator::{ModelSpec, Schedule, SpecError, Specification, TrainSpec};

fn refused(model: ModelSpec) -> String {
    let training = TrainSpec::at_rate(0.1);
    let specification = Specification { model, training };
    let error = specification.check().unwrap_err();
    let read = Specification::from_bytes(&specification.to_bytes()).unwrap_err();
    assert_eq!(read, error);
    error.to_string()
}

#[test]
fn every_form_reads_back_and_bytes_are_canonical() {
    for (name, specification) in every_kind() {
        let bytes = specification.to_bytes();
        assert_eq!(Specification::from_bytes(&bytes).unwrap(), specification);
        let text = toml::to_string(&specification).unwrap();
        let read: Specification = toml::from_str(&text).unwrap();
        assert_eq!(read, specification, "{name}: {text}");
        for end in 0..bytes.len() {
            assert!(Specification::from_bytes(&bytes[..end]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Specification::from_bytes(&longer).is_err());
    }
    assert!(Specification::from_bytes(&vec![0; 1 << 20]).is_err());
}

#[test]
fn a_file_says_only_what_is_not_usual() {
    let text = "
        [model]
        kind = \"softmax\"
        features = 784
        classes = 10
        [training]
        batch_size = 64
        learning_rate = 0.1
        schedule = { kind = \"steps\", every = 100, factor = 0.5 }
    ";
    let read: Specification = toml::from_str(text).unwrap();
    let schedule = Schedule::Steps {
        every: 100,
        factor: 0.5,
    };
    let training = TrainSpec {
        batch_size: 64,
        schedule,
        ..TrainSpec::at_rate(0.1)
    };
    assert_eq!(read.training, training);
    for wrong in [
        text.replace("classes", "clases"),
        text.replace("softmax", "forest"),
        text.replace("learning_rate", "rate"),
        text.replace("[training]", "hidden = [3]\n[training]"),
    ] {
        assert!(toml::from_str::<Specification>(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn sizes_are_refused_with_how_they_are_counted_and_what_to_do() {
    let mlp = |hidden: Vec<u32>, classes| ModelSpec::Mlp {
        features: 100,
        hidden,
        classes,
    };
    let cnn = |height, filters: Vec<u32>| ModelSpec::Cnn {
        channels: 1,
        height,
        width: 28,
        filters,
        classes: 10,
    };
    let told = refused(ModelSpec::Linear { features: 0 });
    assert_eq!(told, "`features` is 0, and must be from 1 to 65536");
    let told = refused(mlp(vec![], 3));
    assert!(told.ends_with("kind = \"softmax\" has none"), "{told}");
    assert!(refused(mlp(vec![1; 17], 3)).contains("from 1 to 16"));
    assert!(refused(mlp(vec![3], 1)).contains("`classes` is 1"));
    assert!(refused(mlp(vec![65_537], 3)).contains("`hidden` is 65537"));
    let told = refused(mlp(vec![60_000, 60_000], 3));
    assert!(told.contains("outputs * inputs + outputs"), "{told}");
    assert!(refused(cnn(28, vec![])).contains("mlp"));
    let told = refused(cnn(7, vec![4, 4, 4]));
    assert!(told.contains("halved 3 times"), "{told}");
    assert!(told.contains("at least 2^3"), "{told}");
    assert!(refused(cnn(0, vec![4])).contains("`height`"));
    let huge = ModelSpec::Cnn {
        channels: 1024,
        height: 1024,
        width: 1024,
        filters: vec![4],
        classes: 2,
    };
    assert!(refused(huge).contains("make `batch_size` or the layers smaller"));
}

#[test]
fn settings_are_refused_with_their_range() {
    let refused = |change: fn(&mut TrainSpec)| {
        let mut training = TrainSpec::at_rate(0.1);
        change(&mut training);
        let model = ModelSpec::Logistic { features: 2 };
        let specification = Specification { model, training };
        let error = specification.check().unwrap_err();
        assert!(Specification::from_bytes(&specification.to_bytes()).is_err());
        error
    };
    let settings: [fn(&mut TrainSpec); 11] = [
        |t| t.learning_rate = 0.0,
        |t| t.learning_rate = f32::NAN,
        |t| t.learning_rate = f32::INFINITY,
        |t| t.momentum = 1.0,
        |t| t.momentum = -0.0,
        |t| t.weight_decay = 2.0,
        |t| t.weight_decay = -0.1,
        |t| t.proximal = -1.0,
        |t| t.max_grad_norm = Some(0.0),
        |t| {
            t.schedule = Schedule::Steps {
                every: 1,
                factor: 1.5,
            }
        },
        |t| {
            t.schedule = Schedule::Steps {
                every: 1,
                factor: 0.0,
            }
        },
    ];
    for change in settings {
        assert!(matches!(refused(change), SpecError::Setting { .. }));
    }
    let sizes: [fn(&mut TrainSpec); 4] = [
        |t| t.batch_size = 0,
        |t| t.batch_size = u32::MAX,
        |t| {
            t.schedule = Schedule::Steps {
                every: 0,
                factor: 0.5,
            }
        },
        |t| {
            t.schedule = Schedule::Linear {
                warmup_steps: 0,
                steps: 0,
            }
        },
    ];
    for change in sizes {
        assert!(matches!(refused(change), SpecError::Size { .. }));
    }
}
