"""What in a reading speaks for or against each directive of the catalogue.

An `Evidence` is (strength, credence, words): the expected relative reduction of the error, how sure
that is, and the observation behind it. The numbers are rules of thumb; what a run has tried is
taken into account elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gome_agent.reasoners.expert.plan import Plan
from gome_agent.reasoners.expert.reading import Reading


class Evidence(NamedTuple):
    """Expected relative reduction of the error, how sure, and why."""

    strength: float
    credence: float
    words: str


Weigh = Callable[[Plan, Reading], Evidence | None]


def quality(name: str, reading: Reading) -> float:
    """What is usually to be expected of a family on such a table; a linear model is 0."""
    base = {
        "linear": 0.0,
        "knn": 0.15,
        "svm": 0.3,
        "mlp": 0.15,
        "forest": 0.35,
        "extra_trees": 0.4,
        "boosting": 0.5,
        "nystroem": 0.15,
        "gp": 0.4,
        "torch": 0.25,
    }[name]
    if reading.homogeneous:
        base += {
            "svm": 0.3,
            "mlp": -0.05,
            "torch": 0.15,
            "nystroem": -0.2,
            "gp": 0.3,
            "forest": -0.3,
            "boosting": -0.3,
        }.get(name, 0.0)
    if reading.facts.metric.name == "log_loss":  # votes are poor probabilities
        base -= {"knn": 0.6, "forest": 0.1, "extra_trees": 0.15}.get(name, 0.0)
    return base - (0.1 if name == "boosting" and reading.rows < 500 else 0.0)
