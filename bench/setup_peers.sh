#!/bin/sh
# Make the Python environment that the peer benches and the fixture scripts use, outside the checkout.
# The index's default torch wheel brings CUDA libraries along: about 6 GB on disk, a few minutes.
# usage: [ASSAY_PEERS=DIR] [ASSAY_PYTHON=python3.11] bench/setup_peers.sh
set -eu
peers="${ASSAY_PEERS:-$HOME/.cache/assay-peers}"
python="${ASSAY_PYTHON:-python3}"
mkdir -p "$peers"
[ -x "$peers/torch/bin/python" ] || "$python" -m venv "$peers/torch"
"$peers/torch/bin/python" -m pip install --no-cache-dir \
    torch==2.15.0 transformers==5.23.0 peft==0.21.2 tokenizers==0.23.3 safetensors==0.8.0 numpy==2.4.6 \
    pyyaml==6.0.3 jinja2==3.1.6 gguf==0.19.0 sentencepiece==0.2.3 scikit-learn==1.9.1
"$peers/torch/bin/python" -c 'import peft, torch, transformers; print("peers ready:", torch.__version__)'
# Flower, whose aggregators and simulated rounds are the peers of ours; its dependencies are not torch's.
[ -x "$peers/flower/bin/python" ] || "$python" -m venv "$peers/flower"
"$peers/flower/bin/python" -m pip install --no-cache-dir 'flwr[simulation]==1.41.0' numpy==2.4.6
"$peers/flower/bin/python" -c 'import flwr; print("peers ready: flwr", flwr.__version__)'
