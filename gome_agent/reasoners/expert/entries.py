"""What an entry of the catalogue is, and the changes of a plan that entries are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gome_agent.reasoners.expert.evidence import Weigh
from gome_agent.reasoners.expert.plan import TREES, Family, Plan
from gome_agent.reasoners.expert.reading import Reading
from gome_agent.schemas import Component, Directive

Change = Callable[[Plan, Reading], Mapping[str, object] | None]

SVM_ROWS = 5000
"""Beyond this many rows a kernel machine takes minutes, not seconds."""
GP_ROWS = 1000
"""A Gaussian process inverts a matrix of this many rows, many times."""
BAGGED = frozenset({"boosting", "mlp", "torch", "knn"})
SEEDED = frozenset({"mlp", "torch"})
"""Families that come out differently from another seed; boosting does if it samples columns."""
SIZED = TREES | {"knn", "nystroem", "mlp", "torch"}
ROUNDS = TREES | {"mlp", "torch"}
REGULARISED = TREES | {"linear", "nystroem", "svm", "mlp", "torch"}
WEIGHTED = TREES | {"linear", "nystroem", "svm"}


@dataclass(frozen=True)
class Entry:
    """One thing that the expert can do."""

    directive: Directive
    change: Change
    weigh: Weigh
    """(plan, reading) -> evidence, or None where nothing speaks for or against it."""

    def apply(self, plan: Plan, reading: Reading) -> Plan | None:
        """The changed plan; None where the directive does not apply or changes nothing."""
        fields = self.change(plan, reading)
        if fields is None:
            return None
        changed = plan.change(**fields)
        return None if changed == plan else changed


def entry(component: Component, statement: str, change: Change, weigh: Weigh) -> Entry:
    """An entry of the catalogue."""
    return Entry(Directive(statement=statement, component=component), change, weigh)


def when(condition: Callable[[Plan, Reading], bool], **fields: object) -> Change:
    """Set fields, where the condition holds."""
    return lambda plan, reading: fields if condition(plan, reading) else None


def step(field: str, by: int, low: int, high: int, families: frozenset[str]) -> Change:
    """Move a hyper-parameter by one level, for the families that have it."""

    def change(plan: Plan, reading: Reading) -> Mapping[str, object] | None:
        level = getattr(plan, field) + by
        fits = plan.family in families and low <= level <= high
        return {field: level} if fits else None

    return change


def family(name: Family) -> Change:
    """Use another family, with its usual levels: those of the old one were tuned for it."""

    def change(plan: Plan, reading: Reading) -> Mapping[str, object] | None:
        if plan.family == name or not affordable(name, reading):
            return None
        return {
            "family": name,
            "partners": tuple(partner for partner in plan.partners if partner != name),
            "bag": plan.bag and name in BAGGED,
            "seeds": plan.seeds and name in SEEDED,
            **dict.fromkeys(("capacity", "regularisation", "rate", "l2", "columns"), 0),
            "rounds": 1,
            "early_stopping": False,
        }

    return change


def blend(name: Family) -> Change:
    """Add a partner, or put it in the place of the last one when there are three.

    The members are weighed out of fold unless they are stacked: a poor partner then gets little.
    """

    def change(plan: Plan, reading: Reading) -> Mapping[str, object] | None:
        if name in (plan.family, *plan.partners) or not affordable(name, reading):
            return None
        how = "stack" if plan.blend == "stack" else "weights"
        return {"partners": (*plan.partners[:2], name), "blend": how}

    return change


def affordable(name: Family, reading: Reading) -> bool:
    """Whether a family can be fitted to so many rows, and where the scripts run."""
    limits = {"svm": SVM_ROWS, "gp": GP_ROWS}
    if name == "gp" and reading.facts.kind == "multiclass":
        return False
    return reading.rows <= limits.get(name, reading.rows) and (name != "torch" or reading.torch)


def has_numbers(plan: Plan, reading: Reading) -> bool:
    return reading.numeric > 0 or bool(plan.orders)


def has_words(plan: Plan, reading: Reading) -> bool:
    special = {*plan.drop, *plan.dates, *plan.texts, *(column for column, _ in plan.orders)}
    return reading.categorical > len(special) or bool(plan.crosses)


def has_pairs(plan: Plan, reading: Reading) -> bool:
    return reading.numeric >= 2


def has_classes(plan: Plan, reading: Reading) -> bool:
    return reading.facts.kind != "regression"


def has_values(plan: Plan, reading: Reading) -> bool:
    return reading.facts.kind == "regression"
