//! Arrays as NumPy saved them (`bench/make_estimator_fixtures.py`), and archives that lie.

use std::io::{Cursor, Write};

use crate::common::bytes;
use assay_estimator::{Images, Labels, read_npz};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn told(bytes: &[u8], name: &str) -> String {
    read_npz(bytes, &[name]).unwrap_err().to_string()
}

/// An archive of one array, `x`, with this header and these values.
fn archive(header: &str, values: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY\x02\x00".to_vec();
    file.extend((header.len() as u32).to_le_bytes());
    file.extend(header.bytes());
    file.extend(values);
    packed(&file)
}

fn packed(file: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file("x.npy", options).unwrap();
    zip.write_all(file).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn every_type_is_read_and_whole_numbers_are_exact() {
    let archive = bytes("arrays.npz");
    let wanted: Vec<f32> = (0..24u8).map(f32::from).collect();
    for i in 0..12 {
        let name = format!("a{i}");
        let array = read_npz(&archive, &[&name]).unwrap().swap_remove(0);
        assert_eq!(
            (array.shape, array.values),
            (vec![4, 3, 2], wanted.clone()),
            "{name}"
        );
    }
    let [bools, none, scalar] = &read_npz(&archive, &["bools", "none", "scalar"]).unwrap()[..]
    else {
        panic!("three arrays");
    };
    assert_eq!(bools.values[..3], [1.0, 0.0, 1.0]);
    assert_eq!((&none.shape[..], none.values.len()), (&[0, 3][..], 0));
    assert_eq!((scalar.shape.len(), &scalar.values[..]), (0, &[7.5][..]));
}

#[test]
fn images_become_rows_with_classes() {
    let arrays = read_npz(&bytes("packed.npz"), &["images", "labels"]).unwrap();
    assert_eq!(arrays[0].shape, [4, 24, 16]);
    let images = Images {
        divide_by: 255.0,
        classes: 3,
    };
    let samples = images.samples(&arrays[0], &arrays[1]).unwrap();
    assert_eq!((samples.rows(), samples.width()), (4, 384));
    assert_eq!(samples.row(1)[1], 7.0 / 255.0);
    let classes = Labels::classes(vec![0, 1, 2, 1], 3).unwrap();
    assert_eq!(*samples.labels(), classes);
    let fewer = Images {
        classes: 2,
        ..images
    };
    assert!(fewer.samples(&arrays[0], &arrays[1]).is_err());
    assert!(images.samples(&arrays[1], &arrays[0]).is_err());
    let short = read_npz(&bytes("arrays.npz"), &["none"]).unwrap();
    let error = images.samples(&arrays[0], &short[0]).unwrap_err();
    assert!(
        error.to_string().contains("do not go with 0 labels"),
        "{error}"
    );
    let nothing = Images {
        divide_by: 0.0,
        ..images
    };
    assert!(nothing.samples(&arrays[0], &arrays[1]).is_err());
}

#[test]
fn what_is_not_read_is_told() {
    let archive = bytes("arrays.npz");
    assert!(told(&archive, "missing").contains("no array missing"));
    assert!(told(&archive, "fortran").contains("ascontiguousarray"));
    assert!(told(&archive, "large").contains("2^24"));
    assert!(told(&archive, "texts").contains("<U1"));
    assert!(told(&archive, "objects").contains("objects"));
    assert!(read_npz(b"", &["x"]).is_err() && read_npz(&archive[..500], &["a0"]).is_err());
}

#[test]
fn headers_that_lie_are_refused_before_anything_is_allocated() {
    let header =
        |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let good = archive(&header("(2,)"), &[0; 8]);
    assert_eq!(read_npz(&good, &["x"]).unwrap()[0].values, [0.0, 0.0]);
    for (shape, values, reason) in [
        ("(3,)", 8, "not as many"),
        ("(1,)", 8, "not as many"),
        ("(4294967296, 4294967296, 0)", 0, "134217728"),
        ("(18446744073709551616,)", 0, "no list of lengths"),
        ("(1000000000,)", 8, "134217728"),
        ("(-2,)", 8, "negative"),
        ("(2.0,)", 8, "134217728|integer"),
        ("(0x2,)", 8, "no list of lengths"),
        ("2", 8, "list or tuple"),
        ("((((((((2,))))))))", 8, "as NumPy writes it"),
    ] {
        let told = told(&archive(&header(shape), &vec![0; values]), "x");
        let mut reasons = reason.split('|');
        assert!(
            reasons.any(|reason| told.contains(reason)),
            "{shape}: {told}"
        );
    }
    for text in [
        "",
        "{}",
        "[",
        "{'descr': 'f4'}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': 1, 'shape': (2,), }",
        "{\"descr\": '<f4', 'fortran_order': False, 'shape': (2,), }",
    ] {
        assert!(read_npz(&archive(text, &[0; 8]), &["x"]).is_err(), "{text}");
    }
    let deep = "(".repeat(900);
    assert!(told(&archive(&deep, &[]), "x").contains("as NumPy writes it"));
    assert!(told(&archive(&" ".repeat(5000), &[]), "x").contains("1024"));
    let mut file = b"\x93NUMPY\x02\x00".to_vec();
    file.extend(u32::MAX.to_le_bytes());
    assert!(told(&packed(&file), "x").contains("1024"));
    assert!(told(&packed(b"\x93NUM"), "x").contains("cut off"));
}

#[test]
fn a_member_that_is_longer_than_announced_is_refused() {
    let zeros = packed(&vec![0; 1 << 20]);
    assert!(zeros.len() < 1 << 12, "a thousandfold");
    let announced = (1u32 << 20).to_le_bytes();
    let claim = |to: u32| {
        let mut lying = zeros.clone();
        let at = |bytes: &[u8]| bytes.windows(4).rposition(|w| w == announced).unwrap();
        let place = at(&lying);
        lying[place..place + 4].copy_from_slice(&to.to_le_bytes());
        lying
    };
    assert!(read_npz(&claim(100), &["x"]).is_err());
    assert!(read_npz(&claim(u32::MAX - 1), &["x"]).is_err());
}
