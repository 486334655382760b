r"""Several diagnoses before one edit.

.. math:: \bar g = \frac{1}{k} \sum_{j=1}^{k} g_j, \qquad u = \mathrm{rule}(\bar g)

on every k-th diagnosis and 0 in between: gradient accumulation, the law of `optax.MultiSteps`. Use
it when a diagnosis is cheap and noisy and an evaluation dear: the mean of `k` independent diagnoses
has `1/k` of the variance.

Between edits the update is zero and there is nothing to accept (see `steps.withholds`), so what is
gathered must outlive a rejection: it is marked `LearnsFromRejections`. The rule's own moments are
not, and stay with the accepted edits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from optimizers.base import LearnsFromRejections, Params, UpdateRule
from optimizers.rules._arguments import require_at_least
from optimizers.rules._basis import require_one_diagnosis
from optimizers.rules._precision import at_least_single


class Gathered(NamedTuple):
    """Mean of the diagnoses since the last edit, and their number."""

    mean: Params
    number: Int[Array, ""]


class AccumulatedState(NamedTuple):
    """What is gathered, and the state of the rule that will act on it."""

    gathered: LearnsFromRejections
    inner: Any


def accumulated(rule: optax.GradientTransformation, every: int = 2) -> UpdateRule:
    """A rule that acts on the mean of `every` diagnoses and waits in between.

    Diagnoses of one batch may come in any order. An edit uses up its batch even if it is rejected.

    Args:
      rule: any optax transformation; it is updated once a batch.
      every: diagnoses to an edit; 1 is the rule itself.

    Raises:
      ValueError: `every` is below 1.
    """
    require_at_least("every", every, 1)
    rule = optax.with_extra_args_support(rule)

    def init(params):
        nothing = Gathered(jax.tree.map(jnp.zeros_like, params), jnp.zeros((), jnp.int32))
        return AccumulatedState(LearnsFromRejections(nothing), rule.init(params))

    def update(updates, state, params=None, **extra_args):
        gathered: Gathered = state.gathered.inner
        require_one_diagnosis(updates, gathered.mean, "`accumulated`")
        number = gathered.number + 1
        mean = jax.tree.map(lambda m, g: m + (g - m) / number, gathered.mean, updates)
        acts = number >= every
        edit, moments = rule.update(mean, state.inner, params, **extra_args)
        kept = Gathered(
            jax.tree.map(lambda m: jnp.where(acts, jnp.zeros_like(m), m), mean),
            jnp.where(acts, 0, number),
        )
        return (
            jax.tree.map(lambda u: jnp.where(acts, u, jnp.zeros_like(u)), edit),
            AccumulatedState(
                LearnsFromRejections(kept),
                jax.tree.map(lambda new, old: jnp.where(acts, new, old), moments, state.inner),
            ),
        )

    return at_least_single(UpdateRule(init, update))
