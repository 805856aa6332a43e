"""Make the tables of examples/tables and the fixtures of the crate `assay-estimator`, as scikit-learn and PyTorch make them.

usage: python3 bench/make_estimator_fixtures.py            write both
       python3 bench/make_estimator_fixtures.py --check DIR    load an export of ours and compare its outputs

Needs torch, numpy, safetensors and scikit-learn (versions of those in the repository are in `training.json`). A
directory to check holds `model.json`, `model.safetensors` and `rows.safetensors` with `features` and `outputs`, as
the example `export` of the crate writes them.
"""

import argparse
import csv
import json
import sys
from importlib import metadata

from peers.environment import EXAMPLES, ROOT, enter

enter()

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from sklearn import datasets, metrics
from sklearn.preprocessing import StandardScaler
from torch import nn

OUT = ROOT / "crates" / "estimator" / "tests" / "fixtures"
TABLES = EXAMPLES / "tables"


# --- the lines that docs/estimators.md shows
def sequential(model: dict) -> nn.Sequential:
    """The model of a description, with the names of its tensors."""
    kind, layers = model["kind"], []
    if kind == "cnn":
        channels, height, width = model["channels"], model["height"], model["width"]
        for filters in model["filters"]:
            layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            channels, height, width = filters, height // 2, width // 2
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, model["classes"]))
    inputs = model["features"]
    for hidden in model.get("hidden", []):
        layers += [nn.Linear(inputs, hidden), nn.ReLU()]
        inputs = hidden
    return nn.Sequential(*layers, nn.Linear(inputs, model.get("classes", 1)))


def load(folder):
    description = json.load(open(f"{folder}/model.json"))
    network = sequential(description["model"])
    tensors = load_file(f"{folder}/model.safetensors")
    network.load_state_dict({name: torch.from_numpy(values) for name, values in tensors.items()})
    return network, description
# --- to here


def rows_of(model: dict, features: np.ndarray) -> torch.Tensor:
    """Rows in the shape that the first layer takes."""
    x = torch.from_numpy(features)
    if model["kind"] == "cnn":
        return x.reshape(-1, model["channels"], model["height"], model["width"])
    return x


def loss_of(model: dict, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    if model["kind"] == "linear":
        return nn.functional.mse_loss(outputs[:, 0], labels)
    if model["kind"] == "logistic":
        return nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], labels.float())
    return nn.functional.cross_entropy(outputs, labels)


CASES = {
    "linear": ({"kind": "linear", "features": 5}, {"learning_rate": 0.05, "momentum": 0.9}),
    "logistic": ({"kind": "logistic", "features": 7}, {"learning_rate": 0.5, "weight_decay": 0.01}),
    "softmax": (
        {"kind": "softmax", "features": 6, "classes": 4},
        {"learning_rate": 0.3, "momentum": 0.5, "max_grad_norm": 0.25},
    ),
    "mlp": (
        {"kind": "mlp", "features": 6, "hidden": [9, 5], "classes": 3},
        {"learning_rate": 0.2, "momentum": 0.9, "weight_decay": 0.001},
    ),
    "fedprox": (
        {"kind": "mlp", "features": 6, "hidden": [8], "classes": 3},
        {"learning_rate": 0.2, "momentum": 0.9, "proximal": 0.5},
    ),
    "cnn": (
        {"kind": "cnn", "channels": 2, "height": 7, "width": 6, "filters": [3, 5], "classes": 4},
        {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.001, "max_grad_norm": 1.0},
    ),
}
ROWS, BATCH, STEPS = 48, 16, 25


def train(name: str, model: dict, training: dict, arrays: dict) -> dict:
    """A run of PyTorch's SGD on batches that the fixture lists."""
    generator = np.random.default_rng(sum(map(ord, name)))
    torch.manual_seed(sum(map(ord, name)))
    network = sequential(model)
    width = model.get("features") or model["channels"] * model["height"] * model["width"]
    features = generator.standard_normal((ROWS, width)).astype(np.float32)
    if model["kind"] == "linear":
        truth = features @ generator.standard_normal(width) + 0.3
        labels = (truth + 0.1 * generator.standard_normal(ROWS)).astype(np.float32)
    else:
        classes = model.get("classes", 2)
        labels = (features @ generator.standard_normal((width, classes))).argmax(1).astype(np.int32)
    batches = np.stack([generator.permutation(ROWS)[:BATCH] for _ in range(STEPS)]).astype(np.int32)
    vector = lambda: nn.utils.parameters_to_vector(network.parameters()).detach().numpy().copy()
    arrays |= {
        f"{name}.features": features, f"{name}.labels": labels, f"{name}.batches": batches,
        f"{name}.initial": vector(),
    }
    anchor = [p.detach().clone() for p in network.parameters()]
    optimiser = torch.optim.SGD(
        network.parameters(), lr=training["learning_rate"], momentum=training.get("momentum", 0.0),
        weight_decay=training.get("weight_decay", 0.0),
    )
    x = rows_of(model, features)
    y = torch.from_numpy(labels if model["kind"] == "linear" else labels.astype(np.int64))
    losses = []
    for batch in batches:
        loss = loss_of(model, network(x[batch]), y[batch])
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        if "proximal" in training:
            for p, start in zip(network.parameters(), anchor):
                p.grad += training["proximal"] * (p.detach() - start)
        if "max_grad_norm" in training:
            nn.utils.clip_grad_norm_(network.parameters(), training["max_grad_norm"])
        optimiser.step()
    arrays[f"{name}.final"] = vector()
    arrays[f"{name}.outputs"] = network(x).detach().numpy()
    return {"model": model, "training": training | {"batch_size": BATCH}, "losses": losses}


def scores() -> dict:
    """What scikit-learn says of some outputs, with ties and without."""
    generator = np.random.default_rng(5)
    cases = []
    for rows, steps in [(10, 4), (200, 1000), (501, 7)]:
        z = (np.round(generator.standard_normal(rows) * steps) / steps).astype(np.float32)
        classes = (z + generator.standard_normal(rows) > 0).astype(int)
        y = (z + 0.5 * generator.standard_normal(rows)).astype(np.float32)
        cases.append({
            "outputs": z.tolist(), "classes": classes.tolist(), "values": y.tolist(),
            "auc": metrics.roc_auc_score(classes, z),
            "accuracy": metrics.accuracy_score(classes, z > 0),
            "log_loss": metrics.log_loss(classes, 1 / (1 + np.exp(-z.astype(np.float64)))),
            "rmse": float(metrics.root_mean_squared_error(y.astype(np.float64), z.astype(np.float64))),
            "r2": metrics.r2_score(y.astype(np.float64), z.astype(np.float64)),
        })
    return {"cases": cases}


def tables() -> None:
    """The two data sets that ship with scikit-learn and are under CC BY 4.0 at UCI, as CSV."""
    TABLES.mkdir(parents=True, exist_ok=True)
    cancer, digits = datasets.load_breast_cancer(), datasets.load_digits()
    with open(TABLES / "breast-cancer.csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*(name.replace(" ", "_") for name in cancer.feature_names), "diagnosis"])
        for row, label in zip(cancer.data, cancer.target):
            out.writerow([*(repr(float(x)) for x in row), cancer.target_names[label]])
    with open(TABLES / "digits.csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*(f"pixel_{r}_{c}" for r in range(8) for c in range(8)), "digit"])
        for row, label in zip(digits.data, digits.target):
            out.writerow([*(int(x) for x in row), int(label)])


def scaling() -> dict:
    """Constants of StandardScaler on every row of the breast-cancer table."""
    scaler = StandardScaler().fit(datasets.load_breast_cancer().data.astype(np.float32).astype(np.float64))
    return {"mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()}


def archives() -> None:
    """Arrays as NumPy saves them, packed and plain, of every type that is read."""
    x = np.arange(24).reshape(4, 3, 2)
    kinds = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64", ">i4", ">f8"]
    arrays = {f"a{i}": x.astype(kind) for i, kind in enumerate(kinds)}
    arrays |= {
        "bools": x % 2 == 0, "labels": np.array([0, 1, 2, 1]), "fortran": np.asfortranarray(x[:, :, 0]),
        "large": np.array([2**24 + 1]), "texts": np.array(["a", "b"]), "none": np.zeros((0, 3)),
        "objects": np.array([{}, None], dtype=object), "scalar": np.array(7.5),
    }
    np.savez(OUT / "arrays.npz", **arrays)
    np.savez_compressed(OUT / "packed.npz", images=np.tile(x.astype("uint8"), (1, 8, 8)), labels=arrays["labels"])


def check(folder: str) -> None:
    network, description = load(folder)
    rows = load_file(f"{folder}/rows.safetensors")
    theirs = network(rows_of(description["model"], rows["features"])).detach().numpy()
    worst = float(np.abs(theirs - rows["outputs"]).max())
    print(f"{description['model']['kind']}: {len(theirs)} rows, largest difference {worst:.2e}")
    sys.exit(worst > 1e-4)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--check")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.check:
        check(options.check)
    tables()
    OUT.mkdir(parents=True, exist_ok=True)
    arrays = {}
    runs = {name: train(name, model, training, arrays) for name, (model, training) in CASES.items()}
    save_file(arrays, OUT / "training.safetensors")
    names = ("torch", "numpy", "scikit-learn", "safetensors")
    notes = {"versions": {name: metadata.version(name) for name in names}, "runs": runs, "scaling": scaling()}
    (OUT / "training.json").write_text(json.dumps(notes, indent=1) + "\n")
    (OUT / "scores.json").write_text(json.dumps(scores()) + "\n")
    archives()


if __name__ == "__main__":
    main()
