r"""Learning rates that change over a run, by name.

.. math:: u_t = s(n_t / N)\, \tilde u_t

`n_t` is the number of *committed* steps on the way to the node: state is committed with an accepted
step or not at all, so a rejected step does not use the schedule up, and a draft starts it anew.

Cosine: Loshchilov and Hutter, "SGDR", arXiv:1608.03983; warm-up: Goyal et al., "Accurate, Large
Minibatch SGD", arXiv:1706.02677. Use one when early steps should be bold and late ones careful.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax.numpy as jnp
import optax

from optimizers.base import UpdateRule
from optimizers.rules._arguments import require_choice, require_positive

SCHEDULES: Mapping[str, optax.Schedule] = MappingProxyType(
    {
        "linear": optax.linear_schedule(1.0, 0.0, 10),
        "cosine": optax.cosine_decay_schedule(1.0, 10),
        "exponential": optax.exponential_decay(1.0, 10, 0.01, end_value=0.01),
        # Not from zero: a step of zero is never accepted, and the schedule would never start.
        "warmup_linear": optax.join_schedules(
            [optax.linear_schedule(0.1, 1.0, 1), optax.linear_schedule(1.0, 0.0, 9)], [1]
        ),
        "warmup_cosine": optax.warmup_cosine_decay_schedule(0.1, 1.0, 1, 10),
    }
)
"""Factor on the update as a function of progress in tenths: 0 at the start, 10 after `steps`."""


def scheduled(
    rule: optax.GradientTransformation,
    schedule: str | Callable = "cosine",
    steps: int = 100,
) -> UpdateRule:
    """A rule whose updates are multiplied by a schedule.

    Args:
      rule: any optax transformation.
      schedule: a name in `SCHEDULES` (all but "exponential", which ends at 0.01, end at 0; the
        warm-ups rise from 0.1 over the first tenth), or an optax schedule of the count of committed
        steps.
      steps: committed steps until the end of a named schedule.

    Raises:
      ValueError: there is no schedule of that name, or `steps` is not positive.
    """
    require_positive("steps", steps)
    if isinstance(schedule, str):
        require_choice("schedule", schedule, SCHEDULES)
        shape = SCHEDULES[schedule]

        def factor(count):
            return shape(10 * jnp.asarray(count, float) / steps)
    else:
        factor = schedule
    return optax.with_extra_args_support(optax.chain(rule, optax.scale_by_schedule(factor)))
