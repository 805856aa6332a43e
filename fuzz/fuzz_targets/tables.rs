//! Files of data: whatever is accepted becomes canonical bytes, which every machine reads alike. The
//! first byte picks the format.
#![no_main]

use assay_data::table::Table;
use assay_data::{Foreign, Format, canonical, read};
use libfuzzer_sys::fuzz_target;

const FORMATS: [Format; 6] = [
    Format::Csv,
    Format::Tsv,
    Format::Parquet,
    Format::JsonLines,
    Format::Json,
    Format::Text,
];

fn seeds() -> Vec<Vec<u8>> {
    let parquet = [
        &include_bytes!("../../crates/data/tests/fixtures/pairs-snappy.parquet")[..],
        include_bytes!("../../crates/data/tests/fixtures/pairs-groups.parquet"),
        include_bytes!("../../crates/data/tests/fixtures/chats.parquet"),
    ];
    let texts: [(u8, &[u8]); 6] = [
        (0, b"prompt,completion\n\"a, \"\"b\"\"\nc\",d\n\ne,f\n"),
        (1, b"text\tid\none\t1\n"),
        (3, b"\xef\xbb\xbf{\"text\": \"a\"}\r\n{\"text\": \"b\"}\r\n"),
        (4, b"[{\"text\": \"a\"}, {\"prompt\": \"a\", \"completion\": \"b\"}]"),
        (5, b"[1] A note that begins like JSON.\n"),
        (5, b"Running text.\r\nMore.\n"),
    ];
    let parquet = parquet.map(|bytes| (2u8, bytes));
    let all = texts.into_iter().chain(parquet);
    all.map(|(format, bytes)| [&[format][..], bytes].concat()).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let format = FORMATS[*choice as usize % FORMATS.len()];
    let _ = Foreign::of(bytes);
    if let Ok(table) = Table::open(bytes.to_vec(), format) {
        let width = table.columns().len();
        for row in table.take(1000) {
            assert!(row.is_ok_and(|row| row.cells.len() == width) || width > 0);
        }
    }
    let Ok(found) = canonical(bytes.to_vec(), format) else {
        return;
    };
    let travels = Format::of_bytes(&found);
    assert_eq!(canonical(found.clone(), travels).expect("its own canonical form"), found);
    let is_table = matches!(format, Format::Csv | Format::Tsv | Format::Parquet);
    let records = read(&found, travels);
    assert!(!is_table || records.is_ok(), "records of a table were checked");
    if let (Ok(here), true) = (read(bytes, format), is_table) {
        assert_eq!(Some(here), records.ok());
    }
});
