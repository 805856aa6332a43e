"""Convert the English checkpoint of glassllm 0.1.0 into a Hugging Face directory, and check it.

usage: python3 bench/convert_glassllm.py [--out DIR]      write the directory (default examples/glassllm)
       python3 bench/convert_glassllm.py --check          compare it with the original, token by token and logit by logit

The checkpoint is a Llama in all but names. What differs, and what is done about it:
- its matrices multiply from the right (`x @ W`), Hugging Face's from the left: every matrix is transposed;
- its rotary pairs are neighbours (2i, 2i+1), Hugging Face's are halves (i, i + d/2): the rows of q and k are
  permuted head by head, which leaves every dot product of q and k as it was;
- its tokenizer is a character BPE with `<unk>`, written here in the terms of `tokenizer.json`.
Weights are stored as f16 at the source and stay f16, so nothing is rounded.
"""

import argparse
import io
import json
import sys
from pathlib import Path

from peers.environment import MODEL, enter

enter()

import numpy as np
from safetensors.numpy import save_file

from peers.packages import GLASSLLM

SPECIALS = ["<pad>", "<unk>", "<bos>", "<eos>"]
SPACE = "\u2581"
LOGIT_TOLERANCE = 1e-4

# One line a turn. The end of a turn is the newline, which the model knows from its training text;
# it has never seen <eos>, so no template may depend on it.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}Q: {{ message['content'] }}\n"
    "{% elif message['role'] == 'assistant' %}A: {{ message['content'] }}\n"
    "{% else %}{{ message['content'] }}\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}A:{% endif %}"
)

# (name here, name there, heads of a rotary matrix or None)
MATRICES = [
    ("attn.W_Q", "self_attn.q_proj", "n_heads"),
    ("attn.W_K", "self_attn.k_proj", "n_kv_heads"),
    ("attn.W_V", "self_attn.v_proj", None),
    ("attn.W_O", "self_attn.o_proj", None),
    ("ffn.W1", "mlp.gate_proj", None),
    ("ffn.W3", "mlp.up_proj", None),
    ("ffn.W2", "mlp.down_proj", None),
]
NORMS = [("norm1.gamma", "input_layernorm"), ("norm2.gamma", "post_attention_layernorm")]


def halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder the rows of a (heads * d, in) matrix from neighbouring rotary pairs to halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tensors(source: dict[str, np.ndarray], config: dict) -> dict[str, np.ndarray]:
    """All weights by their Hugging Face names; the output matrix is the embedding and is not repeated."""
    out = {"model.embed_tokens.weight": source["E"], "model.norm.weight": source["norm_f.gamma"]}
    for layer in range(config["n_layers"]):
        here, there = f"blocks.{layer}.", f"model.layers.{layer}."
        for name, target, heads in MATRICES:
            weight = source[here + name].T
            out[there + target + ".weight"] = halves(weight, config[heads]) if heads else weight
        for name, target in NORMS:
            out[there + target + ".weight"] = source[here + name]
    return {name: np.ascontiguousarray(weight) for name, weight in out.items()}


def model_config(config: dict) -> dict:
    """`config.json`."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": config["d_model"],
        "intermediate_size": 8 * config["d_model"] // 3,
        "num_hidden_layers": config["n_layers"],
        "num_attention_heads": config["n_heads"],
        "num_key_value_heads": config["n_kv_heads"],
        "head_dim": config["d_model"] // config["n_heads"],
        "hidden_act": "silu",
        "max_position_embeddings": config["max_len"],
        "rms_norm_eps": config["eps"],
        "rope_theta": config["rope_base"],
        "rope_scaling": None,
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "vocab_size": config["vocab_size"],
        "initializer_range": config["init_std"],
        "bos_token_id": SPECIALS.index("<bos>"),
        "eos_token_id": SPECIALS.index("<eos>"),
        "pad_token_id": SPECIALS.index("<pad>"),
        "torch_dtype": "float16",
    }


def tokenizer(source: dict) -> dict:
    """`tokenizer.json`: NFC, space as a visible mark, chunks that merges cannot cross, BPE, and the way back."""
    pieces = SPECIALS + source["alphabet"] + [left + right for left, right in source["merges"]]
    added = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": index, "content": name, **added} for index, name in enumerate(SPECIALS)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
            ],
        },
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": f"\n|{SPACE}*[^{SPACE}\n]+|{SPACE}+"},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {piece: index for index, piece in enumerate(pieces)},
            "merges": source["merges"],
        },
    }


def tokenizer_config(config: dict) -> dict:
    """`tokenizer_config.json`."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config["max_len"],
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def generation_config(source: dict) -> dict:
    """`generation_config.json`: greedy, and a turn ends at a newline."""
    newline = len(SPECIALS) + source["alphabet"].index("\n")
    return {
        "do_sample": False,
        "bos_token_id": SPECIALS.index("<bos>"),
        "eos_token_id": [SPECIALS.index("<eos>"), newline],
        "pad_token_id": SPECIALS.index("<pad>"),
    }


def convert(out: Path) -> None:
    """Write the whole directory except its notices."""
    with np.load(io.BytesIO(GLASSLLM.read("glassllm/weights/en.npz"))) as data:
        source = {name: data[name] for name in data.files}
    config = json.loads(str(source.pop("__config__")))
    bpe = json.loads(GLASSLLM.read("glassllm/weights/en.tokenizer.json"))
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "config.json": model_config(config),
        "generation_config.json": generation_config(bpe),
        "tokenizer.json": tokenizer(bpe),
        "tokenizer_config.json": tokenizer_config(config),
    }
    for name, value in files.items():
        indent = None if name == "tokenizer.json" else 2
        (out / name).write_text(json.dumps(value, indent=indent, ensure_ascii=name != "tokenizer.json") + "\n")
    save_file(tensors(source, config), out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    (out / "LICENSE").write_bytes(GLASSLLM.read("glassllm-0.1.0.dist-info/licenses/LICENSE"))
    print(f"wrote {out}: {sum(weight.size for weight in source.values())} parameters")


STRINGS = [
    "Alice was beginning to get very tired of sitting by her sister on the bank,",
    "Q: How are you?\nA: I am doing well, how about you?\n",
    "  two  spaces,\ttab, 100% caf\u00e9, cafe\u0301 and \u4f60\u597d\n\n and a line ",
    "\u201cCurtseys!\u201d said the Queen \u2014 \u2018off with {his} head\u2019 [1865] & so on; why?\n",
    "",
    "\n",
    " ",
    f"{SPACE}{SPACE}marks{SPACE}",
    "\U0001f408 unseen letters: \u00c6 \u00f9 \u00df \u0142",
]


def check(out: Path) -> None:
    """Compare with the package's own tokenizer and its own NumPy forward pass."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    sys.path.insert(0, str(GLASSLLM.fetch()))
    from glassllm.model import GlassLM
    from glassllm.tokenizer import Tokenizer

    bpe = json.loads(GLASSLLM.read("glassllm/weights/en.tokenizer.json"))
    theirs, ours = Tokenizer(bpe["alphabet"], bpe["merges"]), AutoTokenizer.from_pretrained(out)
    dialogue = out.parent / "dialogue"
    strings = STRINGS + [line for path in sorted(dialogue.glob("*.jsonl")) for line in path.read_text().splitlines()]
    tokens = 0
    for text in strings:
        expected = theirs.encode(text)
        found = ours(text, add_special_tokens=False)["input_ids"]
        if found != expected:
            sys.exit(f"tokens differ for {text!r}: {found} here, {expected} there")
        back = ours.decode(found)
        if back.replace("<unk>", "\u2047") != theirs.decode(expected):
            sys.exit(f"decoding differs for {text!r}: {back!r}")
        tokens += len(expected)
    print(f"tokens: {len(strings)} strings, {tokens} ids equal, decoded alike")

    original = GlassLM.load(io.BytesIO(GLASSLLM.read("glassllm/weights/en.npz")))
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    generator = np.random.default_rng(0)
    batches = [np.array([theirs.encode(STRINGS[0])]), np.array([theirs.encode(STRINGS[1])])]
    batches.append(generator.integers(0, len(theirs.vocab), (4, model.config.max_position_embeddings)))
    worst = 0.0
    for ids in batches:
        expected = original.forward(ids).data
        with torch.no_grad():
            found = model(torch.from_numpy(ids)).logits.numpy()
        worst = max(worst, float(np.abs(found - expected).max()))
    print(f"logits: largest difference {worst:.2e} over {sum(ids.size for ids in batches)} positions")
    if not worst < LOGIT_TOLERANCE:
        sys.exit(f"logits differ by {worst}, allowed {LOGIT_TOLERANCE}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=MODEL)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    check(arguments.out) if arguments.check else convert(arguments.out)
