"""Make the GGUF fixtures of the `model` crate: files written by the package `gguf`, and what they must turn into.

usage: python3 bench/make_gguf_fixtures.py [--out DIR]      (default crates/model/tests/fixtures/gguf)

`blocks.gguf` holds random blocks of every storage type; `blocks.safetensors` their values, computed in exact f64
arithmetic and rounded once. The script stops if the package's own dequantisation gives another bit. `tiny.gguf` is a
random Llama of two layers with a small byte-level tokenizer; `tiny.safetensors` its weights in Hugging Face's order and
the logits that transformers computes from them; `tiny.json` token ids by plain Python. `sentencepiece.gguf` has one
layer and a tokenizer that the library SentencePiece learns from the example dialogue with Llama 2's settings;
`sentencepiece.json` the library's own ids.
"""

import argparse
import io
import json
from pathlib import Path

from peers.environment import EXAMPLES, FIXTURES, enter, versions

enter()

import gguf
import numpy as np
import sentencepiece
import torch
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFWriter
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from peers.gguf_model import GgufModel, byte_letters, hf_name, interleave

# Bytes of a block before and after its f16 fields: (offsets of the f16 fields, bytes of a block, values of a block).
LAYOUTS = {
    Kind.Q8_0: ([0], 34, 32), Kind.Q4_0: ([0], 18, 32), Kind.Q4_1: ([0, 2], 20, 32), Kind.Q5_0: ([0], 22, 32),
    Kind.Q5_1: ([0, 2], 24, 32), Kind.Q4_K: ([0, 2], 144, 256), Kind.Q5_K: ([0, 2], 176, 256), Kind.Q6_K: ([208], 210, 256),
}
# Scales at the edges of f16: zeros, the least and the largest subnormal, the largest number.
EDGES = [0.0, -0.0, 2.0**-24, -(2.0**-14 - 2.0**-24), 65504.0, -65504.0]
BLOCKS = 12
TEXTS = [
    "the thin thing", "12 and 3120", "The  year 2024,\n\n\tin 3 parts", "don't", " ", "a<|end|>b", "caf\u00e9 \u0e51\u0e52 \u00bd \u4f60", "",
    "<|start|>user\nhi<|end|>\n",
]
PLAIN_TEXTS = [
    "", " ", "   ", "a", " a", "a ", "Hello,  world!", "one\n\ntwo\tthree", "2024 3.14 007", "na\u00efve caf\u00e9 \u4f60\u597d \U0001f600",
    "the the the thethe", "     five spaces", "a\u2581b", "\u00a0nbsp", "I don't know what you're talking about.",
]
MERGES = ["t h", "\u0120 th", "th e", "\u0120th e", "i n", "in g", "\u0120 \u0120", "1 2", "o n", "\u0120 a", "u s", "e r", "us er"]
SPECIAL = ["<|pad|>", "<|start|>", "<|end|>"]
TEMPLATE = "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
TINY = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
    "head_dim": 16, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 50000.0, "tie_word_embeddings": True,
}
# Storage of the tiny model's tensors, so that most types go through a conversion.
STORED = {
    "token_embd": Kind.Q8_0, "attn_q": Kind.Q4_1, "attn_k": Kind.Q4_0, "attn_v": Kind.Q5_0, "attn_output": Kind.Q5_1,
    "ffn_gate": Kind.Q8_0, "ffn_up": Kind.F16, "ffn_down": Kind.BF16,
}


def f16(block: bytes, at: int) -> float:
    return float(np.frombuffer(block[at : at + 2], np.float16)[0])


def exact(kind: Kind, block: bytes) -> list[float]:
    """The values of one block as f64: products and sums of these few bits are exact there."""
    if kind == Kind.Q6_K:
        low, high, scales, d = block[:128], block[128:192], np.frombuffer(block[192:208], np.int8), f16(block, 208)
        out = []
        for i in range(256):
            nibble = low[64 * (i // 128) + i % 64] >> (4 * (i % 128 // 64))
            pair = high[32 * (i // 128) + i % 32] >> (2 * (i % 128 // 32))
            out.append(d * float(scales[i // 16]) * float((nibble & 15 | (pair & 3) << 4) - 32))
        return out
    if kind in (Kind.Q4_K, Kind.Q5_K):
        bits = int.from_bytes(block[4:16], "little")
        high, low = (block[16:48], block[48:]) if kind == Kind.Q5_K else (bytes(32), block[16:])
        out = []
        for i in range(256):
            group = i // 32
            if group < 4:
                s, m = bits >> (8 * group) & 63, bits >> (8 * (group + 4)) & 63
            else:
                s = (bits >> (8 * (group + 4)) & 15) | (bits >> (8 * (group - 4) + 6) & 3) << 4
                m = (bits >> (8 * (group + 4) + 4) & 15) | (bits >> (8 * group + 6) & 3) << 4
            q = (low[32 * (i // 64) + i % 32] >> (4 * (group % 2)) & 15) + 16 * (high[i % 32] >> group & 1)
            out.append(f16(block, 0) * s * float(q) - f16(block, 2) * m)
        return out
    if kind == Kind.Q8_0:
        return [f16(block, 0) * float(q) for q in np.frombuffer(block[2:], np.int8)]
    head = {Kind.Q4_0: 2, Kind.Q4_1: 4, Kind.Q5_0: 6, Kind.Q5_1: 8}[kind]
    fifth = int.from_bytes(block[head - 4 : head], "little") if kind in (Kind.Q5_0, Kind.Q5_1) else 0
    out = []
    for i in range(32):
        q = (block[head + i % 16] >> (4 * (i // 16)) & 15) + 16 * (fifth >> i & 1)
        if kind in (Kind.Q4_0, Kind.Q5_0):
            out.append(f16(block, 0) * float(q - (8 if kind == Kind.Q4_0 else 16)))
        else:
            out.append(f16(block, 0) * float(q) + f16(block, 2))
    return out


def blocks(out: Path) -> None:
    """Random blocks of every type, scales and minima at the edges of f16 among them."""
    rng = np.random.default_rng(7)
    writer, expected = GGUFWriter(out / "blocks.gguf", "none"), {}
    floats = (rng.normal(size=(4, 64)) * np.exp2(rng.integers(-20, 12, (4, 64)))).astype(np.float32)
    for name, kind in (("F32", Kind.F32), ("F16", Kind.F16), ("BF16", Kind.BF16)):
        stored = floats if kind == Kind.F32 else floats.astype(np.float16) if kind == Kind.F16 else gguf.quants.quantize(floats, kind)
        writer.add_tensor(name, stored, raw_dtype=kind)
        expected[name] = stored.astype(np.float32) if kind != Kind.BF16 else gguf.quants.dequantize(stored, kind)
    for kind, (fields, size, count) in LAYOUTS.items():
        data = rng.integers(0, 256, (BLOCKS, size), np.uint8)
        for row in range(BLOCKS):
            for n, at in enumerate(fields):
                edge = EDGES[(row + 5 * n) % BLOCKS] if (row + 5 * n) % BLOCKS < len(EDGES) else rng.normal()
                data[row, at : at + 2] = np.frombuffer(np.float16(edge).tobytes(), np.uint8)
        rows = np.array([np.array(exact(kind, row.tobytes())).astype(np.float32) for row in data])
        theirs = gguf.quants.dequantize(data, kind)
        assert rows.shape == (BLOCKS, count) and rows.tobytes() == np.ascontiguousarray(theirs).tobytes(), kind
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        expected[kind.name] = rows
    finish(writer)
    save_file(expected, out / "blocks.safetensors")


def finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def settings(writer: GGUFWriter, name: str, layers: int) -> None:
    writer.add_name(name)
    writer.add_context_length(TINY["max_position_embeddings"])
    writer.add_embedding_length(TINY["hidden_size"])
    writer.add_block_count(layers)
    writer.add_feed_forward_length(TINY["intermediate_size"])
    writer.add_head_count(TINY["num_attention_heads"])
    writer.add_head_count_kv(TINY["num_key_value_heads"])
    writer.add_rope_freq_base(TINY["rope_theta"])
    writer.add_rope_dimension_count(TINY["head_dim"])
    writer.add_layer_norm_rms_eps(TINY["rms_norm_eps"])


def byte_level(writer: GGUFWriter) -> list[str]:
    """A tokenizer of bytes and a few merges; gives the tokens."""
    tokens = [*SPECIAL, *byte_letters().values(), *(merge.replace(" ", "") for merge in MERGES)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(tokens) - len(SPECIAL)))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    return tokens


def weights(writer: GGUFWriter, rng: np.random.Generator, shapes: dict[str, tuple[int, ...]], layers: int) -> None:
    """Random tensors in llama.cpp's order of rows."""
    parts = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")
    for name in ["token_embd", *(f"blk.{i}.{part}" for i in range(layers) for part in parts), "output_norm"]:
        shape, part = shapes[hf_name(name + ".weight")], name.split(".")[-1]
        heads = {"attn_q": TINY["num_attention_heads"], "attn_k": TINY["num_key_value_heads"]}.get(part)
        values = (rng.normal(size=shape) * 0.2 if len(shape) == 2 else rng.uniform(0.5, 1.5, shape)).astype(np.float32)
        kind = STORED.get(part, Kind.F32)
        stored = gguf.quants.quantize(interleave(values, heads) if heads else values, kind)
        writer.add_tensor(name + ".weight", stored, raw_dtype=kind)


def tiny(out: Path) -> None:
    """A random model: its file, its weights, its logits, ids of some texts."""
    writer = GGUFWriter(out / "tiny.gguf", "llama")
    settings(writer, "tiny", TINY["num_hidden_layers"])
    tokens = byte_level(writer)
    config = LlamaConfig(vocab_size=len(tokens), attn_implementation="eager", **TINY)
    model = LlamaForCausalLM(config).eval()
    rng = np.random.default_rng(11)
    weights(writer, rng, {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}, TINY["num_hidden_layers"])
    finish(writer)
    opened = GgufModel(out / "tiny.gguf")
    expected = opened.weights()
    model.load_state_dict({name: torch.from_numpy(weight.copy()) for name, weight in expected.items()}, strict=False)
    ids = rng.integers(0, len(tokens), 24)
    with torch.no_grad():
        logits = model(torch.from_numpy(ids[None])).logits[0].numpy()
    save_file({**expected, "input_ids": ids.astype(np.int32), "logits": logits}, out / "tiny.safetensors")
    texts = [{"text": text, "ids": opened.encode(text)} for text in TEXTS]
    note = {"texts": texts, "versions": versions()}
    (out / "tiny.json").write_text(json.dumps(note) + "\n")


def sentencepieces(out: Path) -> None:
    """A model whose tokenizer is SentencePiece BPE: its file, ids of some texts."""
    lines = (EXAMPLES / "dialogue" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    told = [text for line in lines for text in json.loads(line).values() if isinstance(text, str)]
    learned = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(told), model_writer=learned, model_type="bpe", vocab_size=512, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        allow_whitespace_only_pieces=True, num_threads=1, minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=learned.getvalue())
    ids = range(processor.vocab_size())
    # llama.cpp's numbers: 2 unknown, 3 control, 6 byte, 1 everything else.
    kinds = [2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1 for i in ids]
    writer = GGUFWriter(out / "sentencepiece.gguf", "llama")
    settings(writer, "sentencepiece", 1)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([processor.id_to_piece(i) for i in ids])
    writer.add_token_scores([processor.get_score(i) for i in ids])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(processor.bos_id())
    writer.add_eos_token_id(processor.eos_id())
    writer.add_unk_token_id(processor.unk_id())
    config = LlamaConfig(vocab_size=len(ids), **{**TINY, "num_hidden_layers": 1})
    shapes = {name: tuple(tensor.shape) for name, tensor in LlamaForCausalLM(config).state_dict().items()}
    weights(writer, np.random.default_rng(13), shapes, 1)
    finish(writer)
    texts = [{"text": text, "ids": [processor.bos_id(), *processor.encode(text)]} for text in [*PLAIN_TEXTS, *told[::97]]]
    (out / "sentencepiece.json").write_text(json.dumps({"texts": texts, "versions": versions()}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FIXTURES / "gguf")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    blocks(out)
    tiny(out)
    sentencepieces(out)


if __name__ == "__main__":
    main()
