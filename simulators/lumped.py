"""The sphere by its sufficient statistic: two numbers in place of d coordinates, exactly.

Where an oracle errs alike in all directions, a run on a sphere depends on its place only through
the distance from the optimum and the projection on the one direction that is special, the
reasoner's persistent bias `b`. So place is `(<x, b>, |x - <x, b> b|, 0)`. A step adds a vector
whose third component is what lies outside the plane of `x` and `b`; the candidate is turned back
into that plane. The error's parts in it and outside are drawn from their exact distribution.

The same strategies, gates and evaluators run on it through the same `rollout`, at a cost that does
not grow with the dimension. Exact for rules without memory of directions: turning the place back
would have to turn the moments too.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gome_theory import Reliability
from simulators.landscapes import Landscape, sphere
from simulators.oracles import Oracle, Rate, pointing_oracle


def lumped_sphere(dim: int) -> Landscape:
    """`sphere(dim)` in three coordinates; use it with `lumped_oracle(..., dim)`.

    Args:
      dim: dimension of the sphere that is meant, at least 3.

    Raises:
      ValueError: `dim` is below 3.
    """
    _check(dim)

    def start(key):
        x = _plane_components(key, dim)
        return _into_the_plane(x / jnp.linalg.norm(x) * jnp.sqrt(2.0))

    return sphere(3)._replace(
        start=start, retract=lambda params, update: _into_the_plane(params + update)
    )


def lumped_oracle(reliability: Reliability, dim: int, scale: Rate = 1.0) -> Oracle:
    """`noisy_oracle(reliability, scale)` on a sphere of that dimension, in three coordinates.

    Of several traces each has its own bias here (`shared_bias` plays no part): what traces share
    does not show in one trace.

    Args:
      reliability: as for `noisy_oracle`.
      dim: dimension of the sphere that is meant, at least 3.
      scale: factor on the length.

    Raises:
      ValueError: `dim` is below 3, or a field of the reliability is out of its range.
    """
    _check(dim)

    def error(key, _):
        components = _plane_components(key, dim)
        return components / jnp.linalg.norm(components)

    return pointing_oracle(
        reliability, scale, error, bias=lambda common, own, _: jnp.array([1.0, 0.0, 0.0])
    )


def _plane_components(key, dim):
    """Two coordinates of a standard normal vector, and the length of all the others."""
    key_plane, key_rest = jax.random.split(key)
    rest = jnp.sqrt(jax.random.chisquare(key_rest, dim - 2))
    return jnp.append(jax.random.normal(key_plane, (2,)), rest)


def _into_the_plane(x):
    return jnp.array([x[0], jnp.hypot(x[1], x[2]), 0.0])


def _check(dim: int) -> None:
    if dim < 3:
        raise ValueError(f"a sphere needs at least 3 dimensions to be lumped, got {dim}")
