"""Age of each slot: steps since its first non-zero gradient, for bias corrections.

Optax corrects with one global count, which is right when every coordinate exists from the first
step. Directives are born at different times: with a global count Adam's first step of a newborn
slot is 0.48 of what it should be at step 10 and 2.5 times too large at step 1000, and that of an
average with decay 0.9 is 0.15 of it at step 10.

In an embedding there are no slots: an `Embedded` vector has one age, that of its first non-zero
gradient, and what is corrected by it stays equivariant to rotations.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from optimizers.rules._basis import Embedded, is_embedded


def unborn(params: Any) -> Any:
    """Age 0 for every slot, and one for each `Embedded` vector; int32, structured as `params`."""

    def zero(node):
        if is_embedded(node):
            return Embedded(jnp.zeros((), jnp.int32))
        return jnp.zeros(jnp.shape(node), jnp.int32)

    return jax.tree.map(zero, params, is_leaf=is_embedded)


def aged(ages: Any, gradients: Any) -> Any:
    """Ages after one more step: slots that are born, now or before, are one step older."""

    def grow(age, gradient):
        speaks = gradient != 0
        born = (age > 0) | (speaks if age.ndim == gradient.ndim else speaks.any())
        return age + born

    return jax.tree.map(grow, ages, gradients)


def corrected(moment: Any, decay: float, age: Any) -> Any:
    """An average that started from zero, over the sum `1 - decay^age` of its weights."""
    # An age of 0 has a moment of 0; in float32 at least, where 1 - 0.999 is not 0.
    weights = 1 - jnp.asarray(decay, moment.dtype) ** jnp.maximum(age, 1)
    return moment / weights.astype(moment.dtype)
