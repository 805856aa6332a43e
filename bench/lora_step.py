"""Time one LoRA training step of PyTorch + PEFT on one CPU thread, stock settings (SDPA attention).

usage: python3 bench/lora_step.py [--only glassllm|hidden512] [--repeats N]

A step is forward, backward and AdamW on all seven projections at rank 8, every position counted. One JSON line a
shape: `seconds_*` is wall time, `cpu_seconds_*` is the process's CPU time, which other work on the machine does not
lengthen by queueing.
"""

import argparse
import json
import statistics
import time

from peers.environment import MODEL, enter, versions

enter()

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WARM_UP = 3


def glassllm():
    """The example model, 8 rows of 64 tokens."""
    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32), 8, 64


def hidden512():
    """Width 512, 8 layers, 8 heads, feed-forward 1,376, vocabulary 8,192, untied output; 4 rows of 256 tokens."""
    config = LlamaConfig(
        hidden_size=512, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=8, intermediate_size=1376,
        vocab_size=8192, max_position_embeddings=512, rms_norm_eps=1e-5, tie_word_embeddings=False,
    )
    return LlamaForCausalLM(config), 4, 256


SHAPES = {"glassllm": (glassllm, 40), "hidden512": (hidden512, 8)}


def measure(name: str, repeats: int | None) -> dict:
    """Timings of `repeats` steps after a warm-up."""
    make, default_repeats = SHAPES[name]
    torch.manual_seed(0)
    model, batch, sequence = make()
    model.config.use_cache = False
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=PROJECTIONS))
    model.train()
    ids = torch.randint(0, model.config.vocab_size, (batch, sequence))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.0)
    wall, cpu = [], []
    for _ in range(WARM_UP + (repeats or default_repeats)):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        wall.append(time.perf_counter() - wall_start)
        cpu.append(time.process_time() - cpu_start)
    wall, cpu = wall[WARM_UP:], cpu[WARM_UP:]
    return {
        "metric": f"lora_step_{name}", "batch": batch, "sequence": sequence, "rank": 8, "threads": 1,
        "attention": model.config._attn_implementation, "repeats": len(wall),
        "seconds_median": round(statistics.median(wall), 6), "seconds_best": round(min(wall), 6),
        "cpu_seconds_median": round(statistics.median(cpu), 6), "cpu_seconds_best": round(min(cpu), 6),
        "cpu": torch.backends.cpu.get_cpu_capability(), "versions": versions(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=SHAPES)
    parser.add_argument("--repeats", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in [options.only] if options.only else SHAPES:
        print(json.dumps(measure(name, options.repeats)), flush=True)


if __name__ == "__main__":
    main()
