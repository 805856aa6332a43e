//! What a data file is: endings decide, contents confirm, and what is something else is said to be.

use assay_data::{DataError, Format, Record, canonical, read};
use proptest::prelude::*;

const LINES: &str = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";

fn plain(bytes: impl Into<Vec<u8>>, format: Format) -> Vec<u8> {
    canonical(bytes.into(), format).unwrap_or_else(|e| panic!("{e}"))
}

fn told(bytes: impl Into<Vec<u8>>, format: Format) -> String {
    match canonical(bytes.into(), format) {
        // What canonical bytes look like is said by whoever reads them.
        Ok(bytes) => read(&bytes, Format::of_bytes(&bytes))
            .unwrap_err()
            .to_string(),
        Err(error) => error.to_string(),
    }
}

/// What every machine reads of a file.
fn travelled(bytes: impl Into<Vec<u8>>, format: Format) -> Vec<Record> {
    let bytes = plain(bytes, format);
    let records = read(&bytes, Format::of_bytes(&bytes)).unwrap_or_else(|e| panic!("{e}"));
    records.into_iter().map(|(_, record)| record).collect()
}

#[test]
fn plain_files_travel_byte_for_byte() {
    for (text, format) in [
        (LINES, Format::JsonLines),
        ("\n{\"text\": \"a\"}\n\n", Format::JsonLines),
        ("[{\"text\": \"a\"},\n {\"text\": \"b\"}]", Format::Json),
        ("It was the best of times.\n", Format::Text),
        ("  # A heading\n\n> words", Format::Text),
    ] {
        assert_eq!(plain(text, format), text.as_bytes());
    }
}

#[test]
fn marks_and_line_ends_change_no_data() {
    for format in [Format::JsonLines, Format::Json] {
        for ends in ["\n", "\r\n", "\r"] {
            for mark in ["", "\u{feff}"] {
                let text = format!("{mark}{}", LINES.replace('\n', ends));
                assert_eq!(plain(text, format), LINES.as_bytes());
            }
        }
    }
    let text = "\u{feff}one\r\ntwo\rthree\n";
    assert_eq!(plain(text, Format::Text), b"one\ntwo\nthree\n");
    assert_eq!(
        travelled(text, Format::Text),
        [Record::Text("one\ntwo\nthree\n".into())]
    );
}

#[test]
fn text_that_begins_like_json_stays_text_on_every_machine() {
    for text in [
        "[Illustration]\n\nOnce upon a time.\n",
        "{ a brace }\nand more\n",
        " [1] A note.\n",
    ] {
        assert_eq!(travelled(text, Format::Text), [Record::Text(text.into())]);
        let marked = format!("\u{feff}{text}");
        assert_eq!(plain(marked, Format::Text), plain(text, Format::Text));
        let bytes = plain(text, Format::Text);
        assert_eq!(plain(bytes.clone(), Format::of_bytes(&bytes)), bytes);
    }
}

#[test]
fn either_layout_of_json_is_read_under_either_name() {
    let array = "[{\"text\": \"one\"}, {\"text\": \"two\"}]";
    for format in [Format::Json, Format::JsonLines] {
        assert_eq!(travelled(array, format), travelled(LINES, format));
    }
}

#[test]
fn json_under_the_name_of_text_is_refused() {
    let said = told(LINES, Format::Text);
    assert!(
        said.contains("2 of the first 2 lines") && said.contains(".jsonl"),
        "{said}"
    );
    let most = format!("# A title\n{LINES}{LINES}");
    assert!(told(most, Format::Text).contains("4 of the first 5 lines"));
    let array = told("[{\"text\": \"a\"},\n{\"text\": \"b\"}]\n", Format::Text);
    assert!(
        array.contains("a JSON array of records") && array.contains(".json"),
        "{array}"
    );
    let mixed = "Some words.\n\nAnd more of them.\nFor example:\n\n{\"a\": 1}\n";
    assert_eq!(plain(mixed, Format::Text), mixed.as_bytes());
}

#[test]
fn broken_json_lines_say_what_they_are() {
    let lines = |text: &str| told(text, Format::JsonLines);
    let cut = lines("{\"text\": \"a\"}\n{\"text\": \"b");
    assert!(
        cut.contains("line 2: not a JSON object: the file ends within it"),
        "{cut}"
    );
    let pretty = lines("{\n  \"text\": \"a\"\n}\n{\n  \"text\": \"b\"\n}\n");
    assert!(
        pretty.contains("line 1") && pretty.contains("jq -c ."),
        "{pretty}"
    );
    let joined = lines("{\"text\": \"a\"} {\"text\": \"b\"}\n{\"text\": \"c\"}\n");
    assert!(
        joined.contains("line 1: not a JSON object (column 15: trailing characters, at"),
        "{joined}"
    );
    let python = lines("{'text': 'a'}\n");
    assert!(
        python.contains("double quotes") && python.contains("{<here>'text'"),
        "{python}"
    );
    let number = lines("{\"text\": NaN}\n");
    assert!(number.contains("JSON has no NaN"), "{number}");
    for data in ["data", "train"] {
        let compact = format!("{{\"{data}\": [{{\"text\": \"a\"}}]}}");
        let pretty = format!("{{\n \"{data}\": [\n {{\"text\": \"a\"}}\n]\n}}\n");
        for text in [compact, pretty] {
            let said = told(text, Format::Json);
            assert!(
                said.contains(&format!("whose field \"{data}\" holds the list")),
                "{said}"
            );
        }
    }
    let table = lines("prompt,completion\na,b\n");
    assert!(
        table.contains("line 1") && table.contains("it begins with \"prompt,completion\""),
        "{table}"
    );
    let twice = lines("{\"text\": \"a\", \"text\": \"b\"}\n");
    assert!(
        twice.contains("line 1") && twice.contains("the field \"text\" stands twice"),
        "{twice}"
    );
    let deep = format!("{{\"text\": {}\n", "[".repeat(100_000));
    assert!(lines(&deep).contains("recursion limit"));
}

#[test]
fn broken_arrays_say_where() {
    let array = |text: &str| told(text, Format::Json);
    for (text, expected) in [
        (
            "[{\"text\": \"a\"},\n {\"text\" \"b\"}]",
            "record 2: not a JSON object (line 2, column 10: expected `:`",
        ),
        (
            "[{\"text\": \"a\"},\n {\"text\": \"b\"}",
            "ends within its list of records (line 2)",
        ),
        (
            "[{\"text\": \"a\"},\n {\"text\": \"b",
            "ends within its list of records (line 2)",
        ),
        (
            "[{\"text\": \"a\"}, ]",
            "a comma before the end of the list",
        ),
        ("[{\"text\": \"a\"} {\"text\": \"b\"}]", "expected , or ]"),
        (
            "[{\"text\": \"a\"}]\n[{\"text\": \"b\"}]",
            "line 2, column 1: more follows after the list",
        ),
        (
            "[[1], [2]]",
            "record 1: not a JSON object (it is another JSON value)",
        ),
        ("[", "ends within its list"),
        ("[]", "no records"),
    ] {
        let said = array(text);
        assert!(said.contains(expected), "{said:?} lacks {expected:?}");
    }
}

#[test]
fn other_encodings_and_other_files_are_named() {
    let wide =
        |order: fn(u16) -> [u8; 2]| -> Vec<u8> { LINES.encode_utf16().flat_map(order).collect() };
    let marked = [b"\xff\xfe".to_vec(), wide(u16::to_le_bytes)].concat();
    let cases: [(Vec<u8>, &str); 14] = [
        (marked, "iconv -f UTF-16 "),
        (wide(u16::to_le_bytes), "iconv -f UTF-16LE "),
        (wide(u16::to_be_bytes), "iconv -f UTF-16BE "),
        (b"\xff\xfe\0\0a\0\0\0".to_vec(), "iconv -f UTF-32 "),
        (
            b"{\"text\": \"a\"}\n{\"text\": \"\0\"}\n".to_vec(),
            "line 2 holds a zero byte",
        ),
        (
            b"{\"text\": \"caf\xe9\"}\n".to_vec(),
            "byte 0xE9 in line 1, column 14 is not UTF-8",
        ),
        (
            b"{\"text\": \"a\"}\n{\"text\": \"\xc3".to_vec(),
            "ends within a character of line 2",
        ),
        (b"".to_vec(), "no records"),
        (b"\n \r\n\n".to_vec(), "no records"),
        (b"\xef\xbb\xbf".to_vec(), "no records"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec(),
            "git lfs pull",
        ),
        (b"<!DOCTYPE html>\n<html>\n".to_vec(), "a web page (HTML)"),
        (
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(),
            "compressed with gzip; unpack it",
        ),
        (
            b"PK\x03\x04\x14\0\0\0\0\0xl/[Content_Types].xml".to_vec(),
            "export the table as CSV",
        ),
    ];
    for (bytes, expected) in cases {
        for format in [Format::JsonLines, Format::Json, Format::Text, Format::Csv] {
            let said = told(bytes.clone(), format);
            assert!(
                said.contains(expected),
                "{format:?}: {said:?} lacks {expected:?}"
            );
        }
    }
}

#[test]
fn endings_decide_and_others_say_what_to_do() {
    for (name, format) in [
        ("a.JSONL", Format::JsonLines),
        ("a.ndjson", Format::JsonLines),
        ("b/c.json", Format::Json),
        ("a.TXT", Format::Text),
        ("a.text", Format::Text),
        ("README.md", Format::Text),
        ("a.csv", Format::Csv),
        ("a.Tsv", Format::Tsv),
        ("train-00000-of-00001.parquet", Format::Parquet),
    ] {
        assert_eq!(Format::of_name(name).unwrap(), format, "{name}");
    }
    for (name, expected) in [
        ("a.jsonl.gz", "gunzip"),
        ("a.csv.zst", "zstd --decompress"),
        ("a.json.BZ2", "bunzip2"),
        ("a.txt.xz", "xz --decompress"),
        ("a.zip", "unzip"),
        ("a.jsonl.part", "has not finished"),
        ("a.jsonl.incomplete", "has not finished"),
        ("a.csv.crdownload", "has not finished"),
        ("a.xlsx", "export the table as CSV"),
        ("a.arrow", "export it as Parquet"),
        ("a.yaml", "convert it to JSON Lines"),
        ("a.pdf", "extract its text"),
        ("a.dat", "name it .jsonl, .json, .csv"),
        ("x.d/data", "name it .jsonl, .json, .csv"),
        ("data", "name it .jsonl, .json, .csv"),
    ] {
        let said = Format::of_name(name).unwrap_err().to_string();
        assert!(said.contains(expected), "{said:?} lacks {expected:?}");
        assert!(said.contains(".parquet"), "{said}");
    }
    let many = canonical(vec![b'a'; assay_data::MAX_BYTES + 1], Format::Text).unwrap_err();
    assert!(matches!(many, DataError::TooLarge(_)));
}

proptest! {
    #[test]
    fn canonical_bytes_are_their_own_canonical_form(
        text in "[\\[\\]{}\",:a-c \\r\\n\u{feff}]{0,60}", which in 0..4usize,
    ) {
        let format = [Format::JsonLines, Format::Json, Format::Text, Format::Csv][which];
        if let Ok(bytes) = canonical(text.into_bytes(), format) {
            let again = canonical(bytes.clone(), Format::of_bytes(&bytes));
            prop_assert_eq!(again.unwrap(), bytes);
        }
    }
}
