"""Which coordinates a rule works in: directives, each with a meaning, or an arbitrary embedding."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from optimizers.base import UpdateRule


class Embedded(NamedTuple):
    """Parameters whose coordinates mean nothing by themselves: a point of an embedding space.

    Rotating the embedding changes nothing but names, so only rotation-equivariant rules may act.
    """

    vector: Float[Array, " dim"]


class BasisError(TypeError):
    """A coordinate-wise rule was given parameters in an arbitrary basis."""


class DiagnosesError(ValueError):
    """A rule that knows one diagnosis at a time was given several."""


def is_embedded(node: Any) -> bool:
    """Whether a node of a pytree is `Embedded`."""
    return isinstance(node, Embedded)


def require_directive_basis(params: Any, rule: str) -> None:
    """Refuse parameters in which `rule` would depend on an arbitrary choice of axes.

    Args:
      params: pytree of parameters.
      rule: name of the rule that asks, for the message.

    Raises:
      BasisError: `params` contains an `Embedded` node.
    """
    if any(map(is_embedded, jax.tree.leaves(params, is_leaf=is_embedded))):
        raise BasisError(
            f"`{rule}` works coordinate by coordinate, and these parameters are `Embedded`: a "
            "coordinate of an embedding means nothing (nor does its sign or its second moment), "
            "and rotating the embedding would change the step. Use a rotation-equivariant rule "
            "(`sgd`, `momentum`, `nesterov`, `ema`, `gome`), or parameters with one coordinate "
            "per directive."
        )


def on_directives(rule: optax.GradientTransformation, name: str) -> UpdateRule:
    """The same rule, which refuses `Embedded` parameters when it is initialised."""
    rule = optax.with_extra_args_support(rule)

    def init(params):
        require_directive_basis(params, name)
        return rule.init(params)

    return UpdateRule(init, rule.update)


def require_one_diagnosis(updates: Any, like: Any, rule: str) -> None:
    """Refuse a stack of diagnoses where a rule keeps one.

    Raises:
      DiagnosesError: leaves of `updates` and `like` differ in rank.
    """
    given, kept = ([jnp.ndim(leaf) for leaf in jax.tree.leaves(tree)] for tree in (updates, like))
    if given != kept:
        raise DiagnosesError(
            f"{rule} was given several diagnoses at once and does not combine them: put "
            "`consensus(...)` around it, so that it sees what they agree on"
        )
