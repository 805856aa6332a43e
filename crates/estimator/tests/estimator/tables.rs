//! Rows from tables, and their standardisation.

use std::collections::BTreeMap;
use std::error::Error;

use crate::common::{cancer, example, json, kernels, open, path};
use assay_data::Format;
use assay_data::table::Table;
use assay_estimator::{DataFault, Labels, Samples, Scaling, TableSpec};
use assay_kernel::Kernel;

fn csv(text: &str) -> Table {
    Table::open(text.as_bytes().to_vec(), Format::Csv).unwrap()
}

fn spec(label: &str) -> TableSpec {
    TableSpec {
        label: label.into(),
        ..TableSpec::default()
    }
}

const HOUSES: &str = "city,rooms,garden,price\nParis,3,1,1.5\nRome,2,0,0.75\nParis,4,0,2\n";

fn houses() -> TableSpec {
    let cities = vec!["Rome".into(), "Paris".into()];
    TableSpec {
        categories: BTreeMap::from([("city".into(), cities)]),
        ..spec("price")
    }
}

#[test]
fn columns_become_features_in_the_order_of_the_file_and_texts_in_the_order_stated() {
    let samples = houses().read(csv(HOUSES)).unwrap();
    assert_eq!(samples.width(), 4);
    assert_eq!(samples.row(0), [0.0, 1.0, 3.0, 1.0]);
    assert_eq!(samples.row(1), [1.0, 0.0, 2.0, 0.0]);
    assert_eq!(*samples.labels(), Labels::Values(vec![1.5, 0.75, 2.0]));
    let resolved = houses().resolved(&csv(HOUSES)).unwrap();
    assert_eq!(resolved.features, ["city", "rooms", "garden"]);
    assert_eq!(resolved.numeric(), [false, false, true, true]);
    // What was resolved once reads another file in the same order.
    let turned = "price,garden,rooms,city\n1.5,1,3,Paris\n0.75,0,2,Rome\n2,0,4,Paris\n";
    assert_eq!(resolved.read(csv(turned)).unwrap(), samples);
    let text = toml::to_string(&resolved).unwrap();
    assert_eq!(toml::from_str::<TableSpec>(&text).unwrap(), resolved);
}

#[test]
fn a_label_of_texts_is_a_class_by_its_place() {
    let mut by_city = spec("city");
    by_city.classes = vec!["Paris".into(), "Rome".into()];
    by_city.ignore = vec!["price".into()];
    let samples = by_city.read(csv(HOUSES)).unwrap();
    let classes = Labels::classes(vec![0, 1, 0], 2).unwrap();
    assert_eq!((samples.width(), samples.labels()), (2, &classes));
}

#[test]
fn what_is_wrong_is_told_with_its_row_and_column() {
    let told = |text: &str| houses().read(csv(text)).unwrap_err().to_string();
    let missing = told("city,rooms,price\nParis,3,1\nRome,,1\n");
    assert!(
        missing.starts_with("line 3: column \"rooms\" is empty"),
        "{missing}"
    );
    let missing = told("city,rooms,price\nParis,3,1\n,2,1\n");
    assert!(
        missing.starts_with("line 3: column \"city\" is empty"),
        "{missing}"
    );
    for wrong in ["many", "nan", "inf", "1e39", "1,5"] {
        let text = format!("city,rooms,price\nParis,\"{wrong}\",1\n");
        let told = told(&text);
        assert!(told.starts_with("line 2: column \"rooms\" holds"), "{told}");
    }
    let other = told("city,rooms,price\nParis,3,1\nOslo,2,1\n");
    assert!(
        other.contains("line 3: column \"city\" holds \"Oslo\""),
        "{other}"
    );
    assert!(other.contains("Rome, Paris"), "{other}");
    let no_label = told("city,rooms\nParis,3\n");
    assert!(
        no_label.contains("no column \"price\"; the table has city, rooms"),
        "{no_label}"
    );
    let ragged = houses()
        .read(csv("city,rooms,price\nParis,3\n"))
        .unwrap_err();
    assert!(ragged.source().unwrap().to_string().contains("line 2"));
}

#[test]
fn specifications_that_contradict_themselves_are_refused() {
    let refused = |change: fn(&mut TableSpec)| {
        let mut spec = houses();
        change(&mut spec);
        spec.read(csv(HOUSES)).unwrap_err()
    };
    let twice = refused(|spec| spec.features = vec!["rooms".into(), "rooms".into()]);
    assert!(matches!(twice, DataFault::Twice(_)));
    let unused = refused(|spec| spec.features = vec!["rooms".into()]);
    assert!(matches!(unused, DataFault::UnusedCategory(_)));
    let copied = refused(|spec| spec.features = vec!["city".into(), "price".into()]);
    assert!(matches!(copied, DataFault::LabelIsFeature(_)));
    let single = refused(|spec| spec.classes = vec!["1.5".into()]);
    assert!(matches!(single, DataFault::Classes(1)));
    let nothing = refused(|spec| {
        spec.categories.clear();
        spec.ignore = ["city", "rooms", "garden"].map(String::from).to_vec();
    });
    assert!(matches!(nothing, DataFault::Width(0)));
}

#[test]
fn parquet_is_read_alike_and_its_missing_values_are_refused() {
    let open = || {
        let bytes = std::fs::read(path("../data/tests/fixtures/pairs-snappy.parquet")).unwrap();
        Table::open(bytes, Format::Parquet).unwrap()
    };
    let prompts = [
        "Which is one?",
        "caf\u{e9}, \"quoted\"\nand on",
        "\u{1f600}?",
        "Last?",
    ];
    let prompts = prompts.map(String::from).to_vec();
    let mut spec = TableSpec {
        features: vec!["prompt".into()],
        categories: BTreeMap::from([("prompt".into(), prompts)]),
        ..spec("id")
    };
    let samples = spec.read(open()).unwrap();
    assert_eq!(*samples.labels(), Labels::Values(vec![7.0, 8.0, 9.0, 10.0]));
    assert_eq!(samples.row(2), [0.0, 0.0, 1.0, 0.0]);
    spec.features.push("score".into());
    let told = spec.read(open()).unwrap_err().to_string();
    assert!(
        told.starts_with("record 2: column \"score\" is empty"),
        "{told}"
    );
}

#[test]
fn constants_of_a_table_are_those_of_scikit_learn() {
    let samples = example("breast-cancer.csv", &cancer());
    assert_eq!((samples.rows(), samples.width()), (569, 30));
    let numeric = cancer()
        .resolved(&open("breast-cancer.csv"))
        .unwrap()
        .numeric();
    let scaling = Scaling::of(&samples, &numeric).unwrap();
    let theirs = &json("training.json")["scaling"];
    for column in 0..30 {
        let mean = theirs["mean"][column].as_f64().unwrap();
        let scale = theirs["scale"][column].as_f64().unwrap();
        assert_eq!(scaling.mean[column], mean as f32);
        let ours = f64::from(scaling.factor[column]) * scale;
        assert!((ours - 1.0).abs() < 1e-7, "column {column}: {ours}");
    }
    let all: Vec<Samples> = kernels()
        .iter()
        .map(|kernel| scaling.apply(kernel, &samples).unwrap())
        .collect();
    assert!(all.iter().all(|one| *one == all[0]));
    let square: f32 = (0..569)
        .map(|row| all[0].row(row)[7] * all[0].row(row)[7])
        .sum();
    assert!((square / 569.0 - 1.0).abs() < 1e-5);
}

#[test]
fn what_never_changes_keeps_its_width_and_texts_are_left_alone() {
    let kernel = Kernel::detect().unwrap();
    let labels = Labels::Values(vec![0.0; 2]);
    let samples = Samples::new(vec![5.0, 1.0, 2.0, 5.0, 0.0, 4.0], 3, labels).unwrap();
    let scaling = Scaling::of(&samples, &[true, false, true]).unwrap();
    assert_eq!(scaling.mean, [5.0, 0.0, 3.0]);
    assert_eq!(scaling.factor, [1.0, 1.0, 1.0]);
    let scaled = scaling.apply(&kernel, &samples).unwrap();
    assert_eq!(scaled.features(), [0.0, 1.0, -1.0, 0.0, 0.0, 1.0]);
    assert!(Scaling::of(&samples, &[true]).is_err());
    let wrong = Scaling {
        mean: vec![0.0; 3],
        factor: vec![f32::INFINITY; 3],
    };
    assert!(matches!(
        wrong.apply(&kernel, &samples),
        Err(DataFault::ScalingNotFinite(0))
    ));
    let far = Scaling {
        mean: vec![-3e38; 3],
        factor: vec![10.0; 3],
    };
    assert!(matches!(
        far.apply(&kernel, &samples),
        Err(DataFault::NotFinite { .. })
    ));
    let none = samples.of_rows(&[]);
    assert!(matches!(
        Scaling::of(&none, &[true; 3]),
        Err(DataFault::NoRows)
    ));
}
