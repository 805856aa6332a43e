//! Tables: what is read of CSV, TSV and Parquet, and what is said about the rest. The Parquet files
//! are written by `bench/make_table_fixtures.py`.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use assay_data::table::{ColumnType, Table};
use assay_data::{Format, MAX_RECORD_BYTES, Message, Place, Record, Role, canonical, read};
use proptest::prelude::*;
use serde_json::{Value, json};

fn records(bytes: &[u8], format: Format) -> Vec<(Place, Record)> {
    read(bytes, format).unwrap_or_else(|e| panic!("{e}"))
}

fn told(bytes: &[u8], format: Format) -> String {
    canonical(bytes.to_vec(), format).unwrap_err().to_string()
}

fn csv(text: &str) -> String {
    told(text.as_bytes(), Format::Csv)
}

#[test]
fn tables_of_text_become_records_in_their_lines() {
    let text =
        "prompt,completion,note\n\"Which, of\nthese?\",\"The \"\"first\"\".\",\n\nTwo?,Yes.,x\n";
    let expected = [
        (
            Place::Line(2),
            Record::pair("Which, of\nthese?", "The \"first\"."),
        ),
        (Place::Line(5), Record::pair("Two?", "Yes.")),
    ];
    assert_eq!(records(text.as_bytes(), Format::Csv), expected);
    let padded = format!("{text},,\n,,\n");
    assert_eq!(records(padded.as_bytes(), Format::Csv), expected);
    let marked = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(
        canonical(marked.into_bytes(), Format::Csv).unwrap(),
        canonical(text.into(), Format::Csv).unwrap()
    );
    let tabs = "prompt\tcompletion\nWhich, of these?\tThe first.\n";
    let expected = Record::pair("Which, of these?", "The first.");
    assert_eq!(
        records(tabs.as_bytes(), Format::Tsv),
        [(Place::Line(2), expected)]
    );
    let texts = records(b"text\nonce\n\"upon, a time\"\n", Format::Csv);
    assert_eq!(
        texts[1],
        (Place::Line(3), Record::Text("upon, a time".into()))
    );
    let chat = "messages\n\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"u\"\"}]\"\n";
    let Record::Chat { messages, .. } = &records(chat.as_bytes(), Format::Csv)[0].1 else {
        panic!("a conversation");
    };
    assert_eq!(messages[..], [Message::new(Role::User, "u")]);
}

#[test]
fn an_empty_cell_is_missing_and_a_space_is_not() {
    let mut table = Table::open(b"a,b\n1,\n\" \",\"\"\n".to_vec(), Format::Csv).unwrap();
    assert!(
        table
            .columns()
            .iter()
            .all(|column| column.kind == ColumnType::Text)
    );
    let rows: Vec<Vec<Value>> = table.by_ref().map(|row| row.unwrap().cells).collect();
    assert_eq!(rows, [[json!("1"), Value::Null], [json!(" "), Value::Null]]);
}

#[test]
fn faults_of_tables_of_text_name_the_line_and_the_remedy() {
    let row = "prompt,completion\na,b\n";
    for (text, parts) in [
        (
            format!("{row}c\n"),
            ["line 3: the row has 1 cells", "names 2 columns"],
        ),
        (
            format!("{row}c,d,e\n"),
            ["line 3: the row has 3 cells", "double quotes"],
        ),
        (
            format!("{row}c,\n"),
            [
                "line 3: the row has no value in completion",
                "remove the row",
            ],
        ),
        (
            format!("{row}\"c,d\ne,f\n"),
            ["line 3: a cell begins with a double quote", "close it"],
        ),
        (
            "prompt,completion,prompt\na,b,c\n".into(),
            ["columns 1 and 3", "\"prompt\""],
        ),
        (
            ",prompt,completion\n0,a,b\n".into(),
            ["column 1 has no name", "index column"],
        ),
        (
            "prompt;completion\na;b\n".into(),
            ["semicolons separate", "save the table with commas"],
        ),
        (
            "prompt\tcompletion\na\tb\n".into(),
            ["tabs separate", "ending of .tsv"],
        ),
        (
            "prompt|completion\na|b\n".into(),
            ["bars (|) separate", "with commas"],
        ),
        (
            "Which?,The first.\nTwo?,Yes.\n".into(),
            ["the columns are Which?, The first.", "name the columns"],
        ),
        (
            "prompt,completion\n".into(),
            ["holds no records", "put at least"],
        ),
        (
            "messages\n\"[{'role': 'user'}]\"\n".into(),
            ["line 2: column messages", "list in JSON"],
        ),
    ] {
        let said = csv(&text);
        for part in parts {
            assert!(said.contains(part), "{said:?} lacks {part:?}");
        }
    }
    let said = told(b"prompt,completion\na,b\n", Format::Tsv);
    assert!(
        said.contains("commas separate") && said.contains("ending of .csv"),
        "{said}"
    );
    let long = format!("text\n{}\n", "a".repeat(MAX_RECORD_BYTES + 1));
    assert!(csv(&long).contains("line 2: the row has more than 4194304 bytes"));
    let wide = format!(
        "{}\n",
        (0..5000)
            .map(|i| format!("c{i}"))
            .collect::<Vec<_>>()
            .join(",")
    );
    assert!(csv(&wide).contains("the table has 5000 columns"));
    let latin = told(b"prompt,completion\ncaf\xe9,b\n", Format::Csv);
    assert!(latin.contains("byte 0xE9 in line 2, column 4"), "{latin}");
    assert!(latin.contains("WINDOWS-1252"), "{latin}");
}

proptest! {
    #[test]
    fn what_a_table_of_text_gives_reads_again(text in "[a-z,;\"\\n\\t ]{0,60}", comma in any::<bool>()) {
        let format = if comma { Format::Csv } else { Format::Tsv };
        let text = format!("text,prompt,completion\n{text}").replace(',', if comma { "," } else { "\t" });
        if let Ok(found) = canonical(text.into(), format) {
            prop_assert!(read(&found, Format::of_bytes(&found)).is_ok());
        }
    }
}
