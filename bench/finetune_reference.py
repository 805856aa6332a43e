"""Run the fine-tuning of examples/finetune.toml in PyTorch + PEFT and print the held-out loss before and after.

usage: python3 bench/finetune_reference.py [--job FILE] [--seed N] [--packed] [--set steps=200 ...] [--save DIR]

The order of records and the initial A matrices come from NumPy and torch seeds, so figures agree with `assay train`
in kind, not in digits. Held-out loss: every record alone in its row, mean over all completion tokens of the file.
"""

import argparse
import json
import time
import tomllib
from pathlib import Path

from peers.environment import EXAMPLES, enter, versions

enter()

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from peers import dialogue


def losses(model, ids: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy in nats over every counted token of all rows."""
    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for start in range(0, len(ids), 32):
            target = torch.from_numpy(labels[start : start + 32, 1:])
            logits = model(torch.from_numpy(ids[start : start + 32])).logits[:, :-1]
            total += torch.nn.functional.cross_entropy(
                logits.reshape(-1, logits.shape[-1]), target.reshape(-1), ignore_index=dialogue.IGNORED, reduction="sum"
            ).item()
            count += int((target != dialogue.IGNORED).sum())
    model.train()
    return total / count


def rate(training: dict, step: int) -> float:
    """Learning rate of a step counted from 0: a linear rise over the warm-up, then the schedule."""
    warmup, steps = training.get("warmup_steps", 0), training["steps"]
    if step < warmup:
        return training["learning_rate"] * (step + 1) / warmup
    if training.get("schedule", "constant") == "linear":
        return training["learning_rate"] * (steps - step) / (steps - warmup)
    return training["learning_rate"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", type=Path, default=EXAMPLES / "finetune.toml")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packed", action="store_true", help="fill every training row with several records")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="replace a number of [training]")
    parser.add_argument("--save", type=Path, help="write the adapter there")
    options = parser.parse_args()
    job = tomllib.loads(options.job.read_text())
    training, data = job["training"], job["data"]
    for pair in options.set:
        name, value = pair.split("=")
        training[name] = json.loads(value)
    folder = options.job.parent
    tokenizer = AutoTokenizer.from_pretrained(folder / job["model"]["path"])
    model = AutoModelForCausalLM.from_pretrained(folder / job["model"]["path"], dtype=torch.float32)
    length, pad = data["sequence_length"], tokenizer.pad_token_id
    train = dialogue.read(folder / data["train"], tokenizer, data["completion_only"])
    held_out = dialogue.rows(dialogue.read(folder / data["heldout"], tokenizer), length, pad)
    before = losses(model, *held_out)
    torch.manual_seed(options.seed)
    model = get_peft_model(model, LoraConfig(lora_dropout=0.0, **job["adapter"]))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1.0, weight_decay=training.get("weight_decay", 0.0))
    generator, queue, started = np.random.default_rng(options.seed), [], time.perf_counter()
    for step in range(training["steps"]):
        while len(queue) < training["batch_size"]:
            shuffled = [train[i] for i in generator.permutation(len(train))]
            ids, labels = dialogue.packed(shuffled, length) if options.packed else dialogue.rows(shuffled, length, pad)
            queue += list(zip(ids, labels))
        batch, queue = queue[: training["batch_size"]], queue[training["batch_size"] :]
        ids, labels = (torch.from_numpy(np.stack(part)) for part in zip(*batch))
        for group in optimiser.param_groups:
            group["lr"] = rate(training, step)
        loss = model(input_ids=ids, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = losses(model, *held_out)
    if options.save:
        model.save_pretrained(options.save)
    print(json.dumps({
        "training": training, "packed": options.packed, "seed": options.seed,
        "trainable": sum(p.numel() for p in parameters), "heldout_loss_before": round(before, 4),
        "heldout_loss_after": round(after, 4), "fall": round(before - after, 4),
        "seconds": round(time.perf_counter() - started, 1), "versions": versions(),
    }))


if __name__ == "__main__":
    main()
