"""Load an adapter in PEFT + transformers and compare the logits with those that `assay` wrote.

usage: python3 bench/check_peft.py ADAPTER_DIR MODEL_DIR LOGITS_FILE

LOGITS_FILE is safetensors with `input_ids` [batch, n] or [n] (any integer type) and `logits` [batch, n, vocabulary] or
[n, vocabulary] in f32. Prints one JSON object; ends with status 1 if a logit differs by more than the tolerance.
"""

import argparse
import json
import sys
from pathlib import Path

from peers.environment import enter, versions

enter()

import numpy as np
import torch
from peft import PeftModel
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

TOLERANCE = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("adapter_dir", type=Path)
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("logits_file", type=Path)
    options = parser.parse_args()
    arrays = load_file(options.logits_file)
    ids, ours = np.atleast_2d(arrays["input_ids"]).astype(np.int64), arrays["logits"]
    ours = ours.reshape(*ids.shape, -1)
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
