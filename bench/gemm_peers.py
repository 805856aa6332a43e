"""Time matrix products of NumPy (OpenBLAS) and PyTorch (MKL, oneDNN). For `cargo xtask bench gemm`.

usage: python3 bench/gemm_peers.py THREADS SAMPLES M,N,K ...

Prints a line `peer version m n k wall cpu` a sample.
"""

import os
import sys
import time

THREADS = int(sys.argv[1])
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(THREADS)

from peers.environment import enter

enter()

import numpy
import torch

SAMPLE = 0.03


def measure(peer: str, shape: tuple[int, int, int], samples: int, work) -> None:
    """Prints the time of one run of `work`, as many times as asked."""
    start = time.perf_counter()
    work()
    runs = max(1, int(SAMPLE / (time.perf_counter() - start)) + 1)
    for _ in range(runs + 1):
        work()
    for _ in range(samples):
        start, busy = time.perf_counter(), time.process_time()
        for _ in range(runs):
            work()
        wall, busy = time.perf_counter() - start, time.process_time() - busy
        print(peer, *shape, wall / runs, busy / runs, flush=True)


def main() -> None:
    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    samples = int(sys.argv[2])
    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]["version"]
    for text in sys.argv[3:]:
        shape = m, n, k = tuple(map(int, text.split(",")))
        a, b = torch.rand(m, k) - 0.5, torch.rand(k, n) - 0.5
        x, y, z = a.numpy(), b.numpy(), numpy.empty((m, n), numpy.float32)
        measure(f"OpenBLAS {blas}", shape, samples, lambda: numpy.matmul(x, y, out=z))
        c = torch.empty(m, n)
        measure(f"MKL torch-{torch.__version__}", shape, samples, lambda: torch.mm(a, b, out=c))
        left, right = a.to_mkldnn(), b.t().contiguous().to_mkldnn()
        measure(f"oneDNN torch-{torch.__version__}", shape, samples, lambda: torch._C._nn.mkldnn_linear(left, right))


if __name__ == "__main__":
    main()
