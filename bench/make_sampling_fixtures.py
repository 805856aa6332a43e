"""Make crates/model/tests/fixtures/sampling.json: what transformers' sampling keeps of some logits.

Run: python3 bench/make_sampling_fixtures.py
Each case has logits, temperature, top_k (0: all) and top_p, and the probabilities that transformers'
processors leave, in the order in which `generate` applies them. Logits differ from each other, since
transformers keeps ties at the edge of top_k that we do not.
"""

import json

from peers import environment

environment.enter()

import torch
from transformers.generation.logits_process import (
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

SETTINGS = [
    (1.0, 0, 1.0),
    (0.7, 0, 1.0),
    (1.5, 8, 1.0),
    (1.0, 50, 0.9),
    (0.6, 0, 0.75),
    (2.0, 20, 0.5),
    (0.3, 3, 0.99),
    (1.0, 1, 0.2),
]


def main() -> None:
    generator = torch.Generator().manual_seed(7)
    cases = []
    for _ in range(3):
        for temperature, top_k, top_p in SETTINGS:
            # Multiples of 1/64, so that the JSON holds them exactly.
            logits = (torch.randperm(400, generator=generator)[:60] - 200.0) / 64
            scores = logits[None]
            processors = [TemperatureLogitsWarper(temperature)]
            if top_k > 0:
                processors.append(TopKLogitsWarper(top_k))
            if top_p < 1.0:
                processors.append(TopPLogitsWarper(top_p))
            for process in processors:
                scores = process(None, scores)
            cases.append(
                {
                    "temperature": temperature,
                    "top_k": top_k,
                    "top_p": top_p,
                    "logits": logits.tolist(),
                    "probabilities": torch.softmax(scores, dim=-1)[0].tolist(),
                }
            )
    out = environment.FIXTURES / "sampling.json"
    out.write_text(json.dumps({"made_with": environment.versions(), "cases": cases}) + "\n")


main()
