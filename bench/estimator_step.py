"""Time one training step of a small model in PyTorch on the CPU.

usage: python3 bench/estimator_step.py SHAPE [--threads N] [--repeats N]

The shapes are those of the example `estimator_step` of `assay-estimator`. A step takes a batch of random rows that are in
memory, forward, backward and SGD with momentum, in f32. One JSON line.
"""

import argparse
import json
import os
import statistics
import time

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("shape", choices=("logistic", "softmax", "mlp", "cnn"))
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--repeats", type=int, default=200)
OPTIONS = parser.parse_args()
# Thread pools are made when the libraries are loaded.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(OPTIONS.threads)

from peers.environment import enter

enter()

import torch
from torch import nn

SHAPES = {
    "logistic": (lambda: nn.Sequential(nn.Linear(30, 1)), (32, 30)),
    "softmax": (lambda: nn.Sequential(nn.Linear(784, 10)), (64, 784)),
    "mlp": (
        lambda: nn.Sequential(
            nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
        ),
        (64, 784),
    ),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
        ),
        (64, 1, 28, 28),
    ),
}


def main() -> None:
    torch.set_num_threads(OPTIONS.threads)
    torch.manual_seed(0)
    make, shape = SHAPES[OPTIONS.shape]
    network, batches = make(), [torch.randn(shape) for _ in range(4)]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    binary = OPTIONS.shape == "logistic"
    labels = [torch.randint(0, 2 if binary else 10, (shape[0],)) for _ in batches]
    seconds = []
    for step in range(OPTIONS.repeats + 5):
        start = time.perf_counter()
        x, y = batches[step % 4], labels[step % 4]
        outputs = network(x)
        if binary:
            loss = nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], y.float())
        else:
            loss = nn.functional.cross_entropy(outputs, y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()
        seconds.append(time.perf_counter() - start)
    seconds = seconds[5:]
    print(json.dumps({
        "shape": OPTIONS.shape, "threads": OPTIONS.threads, "setting": "stock",
        "seconds_median": statistics.median(seconds), "seconds_best": min(seconds),
        "versions": {"torch": torch.__version__},
    }), flush=True)


if __name__ == "__main__":
    main()
