"""What the tests of the optimizer core draw from, and how they unroll a rule."""

from __future__ import annotations

import functools
import string

import jax
import numpy as np
import optax
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import optimizers

DIM, STEPS = 4, 7

EIGHTHS = st.integers(-16, 16).map(lambda i: i / 8)
"""Gradients on a grid: sums are exact, zeros and ties are common."""
NONZERO_EIGHTHS = EIGHTHS.filter(bool)

gradients = arrays(np.float64, DIM, elements=EIGHTHS)
sequences = arrays(np.float64, (STEPS, DIM), elements=EIGHTHS)
dense_sequences = arrays(np.float64, (STEPS, DIM), elements=NONZERO_EIGHTHS)
values = arrays(np.float64, STEPS, elements=EIGHTHS)
seeds = st.integers(0, 2**20)


@st.composite
def rotations(draw, dim: int = DIM):
    """Orthogonal matrices, uniformly distributed."""
    normal = np.random.default_rng(draw(seeds)).normal(size=(dim, dim))
    q, r = np.linalg.qr(normal)
    return q * np.sign(np.diag(r))


def float64():
    """Double precision inside a `with` block."""
    return jax.enable_x64(True)


def unroll(rule, gradients, params=None, **extra):
    """Updates of a rule on a sequence of gradients in double precision.

    Args:
      rule: any transformation; keep it in a variable, compilation is cached by identity.
      gradients: shape `(steps, dim)`.
      params: where to start; moves with the updates. `None`: the rule sees no parameters.
      **extra: extra arguments, each with a leading axis `steps`.

    Returns:
      Array of shape `(steps, dim)`.
    """
    with float64():
        inputs = (np.asarray(gradients, np.float64), {k: np.asarray(v) for k, v in extra.items()})
        return np.asarray(_compiled(rule, params is not None)(inputs, params))


@functools.cache
def _compiled(rule, moves: bool):
    rule = optax.with_extra_args_support(rule)

    @jax.jit
    def run(inputs, params):
        def step(carry, inputs):
            state, params = carry
            gradient, extra = inputs
            update, state = rule.update(gradient, state, params, **extra)
            return (state, params + update if moves else None), update

        first = jax.tree.map(lambda x: x[0], inputs[0])
        return jax.lax.scan(step, (rule.init(first), params), inputs)[1]

    return run


words = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=6)
statements = st.lists(words, min_size=1, max_size=3).map(" ".join)
components = st.sampled_from(["data", "features", "model", "ensemble", "workflow"])
directives = st.builds(optimizers.Directive, statements, components)
suggestions = st.builds(
    optimizers.Suggestion,
    directives,
    strength=EIGHTHS,
    credence=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
diagnoses = st.lists(suggestions, max_size=8)


@st.composite
def lexicons(draw, capacity: int = 32):
    """Lexicons that already know some directives."""
    lexicon = optimizers.Lexicon(capacity)
    for step, directive in enumerate(draw(st.lists(directives, max_size=6))):
        lexicon = optimizers.encode(lexicon, [optimizers.Suggestion(directive, 1.0)], step).lexicon
    return lexicon
