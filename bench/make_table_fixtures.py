"""Make the Parquet fixtures of the `data` crate, as the library that most people's files are written with writes them.

usage: python3 bench/make_table_fixtures.py [--out DIR]     (default crates/data/tests/fixtures)

Needs pyarrow (26.0.1 made those in the repository).
"""

import argparse
import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent

PAIRS = {
    "id": pa.array([7, 8, 9, 10], pa.int64()),
    "prompt": ["Which is one?", "caf\u00e9, \"quoted\"\nand on", "\U0001f600?", "Last?"],
    "completion": ["The first.", "yes", "no", "The last."],
    "score": pa.array([0.5, None, float("nan"), 2.0], pa.float32()),
    "good": [True, False, None, True],
    "day": [datetime.date(2026, 1, 2), None, None, None],
    "raw": pa.array([b"\xff\xfe", None, b"text", b""], pa.binary()),
}
TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
CHATS = pa.table(
    {
        "messages": pa.array(
            [
                [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
                [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Well?"},
                    {"role": "assistant", "content": "Well."},
                ],
            ],
            pa.list_(TURN),
        ),
        "source": pa.array([None, "books"], pa.string()),
    }
)
HOLES = {"prompt": ["a", None], "completion": ["b", "c"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE.parent / "crates/data/tests/fixtures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    pairs = pa.table(PAIRS)
    for codec in ["none", "snappy", "gzip", "lz4", "zstd", "brotli"]:
        pq.write_table(pairs, out / f"pairs-{codec}.parquet", compression=codec)
    pq.write_table(
        pairs, out / "pairs-groups.parquet", row_group_size=2, data_page_version="2.0", use_dictionary=False
    )
    delta = {"prompt": "DELTA_BYTE_ARRAY"}
    pq.write_table(
        pairs, out / "pairs-delta.parquet", use_dictionary=False, column_encoding=delta
    )
    pq.write_table(CHATS, out / "chats.parquet")
    pq.write_table(pa.table(HOLES), out / "holes.parquet")
    pq.write_table(pairs.slice(0, 0), out / "empty.parquet")


if __name__ == "__main__":
    main()
