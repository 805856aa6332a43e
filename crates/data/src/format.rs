//! How the bytes of a data set are laid out.

use crate::error::DataError;

/// How the bytes of a data set are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line; blank lines are passed over.
    JsonLines,
    /// One JSON array of objects.
    Json,
    /// Running text.
    Text,
    /// A table: names of columns, then rows, separated by commas.
    Csv,
    /// A table: names of columns, then rows, separated by tabs.
    Tsv,
    /// A table in columns.
    Parquet,
}

/// Endings of what is not read: what it is, and what to do.
const OTHERS: [(&[&str], &str, &str); 15] = [
    (
        &["gz", "tgz", "gzip"],
        "compressed with gzip",
        "unpack it with `gunzip --keep FILE`",
    ),
    (
        &["zst", "zstd"],
        "compressed with zstd",
        "unpack it with `zstd --decompress FILE`",
    ),
    (
        &["bz2"],
        "compressed with bzip2",
        "unpack it with `bunzip2 --keep FILE`",
    ),
    (
        &["xz"],
        "compressed with xz",
        "unpack it with `xz --decompress --keep FILE`",
    ),
    (
        &["lz4"],
        "compressed with lz4",
        "unpack it with `lz4 -d FILE`",
    ),
    (
        &["br"],
        "compressed with brotli",
        "unpack it with `brotli --decompress FILE`",
    ),
    (&["zip"], "a ZIP archive", "unpack it with `unzip FILE`"),
    (&["7z"], "a 7-Zip archive", "unpack it with `7z x FILE`"),
    (&["tar"], "a tar archive", "unpack it with `tar -xf FILE`"),
    (
        &[
            "part",
            "partial",
            "incomplete",
            "crdownload",
            "download",
            "opdownload",
            "aria2",
            "filepart",
        ],
        "a download that has not finished",
        "let it finish, or download the file again",
    ),
    (
        &["xlsx", "xls", "xlsm", "ods", "numbers"],
        "a spreadsheet",
        "export the table as CSV (UTF-8)",
    ),
    (
        &[
            "arrow", "feather", "avro", "orc", "db", "sqlite", "npy", "npz", "pkl", "pickle",
        ],
        "a kind of data that is not read",
        "export it as Parquet, CSV or JSON Lines",
    ),
    (
        &["yaml", "yml", "toml", "xml"],
        "a kind of data that is not read",
        "convert it to JSON Lines",
    ),
    (
        &["html", "htm"],
        "a web page",
        "extract its text and save that as .txt or .jsonl",
    ),
    (
        &["pdf", "doc", "docx", "odt", "rtf", "epub"],
        "a document",
        "extract its text and save that as .txt or .jsonl",
    ),
];

impl Format {
    /// The format a file's name promises; capitals count as small letters.
    ///
    /// # Errors
    /// For any other ending, with what to do about those that are often met.
    pub fn of_name(name: &str) -> Result<Self, DataError> {
        let shown = || -> String { name.chars().take(200).collect() };
        let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let ending = last.rsplit_once('.').map(|(_, ending)| ending);
        let ending = ending.unwrap_or_default().to_ascii_lowercase();
        match ending.as_str() {
            "jsonl" | "ndjson" | "jsonlines" => Ok(Self::JsonLines),
            "json" => Ok(Self::Json),
            "txt" | "text" | "md" => Ok(Self::Text),
            "csv" => Ok(Self::Csv),
            "tsv" | "tab" => Ok(Self::Tsv),
            "parquet" | "pq" => Ok(Self::Parquet),
            other => {
                let known = OTHERS.iter().find(|(endings, ..)| endings.contains(&other));
                let Some((_, what, remedy)) = known else {
                    return Err(DataError::UnknownFormat(shown()));
                };
                let name = shown();
                Err(DataError::OtherKind { name, what, remedy })
            }
        }
    }

    /// The format of bytes in canonical form (see [`canonical`](crate::canonical)), which travel
    /// without a name. A byte order mark says that text follows, however it begins; else an array or
    /// an object says that JSON does.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        match bytes.trim_ascii_start().first() {
            Some(b'[') => Self::Json,
            Some(b'{') => Self::JsonLines,
            _ => Self::Text,
        }
    }
}
