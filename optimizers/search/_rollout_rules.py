"""What bounds a search by rollouts, and how its exploration decays."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

EXPLORATION, FLOOR = 1.414, 0.5
DECAY, PUBLISHED_STEPS = 0.01, 500


class Rules(NamedTuple):
    """What bounds a search by rollouts; the defaults are the published settings."""

    drafts: int = 5
    improves: int = 3
    """Children of a node that runs. A node that failed has one, its repair."""
    max_failures: int = 3
    """Failures to improve on a branch's local best that a rollout survives."""
    threshold: float = 1e-4
    """Smaller gains are failures to improve."""
    relative: bool = False
    """Whether `threshold` is a share of the local best's score."""
    back_debug_depth: int = 3
    """A rollout ends at a failed node with so many repairs behind it."""
    max_debug_depth: int = 20
    """Such a node is not repaired again."""
    rescaled: bool = True
    """Whether the decay of the exploration constant is that of 500 steps, scaled to the budget."""

    def require_sense(self, name: str) -> None:
        """Raise a `ValueError` that names what is out of range."""
        for field in ("drafts", "improves"):
            if getattr(self, field) < 1:
                raise ValueError(f"{name} needs {field} >= 1, got {field}={getattr(self, field)}")
        for field in ("max_failures", "threshold", "back_debug_depth", "max_debug_depth"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"`{field}` must not be negative, got {getattr(self, field)}")


def exploration_constant(
    evaluations: Int[Array, "..."] | int, steps: int, rules: Rules
) -> Float[Array, "..."]:
    r"""C(t) of UCT: 1.414 up to T1, then falling by alpha a step to 0.5, and 0.5 after T2.

    T1 = min(drafts * improves^2, 0.3 steps), T2 = 0.7 steps; alpha is 0.01, times 500 / steps if
    the rules are rescaled.

    Args:
      evaluations: t, an array or a number.
      steps: evaluations of the whole run.
      rules: of the search.
    """
    start, end, alpha = _decay(steps, rules)
    falling = EXPLORATION - alpha * jnp.maximum(evaluations - start, 0.0)
    return jnp.where(evaluations > end, FLOOR, jnp.maximum(falling, FLOOR))


def _decay(steps: int, rules: Rules) -> tuple[float, float, float]:
    start = min(rules.drafts * rules.improves**2, 0.3 * steps)
    return start, 0.7 * steps, DECAY * (PUBLISHED_STEPS / steps if rules.rescaled else 1.0)


def inert_decay(name: str, steps: int, rules: Rules, first: int) -> list[str]:
    """What of the decay cannot act if UCT does not choose before `first` evaluations."""
    start, end, alpha = _decay(steps, rules)
    at_floor = start + (EXPLORATION - FLOOR) / alpha
    said = []
    if min(at_floor, end) <= first:
        said.append(
            f"the exploration constant of `{name}` is at its floor after {min(at_floor, end):.0f} "
            f"of {steps} evaluations, before UCT can choose: one at a time, the rollouts of its "
            f"{rules.drafts} drafts come first"
        )
    if at_floor > end:
        said.append(
            f"the exploration constant of `{name}` jumps from "
            f"{EXPLORATION - alpha * (end - start):.2f} to {FLOOR} after {end:.0f} of {steps} "
            f"evaluations: its decay is that of {PUBLISHED_STEPS}; use `rescaled=True`"
        )
    return said
