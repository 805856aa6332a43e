"""Load an adapter in PEFT + transformers and compare the logits with ours.

usage: python3 bench/check_peft.py ADAPTER_DIR [MODEL_DIR] [--text FILE]

Ours come from the example `logits` of the crate `assay-model`, which cargo builds and runs here, over the first tokens
of FILE. Prints one JSON object; ends with status 1 if a logit differs by more than the tolerance.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from peers.environment import EXAMPLES, MODEL, ROOT, enter, versions

enter()

import numpy as np
import torch
from peft import PeftModel
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

TOLERANCE = 1e-4


def our_logits(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """What our own implementation computes: `input_ids` [n] and `logits` [n, vocabulary]."""
    paths = [options.model_dir, options.adapter_dir, options.text]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "logits.safetensors"
        cargo = ["cargo", "run", "--release", "--quiet", "-p", "assay-model", "--example", "logits", "--"]
        subprocess.run([*cargo, *(str(path.resolve()) for path in paths), str(out)], cwd=ROOT, check=True)
        return load_file(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("adapter_dir", type=Path)
    parser.add_argument("model_dir", type=Path, nargs="?", default=MODEL)
    parser.add_argument("--text", type=Path, default=EXAMPLES / "dialogue" / "heldout.jsonl")
    options = parser.parse_args()
    arrays = our_logits(options)
    ids, ours = arrays["input_ids"][None], arrays["logits"][None]
    torch.set_num_threads(1)
    base = AutoModelForCausalLM.from_pretrained(options.model_dir, dtype=torch.float32).eval()
    with torch.no_grad():
        plain = base(torch.from_numpy(ids)).logits.numpy()
        theirs = PeftModel.from_pretrained(base, options.adapter_dir).eval()(torch.from_numpy(ids)).logits.numpy()
    if ours.shape != theirs.shape:
        sys.exit(f"shape of our logits is {list(ours.shape)}, of theirs {list(theirs.shape)}")
    difference = float(np.abs(ours - theirs).max())
    # An adapter that changes nothing would make the comparison vacuous.
    effect = float(np.abs(theirs - plain).max())
    agree = difference <= TOLERANCE and effect > TOLERANCE
    print(json.dumps({
        "positions": int(ids.size), "largest_difference": difference, "tolerance": TOLERANCE,
        "largest_effect_of_adapter": effect, "agree": agree, "versions": versions(),
    }))
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
