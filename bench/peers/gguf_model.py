"""A GGUF file of the Llama architecture as the Python package `gguf` and plain Python see it: weights, settings, tokens.

Nothing here is shared with the converter of the crate `assay-model`, which is compared with it.
"""

import unicodedata
from functools import lru_cache
from pathlib import Path

import numpy as np
import regex
from gguf import GGUFReader, GGMLQuantizationType, dequantize

MODULES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
# How GPT-2 cuts a text.
GPT2 = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def hf_name(name: str) -> str:
    """The name in a Hugging Face folder of a tensor of llama.cpp."""
    parts = name.removesuffix(".weight").split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{MODULES[parts[2]]}.weight"
    return f"{TOP[parts[0]]}.weight"


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query or key projection, from Hugging Face's order to llama.cpp's."""
    rows, cols = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, cols).swapaxes(1, 2).reshape(rows, cols)


def halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query or key projection, from llama.cpp's order to Hugging Face's."""
    rows, cols = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)


def values(tensor) -> np.ndarray:
    """A tensor's values as f32 by the package's own dequantisation, rows first."""
    shape = [int(n) for n in reversed(tensor.shape)]
    if tensor.tensor_type == GGMLQuantizationType.F16:
        return tensor.data.astype(np.float32).reshape(shape)
    return np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type).reshape(shape), np.float32)


def byte_letters() -> dict[int, str]:
    """The letter that stands for each byte in a byte-level vocabulary (GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        letters.setdefault(byte, chr(256 + len(letters) - len(printable)))
    return letters


class GgufModel:
    """An opened file."""

    def __init__(self, path: Path) -> None:
        reader = GGUFReader(path)
        self.tensors = reader.tensors
        self.metadata = {key: field.contents() for key, field in reader.fields.items()}
        self.tokens = self.metadata["tokenizer.ggml.tokens"]
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self.ranks = {merge: i for i, merge in enumerate(self.metadata["tokenizer.ggml.merges"])}
        kinds = self.metadata["tokenizer.ggml.token_type"]
        special = [token for token, kind in zip(self.tokens, kinds) if kind in (3, 4)]
        self.special = regex.compile("(" + "|".join(map(regex.escape, sorted(special, key=len, reverse=True))) + ")")
        self.letters = byte_letters()

    def weights(self) -> dict[str, np.ndarray]:
        """Every tensor under its Hugging Face name and in that order of rows."""
        heads = {"attn_q": self.metadata["llama.attention.head_count"], "attn_k": self.metadata["llama.attention.head_count_kv"]}
        found = {}
        for tensor in self.tensors:
            weight, kind = values(tensor), tensor.name.split(".")[-2]
            found[hf_name(tensor.name)] = halves(weight, heads[kind]) if kind in heads else weight
        return found

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        ids = []
        for part in self.special.split(text):
            if part in self.ids and self.special.fullmatch(part):
                ids.append(self.ids[part])
                continue
            for piece in self.pieces(part):
                letters = "".join(self.letters[byte] for byte in piece.encode())
                ids.extend(self.ids[token] for token in self.merged(letters))
        return ids

    def pieces(self, text: str) -> list[str]:
        """A text cut as the splitting rule says: SmolLM's gives every digit a piece of its own."""
        if self.metadata["tokenizer.ggml.pre"] != "smollm":
            return GPT2.findall(text)
        runs, run = [], ""
        for letter in text:
            if unicodedata.category(letter).startswith("N"):
                runs, run = [*runs, run, letter], ""
            else:
                run += letter
        return [piece for run in [*runs, run] for piece in GPT2.findall(run)]

    @lru_cache(maxsize=None)
    def merged(self, letters: str) -> list[str]:
        """Byte-pair encoding: the pair of lowest rank is joined, leftmost first, until none is left."""
        parts = list(letters)
        while True:
            ranked = [(self.ranks.get(f"{a} {b}"), i) for i, (a, b) in enumerate(zip(parts, parts[1:]))]
            ranked = [entry for entry in ranked if entry[0] is not None]
            if not ranked:
                return parts
            _, i = min(ranked)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
