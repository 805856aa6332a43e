"""Time Flower's aggregation functions on updates in memory. For `cargo xtask bench aggregate`.

usage: python3 bench/aggregate_peers.py UPDATES COORDINATES SAMPLES RULE ...

Prints a line `rule seconds` of processor time a sample, then a JSON object with versions. Updates are standard normal
float32; a tenth of them may lie. `geometric_median` is no function of Flower's: it is eight smoothed Weiszfeld steps
in NumPy.
"""

import json
import sys
import time
from importlib import metadata

from peers.environment import enter

enter("flower")

import numpy as np
from flwr.server.strategy import aggregate as flower

STEPS = 8


def geometric_median(results):
    rows = np.stack([weights[0] for weights, _ in results])
    centre = rows.mean(axis=0)
    for _ in range(STEPS):
        lengths = np.maximum(np.linalg.norm(rows - centre, axis=1), 1e-6)
        weights = (1 / lengths).astype(np.float32)
        centre = weights @ rows / weights.sum()
    return centre


def rules(liars: int):
    return {
        "mean": flower.aggregate,
        "median": flower.aggregate_median,
        "trimmed_mean": lambda results: flower.aggregate_trimmed_avg(results, 0.1),
        "krum": lambda results: flower.aggregate_krum(results, liars, 1),
        "bulyan": lambda results: flower.aggregate_bulyan(list(results), liars, flower.aggregate_krum, to_keep=1),
        "geometric_median": geometric_median,
    }


def main() -> None:
    updates, coordinates, samples = map(int, sys.argv[1:4])
    rng = np.random.default_rng(0)
    results = [([rng.standard_normal(coordinates, dtype=np.float32)], 32) for _ in range(updates)]
    all_rules = rules(max(1, updates // 10))
    for name in sys.argv[4:]:
        for _ in range(1 if name == "bulyan" else samples):
            start = time.process_time()
            all_rules[name](results)
            print(name, time.process_time() - start, flush=True)
    print(json.dumps({name: metadata.version(name) for name in ("flwr", "numpy")}))


if __name__ == "__main__":
    main()
