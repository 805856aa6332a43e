"""Time rounds of Flower's simulation (Ray), the peer of `cargo xtask bench federated`.

usage: python3 bench/federated_peers.py CLIENTS ROUNDS

Every client takes one full-batch step of softmax regression (7,850 parameters, float32, NumPy on one thread) on 32 rows
of its own, and FedAvg makes the next model. Rows are standard normal, their class the largest of ten random products,
as in the example `fedavg` of `assay-rounds`. Prints a JSON object: processor seconds a round of all processes
together, the first two rounds left out, which also make the rows, and without the time it takes to measure; accuracy on
2,000 other rows.
"""

import json
import os
import sys
import threading
import time
from importlib import metadata

from peers.environment import enter

enter("flower")

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

FEATURES, CLASSES, ROWS, RATE = 784, 10, 32, 0.1
CLIENTS, ROUNDS = int(sys.argv[1]), int(sys.argv[2])
TEACHER = np.random.default_rng(0).standard_normal((FEATURES, CLASSES), dtype=np.float32)
KEPT = {}


def rows(client, count):
    x = np.random.default_rng([1, client]).standard_normal((count, FEATURES), dtype=np.float32)
    return x, (x @ TEACHER).argmax(axis=1)


def step(weights, bias, client):
    if not KEPT:
        # In every process once, in the first round: any client may run in any of them.
        KEPT.update((each, rows(each, ROWS)) for each in range(CLIENTS))
    x, y = KEPT[client]
    z = x @ weights + bias
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(ROWS), y] -= 1
    p /= ROWS
    return weights - np.float32(RATE) * (x.T @ p), bias - np.float32(RATE) * p.sum(axis=0)


def tree():
    """This process and all below it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry))
            except OSError:
                pass
    left, found = [os.getpid()], []
    while left:
        process = left.pop()
        found.append(process)
        left += children.get(process, [])
    return found


class Watch(threading.Thread):
    """Processor seconds of all processes, those that have ended included, without those of looking."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seconds, self.spent, self.lock = {}, 0.0, threading.Lock()

    def look(self):
        with self.lock:
            began, tick = time.thread_time(), os.sysconf("SC_CLK_TCK")
            for process in tree():
                try:
                    with open(f"/proc/{process}/stat") as file:
                        fields = file.read().rsplit(")", 1)[1].split()
                    self.seconds[process] = (int(fields[11]) + int(fields[12])) / tick
                except OSError:
                    pass
            self.spent += time.thread_time() - began
            return sum(self.seconds.values()) - self.spent

    def run(self):
        while True:
            self.look()
            time.sleep(1)


watch = Watch()
marks, last = [], {}
client, server = ClientApp(), ServerApp()


@client.train()
def train(message, context):
    weights, bias = message.content["arrays"].to_numpy_ndarrays()
    arrays = step(weights, bias, int(context.node_config["partition-id"]))
    content = {"arrays": ArrayRecord(list(arrays)), "metrics": MetricRecord({"num-examples": ROWS})}
    return Message(RecordDict(content), reply_to=message)


def evaluated(_, arrays):
    last["arrays"] = arrays
    marks.append(watch.look())


@server.main()
def main(grid, context):
    strategy = FedAvg(
        fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=CLIENTS, min_available_nodes=CLIENTS
    )
    zeros = [np.zeros((FEATURES, CLASSES), np.float32), np.zeros(CLASSES, np.float32)]
    strategy.start(grid=grid, initial_arrays=ArrayRecord(zeros), num_rounds=ROUNDS, evaluate_fn=evaluated)


watch.start()
run_simulation(
    server_app=server,
    client_app=client,
    num_supernodes=CLIENTS,
    backend_config={
        "client_resources": {"num_cpus": 1.0, "num_gpus": 0.0},
        "init_args": {"num_cpus": 2, "logging_level": "error", "log_to_driver": False},
    },
)
# The first mark is that of the model before any round.
timed = marks[2:] if len(marks) > 3 else marks[1:]
weights, bias = last["arrays"].to_numpy_ndarrays()
x, y = rows(2**32 - 1, 2000)
print(
    json.dumps(
        {
            "clients": CLIENTS,
            "rounds": ROUNDS,
            "cpu_s_per_round": (timed[-1] - timed[0]) / (len(timed) - 1),
            "accuracy": float(((x @ weights + bias).argmax(axis=1) == y).mean()),
            "versions": {name: metadata.version(name) for name in ("flwr", "ray", "numpy")},
        }
    )
)
