"""Make the fixtures of the aggregation rules: what Flower and plain NumPy make of the same integers.

usage: python3 bench/make_aggregate_fixtures.py [--out FILE]   (default crates/aggregate/tests/fixtures/rules.json)

Mean, median, trimmed mean, Krum, Multi-Krum and Bulyan are Flower's own functions, on integers that float64 holds
exactly; only their last rounding to integers (to the nearest, ties to even) is done here. Geometric median, centred
clipping, mixing and the norm bound are written below from the papers, in float64, so results may differ by one step.
"""

import argparse
import json
from importlib import metadata
from pathlib import Path

from peers.environment import ROOT, enter

enter("flower")

import numpy as np
from flwr.server.strategy import aggregate as flower

OUT = ROOT / "crates" / "aggregate" / "tests" / "fixtures" / "rules.json"


def results(updates, weights=None):
    """Updates as Flower takes them."""
    weights = [1] * len(updates) if weights is None else weights
    return [([row.astype(np.float64)], int(weight)) for row, weight in zip(updates, weights)]


def mean(updates, weights):
    return flower.aggregate(results(updates, weights))[0]


def median(updates):
    return flower.aggregate_median(results(updates))[0]


def trimmed_mean(updates, f):
    return flower.aggregate_trimmed_avg(results(updates), (f + 0.25) / len(updates))[0]


def krum(updates, f, keep=0):
    return flower.aggregate_krum(results(updates), f, keep)[0]


def bulyan(updates, f):
    return flower.aggregate_bulyan(results(updates), f, flower.aggregate_krum, to_keep=0)[0]


def geometric_median(updates, iterations):
    """Pillutla, Kakade and Harchaoui (2022), algorithm 2, from the mean, with nu = sqrt(d)."""
    updates = updates.astype(np.float64)
    centre = updates.mean(axis=0)
    for _ in range(iterations):
        lengths = np.maximum(np.linalg.norm(updates - centre, axis=1), np.sqrt(updates.shape[1]))
        weights = 1 / lengths
        centre = (weights[:, None] * updates).sum(axis=0) / weights.sum()
    return centre


def centred_clipping(updates, centre, radius, iterations):
    """Karimireddy, He and Jaggi (2021), equation 6; no radius is the lower median of the lengths."""
    for _ in range(iterations):
        lengths = np.linalg.norm(updates - centre, axis=1)
        reach = np.sort(lengths)[(len(lengths) - 1) // 2] if radius is None else radius
        factors = np.minimum(1, reach / np.maximum(lengths, 1e-9))
        centre = centre + (factors[:, None] * (updates - centre)).mean(axis=0)
    return centre


def mixtures(updates, f):
    """Allouah et al. (2023), algorithm 2."""
    squares = ((updates[:, None, :] - updates[None, :, :]) ** 2).sum(axis=2)
    order = np.argsort(squares, axis=1, kind="stable")[:, : len(updates) - f]
    return np.rint(updates[order].mean(axis=1)).astype(np.int64)


def bounded(updates, bound):
    """Scaled down to a length, coordinates cut towards zero."""
    lengths = np.linalg.norm(updates, axis=1)
    return np.trunc(updates * np.minimum(1, bound / lengths)[:, None]).astype(np.int64)


def drawn(rng, n, d, bits, liars):
    """Honest updates around one centre, and liars far from it; no two alike, no values outside of the bits."""
    largest = 2 ** (bits - 1) - 1
    centre = rng.normal(0, largest / 16, d)
    rows = centre + rng.normal(0, largest / 32, (n, d))
    rows[rng.permutation(n)[:liars]] += rng.normal(0, largest / 3, (liars, d))
    return np.clip(np.rint(rows), -largest, largest).astype(np.int64)


def cases(rng):
    """Settings as the crate reads them, the result, and by how many steps it may differ."""
    for n, d, bits, f in [(11, 40, 16, 2), (15, 33, 24, 3), (7, 600, 12, 1), (23, 20, 20, 5)]:
        updates = drawn(rng, n, d, bits, f)
        weights = rng.integers(1, 100, n)
        liars = {"count": f}
        mixed = mixtures(updates, f)
        largest = 2 ** (bits - 1) - 1
        radius, bound = largest // 8 * int(np.sqrt(d)) + 1, int(np.linalg.norm(updates, axis=1).min() * 1.3)
        clip = lambda start, radius, iterations: {
            "rule": {"centred_clipping": {"start": start, "radius": radius, "iterations": iterations}}
        }
        zero = np.zeros(d)
        yield "mean", updates, weights, {"rule": "mean"}, mean(updates, weights), 0
        yield "median", updates, None, {"rule": "median"}, median(updates), 0
        yield "trimmed mean", updates, None, {"rule": {"trimmed_mean": {"liars": liars}}}, trimmed_mean(updates, f), 0
        yield "krum", updates, None, {"rule": {"krum": {"liars": liars}}}, krum(updates, f), 0
        keep = n - f - 2
        yield "multi-krum", updates, None, {"rule": {"multi_krum": {"liars": liars, "keep": keep}}}, krum(updates, f, keep), 0
        # Of 12 bits, values as near to the median on both sides are many, and NumPy takes either.
        if n >= 4 * f + 3 and bits > 12:
            yield "bulyan", updates, None, {"rule": {"bulyan": {"liars": liars}}}, bulyan(updates, f), 0
        for steps in (1, 8):
            rule = {"geometric_median": {"iterations": steps}}
            yield f"geometric median, {steps}", updates, None, {"rule": rule}, geometric_median(updates, steps), 2
        yield "clipping from zero", updates, None, clip("zero", {"steps": radius}, 3), centred_clipping(updates, zero, radius, 3), 2
        yield "clipping from the median", updates, None, clip("median", "median", 2), centred_clipping(updates, np.rint(median(updates)), None, 2), 2
        mixing = {"nearest_neighbours": liars}
        yield "mixing, median", updates, None, mixing | {"rule": "median"}, median(mixed), 0
        yield "mixing, trimmed mean", updates, None, mixing | {"rule": {"trimmed_mean": {"liars": liars}}}, trimmed_mean(mixed, f), 0
        start = np.rint(trimmed_mean(mixed, f))
        yield "the default", updates, None, mixing | clip({"trimmed_mean": liars}, "median", 1), centred_clipping(mixed, start, None, 1), 2
        yield "norm bound, mean", updates, None, {"norm_bound": bound, "rule": "mean"}, bounded(updates, bound).mean(axis=0), 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out
    sets, found = [], []
    for name, updates, weights, settings, expected, tolerance in cases(np.random.default_rng(20)):
        rows = updates.tolist()
        if not sets or sets[-1] != rows:
            sets.append(rows)
        case = {"name": name, "updates": len(sets) - 1, "settings": settings, "tolerance": tolerance}
        if weights is not None:
            case["weights"] = weights.tolist()
        found.append(case | {"expected": np.rint(expected).astype(np.int64).tolist()})
    versions = {name: metadata.version(name) for name in ("flwr", "numpy")}
    text = json.dumps({"versions": versions, "bits": [16, 24, 12, 20], "updates": sets, "cases": found}, separators=(",", ":"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text.replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main()
