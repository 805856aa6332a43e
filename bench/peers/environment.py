"""Find the Python environment that holds the peers, and run the calling script in it.

Peers live outside the checkout, in `$ASSAY_PEERS/torch` (default `~/.cache/assay-peers/torch`) and beside it, made by
`bench/setup_peers.sh`. A script calls `enter()` before it imports anything but the standard library:
under the right interpreter that returns; under another one it starts the script again under the right
one; without one it prints `not run` with what to do and ends with status 3.
"""

import os
import sys
from importlib import metadata
from pathlib import Path

NOT_RUN = 3
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
MODEL = EXAMPLES / "glassllm"
FIXTURES = ROOT / "crates" / "model" / "tests" / "fixtures"
DISTRIBUTIONS = ("torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "gguf", "sentencepiece")


def home() -> Path:
    """The folder that holds every peer environment."""
    return Path(os.environ.get("ASSAY_PEERS", "~/.cache/assay-peers")).expanduser()


def enter(name: str = "torch") -> None:
    """Continue under that environment's interpreter with one thread and no network, or say why not."""
    # Thread pools read these at import, so they are set before any other module is loaded.
    for pool in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ.setdefault(pool, "1")
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error")
    environment = home() / name
    if Path(sys.prefix).resolve() == environment.resolve():
        return
    python = environment / "bin" / "python"
    if not python.exists():
        print(f"not run: no interpreter at {python}; run bench/setup_peers.sh, or set ASSAY_PEERS")
        sys.exit(NOT_RUN)
    os.execv(python, [str(python), *sys.argv])


def versions() -> dict[str, str]:
    """Versions of the interpreter and of every peer package, for records of a measurement."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in DISTRIBUTIONS:
        found[name] = metadata.version(name)
    return found
