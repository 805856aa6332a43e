"""Time transformers' greedy generation with a cache on the CPU, f32: the peer of
`cargo run --release -p assay-model --example generate_speed`.

usage: python3 bench/generate_speed.py [demo|smollm2] [--tokens 64] [--prompt 32] [--threads 1] [--repeats 3]

Weights are random and the prompt is, as there. Prints one JSON line; `token_ms` is the median over the repeats of
what a generation of TOKENS takes beyond one of a single token, divided by the tokens in between.
"""

import argparse
import json
import os
import statistics
import sys
import time

if "--threads" in sys.argv:
    # Before any thread pool reads them.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = sys.argv[sys.argv.index("--threads") + 1]

from peers.environment import enter, versions

enter()

import torch
from transformers import LlamaConfig, LlamaForCausalLM

SHAPES = {
    "demo": LlamaConfig(
        vocab_size=1024, hidden_size=128, intermediate_size=341, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=True,
    ),
    "smollm2": LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=2048, rms_norm_eps=1e-5, tie_word_embeddings=True,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", nargs="?", default="demo", choices=SHAPES)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompt", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = LlamaForCausalLM(SHAPES[options.shape]).eval()
    # Random weights would otherwise end the text by chance.
    model.generation_config.eos_token_id = None
    ids = torch.randint(0, model.config.vocab_size, (1, options.prompt))

    def seconds(tokens: int) -> float:
        start = time.perf_counter()
        with torch.inference_mode():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False)
        assert out.shape[1] == options.prompt + tokens
        return time.perf_counter() - start

    seconds(2)
    first, token = [], []
    for _ in range(options.repeats):
        first.append(seconds(1))
        token.append((seconds(options.tokens) - first[-1]) / (options.tokens - 1))
    best, token = min(token), statistics.median(token)
    print(json.dumps({
        "shape": options.shape, "threads": options.threads, "prompt": options.prompt, "tokens": options.tokens,
        "prompt_tokens_per_s": round(options.prompt / statistics.median(first), 1),
        "token_ms": round(token * 1e3, 3), "token_best_ms": round(best * 1e3, 3),
        "tokens_per_s": round(1 / token, 2),
        "cpu": torch.backends.cpu.get_cpu_capability(), "versions": versions(),
    }))


main()
