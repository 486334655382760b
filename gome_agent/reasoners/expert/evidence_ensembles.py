"""What speaks for and against ensembles, calibration and limits of predictions."""

from __future__ import annotations

from gome_agent.reasoners.expert.evidence import Evidence, Weigh, quality
from gome_agent.reasoners.expert.plan import SMOOTH, TREES, Plan
from gome_agent.reasoners.expert.reading import Reading


def bag(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}: averaging lowers the variance"
    return Evidence(0.09 if reading.gap > 0.3 else 0.04, 0.6, words)


def seeds(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}: averaging over seeds lowers the variance"
    return Evidence(0.08 if reading.gap > 0.3 else 0.04, 0.6, words)


def blend(name: str) -> Weigh:
    def weigh(plan: Plan, reading: Reading) -> Evidence | None:
        worse = quality(plan.family, reading) - quality(name, reading)
        other_kind = (plan.family in TREES) != (name in TREES)
        strength = 0.07 + (0.05 if other_kind else 0.0) - 0.2 * max(worse, 0.0)
        strength += 0.5 * max(-worse, 0.0)
        if plan.partners:
            now = min(quality(partner, reading) for partner in plan.partners)
            strength = 0.04 + 0.1 * (quality(name, reading) - now)
        words = f"{name} makes other mistakes than {', '.join((plan.family, *plan.partners))}"
        return Evidence(strength, 0.6, words)

    return weigh


def weights(plan: Plan, reading: Reading) -> Evidence | None:
    members = [quality(name, reading) for name in (plan.family, *plan.partners)]
    words = "members of different strength should not count alike"
    return Evidence(0.03 + 0.1 * (max(members) - min(members)), 0.6, words)


def stack(plan: Plan, reading: Reading) -> Evidence | None:
    return Evidence(0.03, 0.4, "a linear model can weigh the members, and costs four fits more")


def alike(plan: Plan, reading: Reading) -> Evidence | None:
    return Evidence(-0.02, 0.4, "weights found out of fold are rarely worse")


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
    if plan.family in TREES and not SMOOTH & {*plan.partners}:
        return None
    return Evidence(0.02, 0.4, "smooth models extrapolate beyond what was ever seen")
