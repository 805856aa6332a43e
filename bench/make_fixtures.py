"""Make the fixtures of the `model` crate: what transformers and PEFT compute, for ours to be compared with.

usage: python3 bench/make_fixtures.py [--out DIR]        (default crates/model/tests/fixtures)

Everything is f32 on one CPU thread. Arrays are safetensors, figures and their meaning are JSON. The folder's README
describes each file; this script is the only thing that may change them.
"""

import argparse
import json
import shutil
from pathlib import Path

from peers.environment import EXAMPLES, FIXTURES, MODEL, enter, versions

enter()

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from peers import dialogue

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PROMPTS = {
    "book": "Alice was beginning to get very tired of sitting by her sister on the bank,",
    "chat": "Q: How are you?\nA: I am doing well, how about you?\n",
    "single": "A",
    "unknown": "caf\u00e9 \u4f60\u597d 100%",
}
TRAIN_ROWS, TRAIN_LENGTH = 4, 32
RANK, ALPHA = 4, 12
ADAMW = {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01}
TRAJECTORY = 10
VOCABULARY = 64


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def int32(values) -> torch.Tensor:
    return torch.as_tensor(values).to(torch.int32).contiguous()


def base_model():
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    model.config.use_cache = False
    return model


def base_logits(out: Path) -> None:
    """Logits of the example model for a few prompts, and at the last position of a full context."""
    model, tokenizer = base_model(), AutoTokenizer.from_pretrained(MODEL)
    arrays, notes = {}, {}
    with torch.no_grad():
        for name, text in PROMPTS.items():
            ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
            arrays |= {f"{name}.input_ids": int32(ids[0]), f"{name}.logits": model(ids).logits[0].contiguous()}
            notes[name] = text
        ids = torch.from_numpy(np.random.default_rng(1).integers(4, 1024, (1, model.config.max_position_embeddings)))
        arrays |= {"full.input_ids": int32(ids[0]), "full.last_logits": model(ids).logits[0, -1].contiguous()}
    save_file(arrays, out / "logits.safetensors")
    write_json(out / "logits.json", {"model": "examples/glassllm", "prompts": notes, "versions": versions()})


def held_out_loss(out: Path) -> None:
    """Loss of the example model, without adapter, on the held-out dialogue."""
    model, tokenizer = base_model(), AutoTokenizer.from_pretrained(MODEL)
    path, length, figures = EXAMPLES / "dialogue" / "heldout.jsonl", 64, {}
    for name, completion_only in (("completions", True), ("all_tokens", False)):
        sequences = dialogue.read(path, tokenizer, completion_only)
        ids, labels = dialogue.rows(sequences, length, tokenizer.pad_token_id)
        target = torch.from_numpy(labels[:, 1:]).reshape(-1)
        with torch.no_grad():
            logits = model(torch.from_numpy(ids)).logits[:, :-1].double().reshape(target.numel(), -1)
        total = torch.nn.functional.cross_entropy(logits, target, ignore_index=dialogue.IGNORED, reduction="sum")
        count = int((target != dialogue.IGNORED).sum())
        figures[name] = {"loss": total.item() / count, "loss_sum": total.item(), "tokens": count}
    write_json(out / "heldout.json", {
        "data": "examples/dialogue/heldout.jsonl",
        "records": len(sequences),
        "sequence_length": length,
        "averaging": "each record is one row on its own, from position 0, written with the chat template; the loss is "
        "the sum of cross-entropies in nats over every counted token of the file, divided by their number. "
        "'completions' counts what follows the mark of the answer ('A:'), with the newline that ends it; 'all_tokens' "
        "counts every token but the first of its record.",
        **figures,
        "versions": versions(),
    })


def short(name: str) -> str:
    """A parameter's name as PEFT saves it."""
    return name.replace(".default", "")


def lora_model(rank: int, alpha: int, seed: int):
    """The example model with a LoRA adapter whose A and B are both away from zero."""
    model = get_peft_model(
        base_model(), LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=PROJECTIONS, task_type="CAUSAL_LM")
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.normal_(0.0, 0.1 if "lora_A" in name else 0.05, generator=generator)
    return model


def lora_step(out: Path) -> None:
    """One step of LoRA training on real records: adapter, batch, loss, gradients, AdamW-updated adapter."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    sequences = dialogue.read(EXAMPLES / "dialogue" / "train.jsonl", tokenizer)
    longest = [s for s in sequences if len(s.ids) >= TRAIN_LENGTH - 6][:TRAIN_ROWS]
    ids, labels = dialogue.rows(longest, TRAIN_LENGTH, tokenizer.pad_token_id)
    shifted = np.full_like(labels, dialogue.IGNORED)
    shifted[:, :-1] = labels[:, 1:]
    ids, labels = torch.from_numpy(ids), torch.from_numpy(labels)

    model = lora_model(RANK, ALPHA, seed=2)
    folder = out / "lora_step"
    folder.mkdir()
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    # PEFT writes the path it loaded from and a set in no fixed order.
    config = json.loads((folder / "adapter_config.json").read_text())
    write_json(folder / "adapter_config.json", config | {
        "base_model_name_or_path": "examples/glassllm", "target_modules": sorted(config["target_modules"])
    })
    with torch.no_grad():
        logits = model(ids[:1]).logits[0].contiguous()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimiser = torch.optim.AdamW(parameters.values(), **ADAMW)
    arrays = {"input_ids": int32(ids), "labels": int32(shifted), "row0.logits": logits}
    losses = []
    for step in range(TRAJECTORY):
        loss = model(input_ids=ids, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            arrays |= {"grad." + short(name): p.grad.clone() for name, p in parameters.items()}
        optimiser.step()
        if step == 0:
            arrays |= {"updated." + short(name): p.detach().clone() for name, p in parameters.items()}
    save_file(arrays, folder / "expected.safetensors")
    write_json(folder / "expected.json", {
        "model": "examples/glassllm",
        "adapter": "the adapter before the step is this folder itself, as PEFT saved it",
        "loss": losses[0],
        "loss_is": "mean cross-entropy in nats over the labels that are not -100",
        "labels_are": "already shifted: labels[r][t] is the target of position t",
        "counted_tokens": int((shifted != dialogue.IGNORED).sum()),
        "adamw": ADAMW,
        "losses_of_steps_on_this_batch": losses,
        "versions": versions(),
    })


def tiny_tokenizer(folder: Path) -> None:
    """A tokenizer of VOCABULARY words, w0 w1 ..., so that the folder is a whole model."""
    write_json(folder / "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": {f"w{i}": i for i in range(VOCABULARY)}, "unk_token": "w0"},
    })
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "w0"})


def scatter(model, seed: int) -> None:
    """Random weights of a size that makes every part of the model matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:
                parameter.normal_(0.0, 0.2, generator=generator)


def save_tiny(model, folder: Path, length: int, seed: int, **options) -> None:
    """The model as a Hugging Face folder, and its logits for two random rows."""
    folder.mkdir()
    model.save_pretrained(folder, **options)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tiny_tokenizer(folder)
    ids = torch.from_numpy(np.random.default_rng(seed).integers(0, VOCABULARY, (2, length)))
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = loaded(ids).logits.contiguous()
    save_file({"input_ids": int32(ids), "logits": logits}, folder / "logits.safetensors")


TINY = {
    "vocab_size": VOCABULARY, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2,
    "num_attention_heads": 6, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}


def tiny_qwen2(out: Path) -> None:
    """Biases on q, k, v; untied output; f32; `config.json` in the words of transformers 5 (`rope_parameters`)."""
    rope = {"rope_type": "default", "rope_theta": 1e6}
    model = Qwen2ForCausalLM(Qwen2Config(**TINY, max_position_embeddings=64, rope_parameters=rope, rms_norm_eps=1e-6)).eval()
    scatter(model, seed=3)
    save_tiny(model, out / "tiny_qwen2", length=24, seed=4)


def tiny_llama3(out: Path) -> None:
    """Llama 3 rotary scaling past its original context, head width apart from hidden / heads, bf16, two shards.

    `config.json` is in the words of transformers 4 (`rope_theta`, `rope_scaling`), as most published models have it.
    """
    scaling = {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    }
    rope = scaling | {"rope_theta": 5e5}
    config = LlamaConfig(**TINY, head_dim=12, max_position_embeddings=128, rope_parameters=rope, rms_norm_eps=1e-5)
    model = LlamaForCausalLM(config).eval()
    scatter(model, seed=5)
    folder = out / "tiny_llama3"
    save_tiny(model.to(torch.bfloat16), folder, length=48, seed=6, max_shard_size="60KB")
    saved = json.loads((folder / "config.json").read_text())
    del saved["rope_parameters"]
    saved["torch_dtype"] = saved.pop("dtype")
    write_json(folder / "config.json", saved | {"rope_theta": 5e5, "rope_scaling": scaling})
    arrays = load_file(folder / "logits.safetensors")
    again = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        assert torch.equal(again(arrays["input_ids"].long()).logits, arrays["logits"]), "the older words mean another model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FIXTURES)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("lora_step", "tiny_qwen2", "tiny_llama3"):
        shutil.rmtree(out / name, ignore_errors=True)
    for make in (base_logits, held_out_loss, lora_step, tiny_qwen2, tiny_llama3):
        make(out)
    files = [path for path in out.rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0o644)
    print(f"{out}: {len(files)} files, {sum(path.stat().st_size for path in files)} bytes")


if __name__ == "__main__":
    main()
