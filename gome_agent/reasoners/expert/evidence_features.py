"""What speaks for and against changes of the data and the features."""

from __future__ import annotations

from gome_agent.reasoners.expert.evidence import Evidence, Weigh
from gome_agent.reasoners.expert.plan import SMOOTH, TREES, Plan
from gome_agent.reasoners.expert.reading import Reading


def constant_fill(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"up to {reading.missing:.0%} of a column is missing, and trees can split that off"
    return Evidence(0.03, 0.5, words)


def median_fill(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family in SMOOTH:
        if plan.missing == "keep":
            return Evidence(0.0, 0.5, "this model's own columns are filled with medians already")
        return Evidence(0.15, 0.8, "a constant far outside the range misleads a smooth model")
    return None


def clip_outliers(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family in TREES or reading.skew < 2:
        return None
    return Evidence(0.06, 0.4, f"a column has skewness {reading.skew:.1f}: tails pull at the fit")


def leave_numbers(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family in TREES and plan.clip_outliers:
        return Evidence(0.01, 0.4, "trees do not mind outliers; clipping only loses information")
    return None


def scaling(kind: str) -> Weigh:
    def weigh(plan: Plan, reading: Reading) -> Evidence | None:
        if plan.family in TREES:
            return None
        if kind == "none":
            return Evidence(0.2, 0.5, "columns of one kind are best left in proportion")
        if plan.scaling == "none" and not reading.homogeneous:
            strength = {"standard": 0.3, "power": 0.25, "quantile": 0.25}.get(kind, 0.0)
            return Evidence(strength, 0.8, "the model depends on the scale of its inputs")
        left_alone = plan.log_skewed or reading.homogeneous or kind == "standard"
        if reading.skew > 1 and not left_alone:
            return Evidence(0.05, 0.4, f"a column has skewness {reading.skew:.1f}")
        return None

    return weigh


def log_skewed(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"a column has skewness {reading.skew:.1f}"
    if plan.family in TREES or reading.homogeneous:
        return Evidence(0.002, 0.3, f"{words}, which hardly matters to this model")
    if plan.scaling in ("power", "quantile"):
        return Evidence(0.02, 0.3, f"{words}, but the scaling deals with it already")
    return Evidence(min(0.05 * reading.skew, 0.4), 0.6, words)


def categorical(kind: str) -> Weigh:
    def weigh(plan: Plan, reading: Reading) -> Evidence | None:
        rich = reading.cardinality > 12
        if plan.categorical == "drop":
            strength = {"onehot": 0.3, "ordinal": 0.1, "target": 0.2}[kind]
            strength += 0.15 if kind == "target" and rich else 0.0
            strength += 0.15 if kind == "ordinal" and plan.family in TREES else 0.0
            words = f"{reading.categorical} categorical columns are not used at all"
            return Evidence(strength, 0.8, words)
        words = f"the richest categorical column has {reading.cardinality} levels"
        if kind == "ordinal":
            strength = 0.01 if plan.family in TREES else -0.1
            return Evidence(strength, 0.5, f"{words}; codes order them at random")
        if kind == "target":
            return Evidence(0.08 if rich else 0.01, 0.4, words)
        if kind == "onehot" and plan.categorical == "ordinal" and plan.family in SMOOTH:
            return Evidence(0.15, 0.7, "codes put the levels in an order that means nothing")
        return Evidence(0.03, 0.3, words)

    return weigh


def ranks(plan: Plan, reading: Reading) -> Evidence | None:
    names = ", ".join(column for column, _ in reading.orders)
    strength = 0.35 if plan.categorical == "drop" else 0.1
    return Evidence(strength, 0.8, f"the description says how the levels of {names} are ordered")


def frequencies(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.cardinality < 5:
        return None
    words = f"a categorical column has {reading.cardinality} levels; rare ones may differ"
    return Evidence(0.03, 0.3, words)


def missing_flags(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"up to {reading.missing:.0%} of a column is missing, and that may mean something"
    return Evidence(0.03 + 0.1 * reading.missing, 0.4, words)


def ratios(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.homogeneous:
        return None
    words = "no model here forms ratios of columns by itself"
    return Evidence(0.12 if plan.family in TREES else 0.3, 0.5, words)


def products(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family == "linear" and reading.gap < 0.2:
        return Evidence(0.1, 0.5, f"a linear model that underfits (gap {reading.gap:.0%})")
    return None if reading.homogeneous else Evidence(0.03, 0.3, "columns may act together")


def splines(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family == "linear" and reading.gap < 0.3:
        words = f"a linear model that underfits (gap {reading.gap:.0%})"
        if reading.clue > 0.03:
            column, share = reading.clues[0]
            words += f"; {column} alone still explains {share:.0%} of what is left"
        return Evidence(0.1 + 0.5 * min(reading.clue, 0.5), 0.6, words)
    return Evidence(-0.03, 0.4, "the model bends by itself")


def row_statistics(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.homogeneous:
        return Evidence(0.03, 0.4, "all columns are of one kind: their statistics mean much")
    return None


def clusters(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family == "linear":
        return Evidence(0.08, 0.4, "a linear model cannot see groups of rows")
    return Evidence(0.03, 0.3, reading.worst_pair) if reading.worst_pair else None


def remove_derived(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family in SMOOTH and reading.gap > 0.6 and (plan.splines or plan.products):
        return Evidence(0.05, 0.4, f"many derived columns and a gap of {reading.gap:.0%}")
    return None


def reduction(kind: str) -> Weigh:
    def weigh(plan: Plan, reading: Reading) -> Evidence | None:
        if kind == "none":
            return Evidence(0.05, 0.4, "columns that are left out cannot help")
        overfits = reading.gap > 0.5 and plan.family in SMOOTH
        if overfits and reading.numeric + reading.categorical > 50:
            return Evidence(0.03, 0.3, f"many columns and a gap of {reading.gap:.0%}")
        return Evidence(-0.05, 0.4, "there are few columns, and each may matter")

    return weigh


def crosses(plan: Plan, reading: Reading) -> Evidence | None:
    a, b = reading.crossable[0]
    left = dict(reading.clues)
    clue = max(left.get(a, 0.0), left.get(b, 0.0))
    words = f"{a} and {b} may act together; alone they explain {clue:.0%} of what is left"
    if plan.family in TREES and plan.categorical != "onehot":
        return Evidence(0.02, 0.3, f"{words}, but trees form such pairs by themselves")
    return Evidence(0.05 if plan.family in TREES else 0.12, 0.4, words)


def no_crosses(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.gap > 0.5 and plan.family in SMOOTH:
        return Evidence(0.04, 0.3, f"many levels and a gap of {reading.gap:.0%}")
    return Evidence(-0.02, 0.3, "columns that are left out cannot help")


def native(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.categorical == "drop":
        return Evidence(0.35, 0.8, f"{reading.categorical} categorical columns are not used at all")
    words = f"the richest categorical column has {reading.cardinality} levels"
    return Evidence(0.06 if reading.cardinality > 12 else 0.03, 0.4, words)


def dates(plan: Plan, reading: Reading) -> Evidence | None:
    left = dict(reading.clues)
    clue = max(left.get(column, 0.0) for column in reading.dates)
    words = f"{', '.join(reading.dates)} hold dates, which no model here reads"
    return Evidence(0.2 + 0.3 * clue, 0.6, words)


def texts(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"{', '.join(reading.texts)} hold texts, which no model here reads"
    return Evidence(0.25, 0.6, words)


def drop_idle(plan: Plan, reading: Reading) -> Evidence | None:
    names = ", ".join(reading.idle[:3])
    if plan.categorical == "drop":
        return Evidence(0.01, 0.3, f"{names} cannot help; words are left out already")
    return Evidence(0.06, 0.5, f"{names} name rows or never change: a model can only memorise them")


def drop_unused(plan: Plan, reading: Reading) -> Evidence | None:
    few = f"{len(reading.unused)} of {len(reading.importance)} columns can be shuffled"
    words = f"{few} without any harm"
    if plan.family in ("knn", "gp", "svm", "nystroem", "mlp", "torch"):
        return Evidence(0.05, 0.4, f"{words}, and distances count every column alike")
    return Evidence(0.005, 0.3, words)


def drop_nothing(plan: Plan, reading: Reading) -> Evidence | None:
    return Evidence(0.01, 0.3, "columns that are left out cannot help")


def keep_missing(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"up to {reading.missing:.0%} of a column is missing, and trees can learn where it goes"
    return Evidence(0.03, 0.5, words)
