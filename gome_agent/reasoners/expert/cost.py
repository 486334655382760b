"""Roughly how long a plan's script takes, so that what may not fit the limit is believed less."""

from __future__ import annotations

from gome_agent.reasoners.expert.plan import Family, Plan
from gome_agent.tasks.base import TaskFacts

BAG = 4
"""Members of a bag."""
_LONGER = frozenset({"forest", "extra_trees", "boosting", "mlp", "torch"})
"""Families that train for rounds."""


def cost(plan: Plan, facts: TaskFacts, rows: int) -> float:
    """Rough time of a plan's script, in units of the plain baseline's.

    Args:
      plan: the choices.
      facts: what is told about the task.
      rows: of the train file.
    """
    main = _family(plan, plan.family, facts, rows)
    main *= BAG if plan.bag or plan.seeds else 1.0
    main *= 4.0 if plan.calibrate else 1.0
    partners = sum(_family(plan, family, facts, rows) for family in plan.partners)
    stacked = 4.0 if plan.blend == "stack" and plan.partners else 1.0
    columns = 1.0 + 0.5 * bool(plan.texts) + 0.2 * len(plan.crosses)
    # Reading, importing and reporting take as long as four plain fits.
    return 4.0 + (main + partners) * stacked * columns


def _family(plan: Plan, family: Family, facts: TaskFacts, rows: int) -> float:
    classes = max(len(facts.classes), 1) if facts.kind == "multiclass" else 1
    factor: dict[Family, float] = {
        "linear": 1.0,
        "knn": 2.0,
        "svm": 3.0 + rows / 500.0,
        "nystroem": 4.0,
        "gp": 4.0 + (rows / 300.0) * (rows / 300.0) * classes,
        "mlp": 8.0,
        "torch": 12.0,
        "forest": 10.0,
        "extra_trees": 6.0,
        "boosting": 6.0 * classes**0.5,
    }
    epochs = (0.5, 1.0, 2.0, 4.0)[plan.rounds] if family in _LONGER else 1.0
    return factor[family] * epochs
