"""Records of examples/dialogue as token sequences: the chat template, completion masks, rows of a batch."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

IGNORED = -100


@dataclass(frozen=True)
class Sequence:
    """Token ids and, for each, whether predicting it counts."""

    ids: list[int]
    counts: list[bool]


def read(path: Path, tokenizer, completion_only: bool = True) -> list[Sequence]:
    """Every record of a file, tokenised whole: prompt up to the answer's mark, answer, newline."""
    sequences = []
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        asked = [{"role": "user", "content": record["prompt"]}]
        answered = [*asked, {"role": "assistant", "content": record["completion"]}]
        text = tokenizer.apply_chat_template(answered, tokenize=False)
        prefix = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        assert text.startswith(prefix)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        before = tokenizer(prefix, add_special_tokens=False)["input_ids"]
        assert ids[: len(before)] == before
        sequences.append(Sequence(ids, [not completion_only or i >= len(before) for i in range(len(ids))]))
    return sequences


def rows(sequences: list[Sequence], length: int, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """One record a row, cut or padded to `length`: ids, and labels with IGNORED where nothing counts.

    Labels are not shifted; transformers shifts them itself.
    """
    ids = np.full((len(sequences), length), pad, np.int64)
    labels = np.full((len(sequences), length), IGNORED, np.int64)
    for row, sequence in enumerate(sequences):
        n = min(length, len(sequence.ids))
        ids[row, :n] = sequence.ids[:n]
        labels[row, :n] = np.where(sequence.counts[:n], sequence.ids[:n], IGNORED)
    return ids, labels


def packed(sequences: list[Sequence], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Records one after the other, cut every `length` tokens; a last partial row is dropped."""
    ids = np.array([i for s in sequences for i in s.ids], np.int64)
    counts = np.array([c for s in sequences for c in s.counts])
    full = len(ids) // length
    ids, counts = ids[: full * length].reshape(full, length), counts[: full * length].reshape(full, length)
    return ids, np.where(counts, ids, IGNORED)
