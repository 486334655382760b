"""The second basis: diagnoses as vectors of an embedding, where likeness is an inner product.

Directives are independent axes for `encode`. Under an embedding `E` they are points of one space,
and a diagnosis becomes `-sum_j w_j E(x_j)`, the linear extension of `E`: the free vector space on
directives, mapped to the space of the embedding. Evidence then spreads to similar ones, without
any threshold. The price: the axes of an embedding are arbitrary, so only rules that commute with
rotations mean anything (`assert_rotation_equivariant`), and only linear rules commute with `E`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer
from jaxtyping import Array, Float

from optimizers.rules._basis import BasisError, Embedded
from optimizers.textual._directive import LARGEST_STRENGTH, Directive, Suggestion
from optimizers.textual._embedding import Embedder, unit_rows
from optimizers.textual._encoding import best

CHECKED_STEPS = 4


def embed_gradient(suggestions: Iterable[Suggestion], embed: Embedder) -> Embedded:
    """The diagnosis as a gradient in the space of an embedding, `-sum_j w_j E(x_j)`.

    Linear in the suggestions: repeated and opposite ones add and cancel. Components play no part.

    Args:
      suggestions: the diagnosis; may be empty if the embedder says how long no rows are.
      embed: rows are scaled to unit length.

    Returns:
      float32 vector of the embedding's dimension.

    Raises:
      ValueError: the embedder's answer is malformed, or the sum too large for float32.
    """
    heard = tuple(suggestions)
    vectors = unit_rows(embed([s.directive.identity[0] for s in heard]), len(heard))
    weights = np.array([s.weight for s in heard], np.float64)
    gradient = -(weights @ vectors.astype(np.float64))
    largest = np.abs(gradient).max(initial=0.0)
    if largest > LARGEST_STRENGTH:
        raise ValueError(
            f"the diagnosis adds up to a gradient with an entry of size {largest:.3g}: "
            f"at most {LARGEST_STRENGTH:.3g}, so that rules may square it in float32"
        )
    return Embedded(jnp.asarray(gradient, jnp.float32))


def rank(
    update: Embedded,
    directives: Sequence[Directive],
    embed: Embedder,
    top: int | None = None,
) -> tuple[tuple[Directive, float], ...]:
    """Rank directives by the inner product of their embeddings with an update.

    The adjoint of `embed_gradient`, as `decode` is of `encode`: with an orthonormal embedding of
    the slots it gives what `decode` gives.

    Args:
      update: what the rule wants added; positive along what should be done.
      directives: candidates.
      embed: as used for the gradient.
      top: keep at most this many.

    Returns:
      Pairs (directive, inner product), largest first, positive ones only, ties in order.

    Raises:
      ValueError: dimensions differ, the update has an entry that is not a number, or `top` is
        negative.
    """
    vector = np.asarray(update.vector, np.float64)
    vectors = unit_rows(embed([d.identity[0] for d in directives]), len(directives))
    if vector.ndim != 1 or (directives and vectors.shape[1] != len(vector)):
        raise ValueError(
            f"cannot rank embeddings of dimension {vectors.shape[1]} by an update of shape "
            f"{vector.shape}: use the embedder that made the gradients"
        )
    products = vectors @ vector if directives else np.zeros(0)
    return best(directives, products, top)


def assert_rotation_equivariant(rule: optax.GradientTransformation, params: Embedded) -> None:
    """Measure whether a rule commutes with rotations, and refuse one that does not.

    Runs the rule on a few random gradients `g_t` and on `Q g_t`, for a fixed random rotation `Q`
    (two reflections that move each gradient by an amount of order one), and compares
    `Q U(g)` with `U(Q g)`. Rules that fail differ by a share of order one, rounding by about the
    machine epsilon; the line is drawn at its square root, half way in digits.

    Call it when a run begins: nothing of it is traced, not even inside `jit`. If the rule holds
    traced hyper-parameters nothing can be measured, and it passes.

    Args:
      rule: any optax transformation.
      params: only the dimension and the dtype matter.

    Raises:
      BasisError: the rule depends on the axes; the message says by how much.
    """
    size, dtype = params.vector.shape[-1], jnp.result_type(params.vector)
    rule = optax.with_extra_args_support(rule)
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(2, size))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    gradients = rng.normal(size=(CHECKED_STEPS, size)) / np.sqrt(size)
    gradients += rng.normal(size=(CHECKED_STEPS, 2)) @ axes
    start = rng.normal(size=size)

    with jax.ensure_compile_time_eval():
        plain = _unroll(rule, gradients.astype(dtype), start.astype(dtype))
        turned = _unroll(rule, _turn(gradients, axes, dtype), _turn(start, axes, dtype))
    if any(isinstance(leaf, Tracer) for leaf in (*plain, *turned)):
        return
    expected = _turn(np.array(plain, np.float64), axes, np.float64)
    length = np.linalg.norm(expected)
    discrepancy = np.linalg.norm(np.array(turned, np.float64) - expected) / (length or 1.0)
    allowed = float(jnp.finfo(dtype).eps) ** 0.5
    if not discrepancy <= allowed:
        raise BasisError(
            f"the rule depends on the axes: after a rotation of the embedding its updates differ "
            f"by {discrepancy:.2g} of their length ({allowed:.2g} allowed for rounding). The axes "
            "of an embedding mean nothing, so use a rotation-equivariant rule (`sgd`, `momentum`, "
            "`nesterov`, `ema`, `gome`), or parameters with one coordinate per directive."
        )


def _turn(vectors: np.ndarray, axes: np.ndarray, dtype: Any) -> np.ndarray:
    """The product of the reflections along `axes`, applied to vectors in the last axis."""
    for axis in axes:
        vectors = vectors - 2.0 * np.multiply.outer(vectors @ axis, axis)
    return vectors.astype(dtype)


def _unroll(
    rule: optax.GradientTransformationExtraArgs, gradients: np.ndarray, start: np.ndarray
) -> list[Float[Array, " dim"]]:
    """Updates of a rule on embedded gradients, with the extra arguments that `propose` passes."""
    params: Any = Embedded(jnp.asarray(start))
    state: Any = rule.init(params)
    updates = []
    for step, gradient in enumerate(gradients):
        embedded: Any = Embedded(jnp.asarray(gradient))
        update: Any
        update, state = rule.update(
            embedded,
            state,
            params,
            value=jnp.asarray(-float(step), start.dtype),
            step=jnp.asarray(step, jnp.int32),
            key=jax.random.key(step),
        )
        params = optax.apply_updates(params, update)
        updates.append(update.vector)
    return updates
