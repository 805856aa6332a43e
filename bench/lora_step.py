"""Time one LoRA training step of PyTorch + PEFT on the CPU.

usage: python3 bench/lora_step.py SHAPE [--threads N] [--setting NAME] [--repeats N]

A step is forward, backward and AdamW on all seven projections at rank 8, every position counted, in f32. One JSON
line: `seconds_*` is wall time, `cpu_seconds_*` is the process's CPU time, which other work on the machine does not
lengthen by queueing, and `peak_bytes` the most memory the process has had before anything but steps ran.

Settings: `stock` is what a user gets (SDPA attention). The others try to be faster: `eager` attention, `compiled` by
TorchInductor, `flushed` with subnormal numbers flushed to zero, `avx512` with AVX-512 demanded of MKL, oneDNN and ATen,
`hugepages` with tensors on large pages.
"""

import argparse
import json
import os
import resource
import statistics
import time

from peers.environment import MODEL, enter, versions

SETTINGS = ("stock", "eager", "compiled", "flushed", "avx512", "hugepages")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", choices=("glassllm", "hidden512", "hidden288", "smollm2"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--setting", choices=SETTINGS, default="stock")
    parser.add_argument("--repeats", type=int)
    return parser.parse_args()


OPTIONS = options()
# Thread pools and instruction sets are chosen when the libraries are loaded.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(OPTIONS.threads)
if OPTIONS.setting == "avx512":
    os.environ |= {"MKL_ENABLE_INSTRUCTIONS": "AVX512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "ATEN_CPU_CAPABILITY": "avx512"}

if OPTIONS.setting == "hugepages":
    os.environ["THP_MEM_ALLOC_ENABLE"] = "1"

enter()

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WARM_UP = 3
WIDE = {"rms_norm_eps": 1e-5}
CONFIGS = {
    "hidden512": WIDE | {
        "hidden_size": 512, "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 8,
        "intermediate_size": 1376, "vocab_size": 8192, "max_position_embeddings": 512, "tie_word_embeddings": False,
    },
    "hidden288": WIDE | {
        "hidden_size": 288, "num_hidden_layers": 6, "num_attention_heads": 6, "num_key_value_heads": 6,
        "intermediate_size": 768, "vocab_size": 32000, "max_position_embeddings": 256, "tie_word_embeddings": True,
    },
    "smollm2": WIDE | {
        "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "intermediate_size": 1536, "vocab_size": 49152, "max_position_embeddings": 8192, "tie_word_embeddings": True,
    },
}
REPEATS = {"glassllm": 40, "hidden512": 8, "hidden288": 8, "smollm2": 5}


def build(shape: str, attention: str):
    """The model, rows and tokens a row."""
    if shape == "glassllm":
        model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation=attention)
        return model, 8, 64
    return LlamaForCausalLM(LlamaConfig(**CONFIGS[shape], attn_implementation=attention)), 4, 256


def main() -> None:
    torch.set_num_threads(OPTIONS.threads)
    torch.manual_seed(0)
    if OPTIONS.setting == "flushed":
        torch.set_flush_denormal(True)
    model, batch, sequence = build(OPTIONS.shape, "eager" if OPTIONS.setting == "eager" else "sdpa")
    model.config.use_cache = False
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=PROJECTIONS))
    model.train()
    ids = torch.randint(0, model.config.vocab_size, (batch, sequence))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.0)
    forward = torch.compile(model) if OPTIONS.setting == "compiled" else model
    wall, cpu = [], []
    for _ in range(WARM_UP + (OPTIONS.repeats or REPEATS[OPTIONS.shape])):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        loss = forward(input_ids=ids, labels=ids, use_cache=False).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        wall.append(time.perf_counter() - wall_start)
        cpu.append(time.process_time() - cpu_start)
    wall, cpu = wall[WARM_UP:], cpu[WARM_UP:]
    print(json.dumps({
        "shape": OPTIONS.shape, "batch": batch, "sequence": sequence, "rank": 8, "threads": OPTIONS.threads,
        "setting": OPTIONS.setting, "attention": model.config._attn_implementation, "repeats": len(wall),
        "seconds_median": round(statistics.median(wall), 6), "seconds_best": round(min(wall), 6),
        "cpu_seconds_median": round(statistics.median(cpu), 6), "cpu_seconds_best": round(min(cpu), 6),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cpu": torch.backends.cpu.get_cpu_capability(), "versions": versions(),
    }), flush=True)


if __name__ == "__main__":
    main()
