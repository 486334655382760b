r"""What several diagnoses agree on, before a rule acts on it.

.. math:: u = \mathrm{rule}(A(g_1, \dots, g_K))

with `A` the mean (all-reduce), the median per directive (Yin et al., "Byzantine-Robust Distributed
Learning", arXiv:1803.01498), the majority of signs (Bernstein et al., "signSGD with Majority Vote
is Communication Efficient and Fault Tolerant", arXiv:1810.05291), or the mean weighted by how many
diagnoses each one already summarises (FedAvg: McMahan et al., arXiv:1602.05629).

Use the mean for independent errors, the median when some reasoners hallucinate, the vote when their
strengths cannot be compared. The mean commutes with linear rules (average updates or average
diagnoses, it is the same) and not with Adam or sign.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from optimizers.base import UpdateRule
from optimizers.rules._arguments import require_choice
from optimizers.rules._basis import require_directive_basis


def weighted_mean(stack: PyTree[Array], counts: Float[Array, " k"] | None = None) -> PyTree[Array]:
    """`sum_k n_k g_k / sum_k n_k`; equal counts if none are given, 0 if all are 0.

    Means of disjoint groups, weighted by the groups' total counts, have the mean of all as mean.
    """

    def reduce(g):
        if counts is None:
            return g.mean(0)
        n = jnp.asarray(counts, g.dtype).reshape(-1, *(1,) * (g.ndim - 1))
        return (n * g).sum(0) / jnp.where(n.sum() > 0, n.sum(), 1)

    return jax.tree.map(reduce, stack)


def mean(stack: PyTree[Array], counts: Any = None) -> PyTree[Array]:
    """All-reduce: mean over the leading axis of every leaf; counts are ignored."""
    del counts
    return weighted_mean(stack)


def median(stack: PyTree[Array], counts: Any = None) -> PyTree[Array]:
    """Median of each coordinate over the leading axis; counts are ignored."""
    del counts
    return jax.tree.map(lambda g: jnp.median(g, axis=0), stack)


def sign_vote(stack: PyTree[Array], counts: Any = None) -> PyTree[Array]:
    """Sign of the majority in each coordinate, 0 in a tie; counts are ignored."""
    del counts
    return jax.tree.map(lambda g: jnp.sign(jnp.sign(g).sum(0)), stack)


AGGREGATES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"mean": mean, "median": median, "sign_vote": sign_vote, "weighted": weighted_mean}
)
_NEED_DIRECTIVES = ("median", "sign_vote")


class ConsensusState(NamedTuple):
    """The shapes of one diagnosis, and the state of the rule that acts on the consensus."""

    ranks: Any
    """Empty arrays (a zero for a scalar) of the parameters' ranks."""
    inner: Any


def consensus(rule: optax.GradientTransformation, how: str = "mean") -> UpdateRule:
    """A rule that may be shown several diagnoses at once, stacked along a leading axis.

    A single diagnosis (without the axis) is a stack of one: `mean`, `median` and `weighted` leave
    it as it is, `sign_vote` takes its sign. Put it outermost: rules under it see one diagnosis.

    Args:
      rule: acts on the consensus.
      how: "mean", "median", "sign_vote", or "weighted" by the extra argument `counts`, shape
        `(K,)` (equal weights without it).

    Raises:
      ValueError: there is no such aggregate.
      BasisError: (from `init`) the parameters are `Embedded` and the aggregate is coordinate-wise.
    """
    require_choice("how", how, AGGREGATES)
    reduce = AGGREGATES[how]
    rule = optax.with_extra_args_support(rule)

    def init(params):
        if how in _NEED_DIRECTIVES:
            require_directive_basis(params, f"consensus(how={how!r})")
        ranks = jax.tree.map(lambda p: jnp.zeros((0,) * jnp.ndim(p)), params)
        return ConsensusState(ranks, rule.init(params))

    def update(updates, state, params=None, *, counts=None, **extra_args):
        def stacked(g, rank):
            return g if jnp.ndim(g) > jnp.ndim(rank) else g[None]

        stack = jax.tree.map(stacked, updates, state.ranks)
        agreed = jax.tree.map(
            lambda a, g: a.astype(jnp.result_type(g)), reduce(stack, counts), updates
        )
        step, inner = rule.update(agreed, state.inner, params, counts=counts, **extra_args)
        return step, ConsensusState(state.ranks, inner)

    return UpdateRule(init, update)
