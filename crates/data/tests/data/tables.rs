//! Tables: what is read of CSV, TSV and Parquet, and what is said about the rest. The Parquet files
//! are written by `bench/make_table_fixtures.py`.

use std::path::Path;

use assay_data::table::{ColumnType, Table};
use assay_data::{Format, MAX_RECORD_BYTES, Message, Place, Record, Role, canonical, read};
use proptest::prelude::*;
use serde_json::{Value, json};

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(folder.join(name)).unwrap()
}

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
    let Record::Chat(chat) = &records(chat.as_bytes(), Format::Csv)[0].1 else {
        panic!("a conversation");
    };
    assert_eq!(chat.messages[..], [Message::new(Role::User, "u")]);
}

#[test]
fn lists_and_settings_in_cells_are_read_as_in_records() {
    let cell = |value: &Value| value.to_string().replace('"', "\"\"");
    let turn = |role: &str, said: &str| json!([{"role": role, "content": said}]);
    let (asked, said) = (turn("user", "u"), turn("assistant", "a"));
    let documents = json!([{"text": "t"}]);
    let settings = json!({"thinking": false});
    let table = format!(
        "prompt,completion,documents,chat_template_kwargs\n\"{}\",\"{}\",\"{}\",\"{}\"\n",
        cell(&asked),
        cell(&said),
        cell(&documents),
        cell(&settings)
    );
    let record = json!({"prompt": asked, "completion": said, "documents": documents,
        "chat_template_kwargs": settings});
    let same = records(record.to_string().as_bytes(), Format::JsonLines);
    assert_eq!(records(table.as_bytes(), Format::Csv)[0].1, same[0].1);
    let turns = json!([{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]);
    let table = format!("conversation\n\"{}\"\n", cell(&turns));
    let record = json!({ "conversation": turns });
    let same = records(record.to_string().as_bytes(), Format::JsonLines);
    assert_eq!(records(table.as_bytes(), Format::Csv)[0].1, same[0].1);
    let table = "prompt,completion,chat_template_kwargs\np,c,[1]\n";
    let error = csv(table);
    assert!(
        error.contains("line 2: field chat_template_kwargs is a string"),
        "{error}"
    );
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
        // As Spark writes it, and as nobody does: read by the rules, words would be lost.
        (
            format!("{row}\"he said \\\"no\\\" and left\",d\n"),
            [
                "line 3: a cell begins with a double quote",
                "write a quote within it twice",
            ],
        ),
        (
            format!("{row}\"he\" said,d\n"),
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

#[test]
fn parquet_of_every_codec_is_the_same_data() {
    let plain = canonical(fixture("pairs-none.parquet"), Format::Parquet).unwrap();
    for name in ["snappy", "gzip", "lz4", "zstd", "groups"] {
        let bytes = fixture(&format!("pairs-{name}.parquet"));
        assert_eq!(canonical(bytes, Format::Parquet).unwrap(), plain, "{name}");
    }
    assert_eq!(Format::of_bytes(&plain), Format::Json);
    let found = records(&fixture("pairs-snappy.parquet"), Format::Parquet);
    assert_eq!(found.len(), 4);
    let second = Record::pair("caf\u{e9}, \"quoted\"\nand on", "yes");
    assert_eq!(found[1], (Place::Element(2), second));
}

#[test]
fn columns_of_parquet_have_types_and_missing_cells() {
    use ColumnType::{Boolean, Bytes, Float, Integer, Text, Time};
    let mut table = Table::open(fixture("pairs-zstd.parquet"), Format::Parquet).unwrap();
    let columns: Vec<(&str, ColumnType)> = table
        .columns()
        .iter()
        .map(|c| (c.name.as_str(), c.kind))
        .collect();
    let kinds = [Integer, Text, Text, Float, Boolean, Time, Bytes];
    assert_eq!(
        columns.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(),
        kinds
    );
    assert_eq!(columns[0].0, "id");
    let rows: Vec<Vec<Value>> = table.by_ref().map(|row| row.unwrap().cells).collect();
    let first = [
        json!(7),
        json!("Which is one?"),
        json!("The first."),
        json!(0.5),
        json!(true),
    ];
    assert_eq!(rows[0][..5], first);
    assert_eq!(rows[0][5..], [json!(20455), Value::Null]);
    assert_eq!(
        rows[2][3..],
        [Value::Null, Value::Null, Value::Null, json!("text")]
    );
    let table = Table::open(fixture("chats.parquet"), Format::Parquet).unwrap();
    assert_eq!(table.columns()[0].kind, ColumnType::List);
}

#[test]
fn conversations_in_parquet_are_lists_of_structs() {
    let found = records(&fixture("chats.parquet"), Format::Parquet);
    let messages = vec![
        Message::new(Role::System, "Be brief."),
        Message::new(Role::User, "Well?"),
        Message::new(Role::Assistant, "Well."),
    ];
    let Record::Chat(read) = &found[1].1 else {
        panic!("a conversation");
    };
    assert_eq!((found.len(), &read.messages), (2, &messages));
}

#[test]
fn parquet_that_cannot_be_read_is_named() {
    let parquet = |bytes: &[u8]| told(bytes, Format::Parquet);
    let whole = fixture("pairs-snappy.parquet");
    let cut = parquet(&whole[..whole.len() - 100]);
    assert!(
        cut.contains("cut off") && cut.contains("download or copy it again"),
        "{cut}"
    );
    assert!(parquet(&whole[..6]).contains("cut off"));
    assert!(parquet(b"").contains("no records"));
    assert!(parquet(b"prompt,completion\n").contains("no Parquet table"));
    assert!(parquet(b"\x1f\x8b\x08\0").contains("gzip"));
    assert!(parquet(b"version https://git-lfs.github.com/spec/v1\n").contains("Git LFS"));
    assert!(parquet(b"PARE\0\0\0\0").contains("encrypted"));
    let brotli = parquet(&fixture("pairs-brotli.parquet"));
    assert!(
        brotli.contains("BROTLI") && brotli.contains("zstd"),
        "{brotli}"
    );
    assert!(parquet(&fixture("pairs-delta.parquet")).contains("encoded by differences"));
    assert!(parquet(&fixture("empty.parquet")).contains("no records"));
    let hole = parquet(&fixture("holes.parquet"));
    assert!(
        hole.contains("record 2: the row has no value in prompt"),
        "{hole}"
    );
    for name in ["data.jsonl", "data.txt", "data.csv"] {
        let said = told(&whole, Format::of_name(name).unwrap());
        assert!(
            said.contains("a Parquet table") && said.contains(".parquet"),
            "{said}"
        );
    }
}

/// A footer or a page that announces what is not there must not make anybody set room aside for it.
#[test]
fn announced_sizes_are_checked_before_they_are_believed() {
    let whole = fixture("pairs-none.parquet");
    let tail = whole.len() - 8;
    let length = u32::from_le_bytes(*whole[tail..].first_chunk().unwrap()) as usize;
    let mut huge = whole.clone();
    huge[tail..tail + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(told(&huge, Format::Parquet).contains("its footer claims 4294967295 bytes"));
    // The list of the schema: 15 in the size and a number of 5 bytes, over what stood there.
    let mut lists = whole.clone();
    let footer = tail - length;
    let list = (footer..tail).find(|at| lists[*at] == 0x19).unwrap() + 1;
    lists[list] = 0xfc;
    lists[list + 1..list + 6].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x07]);
    assert!(told(&lists, Format::Parquet).contains("announces more than it holds"));
    // The first page: fields 1, 2 and 3 are its type and its sizes.
    let mut page = whole;
    assert_eq!(page[4..6], [0x15, 0x04], "a dictionary page comes first");
    page[6..12].copy_from_slice(&[0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f]);
    assert!(told(&page, Format::Parquet).contains("announces more than it holds"));
}

proptest! {
    #[test]
    fn damaged_parquet_never_panics_the_process(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        which in 0..3usize,
    ) {
        let name = ["pairs-snappy.parquet", "chats.parquet", "pairs-groups.parquet"][which];
        let mut bytes = fixture(name);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(found) = canonical(bytes, Format::Parquet) {
            prop_assert!(read(&found, Format::of_bytes(&found)).is_ok());
        }
    }

    #[test]
    fn what_a_table_of_text_gives_reads_again(text in "[a-z,;\"\\n\\t ]{0,60}", comma in any::<bool>()) {
        let format = if comma { Format::Csv } else { Format::Tsv };
        let text = format!("text,prompt,completion\n{text}").replace(',', if comma { "," } else { "\t" });
        if let Ok(found) = canonical(text.into(), format) {
            prop_assert!(read(&found, Format::of_bytes(&found)).is_ok());
        }
    }
}
