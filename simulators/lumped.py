"""Landscapes by their sufficient statistic: a few numbers in place of d coordinates, exactly.

Where an oracle errs alike in all directions, a run on a sphere depends on its place only through
the distance from the optimum and the projection on the one direction that is special, the
reasoner's persistent bias `b`. So place is `(<x, b>, |x - <x, b> b|, 0)`. A step adds a vector
whose third component is what lies outside the plane of `x` and `b`; the candidate is turned back
into that plane. The error's parts in it and outside are drawn from their exact distribution. The
terraces of a `plateau` are a function of the same distance.

Exact for rules without memory of directions: turning the place back would have to turn the moments
too.

To a reasoner that prefers no bit, a plan is its numbers of right and wrong bits, and there are two
kinds of edits, one bit more right or one more wrong.

The same strategies, gates and evaluators run on these through the same `rollout`, at a cost that
does not grow with the dimension.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gome_theory import Reliability
from simulators._ranges import require_count
from simulators.discrete_oracles import weighted_naming_oracle
from simulators.landscapes import Landscape, plans, plateau, sphere
from simulators.landscapes._bits import most_wanted, wrong_at_start
from simulators.landscapes._rugged import Sees
from simulators.oracles import Oracle, Rate, is_constant, pointing_oracle


def lumped_sphere(dim: int) -> Landscape:
    """`sphere(dim)` in three coordinates; use it with `lumped_oracle(..., dim)`.

    Args:
      dim: dimension of the sphere that is meant, at least 3.

    Raises:
      ValueError: `dim` is below 3.
    """
    return _lumped(sphere(3), dim)


def lumped_plateau(dim: int, levels: int, *, sees: Sees = "trend") -> Landscape:
    """`plateau(dim, levels, sees=sees)` in three coordinates; use `lumped_oracle(..., dim)`.

    Args:
      dim: dimension of the plateau that is meant, at least 3.
      levels: as for `plateau`.
      sees: as for `plateau`.

    Raises:
      ValueError: a parameter is out of its range.
    """
    return _lumped(plateau(3, levels, sees=sees), dim)


def lumped_oracle(reliability: Reliability, dim: int, scale: Rate = 1.0) -> Oracle:
    """`noisy_oracle(reliability, scale)` on a sphere of that dimension, in three coordinates.

    Of several traces each has its own bias here, of length 1 (`shared_bias` plays no part). What
    traces share does not show in one trace, but a bias that is mixed from two parts has length 1
    only on average: exact for a `shared_bias` of 0 or 1, and in large dimensions.

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


def lumped_plans(dim: int, wrong_share: float = 0.5) -> Landscape:
    """`plans(dim, wrong_share)` as `(right, wrong)` bits; use it with `lumped_naming_oracle`.

    Edit 0 makes a wrong bit right, edit 1 a right one wrong.

    Args:
      dim: number of decisions, at least 2.
      wrong_share: share of wrong decisions at the start, in (0, 1].

    Raises:
      ValueError: a parameter is out of its range.
    """
    full = plans(dim, wrong_share)
    wrong = wrong_at_start(full.dim, wrong_share)

    def edits(x):
        return (x[::-1] > 0).astype(jnp.float32)

    def retract(x, update):
        which, wanted = most_wanted(edits(x), update)
        return x + jnp.where(wanted, jnp.where(which == 0, 1.0, -1.0), 0.0) * jnp.array([1.0, -1.0])

    return Landscape(
        dim=2,
        loss=lambda x: x[1] / wrong,
        start=lambda key: jnp.array([full.dim - wrong, wrong], jnp.float32),
        smoothness=1.0,
        gradient=lambda x: jnp.array([-1.0, 1.0]) / wrong,
        edits=edits,
        retract=retract,
        optimum=jnp.array([full.dim, 0.0]),
    )


def lumped_naming_oracle(reliability: Reliability) -> Oracle:
    """`naming_oracle(reliability)` on `lumped_plans`.

    Args:
      reliability: as for `naming_oracle`, without bias: a favourite bit is one of its own.

    Raises:
      ValueError: a field of the reliability is out of its range, or there is a bias.
    """
    if not is_constant(reliability.bias_share, 0):
        raise ValueError(
            f"`bias_share` is {reliability.bias_share}: a favourite bit is not known by how many "
            "bits are wrong. Pass 0, or use `naming_oracle` on `plans`."
        )
    return weighted_naming_oracle(reliability, lambda situation: situation.params[::-1])


def _lumped(landscape: Landscape, dim: int) -> Landscape:
    _check(dim)

    def start(key):
        x = _plane_components(key, dim)
        return _into_the_plane(x / jnp.linalg.norm(x) * jnp.sqrt(2.0))

    return landscape._replace(
        start=start, retract=lambda params, update: _into_the_plane(params + update)
    )


def _plane_components(key, dim):
    """Two coordinates of a standard normal vector, and the length of all the others."""
    key_plane, key_rest = jax.random.split(key)
    rest = jnp.sqrt(jax.random.chisquare(key_rest, dim - 2))
    return jnp.append(jax.random.normal(key_plane, (2,)), rest)


def _into_the_plane(x):
    return jnp.array([x[0], jnp.hypot(x[1], x[2]), 0.0])


def _check(dim: int) -> None:
    require_count("dim", dim, 3, "two directions are special, and the others are lumped")
