//! How fast files are sealed and opened, against the bare cipher on the same machine.
//!
//! The cipher alone is the limit: sealing also hashes the plaintext, hashes the piece and builds
//! the manifest; opening does the same in reverse. Run with `cargo xtask bench vault`.

use std::hint::black_box;
use std::io;
use std::time::Instant;

use assay_crypto::aead::FileKey;
use assay_vault::{Coding, Piece, SLICE_BYTES, Sealer, unseal};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde_json::json;

/// Plaintext per measurement, in bytes.
const BYTES: usize = 256 << 20;
const COPIES: Coding = Coding::Replicated { copies: 2 };
/// Each measurement is the best of this many, taken in turns so that both sides meet the same
/// machine.
const ROUNDS: usize = 5;
/// The share of the bare cipher's speed that we hold ourselves to.
const TARGET: f64 = 0.5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plain: Vec<u8> = (0..BYTES as u64)
        .map(|n| ((n * 2_654_435_761) >> 13) as u8)
        .collect();
    let key = FileKey([7; 32]);

    let mut best = [f64::MAX; 4];
    let mut keep_best = |at: usize, seconds: f64| best[at] = best[at].min(seconds);
    for _ in 0..ROUNDS {
        // Pieces leave as they are made, as they do on their way to storage nodes.
        let start = Instant::now();
        let mut sealer = Sealer::new(plain.as_slice(), key.clone(), COPIES);
        while let Some(slice) = sealer.next_slice()? {
            black_box(slice.piece);
        }
        sealer.finish()?;
        keep_best(0, start.elapsed().as_secs_f64());

        let (file, pieces) = seal(&plain, &key)?;
        let start = Instant::now();
        unseal(
            &file.expected(),
            key.clone(),
            &file.piece,
            pieces,
            io::sink(),
        )?;
        keep_best(1, start.elapsed().as_secs_f64());

        let mut buffer = plain.clone();
        let start = Instant::now();
        let tags = encrypt(&mut buffer, &key)?;
        keep_best(2, start.elapsed().as_secs_f64());

        let start = Instant::now();
        decrypt(&mut buffer, &tags, &key)?;
        keep_best(3, start.elapsed().as_secs_f64());
        assert!(buffer == plain, "the bare cipher did not return its input");
    }

    let speed = best.map(|seconds| BYTES as f64 / 1e6 / seconds);
    let rows = [("seal", speed[0], speed[2]), ("unseal", speed[1], speed[3])];
    report(&rows)?;
    Ok(())
}

fn seal(
    plain: &[u8],
    key: &FileKey,
) -> Result<(assay_vault::SealedFile, Vec<Piece>), assay_vault::SealError> {
    let mut sealer = Sealer::new(plain, key.clone(), COPIES);
    let mut pieces = Vec::with_capacity(BYTES / SLICE_BYTES);
    while let Some(slice) = sealer.next_slice()? {
        pieces.push(slice.piece);
    }
    Ok((sealer.finish()?, pieces))
}

/// The bare cipher, in place, in chunks of one slice.
fn encrypt(
    buffer: &mut [u8],
    key: &FileKey,
) -> Result<Vec<chacha20poly1305::Tag>, chacha20poly1305::Error> {
    let cipher = ChaCha20Poly1305::new(&Key::from(key.0));
    (0u64..)
        .zip(buffer.chunks_mut(SLICE_BYTES))
        .map(|(index, chunk)| cipher.encrypt_inout_detached(&nonce(index), b"", chunk.into()))
        .collect()
}

fn decrypt(
    buffer: &mut [u8],
    tags: &[chacha20poly1305::Tag],
    key: &FileKey,
) -> Result<(), chacha20poly1305::Error> {
    let cipher = ChaCha20Poly1305::new(&Key::from(key.0));
    for (index, (chunk, tag)) in (0u64..).zip(buffer.chunks_mut(SLICE_BYTES).zip(tags)) {
        cipher.decrypt_inout_detached(&nonce(index), b"", chunk.into(), tag)?;
    }
    black_box(buffer);
    Ok(())
}

fn nonce(index: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&index.to_le_bytes());
    Nonce::from(nonce)
}

/// Prints the table and writes `target/bench/vault.json`.
#[allow(clippy::print_stdout)]
fn report(rows: &[(&str, f64, f64)]) -> Result<(), Box<dyn std::error::Error>> {
    let mut table = comfy_table::Table::new();
    table.set_header(["metric", "ours", "peer", "ratio", "target", "unit"]);
    let mut values = Vec::new();
    for (metric, ours, peer) in rows {
        let ratio = ours / peer;
        table.add_row([
            (*metric).to_owned(),
            format!("{ours:.0}"),
            format!("{peer:.0}"),
            format!("{ratio:.2}"),
            format!("{TARGET:.2}"),
            "MB/s".to_owned(),
        ]);
        values.push(json!({
            "metric": format!("{metric}, one thread"),
            "ours": ours,
            "peer": peer,
            "peer_name": "chacha20poly1305 alone, in place",
            "peer_version": "0.11.0",
            "ratio": ratio,
            "unit": "MB/s",
            "target": TARGET,
        }));
    }
    println!("{table}");
    std::fs::create_dir_all("target/bench")?;
    let report = json!({ "machine": machine(), "rows": values });
    std::fs::write(
        "target/bench/vault.json",
        serde_json::to_vec_pretty(&report)?,
    )?;
    println!("{report}");
    Ok(())
}

/// Processor and number of cores.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    format!("{model}, {cores} cores")
}
