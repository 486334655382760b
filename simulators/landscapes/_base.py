"""What a landscape is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Bool, Float, Key

Vector = Float[Array, " dim"]


class Landscape(NamedTuple):
    """A loss to minimise; its infimum is 0.

    Fields that may be missing are for worlds that are not a smooth function of free coordinates.
    """

    dim: int
    loss: Callable[[Vector], Float[Array, ""]]
    start: Callable[[Key[Array, ""]], Vector]
    """A random starting point with loss 1; with loss 1 on average, where the landscape says so."""
    smoothness: float
    """Largest curvature L; theory measures steps in units of |grad f| / L. 1 in discrete worlds,
    where steps have no length."""
    gradient: Callable[[Vector], Vector] | None = None
    """What an oracle estimates; the derivative of the loss unless given. In discrete worlds
    component i is the change of the loss by edit i, times the sign of that edit."""
    edits: Callable[[Vector], Vector] | None = None
    """In discrete worlds: the sign that edit i has here (+1 sets, -1 clears), 0 if impossible."""
    retract: Callable[[Vector, Vector], Vector] | None = None
    """`(params, update) -> where the candidate lands`; `params + update` unless given."""
    runs: Callable[[Vector], Bool[Array, ""]] | None = None
    """Whether a solution runs at all; always unless given."""
    repair: Callable[[Vector], Vector] | None = None
    """What DEBUG does to a solution that does not run; nothing unless given."""
    seconds: Callable[[Vector], Float[Array, ""]] | None = None
    """What one evaluation of it takes; 1 unless given."""
    shown: Callable[[Vector], Float[Array, ""]] | None = None
    """The loss that an evaluation shows; the true one unless given. An error made here is part of
    the point: measuring again shows the same."""
    by_fold: Callable[[Vector, int], Float[Array, " folds"]] | None = None
    """`(solution, folds) -> losses on that many parts of the validation data`, whose mean is the
    loss; the same on every fold unless given."""
    optimum: Vector | None = None
    """A point with loss 0; the origin unless given."""
