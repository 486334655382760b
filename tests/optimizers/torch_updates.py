"""What `torch.optim` does to fixed gradients.

`python -m tests.optimizers.torch_updates` records it in `torch_updates.json`, so that the rules can
be compared with PyTorch where it is not installed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

RATE, DECAY, B1, B2, EPS, WEIGHT_DECAY = 0.3, 0.8, 0.85, 0.97, 1e-3, 0.02
START = np.array([0.5, -1.0, 2.0, 0.0])
GRADIENTS = np.random.default_rng(0).normal(size=(30, len(START)))
GROWING = np.sign(GRADIENTS) * 1.1 ** np.arange(30)[:, None]

_ADAM = {"betas": (B1, B2), "eps": EPS}
OPTIMIZERS = {
    "sgd": ("SGD", {}, GRADIENTS),
    "momentum": ("SGD", {"momentum": DECAY}, GRADIENTS),
    "nesterov": ("SGD", {"momentum": DECAY, "nesterov": True}, GRADIENTS),
    "dampened": ("SGD", {"momentum": DECAY, "dampening": DECAY}, GRADIENTS),
    "adam": ("Adam", _ADAM, GRADIENTS),
    "adamw": ("AdamW", {**_ADAM, "weight_decay": WEIGHT_DECAY}, GRADIENTS),
    "rms": ("RMSprop", {"alpha": DECAY, "eps": EPS}, GRADIENTS),
    "amsgrad, growing": ("Adam", {**_ADAM, "amsgrad": True}, GROWING),
    "amsgrad, shrinking": ("Adam", {**_ADAM, "amsgrad": True}, GROWING[::-1]),
}
"""Class in `torch.optim`, its settings beside the learning rate, and the gradients it is given."""


def unroll(name: str) -> np.ndarray:
    """Differences of parameters from `START`, one row a step, by the installed PyTorch."""
    import torch

    kind, settings, gradients = OPTIMIZERS[name]
    parameter = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    steps = getattr(torch.optim, kind)([parameter], lr=RATE, **settings)
    visited = [START]
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient.copy(), dtype=torch.float64)
        steps.step()
        visited.append(parameter.detach().numpy().copy())
    return np.diff(visited, axis=0)


def main() -> None:
    record = {name: unroll(name).tolist() for name in OPTIMIZERS}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
