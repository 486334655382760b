"""The rules against optax and PyTorch, in double precision."""

from __future__ import annotations

import numpy as np
import optax
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

import optimizers
from tests.optimizers import strategies as draw
from tests.optimizers.strategies import DIM, unroll

RATE, DECAY, B1, B2, EPS, WEIGHT_DECAY = 0.3, 0.8, 0.85, 0.97, 1e-3, 0.02
SAME_AS_OPTAX = {
    "sgd": (optimizers.sgd(RATE), optax.sgd(RATE)),
    "momentum": (optimizers.momentum(RATE, DECAY), optax.sgd(RATE, DECAY)),
    "nesterov": (optimizers.nesterov(RATE, DECAY), optax.sgd(RATE, DECAY, nesterov=True)),
    "ema": (optimizers.ema(RATE, DECAY), optax.chain(optax.ema(DECAY), optax.scale(-RATE))),
    "adam": (optimizers.adam(RATE, B1, B2, EPS), optax.adam(RATE, B1, B2, EPS)),
    "adamw": (
        optimizers.adamw(RATE, B1, B2, EPS, WEIGHT_DECAY),
        optax.adamw(RATE, B1, B2, EPS, weight_decay=WEIGHT_DECAY),
    ),
    "amsgrad": (optimizers.amsgrad(RATE, B1, B2, EPS), optax.amsgrad(RATE, B1, B2, EPS)),
    "rms": (
        optimizers.rms(RATE, DECAY, EPS),
        optax.rmsprop(RATE, DECAY, EPS, eps_in_sqrt=False),
    ),
    "sign": (optimizers.sign(RATE), optax.sign_sgd(RATE)),
    "lion": (optimizers.lion(RATE, B1, B2), optax.lion(RATE, B1, B2, weight_decay=0.0)),
}
START = np.array([0.5, -1.0, 2.0, 0.0])


def agree(actual, expected):
    assert_allclose(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SAME_AS_OPTAX)
@given(gradients=draw.dense_sequences)
def test_equals_optax_where_every_slot_speaks_at_once(name, gradients):
    ours, theirs = SAME_AS_OPTAX[name]
    agree(unroll(ours, gradients, params=START), unroll(theirs, gradients, params=START))


# --- PyTorch -------------------------------------------------------------------------------------


def torch_updates(optimizer, gradients, **settings):
    """Differences of parameters from `START`, one row a step."""
    torch = pytest.importorskip("torch")
    parameter = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    steps = getattr(torch.optim, optimizer)([parameter], lr=RATE, **settings)
    visited = [START]
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        steps.step()
        visited.append(parameter.detach().numpy().copy())
    return np.diff(visited, axis=0)


ADAM_SETTINGS = {"betas": (B1, B2), "eps": EPS}
SAME_AS_TORCH = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": DECAY}),
    "nesterov": ("SGD", {"momentum": DECAY, "nesterov": True}),
    "adam": ("Adam", ADAM_SETTINGS),
    "adamw": ("AdamW", {**ADAM_SETTINGS, "weight_decay": WEIGHT_DECAY}),
    "rms": ("RMSprop", {"alpha": DECAY, "eps": EPS}),
}
GRADIENTS = np.random.default_rng(0).normal(size=(30, DIM))


@pytest.mark.parametrize("name", SAME_AS_TORCH)
def test_equals_torch(name):
    optimizer, settings = SAME_AS_TORCH[name]
    ours = unroll(SAME_AS_OPTAX[name][0], GRADIENTS, params=START)
    agree(ours, torch_updates(optimizer, GRADIENTS, **settings))


def test_amsgrad_equals_torch_while_second_moments_grow_and_not_after():
    """Ours takes the maximum of corrected moments, PyTorch corrects the maximum."""
    rule = SAME_AS_OPTAX["amsgrad"][0]
    growing = np.sign(GRADIENTS) * 1.1 ** np.arange(30)[:, None]
    settings = {**ADAM_SETTINGS, "amsgrad": True}
    agree(unroll(rule, growing, params=START), torch_updates("Adam", growing, **settings))
    shrinking = growing[::-1]
    ours = unroll(rule, shrinking, params=START)
    assert np.abs(ours - torch_updates("Adam", shrinking, **settings)).max() > 0.01


def test_dampening_in_torch_is_an_average_with_a_heavy_first_gradient():
    """What momentum.py says of it: the first gradient has weight 1 where it should have 1 - b."""
    trace = torch_updates("SGD", GRADIENTS, momentum=DECAY, dampening=DECAY)
    t = np.arange(30)[:, None]
    ema = unroll(optimizers.ema(RATE, DECAY), GRADIENTS) * (1 - DECAY ** (t + 1))
    agree(trace, ema - RATE * DECAY ** (t + 1) * GRADIENTS[0])
