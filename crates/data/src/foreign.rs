//! What bytes are when they are not what a file's name promises.
//!
//! [`Foreign::of`] is asked by everything that reads a file somebody brought: data sets, models,
//! tokenizers, adapters. It looks at the first bytes only, besides short texts that services put in
//! the place of a file.

use std::fmt;

/// A kind of file that is met where another one was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// No bytes.
    Empty,
    /// Nothing but zero bytes: room that was set aside for a download.
    Zeros,
    /// What Git LFS puts into a clone without it.
    LfsPointer,
    /// What git-annex puts into a clone without it.
    AnnexPointer,
    /// A web page.
    Html,
    /// An XML document, such as a storage service's error.
    Xml,
    /// The words of a service that has no such file.
    ErrorPage,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstandard,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// LZ4 frames.
    Lz4,
    /// 7-Zip.
    SevenZip,
    /// tar.
    Tar,
    /// A ZIP archive.
    Zip,
    /// A workbook of Excel or another spreadsheet.
    Spreadsheet,
    /// A checkpoint of PyTorch: a ZIP archive with a pickle inside.
    Torch,
    /// A pickle of Python.
    Pickle,
    /// HDF5, as Keras writes it.
    Hdf5,
    /// ONNX.
    Onnx,
    /// An array of NumPy.
    Numpy,
    /// Arrow or Feather.
    Arrow,
    /// Avro.
    Avro,
    /// SQLite.
    Sqlite,
    /// PDF.
    Pdf,
    /// A picture.
    Picture,
    /// A model of llama.cpp before GGUF.
    Ggml,
    /// GGUF.
    Gguf,
    /// Parquet.
    Parquet,
    /// Safetensors.
    Safetensors,
}

/// First bytes that only one kind of file has.
const MAGIC: [(&[u8], Foreign); 25] = [
    (b"\x1f\x8b", Foreign::Gzip),
    (b"\x28\xb5\x2f\xfd", Foreign::Zstandard),
    (b"\xfd7zXZ\0", Foreign::Xz),
    (b"\x04\x22\x4d\x18", Foreign::Lz4),
    (b"7z\xbc\xaf\x27\x1c", Foreign::SevenZip),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Foreign::Spreadsheet),
    (b"\x89HDF\r\n\x1a\n", Foreign::Hdf5),
    (b"\x93NUMPY", Foreign::Numpy),
    (b"ARROW1\0\0", Foreign::Arrow),
    (b"FEA1\0", Foreign::Arrow),
    (b"\xff\xff\xff\xff\x10\0\0\0", Foreign::Arrow),
    (b"Obj\x01", Foreign::Avro),
    (b"SQLite format 3\0", Foreign::Sqlite),
    (b"%PDF-", Foreign::Pdf),
    (b"\x89PNG\r\n\x1a\n", Foreign::Picture),
    (b"\xff\xd8\xff", Foreign::Picture),
    (b"lmgg", Foreign::Ggml),
    (b"tjgg", Foreign::Ggml),
    (b"GGUF\x01\0\0\0", Foreign::Gguf),
    (b"GGUF\x02\0\0\0", Foreign::Gguf),
    (b"GGUF\x03\0\0\0", Foreign::Gguf),
    (b"GGUF\0\0\0", Foreign::Gguf),
    (b"PAR1\x15", Foreign::Parquet),
    (b"version https://git-lfs.github.com/", Foreign::LfsPointer),
    (b"/annex/objects/", Foreign::AnnexPointer),
];

impl Foreign {
    /// What the bytes are, if their beginning tells. JSON, tables of text and running text have no
    /// mark of their own: for them it is `None`.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::Empty);
        }
        let head = &bytes[..bytes.len().min(1024)];
        if head.iter().all(|byte| *byte == 0) {
            return bytes.iter().all(|byte| *byte == 0).then_some(Self::Zeros);
        }
        // A header of JSON after its length, which is below 4 GiB. This comes first: the length's
        // bytes may be those that another format begins with.
        if head.len() > 9 && head[4..8] == [0; 4] && head[8] == b'{' && head[0..4] != [0; 4] {
            return Some(Self::Safetensors);
        }
        if let Some((_, found)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Some(*found);
        }
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Some(Self::of_zip(bytes));
        }
        if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
            return Some(Self::Bzip2);
        }
        if head.get(257..262) == Some(b"ustar") {
            return Some(Self::Tar);
        }
        // Protocols 2 to 5; PyTorch's older files begin with one, too.
        if head.len() > 2 && head[0] == 0x80 && (2..=5).contains(&head[1]) {
            return Some(Self::Pickle);
        }
        // The version of the format, then the name of the program that wrote it.
        let onnx = [&b"pytorch"[..], b"onnx", b"tf2onnx", b"skl2onnx"];
        let producer = head.get(4..).unwrap_or_default();
        if head.starts_with(b"\x08") && onnx.iter().any(|name| producer.starts_with(name)) {
            return Some(Self::Onnx);
        }
        Self::of_text(bytes)
    }

    fn of_zip(bytes: &[u8]) -> Self {
        let names = &bytes[..bytes.len().min(1 << 12)];
        let holds = |name: &[u8]| names.windows(name.len()).any(|window| window == name);
        if holds(b"/data.pkl") || holds(b"/byteorder") {
            Self::Torch
        } else if holds(b"[Content_Types].xml") || holds(b"opendocument.spreadsheet") {
            Self::Spreadsheet
        } else {
            Self::Zip
        }
    }

    fn of_text(bytes: &[u8]) -> Option<Self> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = text.trim_ascii_start();
        let head = text[..text.len().min(64)].to_ascii_lowercase();
        if head.starts_with(b"<!doctype html") || head.starts_with(b"<html") {
            return Some(Self::Html);
        }
        if head.starts_with(b"<?xml") {
            return Some(Self::Xml);
        }
        if text.len() > 512 {
            return None;
        }
        let words = [
            &b"entry not found"[..],
            b"repository not found",
            b"invalid username or password",
            b"invalid credentials",
            b"access to model ",
            b"access to dataset ",
            b"404: not found",
            b"404 not found",
            b"not found\n",
            b"{\"error\":",
            b"{\"message\":\"not found\"",
        ];
        let exact = text.trim_ascii().eq_ignore_ascii_case(b"not found");
        let told = words.iter().any(|words| head.starts_with(words));
        (told || exact).then_some(Self::ErrorPage)
    }

    /// Its name, with an article.
    pub fn what(self) -> &'static str {
        match self {
            Self::Empty => "an empty file",
            Self::Zeros => "a file of zero bytes only, as an unfinished download leaves it",
            Self::LfsPointer => "a Git LFS pointer and not the file itself",
            Self::AnnexPointer => "a git-annex pointer and not the file itself",
            Self::Html => "a web page (HTML)",
            Self::Xml => "an XML document",
            Self::ErrorPage => "the error message of a server and not the file",
            Self::Gzip => "compressed with gzip",
            Self::Zstandard => "compressed with zstd",
            Self::Bzip2 => "compressed with bzip2",
            Self::Xz => "compressed with xz",
            Self::Lz4 => "compressed with lz4",
            Self::SevenZip => "a 7-Zip archive",
            Self::Tar => "a tar archive",
            Self::Zip => "a ZIP archive",
            Self::Spreadsheet => "a spreadsheet or office document",
            Self::Torch => "a PyTorch checkpoint (a pickle in a ZIP archive)",
            Self::Pickle => "a Python pickle, such as an older PyTorch checkpoint",
            Self::Hdf5 => "an HDF5 file, such as Keras weights",
            Self::Onnx => "an ONNX model",
            Self::Numpy => "a NumPy array",
            Self::Arrow => "an Arrow file",
            Self::Avro => "an Avro file",
            Self::Sqlite => "an SQLite database",
            Self::Pdf => "a PDF document",
            Self::Picture => "a picture",
            Self::Ggml => "a GGML model, the format before GGUF",
            Self::Gguf => "a GGUF model",
            Self::Parquet => "a Parquet table",
            Self::Safetensors => "a safetensors file",
        }
    }

    /// What to do with it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Empty | Self::Zeros | Self::ErrorPage => "download or copy it again",
            Self::LfsPointer => "fetch the file with `git lfs install` and `git lfs pull`",
            Self::AnnexPointer => "fetch the file with `git annex get`",
            Self::Html | Self::Xml => {
                "the download saved a page in place of the file; download the file itself (on a hub \
                 the link with /resolve/, not /blob/, after signing in where that is asked)"
            }
            Self::Gzip => "unpack it with `gunzip --keep FILE`",
            Self::Zstandard => "unpack it with `zstd --decompress FILE`",
            Self::Bzip2 => "unpack it with `bunzip2 --keep FILE`",
            Self::Xz => "unpack it with `xz --decompress --keep FILE`",
            Self::Lz4 => "unpack it with `lz4 -d FILE`",
            Self::SevenZip => "unpack it with `7z x FILE`",
            Self::Tar => "unpack it with `tar -xf FILE`",
            Self::Zip => "unpack it with `unzip FILE`",
            Self::Spreadsheet => "export the table as CSV (UTF-8)",
            Self::Torch | Self::Pickle | Self::Hdf5 => {
                "reading one can run any program, so it is not read; save the model with \
                 save_pretrained(DIR, safe_serialization=True), or download its .safetensors files"
            }
            Self::Onnx | Self::Ggml => {
                "use the model's folder with .safetensors files, or its .gguf file"
            }
            Self::Numpy | Self::Arrow | Self::Avro | Self::Sqlite => {
                "export the table as Parquet, CSV or JSON Lines"
            }
            Self::Pdf | Self::Picture => "extract its text and save that as .txt or .jsonl",
            Self::Gguf => "give it an ending of .gguf and name it as the model",
            Self::Parquet => "give it an ending of .parquet and name it as data",
            Self::Safetensors => {
                "it holds tensors: name the model's folder, in which it lies as model.safetensors"
            }
        }
    }
}

impl fmt::Display for Foreign {
    /// What it is and what to do, to follow the file's name and "is".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what(), self.remedy())
    }
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
