"""How many diagnoses point nowhere: bounds on h from labels and from failures.

A label ("the diagnosis was confident and wrong") is put on failed steps, so a hallucination that
happened to improve goes unlabelled: the labelled share bounds h from below, if labels are right.
Hallucinations improve as often as undirected steps do, at a rate p_0, so the share that failed is
at least h (1 - p_0), and h <= (1 - p') / (1 - p_0).
"""

from typing import NamedTuple

from scipy import special

from gome_theory._ranges import domain
from gome_theory.estimates import Estimate, NotIdentified, Proportion, Quantity
from gome_theory.scaled_rate import optimal_alpha

UNDIRECTED_RATE = float(special.ndtr(-optimal_alpha(0.0) / 2.0))
"""Improvement rate of locally optimal undirected steps, 0.270."""


class HallucinationBounds(NamedTuple):
    """What is known of h; its true value lies between the two bounds.

    Attributes:
        lower: The labelled share.
        upper: From the share of failures.
    """

    lower: Quantity
    upper: Quantity


@domain()
def hallucination_bounds(
    labelled: int | None,
    improved: int,
    steps: int,
    *,
    undirected_rate: float = UNDIRECTED_RATE,
    level: float = 0.95,
) -> HallucinationBounds:
    """Bound h from labels, if they are right, and from failures, if p_0 is known [exact].

    Args:
        labelled: Steps labelled as hallucinations; None if nobody labelled them.
        improved: Valid steps that improved.
        steps: Valid steps, at least 1.
        undirected_rate: p_0 of undirected steps of the same kind, below 1.
        level: Of the interval of each bound.

    Returns:
        The bounds; Wilson's intervals.

    Raises:
        ValueError: If an argument is out of its range, or counts more than all steps.

    Example:
        >>> bounds = hallucination_bounds(35, improved=30, steps=90)
        >>> f"{bounds.lower.value:.3f} {bounds.upper.value:.3f}"
        '0.389 0.914'
    """
    for name, count in (("labelled", labelled), ("improved", improved)):
        if count is not None and count > steps:
            raise ValueError(f"`{name}` is {count}: give at most `steps`, {steps}, of which it is.")
    failed = Proportion(steps - improved, steps, steps).estimate(level)
    ends = (failed.value, failed.low, failed.high)
    value, low, high = (min(end / (1.0 - undirected_rate), 1.0) for end in ends)
    upper = Estimate(value, low, high, level, f"failures, undirected rate {undirected_rate:.2f}")
    if labelled is None:
        nothing = NotIdentified("no step is labelled", "which failed diagnoses were plainly wrong")
        return HallucinationBounds(nothing, upper)
    lower = Proportion(labelled, steps, steps).estimate(level, f"{labelled} of {steps} labelled")
    return HallucinationBounds(lower, upper)
