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

TREES = frozenset({"forest", "extra_trees", "boosting"})
SMOOTH = frozenset({"linear", "knn", "svm", "mlp"})
"""Families that care about the scale of their inputs."""


class Evidence(NamedTuple):
    """Expected relative reduction of the error, how sure, and why."""

    strength: float
    credence: float
    words: str


Weigh = Callable[[Plan, Reading], Evidence | None]


# Data and features ------------------------------------------------------------------------------


def constant_fill(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"up to {reading.missing:.0%} of a column is missing, and trees can split that off"
    return Evidence(0.03, 0.5, words)


def median_fill(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family in SMOOTH:
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
            return Evidence(0.05, 0.5, "columns of one kind are best left in proportion")
        if plan.scaling == "none" and not reading.homogeneous:
            strength = {"standard": 0.3, "power": 0.25, "quantile": 0.25}.get(kind, 0.0)
            return Evidence(strength, 0.8, "the model depends on the scale of its inputs")
        left_alone = plan.log_skewed or reading.homogeneous or kind == "standard"
        if reading.skew > 1 and not left_alone:
            return Evidence(0.1, 0.4, f"a column has skewness {reading.skew:.1f}")
        return None

    return weigh


def log_skewed(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"a column has skewness {reading.skew:.1f}"
    if plan.family in TREES or reading.homogeneous:
        return Evidence(0.002, 0.3, f"{words}, which hardly matters to this model")
    if plan.scaling in ("power", "quantile"):
        return Evidence(0.02, 0.3, f"{words}, but the scaling deals with it already")
    return Evidence(0.1, 0.6, words)


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
    return Evidence(0.08 if plan.family in TREES else 0.06, 0.4, words)


def products(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family == "linear" and reading.gap < 0.2:
        return Evidence(0.15, 0.5, f"a linear model that underfits (gap {reading.gap:.0%})")
    return None if reading.homogeneous else Evidence(0.03, 0.3, "columns may act together")


def splines(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family == "linear" and reading.gap < 0.3:
        return Evidence(0.2, 0.6, f"a linear model that underfits (gap {reading.gap:.0%})")
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


# Model ------------------------------------------------------------------------------------------


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
    }[name]
    if reading.homogeneous:
        base += {"knn": 0.25, "svm": 0.3, "mlp": 0.15, "extra_trees": 0.1}.get(name, 0.0)
    if reading.facts.metric.name == "log_loss" and name in ("knn", "forest", "extra_trees"):
        base -= 0.1  # votes are poor probabilities
    return base - (0.1 if name == "boosting" and reading.rows < 500 else 0.0)


def family(name: str) -> Weigh:
    def weigh(plan: Plan, reading: Reading) -> Evidence | None:
        strength = quality(name, reading) - quality(plan.family, reading)
        kind = "columns of one kind" if reading.homogeneous else "mixed columns"
        words = f"{reading.rows} rows with {kind}; now a {plan.family} with gap {reading.gap:.0%}"
        return Evidence(strength, 0.6, words)

    return weigh


def more_capacity(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"the gap between training and validation is {reading.gap:.0%}"
    if plan.family in ("knn", "forest", "extra_trees"):
        # Their training error is small by construction: the gap tells nothing.
        strength = 0.05 if plan.capacity < 1 else 0.01
        return Evidence(strength, 0.4, "averaging already keeps the variance down")
    return Evidence(0.12 if reading.gap < 0.35 else -0.03, 0.5, words)


def less_capacity(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"the gap between training and validation is {reading.gap:.0%}"
    if plan.family in ("knn", "forest", "extra_trees"):
        return Evidence(0.02, 0.3, "smoother predictions may be safer")
    return Evidence(0.08 if reading.gap > 0.5 else -0.05, 0.5, words)


def more_regularisation(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}; half of the rows cost {reading.hunger:.0%} more error"
    if plan.family in ("forest", "extra_trees"):
        return Evidence(0.03, 0.3, "trees that see fewer columns are more diverse")
    return Evidence(0.08 if reading.gap > 0.4 else -0.03, 0.5, words)


def less_regularisation(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}; half of the rows cost {reading.hunger:.0%} more error"
    if plan.family == "svm":
        return Evidence(0.06, 0.4, "a larger C lets the kernel use its flexibility")
    if plan.family in ("forest", "extra_trees"):
        return Evidence(0.05, 0.3, "trees that see more columns are stronger")
    return Evidence(0.06 if reading.gap < 0.2 else -0.03, 0.5, words)


def more_rounds(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family in ("forest", "extra_trees"):
        return Evidence(0.03, 0.6, "more trees never hurt, except in time")
    strength = 0.1 if reading.gap < 0.6 else 0.03
    return Evidence(strength, 0.5, f"gap {reading.gap:.0%}: the fit has not converged yet")


def fewer_rounds(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.time_share > 0.5:
        return Evidence(0.05, 0.5, f"the script uses {reading.time_share:.0%} of its time limit")
    if plan.family == "boosting" and reading.gap > 0.8:
        return Evidence(0.02, 0.3, f"gap {reading.gap:.0%}: it goes on after it has converged")
    return Evidence(-0.03, 0.4, "there is time left")


def class_weights(plan: Plan, reading: Reading) -> Evidence | None:
    name = reading.facts.metric.name
    words = f"the largest class has {reading.imbalance:.1f} times its fair share"
    if name in ("balanced_accuracy", "f1_macro"):
        return Evidence(0.2 if reading.imbalance > 1.5 else 0.02, 0.6, words)
    strength = 0.005 if name == "auc" or reading.imbalance < 1.2 else -0.1
    return Evidence(strength, 0.6, f"{words}, but {name} counts every row alike")


def equal_weights(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.facts.metric.name in ("balanced_accuracy", "f1_macro"):
        return Evidence(-0.1, 0.5, "the metric counts every class alike")
    return Evidence(0.05, 0.5, f"{reading.facts.metric.name} counts every row alike")


def log_target(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.facts.metric.name == "rmsle":
        return Evidence(0.5, 0.9, "the metric compares logarithms")
    words = f"the target has skewness {reading.target_skew:.1f}"
    if reading.target_skew < 1:
        return Evidence(-0.02, 0.4, words)
    return Evidence(0.06, 0.4, f"{words}; relative errors may be more even")


def raw_target(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.facts.metric.name == "rmsle":
        return Evidence(-0.4, 0.9, "the metric compares logarithms")
    words = f"{reading.facts.metric.name} is measured in the target's own units"
    return Evidence(0.05, 0.4, words)


# Ensemble and workflow --------------------------------------------------------------------------


def bag(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}: averaging lowers the variance"
    return Evidence(0.09 if reading.gap > 0.3 else 0.04, 0.6, words)


def blend(name: str) -> Weigh:
    def weigh(plan: Plan, reading: Reading) -> Evidence | None:
        worse = quality(plan.family, reading) - quality(name, reading)
        other_kind = (plan.family in TREES) != (name in TREES)
        strength = 0.1 + (0.05 if other_kind else 0.0) - 0.3 * max(worse, 0.0)
        if plan.partner != "none":
            now = quality(plan.partner, reading)
            strength = 0.05 + 0.2 * (quality(name, reading) - now)
        words = f"{name} makes other mistakes than {plan.family}"
        return Evidence(strength, 0.6, words)

    return weigh


def alone(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.time_share > 0.6:
        return Evidence(0.03, 0.5, f"the script uses {reading.time_share:.0%} of its time limit")
    return Evidence(-0.05, 0.5, "averages are rarely worse than their members")


def calibrate(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.facts.metric.name == "auc":
        return Evidence(-0.01, 0.5, "the area under the curve only needs ranks")
    if plan.family in ("knn", "forest", "extra_trees"):
        return Evidence(0.2, 0.6, "shares of votes are poor probabilities")
    if plan.class_weights:
        return Evidence(0.15, 0.5, "class weights distort probabilities")
    if plan.family in ("boosting", "mlp") and reading.gap > 0.8:
        return Evidence(0.06, 0.4, f"gap {reading.gap:.0%}: the model is over-confident")
    return Evidence(-0.03, 0.5, "the model is fitted to probabilities already")


def uncalibrated(plan: Plan, reading: Reading) -> Evidence | None:
    votes = plan.family in ("knn", "forest", "extra_trees")
    return Evidence(-0.1 if votes else 0.03, 0.4, "calibration costs a part of the rows")


def clip_predictions(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family in TREES and plan.partner not in SMOOTH:
        return None
    return Evidence(0.02, 0.4, "smooth models extrapolate beyond what was ever seen")
