r"""One diagnosis, several steps.

.. math:: u_t = \mathrm{rule}(g_{k \lfloor t / k \rfloor})

In the spirit of PAGE (Li, Bao, Zhang and Richtarik, arXiv:2008.10898), which pays for a full
gradient now and then and reuses it in between; PAGE draws at random when to renew and corrects what
it reuses by cheap gradient differences, which a reasoner does not offer.

Use it when a diagnosis costs more than an evaluation and stays true for a few steps. A driver asks
`steps.needs_diagnosis` before it pays for one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from optimizers.base import HeldDiagnosis, LearnsFromRejections, UpdateRule
from optimizers.rules._arguments import require_at_least
from optimizers.rules._basis import require_one_diagnosis


class ReusedState(NamedTuple):
    """The diagnosis in hand, and the state of the rule that acts on it."""

    held: LearnsFromRejections
    """Of a `HeldDiagnosis`."""
    inner: Any


def reused(rule: optax.GradientTransformation, every: int = 2) -> UpdateRule:
    """A rule that is shown a new diagnosis at every `every`-th step, and the held one in between.

    While a diagnosis is held, whatever is passed as the direction is ignored. The count runs
    whether or not steps are accepted, so that a bad diagnosis does not serve for ever.

    Args:
      rule: any optax transformation; it is updated at every step.
      every: steps that a diagnosis serves; 1 is the rule itself.

    Raises:
      ValueError: `every` is below 1.
    """
    require_at_least("every", every, 1)
    rule = optax.with_extra_args_support(rule)

    def init(params):
        nothing = HeldDiagnosis(jax.tree.map(jnp.zeros_like, params), jnp.zeros((), jnp.int32))
        return ReusedState(LearnsFromRejections(nothing), rule.init(params))

    def update(updates, state, params=None, **extra_args):
        held: HeldDiagnosis = state.held.inner
        require_one_diagnosis(updates, held.direction, "`reused`")
        renew = held.remaining == 0
        direction = jax.tree.map(
            lambda new, old: jnp.where(renew, new, old), updates, held.direction
        )
        serves = jnp.asarray(every, jnp.int32)
        remaining = jnp.where(renew, serves, held.remaining) - 1
        step, inner = rule.update(direction, state.inner, params, **extra_args)
        return step, ReusedState(LearnsFromRejections(HeldDiagnosis(direction, remaining)), inner)

    return UpdateRule(init, update)
