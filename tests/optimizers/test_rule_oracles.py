"""The rules against optax and PyTorch, in double precision."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import optax
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

import optimizers
from tests.optimizers import strategies as draw, torch_updates
from tests.optimizers.strategies import unroll
from tests.optimizers.torch_updates import (
    B1,
    B2,
    DECAY,
    EPS,
    GRADIENTS,
    GROWING,
    RATE,
    START,
    WEIGHT_DECAY,
)

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


def agree(actual, expected):
    assert_allclose(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SAME_AS_OPTAX)
@given(gradients=draw.dense_sequences)
def test_equals_optax_where_every_slot_speaks_at_once(name, gradients):
    ours, theirs = SAME_AS_OPTAX[name]
    agree(unroll(ours, gradients, params=START), unroll(theirs, gradients, params=START))


# --- PyTorch -------------------------------------------------------------------------------------
# Its updates are recorded, so that the agreement is checked where it is not installed; where it is,
# the record is checked too.

RECORD = json.loads(Path(__file__).with_name("torch_updates.json").read_text())


@pytest.mark.parametrize("name", torch_updates.OPTIMIZERS)
def test_the_record_is_what_torch_does(name):
    pytest.importorskip("torch")
    agree(torch_updates.unroll(name), RECORD[name])


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam", "adamw", "rms"])
def test_equals_torch(name):
    agree(unroll(SAME_AS_OPTAX[name][0], GRADIENTS, params=START), RECORD[name])


def test_amsgrad_equals_torch_while_second_moments_grow_and_not_after():
    """Ours takes the maximum of corrected moments, PyTorch corrects the maximum."""
    rule = SAME_AS_OPTAX["amsgrad"][0]
    agree(unroll(rule, GROWING, params=START), RECORD["amsgrad, growing"])
    ours = unroll(rule, GROWING[::-1], params=START)
    assert np.abs(ours - RECORD["amsgrad, shrinking"]).max() > 0.01


def test_dampening_in_torch_is_an_average_with_a_heavy_first_gradient():
    """What momentum.py says of it: the first gradient has weight 1 where it should have 1 - b."""
    t = np.arange(30)[:, None]
    ema = unroll(optimizers.ema(RATE, DECAY), GRADIENTS) * (1 - DECAY ** (t + 1))
    agree(RECORD["dampened"], ema - RATE * DECAY ** (t + 1) * GRADIENTS[0])
