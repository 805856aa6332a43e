use super::*;

#[test]
fn a_safetensors_file_is_one_whatever_its_headers_length_looks_like() {
    for length in [0x0280_u64, 0x8b1f, 0x5a42, 640, 1] {
        let mut file = length.to_le_bytes().to_vec();
        file.extend(b"{\"a\": 1}  ");
        assert_eq!(
            Foreign::of(&file),
            Some(Foreign::Safetensors),
            "{length:#x}"
        );
    }
}

#[test]
fn files_are_known_by_their_first_bytes() {
    let mut tar = vec![b'a'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let torch = b"PK\x03\x04\x14\0\0\0\0\0archive/data.pkl".to_vec();
    let book = b"PK\x03\x04\x14\0\0\0\0\0[Content_Types].xml".to_vec();
    let mut tensors = 40u64.to_le_bytes().to_vec();
    tensors.extend(b"{\"a\":{\"dtype\":\"F32\"");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 17\n";
    let cases: [(&[u8], Foreign, &str); 24] = [
        (b"", Foreign::Empty, "again"),
        (&[0; 3000], Foreign::Zeros, "again"),
        (pointer.as_bytes(), Foreign::LfsPointer, "git lfs pull"),
        (
            b"/annex/objects/SHA256E-s3--aa",
            Foreign::AnnexPointer,
            "git annex get",
        ),
        (b"\n<!DOCTYPE html>\n<html>", Foreign::Html, "/resolve/"),
        (
            b"\xef\xbb\xbf<html lang=\"en\">",
            Foreign::Html,
            "/resolve/",
        ),
        (b"<?xml version=\"1.0\"?><Error>", Foreign::Xml, "/resolve/"),
        (b"Entry not found", Foreign::ErrorPage, "again"),
        (
            b"{\"error\":\"Access to model x is restricted\"}",
            Foreign::ErrorPage,
            "again",
        ),
        (b"\x1f\x8b\x08\0", Foreign::Gzip, "gunzip"),
        (b"\x28\xb5\x2f\xfd\0", Foreign::Zstandard, "zstd"),
        (b"BZh91AY&SY", Foreign::Bzip2, "bunzip2"),
        (b"\xfd7zXZ\0\0", Foreign::Xz, "xz"),
        (b"7z\xbc\xaf\x27\x1c", Foreign::SevenZip, "7z x"),
        (b"PK\x03\x04\x14\0\0\0train.jsonl", Foreign::Zip, "unzip"),
        (&tar, Foreign::Tar, "tar -xf"),
        (&torch, Foreign::Torch, "safe_serialization"),
        (&book, Foreign::Spreadsheet, "CSV"),
        (b"\x80\x02}q\0", Foreign::Pickle, "safe_serialization"),
        (b"\x89HDF\r\n\x1a\n", Foreign::Hdf5, ".safetensors"),
        (
            b"\x08\x07\x12\x07pytorch\x1a",
            Foreign::Onnx,
            ".safetensors",
        ),
        (b"GGUF\x03\0\0\0", Foreign::Gguf, ".gguf"),
        (b"PAR1\x15\x04", Foreign::Parquet, ".parquet"),
        (&tensors, Foreign::Safetensors, "folder"),
    ];
    for (bytes, kind, remedy) in cases {
        assert_eq!(Foreign::of(bytes), Some(kind));
        let told = kind.to_string();
        assert!(told.contains(remedy), "{told} lacks {remedy}");
    }
}

#[test]
fn text_that_speaks_of_formats_is_text() {
    for text in [
        "GGUF is a format.",
        "PAR1 was the first of them",
        "BZh is no word",
        "PK and more",
        "Not found was the key, and nobody looked again.",
        "{\"text\": \"version https://git-lfs.github.com/spec/v1\"}",
        "a <html> tag",
        "prompt,completion\na,b\n",
        "[1]",
    ] {
        assert_eq!(Foreign::of(text.as_bytes()), None, "{text}");
    }
}
