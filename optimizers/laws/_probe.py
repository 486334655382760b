"""What the laws are tested on: gradients that read well, and a rule that is compiled once.

XLA compilation dominates, so a `Probe` compiles a single batched step of the rule and every law
drives it from the host, for as many steps as it needs.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

ROWS, STEPS = 64, 12
"""Sequences tried for each law, and their length."""

_FAST_COMPILATION = {"xla_backend_optimization_level": 0}


def simple_sequences(dimension: int, seed: int) -> np.ndarray:
    """Sequences of gradients on a grid of halves, the plainest first; `(ROWS, STEPS, dimension)`.

    First come hand-made ones (a single gradient, two in turn, a reversal, a small one before a
    large one), then random ones, every other of them with many zeros.
    """
    random = np.random.default_rng(seed)
    sequences = random.integers(1, 9, (ROWS, STEPS, dimension)) / 2.0
    sequences *= random.choice([-1.0, 1.0], sequences.shape)
    sequences[::2] *= random.random(sequences[::2].shape) < 0.4
    openings = (
        [(1, 0)],
        [(1, 1)],
        [(1, 2)],
        [(4, 3)],
        [(2, -1)],
        [(1, 0), (0, 1)],
        [(1, 0), (-1, 0)],
        [(1, 2), (2, 1)],
        [(1, 0), (0, 0), (1, 0)],
        [(0.5, 0.5), (4, -4)],
        [(1, 2)] * STEPS,
        [(1, 1), (-1, 2)] * (STEPS // 2),
    )
    for row, opening in enumerate(openings):
        sequences[row] = 0.0
        sequences[row, : len(opening), :2] = opening
    return sequences


class Probe:
    """A rule in double precision, ready to be run on batches of gradient sequences."""

    def __init__(self, rule: optax.GradientTransformation, dimension: int, seed: int):
        """Compiles nothing yet.

        Args:
          rule: the rule.
          dimension: number of slots, at least 2.
          seed: of the random sequences and of the key that the rule is given.
        """
        self.rule = optax.with_extra_args_support(rule)
        self.dimension = dimension
        self.seed = seed
        self.gradients = simple_sequences(dimension, seed)
        self.start = np.resize([1.0, -1.0, 0.5, 2.0, -0.5], dimension)
        """Where the parameters start; they move with the updates."""
        self.rounding = _rounding(self.rule, self.start)
        """Relative differences up to this are rounding."""
        self._init = jax.jit(jax.vmap(self._first), compiler_options=_FAST_COMPILATION)
        over_rows = jax.vmap(self._advance, in_axes=(0, 0, 0, None, None, None))
        self._step = jax.jit(over_rows, compiler_options=_FAST_COMPILATION)

    def run(self, gradients, start=None, *, values=None, seed: int | None = None) -> np.ndarray:
        """Updates of the rule.

        Args:
          gradients: shape `(rows, steps, dimension)`, at most `ROWS` rows.
          start: parameters to start from, `(dimension,)` or `(rows, dimension)`.
          values: loss before each step, `(steps,)`; falls as `1 / (1 + step)` if not given.
          seed: of the rule's key; the probe's own if not given.

        Returns:
          Array of the shape of `gradients`.
        """
        rows, steps, dimension = gradients.shape
        padded = np.zeros((steps, ROWS, dimension))
        padded[:, :rows] = gradients.swapaxes(0, 1)
        start = self.start if start is None else start
        params = jnp.asarray(np.broadcast_to(start, (rows, dimension)))
        params = jnp.concatenate([params, jnp.ones((ROWS - rows, dimension))])
        values = 1 / (1 + np.arange(steps)) if values is None else np.asarray(values, float)
        key = jax.random.key(self.seed if seed is None else seed)
        state, updates = self._init(params), []
        for step in range(steps):
            update, state, params = self._step(
                state, params, padded[step], values[step], np.int32(step), key
            )
            updates.append(update)
        return np.stack([np.asarray(update) for update in updates], axis=1)[:rows]

    def run_eagerly(self, gradients) -> np.ndarray:
        """The same for one sequence `(steps, dimension)`, operation by operation."""
        params = jnp.asarray(self.start)
        key = jax.random.key(self.seed)
        state, updates = self.rule.init(params), []
        for step, gradient in enumerate(gradients):
            update, state, params = self._advance(
                state, params, jnp.asarray(gradient), np.float64(1 / (1 + step)), step, key
            )
            updates.append(np.asarray(update))
        return np.stack(updates)

    def error_of_a_step(self, *, without: str | None = None) -> str | None:
        """Error of a first step that lacks `params` or an extra argument; None if it works.

        The step is traced only, never run.
        """
        given = {"value": 1.0, "step": 0, "key": jax.random.key(0), "params": self.start}
        given = {name: value for name, value in given.items() if name != without}

        def step(start):
            return self.rule.update(start, self.rule.init(start), **given)

        try:
            jax.eval_shape(step, self.start)
        except Exception as error:  # whatever the rule raises is the answer
            return describe(error)
        return None

    def _first(self, params):
        return _strong(self.rule.init(params))

    def _advance(self, state, params, gradient, value, step, key):
        key = jax.random.fold_in(key, step)
        update: Any
        update, state = self.rule.update(gradient, state, params, value=value, step=step, key=key)
        if jnp.shape(update) != params.shape:
            raise ValueError(
                f"its update has shape {jnp.shape(update)}, the parameters {params.shape}; "
                "a rule that aggregates several diagnoses has the laws of the rule inside"
            )
        return update, _strong(state), params + update


def describe(error: Exception) -> str:
    """Class and first line of an error."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__


def _rounding(rule, params) -> float:
    """1e-9 in double precision; more for a rule that keeps a part of its state in less."""
    try:
        state = jax.tree.leaves(jax.eval_shape(rule.init, params))
    except Exception:  # the laws will report it
        return 1e-9
    floats = [x.dtype for x in state if jnp.issubdtype(x.dtype, jnp.floating)]
    return max([1e-9, *(100 * float(jnp.finfo(dtype).eps) for dtype in floats)])


def _strong(state):
    """Without weak types, whose disappearance after a step would compile everything again."""
    return jax.tree.map(
        lambda x: (
            x
            if jnp.issubdtype(jnp.result_type(x), jax.dtypes.extended)
            else jax.lax.convert_element_type(x, jnp.result_type(x))
        ),
        state,
    )
