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
        "svm": 0.35,
        "mlp": 0.3,
        "forest": 0.35,
        "extra_trees": 0.4,
        "boosting": 0.5,
        "nystroem": 0.25,
        "gp": 0.4,
        "torch": 0.35,
    }[name]
    if reading.homogeneous:
        base += {
            "knn": 0.25,
            "svm": 0.3,
            "mlp": 0.15,
            "torch": 0.15,
            "nystroem": 0.3,
            "gp": 0.3,
            "extra_trees": 0.1,
        }.get(name, 0.0)
    if reading.facts.metric.name == "log_loss" and name in ("knn", "forest", "extra_trees"):
        base -= 0.1  # votes are poor probabilities
    return base - (0.1 if name == "boosting" and reading.rows < 500 else 0.0)
