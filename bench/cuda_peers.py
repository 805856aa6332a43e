"""Time cuBLAS through PyTorch: f32 and int8 products, the peers of the kernel example `cuda`.

usage: python3 bench/cuda_peers.py [RUNS]

Needs an NVIDIA device and a PyTorch that sees it; otherwise prints `not run`. One JSON object; medians of five groups of
RUNS products each, TF32 off.
"""

import json
import statistics
import sys
import time

SHAPES = ((4096, 4096, 4096), (8192, 8192, 8192), (8192, 1536, 576), (8192, 576, 1536), (8192, 49152, 576))


def timed(torch, runs: int, work) -> float:
    work()
    torch.cuda.synchronize()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(runs):
            work()
        torch.cuda.synchronize()
        seconds.append((time.perf_counter() - start) / runs)
    return statistics.median(seconds)


def main() -> None:
    try:
        import torch
    except ImportError as error:
        print(f"not run: {error}")
        sys.exit(3)
    if not torch.cuda.is_available():
        print("not run: PyTorch sees no CUDA device")
        sys.exit(3)
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    torch.backends.cuda.matmul.allow_tf32 = False
    f32, int8 = [], []
    for m, n, k in SHAPES:
        a, b = (torch.rand(*size, device="cuda") * 2 - 1 for size in ((m, k), (n, k)))
        out = torch.empty(m, n, device="cuda")
        seconds = timed(torch, runs, lambda: torch.mm(a, b.T, out=out))
        f32.append({"shape": [m, n, k], "tflops": 2e-12 * m * n * k / seconds})
        q, p = (torch.randint(-127, 128, size, device="cuda", dtype=torch.int8) for size in ((m, k), (n, k)))
        seconds = timed(torch, runs, lambda: torch._int_mm(q, p.T))
        int8.append({"shape": [m, n, k], "tops": 2e-12 * m * n * k / seconds})
    print(json.dumps({"device": torch.cuda.get_device_name(), "torch": torch.__version__, "cuda": torch.version.cuda,
                      "f32": f32, "int8": int8}, indent=1))


if __name__ == "__main__":
    main()
