"""Make the fixtures of the fine-tuning methods: 50 steps of each in PyTorch + PEFT, for ours to be compared with.

usage: python3 bench/make_method_fixtures.py [--out DIR]        (default crates/model/tests/fixtures/methods)

Every run starts from the example model and sees the same batches (`batches.safetensors`: `input_ids` and `labels`,
[50, 4, 32], labels already shifted and -100 where nothing counts). A folder per run holds the adapter it starts from,
as PEFT saves it; `runs.json` holds settings and losses. Everything is f32 on one CPU thread.
"""

import argparse
import contextlib
import json
import math
import shutil
from pathlib import Path

from peers.environment import EXAMPLES, FIXTURES, MODEL, enter, versions

enter()

import numpy as np
import torch
from peft import IA3Config, LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.optimization import get_cosine_schedule_with_warmup

from peers import dialogue

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
STEPS, ROWS, LENGTH = 50, 4, 32
RANK, ALPHA = 2, 4
DECAY = 0.01


def batches() -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and unshifted labels, [steps, rows, length]."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    sequences = dialogue.read(EXAMPLES / "dialogue" / "train.jsonl", tokenizer)
    fitting = [s for s in sequences if 12 <= len(s.ids) <= LENGTH][: STEPS * ROWS]
    ids, labels = dialogue.rows(fitting, LENGTH, tokenizer.pad_token_id)
    shape = (STEPS, ROWS, LENGTH)
    return torch.from_numpy(ids).reshape(shape), torch.from_numpy(labels).reshape(shape)


def base(**options):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, **options)
    model.config.use_cache = False
    return model


def lora(**options):
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=PROJECTIONS, task_type="CAUSAL_LM", **options)
    return get_peft_model(base(), config)


def ia3():
    config = IA3Config(target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"], task_type="CAUSAL_LM")
    return get_peft_model(base(), config)


def bitfit():
    """Biases of zeros on every projection, and nothing else trained."""
    model = base(attention_bias=True, mlp_bias=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith("bias"))
        if name.endswith("bias"):
            torch.nn.init.zeros_(parameter)
    return model


class PrivateLora(torch.nn.Module):
    """`y = x W^T + s x A^T M^T B^T` with M alone trained."""

    def __init__(self, linear: torch.nn.Linear, scale: float):
        super().__init__()
        self.linear, self.scale = linear, scale
        uniform = lambda rows, cols: torch.nn.Parameter((torch.rand(rows, cols) * 2 - 1) / math.sqrt(cols), requires_grad=False)
        self.a, self.b = uniform(RANK, linear.in_features), uniform(linear.out_features, RANK)
        self.m = torch.nn.Parameter(torch.zeros(RANK, RANK))

    def forward(self, x):
        return self.linear(x) + self.scale * (x @ self.a.T) @ self.m.T @ self.b.T


def private_lora():
    model = base()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for layer in model.model.layers:
        for block in (layer.self_attn, layer.mlp):
            for name in PROJECTIONS:
                if hasattr(block, name):
                    setattr(block, name, PrivateLora(getattr(block, name), ALPHA / RANK))
    return model


def save_private(model, folder: Path) -> None:
    arrays = {}
    for name, module in model.named_modules():
        if isinstance(module, PrivateLora):
            prefix = f"base_model.model.{name}"
            arrays |= {f"{prefix}.lora_A.weight": module.a, f"{prefix}.lora_B.weight": module.b, f"{prefix}.private_lora_M.weight": module.m}
    folder.mkdir(parents=True)
    save_file({name: p.detach().contiguous() for name, p in arrays.items()}, folder / "adapter_model.safetensors")


def save_peft(model, folder: Path) -> None:
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    for name in ("target_modules", "feedforward_modules"):
        if name in config:
            config[name] = sorted(config[name])
    text = json.dumps(config | {"base_model_name_or_path": "examples/glassllm"}, indent=2)
    (folder / "adapter_config.json").write_text(text + "\n")


def decayed(name: str) -> bool:
    """What the Trainer of transformers decays: everything but biases and the weights of norms."""
    return not name.endswith("bias") and "norm" not in name


def adamw(model, rate: float):
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in named if decayed(name)], "weight_decay": DECAY},
        {"params": [p for name, p in named if not decayed(name)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate)


def keeping(model, storage: str):
    """Rounds what autograd saves for the backward pass, but for the model's own tensors and their views."""
    if storage == "float32":
        return contextlib.nullcontext()
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(saved):
        exact = saved.dtype != torch.float32 or saved.untyped_storage().data_ptr() in own
        return saved if exact else saved.to(torch.bfloat16)

    def unpack(kept):
        return kept.float() if kept.dtype == torch.bfloat16 else kept

    return torch.autograd.graph.saved_tensors_hooks(pack, unpack)


def train(
    model, rate: float, ids, labels, max_grad_norm=None, micro_batches=1, ratio=None, cosine=False, activation_storage="float32"
) -> list[float]:
    """The loss of every step, before its update."""
    model.train()
    if ratio is None:
        optimiser = adamw(model, rate)
    else:
        optimiser = create_loraplus_optimizer(model, torch.optim.AdamW, lr=rate, loraplus_lr_ratio=ratio, weight_decay=DECAY)
    schedule = get_cosine_schedule_with_warmup(optimiser, 0, STEPS) if cosine else None
    losses = []
    for step in range(STEPS):
        count = (labels[step][:, 1:] != dialogue.IGNORED).sum()
        total = 0.0
        optimiser.zero_grad()
        for part_ids, part_labels in zip(ids[step].chunk(micro_batches), labels[step].chunk(micro_batches)):
            with keeping(model, activation_storage):
                logits = model(input_ids=part_ids).logits[:, :-1].flatten(0, 1)
            target = part_labels[:, 1:].flatten()
            loss = torch.nn.functional.cross_entropy(logits, target, ignore_index=dialogue.IGNORED, reduction="sum") / count
            loss.backward()
            total += loss.item()
        if max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], max_grad_norm)
        optimiser.step()
        if schedule:
            schedule.step()
        losses.append(total)
    return losses


RUNS = {
    "lora": (lora, save_peft, {"rate": 5e-3}),
    "rslora": (lambda: lora(use_rslora=True), save_peft, {"rate": 5e-3}),
    "dora": (lambda: lora(use_dora=True), save_peft, {"rate": 5e-3}),
    "ia3": (ia3, save_peft, {"rate": 2e-2}),
    "bitfit": (bitfit, None, {"rate": 1e-2}),
    "private_lora": (private_lora, save_private, {"rate": 2e-2}),
    "full": (base, None, {"rate": 1e-3}),
    "clipped": (lora, None, {"rate": 5e-3, "max_grad_norm": 0.05}),
    "accumulated": (lora, None, {"rate": 5e-3, "micro_batches": 2}),
    "loraplus": (lora, None, {"rate": 1e-3, "ratio": 8.0}),
    "cosine": (lora, None, {"rate": 1e-2, "cosine": True}),
    "rounded": (lora, None, {"rate": 5e-3, "activation_storage": "bfloat16"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FIXTURES / "methods")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    ids, labels = batches()
    shifted = torch.full_like(labels, dialogue.IGNORED)
    shifted[:, :, :-1] = labels[:, :, 1:]
    save_file({"input_ids": ids.to(torch.int32), "labels": shifted.to(torch.int32)}, out / "batches.safetensors")
    runs = {}
    for name, (make, save, settings) in RUNS.items():
        model = make()
        if save:
            save(model, out / name)
        losses = train(model, ids=ids, labels=labels, **settings)
        runs[name] = settings | {"losses": losses}
        print(f"{name}: {losses[0]:.4f} -> {np.mean(losses[-5:]):.4f}", flush=True)
    notes = {"steps": STEPS, "rows": ROWS, "length": LENGTH, "r": RANK, "lora_alpha": ALPHA, "weight_decay": DECAY}
    (out / "runs.json").write_text(json.dumps(notes | {"runs": runs, "versions": versions()}, indent=1) + "\n")
    for path in out.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    main()
