"""Time LoRA steps of PyTorch + PEFT on a CUDA device in f32, the peer of the model example `device_step`.

usage: python3 bench/cuda_step.py SHAPE ROWS TOKENS [STEPS]

Needs torch, transformers and peft that see a device; otherwise prints `not run`. TF32 off, SDPA attention; one JSON object
with the median step.
"""

import json
import statistics
import sys
import time

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CONFIGS = {
    "smollm2": {
        "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "intermediate_size": 1536, "vocab_size": 49152, "max_position_embeddings": 8192, "tie_word_embeddings": True,
    },
    "llama1b": {
        "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
        "intermediate_size": 8192, "vocab_size": 128256, "max_position_embeddings": 8192, "tie_word_embeddings": True,
    },
}


def main() -> None:
    try:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import LlamaConfig, LlamaForCausalLM
    except ImportError as error:
        print(f"not run: {error}")
        sys.exit(3)
    if not torch.cuda.is_available():
        print("not run: PyTorch sees no CUDA device")
        sys.exit(3)
    shape, rows, tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    steps = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = LlamaForCausalLM(LlamaConfig(**CONFIGS[shape], rms_norm_eps=1e-5, attn_implementation="sdpa"))
    model.config.use_cache = False
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=PROJECTIONS)).cuda()
    model.train()
    ids = torch.randint(0, model.config.vocab_size, (rows, tokens), device="cuda")
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.0)
    seconds = []
    for _ in range(steps + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds[3:])
    print(json.dumps({"shape": shape, "rows": rows, "tokens_a_row": tokens, "step_median_s": median,
                      "tokens_per_second": rows * tokens / median, "device": torch.cuda.get_device_name(),
                      "torch": torch.__version__}))


if __name__ == "__main__":
    main()
