"""Make GGUF files with the byte-level tokenizers that people have, and the ids that Hugging Face's library gives.

usage: python3 bench/make_gguf_tokenizer_fixtures.py [--out DIR]      (default crates/model/tests/fixtures/gguf)

Needs the packages gguf, numpy and tokenizers, and no others. For each family (`llama-bpe`, `qwen2`, `tekken`) a small
vocabulary is learned from the texts below with the pattern that the family's published `tokenizer.json` has, and a model
of one layer and width 16 is put around it. `FAMILY.gguf` is the file; `FAMILY.json` holds texts with their ids, computed
by a tokenizer that is built here from the published settings (normaliser, pattern, `ignore_merges`, added tokens) and not
from the file. `llama-bpe` carries the rotary factors of Llama 3.1's settings, `qwen2` biases.
"""

import argparse
import json
from importlib import metadata
from pathlib import Path

import numpy as np
from gguf import GGUFWriter
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

OUT = Path(__file__).resolve().parents[1] / "crates" / "model" / "tests" / "fixtures" / "gguf"
WIDTH, INNER, HEADS, KV_HEADS, HEAD_DIM = 16, 24, 2, 1, 8
THETA = 10000.0
# Llama 3's settings at the size of this model, so that all three kinds of frequencies occur.
ROPE = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
FAMILIES = {
    "llama-bpe": {
        "architecture": "llama",
        "pattern": CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST,
        "composed": False, "whole": True, "begins": True,
        "special": ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], "user": [], "bos": 0, "eos": 1,
    },
    "qwen2": {
        "architecture": "qwen2",
        "pattern": CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST,
        "composed": True, "whole": False, "begins": False,
        "special": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "user": ["<tool_call>"], "bos": 0, "eos": 2,
    },
    "tekken": {
        "architecture": "llama",
        "pattern": rf"[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]*[{LOWER}]+|[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]+[{LOWER}]*|\p{{N}}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "composed": False, "whole": True, "begins": True,
        "special": ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"], "user": [], "bos": 1, "eos": 2,
    },
}
LEARNED = [
    "the thing that they think, the other things there and then", "don't can't I'm we'll they've she'd it's",
    "DON'T CAN'T I'M WE'LL THEY'VE", "in 1 12 123 1234 12345 the year 2024", "na\u00efve caf\u00e9 r\u00e9sum\u00e9",
    "\u4f60\u597d\u4e16\u754c \u4f60\u597d", "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440", "HelloWorld camelCase XMLHttpRequest",
    "for (i = 0; i < 10; i++) {\n    print(i);\n}\n", "   spaces    and\ttabs\t\t", "a/b/c http://x.y/z\n\n\nend", "the the the the",
]
TEXTS = LEARNED + [
    "", " ", "  ", "\n", "\n\n", " \n ", "\r\n", "a\r\nb\r\n\r\nc", "\t\tx", "x   y", "end   ", "\u00a0nbsp\u00a0", "\u2003em\u2003 space", "\u3000\u3000x",
    "1", "12", "123", "1234", "1234567890", "3.14159", "1,234,567", "x1y22z333", "\u0661\u0662\u0663\u0664", "\u00bd \u00b2 \u2460 \u216b", "\u0967\u0968\u0969",
    "I'll I'LL i'Ll '\u017f 'S 's's ''s don't've", "it\u2019s", "'t", "'re'", "rock'n'roll", "'d\u00e9j\u00e0",
    "\u00e9 e\u0301 \u212b \u00c5 A\u030a", "\ufb01ne o\ufb03ce", "\u1e9e\u00df\u01c5\u02b0\u00aa", "\u1100\u1161\u11a8 \uac01", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\u0928\u092e\u0938\u094d\u0924\u0947", "\U0001f600", "\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd!", "a\U0001f600b", "\u200bzero\u200bwidth", "\ufeffbom",
    "HELLO World hELLO \u00c9COLE \u00e9COLE \u0416\u0436\u0416", "iPhone15ProMax", "\u01c6\u01c5\u01c4", "\u4f60A\u597db",
    "!!!", "...\n", "?!/\n/", "path/to//file/\n", "a/\n/b", "$100.00", "#include <x>\n", "--flag=value", "(a)[b]{c}", "\u00bfqu\u00e9?", "\u2014dash\u2014", "\u4e2d\u3002\u6587\uff0c",
    "\x00\x01\x7f", "tab\tthen  two", "\n \n  \n", "x\n\n\n   y", "   \n   z", " lead", "trail ", "zebrafish zebra zebrafishes",
]


def learned(family: dict) -> tuple[list[str], list[tuple[str, str]]]:
    """Tokens by id and merges by rank: special ones first, then bytes, then what is merged."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = splitting(family)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=380, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(LEARNED * 2, trainer)
    state = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in state["merges"]]
    plain = [token for token, _ in sorted(state["vocab"].items(), key=lambda entry: entry[1])]
    # A word that no merge builds: it is found only where whole pieces are looked up first.
    return [*family["special"], *plain, "zebra", "\u0120zebrafish", *family["user"]], merges


def splitting(family: dict):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(family["pattern"]), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def reference(family: dict, tokens: list[str], merges: list[tuple[str, str]]) -> Tokenizer:
    """The tokenizer as the family publishes it."""
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=family["whole"]))
    tokenizer.normalizer = normalizers.NFC() if family["composed"] else None
    tokenizer.pre_tokenizer = splitting(family)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in family["special"]])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in family["user"]])
    assert tokenizer.get_vocab_size() == len(tokens)
    return tokenizer


def rope_factors() -> np.ndarray:
    """What Llama 3's settings divide each frequency by, in f32."""
    frequencies = 1.0 / THETA ** (np.arange(0, HEAD_DIM, 2, dtype=np.float32) / np.float32(HEAD_DIM))
    factor, low, high = ROPE["factor"], ROPE["low_freq_factor"], ROPE["high_freq_factor"]
    original = ROPE["original_max_position_embeddings"]
    out = []
    for frequency in frequencies:
        length = 2 * np.pi / frequency
        if length < original / high:
            out.append(1.0)
        elif length > original / low:
            out.append(factor)
        else:
            smooth = (original / length - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(out, np.float32)


def write(path: Path, name: str, family: dict, tokens: list[str], merges: list[tuple[str, str]]) -> None:
    """The file: settings, vocabulary, random weights."""
    writer = GGUFWriter(path, family["architecture"])
    writer.add_name(name)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(THETA)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list(tokens)
    kinds = {**dict.fromkeys(family["special"], 3), **dict.fromkeys(family["user"], 4)}
    writer.add_token_types([kinds.get(token, 1) for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(family["bos"])
    writer.add_eos_token_id(family["eos"])
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}")
    rng = np.random.default_rng(17)
    matrix = lambda rows, cols: (rng.normal(size=(rows, cols)) * 0.2).astype(np.float16)
    vector = lambda size: rng.uniform(-1, 1, size).astype(np.float32)
    writer.add_tensor("token_embd.weight", matrix(len(tokens), WIDTH))
    block = {
        "attn_norm": WIDTH, "ffn_norm": WIDTH, "attn_q": (HEADS * HEAD_DIM, WIDTH), "attn_k": (KV_HEADS * HEAD_DIM, WIDTH),
        "attn_v": (KV_HEADS * HEAD_DIM, WIDTH), "attn_output": (WIDTH, HEADS * HEAD_DIM), "ffn_gate": (INNER, WIDTH),
        "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER),
    }
    for part, shape in block.items():
        writer.add_tensor(f"blk.0.{part}.weight", matrix(*shape) if isinstance(shape, tuple) else vector(shape))
        if family["architecture"] == "qwen2" and part in ("attn_q", "attn_k", "attn_v"):
            writer.add_tensor(f"blk.0.{part}.bias", vector(shape[0]))
    writer.add_tensor("output_norm.weight", vector(WIDTH))
    if name == "llama-bpe":
        writer.add_tensor("rope_freqs.weight", rope_factors())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out
    for name, family in FAMILIES.items():
        tokens, merges = learned(family)
        write(out / f"{name}.gguf", name, family, tokens, merges)
        tokenizer = reference(family, tokens, merges)
        around = [family["special"][1], *family["special"], *family["user"]]
        texts = [*TEXTS, *(f"a{token}b {token}\n" for token in around)]
        before = [family["bos"]] if family["begins"] else []
        rows = [{"text": text, "ids": before + tokenizer.encode(text, add_special_tokens=False).ids} for text in texts]
        versions = {package: metadata.version(package) for package in ("gguf", "numpy", "tokenizers")}
        note = {"texts": rows, "rope": ROPE if name == "llama-bpe" else None, "versions": versions}
        (out / f"{name}.json").write_text(json.dumps(note) + "\n")
        print(f"{name}: {len(tokens)} tokens, {len(rows)} texts")


if __name__ == "__main__":
    main()
