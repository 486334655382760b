"""How often a gate is wrong, from accepted and rejected candidates that were measured again.

A = share accepted; b = share of no improvements among re-measured accepted candidates; g = share of
improvements among re-measured rejected ones. By Bayes' rule

    FA = A b / (A b + (1 - A)(1 - g)),     FR = (1 - A) g / ((1 - A) g + A (1 - b)),

and tau = FA / (1 - FR + FA) is the improving share at which the gate stands still (`hypercube`).
Candidates must have been chosen for re-measurement at random within accepted and within rejected.
The new measurement counts as the truth: where its noise is not small beside the gains, FA and FR
come out nearer to a half than they are.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._ranges import domain
from gome_theory.estimates import NotIdentified, Quantity, from_draws


class GateErrors(NamedTuple):
    """Error rates of a gate.

    Attributes:
        false_accept: FA, share of candidates that are no better which were accepted.
        false_reject: FR, share of improvements which were rejected.
        strictness: tau.
    """

    false_accept: Quantity
    false_reject: Quantity
    strictness: Quantity


@domain()
def gate_errors(
    accepted: npt.ArrayLike | None,
    valid: npt.ArrayLike,
    fresh_gain: npt.ArrayLike | None,
    level: float,
    rng: np.random.Generator,
    draws: int = 4000,
) -> GateErrors:
    """Estimate FA, FR and tau, which are exact functions of the three shares [exact].

    Args:
        accepted: What the gate decided, shape (n,).
        valid: Whether it had anything to decide, shape (n,).
        fresh_gain: Gain measured anew, NaN where it was not, shape (n,).
        level: Of the intervals.
        rng: For draws from Jeffreys posteriors.
        draws: How many.

    Returns:
        The rates, each with the reason if it is not identified.

    Raises:
        ValueError: If an argument is out of its range, or arrays differ in shape.

    Example:
        >>> accepted, fresh = [True] * 10 + [False] * 20, [1.0] * 8 + [-1.0] * 16 + [1.0] * 6
        >>> found = gate_errors(accepted, [True] * 30, fresh, 0.95, np.random.default_rng(0))
        >>> print(round(found.false_accept.value, 3), round(found.false_reject.value, 3))
        0.125 0.429
    """
    if accepted is None or fresh_gain is None:
        return GateErrors(_NOT_MEASURED, _NOT_MEASURED, _NOT_MEASURED)
    taken, valid = np.asarray(accepted, bool), np.asarray(valid, bool)
    gain = np.asarray(fresh_gain, float)
    for name, array in (("accepted", taken), ("fresh_gain", gain)):
        if array.shape != valid.shape:
            raise ValueError(
                f"`{name}` has shape {array.shape} and `valid` has {valid.shape}: "
                "give one entry per candidate in each."
            )
    seen = valid & np.isfinite(gain)
    if not (seen & taken).any() or not (seen & ~taken).any():
        return GateErrors(_NOT_MEASURED, _NOT_MEASURED, _NOT_MEASURED)
    shares = (
        (taken[valid].sum(), valid.sum()),
        ((gain[seen & taken] <= 0.0).sum(), (seen & taken).sum()),
        ((gain[seen & ~taken] > 0.0).sum(), (seen & ~taken).sum()),
    )
    point = _rates(*(np.float64(hits / trials) for hits, trials in shares))
    drawn = _rates(*(rng.beta(h + 0.5, n - h + 0.5, size=draws) for h, n in shares))
    method = f"{int(seen.sum())} candidates measured again"
    return GateErrors(
        *(from_draws(float(p), d, level, method) for p, d in zip(point, drawn, strict=True))
    )


def _rates(accepted, bad, good):
    lost, kept = accepted * bad, (1.0 - accepted) * (1.0 - good)
    missed, won = (1.0 - accepted) * good, accepted * (1.0 - bad)
    tiny = np.finfo(float).tiny
    false_accept = lost / np.maximum(lost + kept, tiny)
    false_reject = missed / np.maximum(missed + won, tiny)
    return (
        false_accept,
        false_reject,
        false_accept / np.maximum(1.0 - false_reject + false_accept, tiny),
    )


_NOT_MEASURED = NotIdentified(
    "no accepted and rejected candidates were measured again",
    "new measurements of some accepted and some rejected candidates, chosen at random",
)
