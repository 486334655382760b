"""The catalogue's directives about ensembles, calibration and the workflow."""

from __future__ import annotations

from gome_agent.reasoners.expert import evidence_ensembles
from gome_agent.reasoners.expert.entries import (
    BAGGED,
    SEEDED,
    Entry,
    blend,
    entry,
    has_values,
    when,
)
from gome_agent.reasoners.expert.plan import Family, Plan


def _seeded(plan: Plan) -> bool:
    return plan.family in SEEDED or (plan.family == "boosting" and plan.columns < 0)


PARTNERS: tuple[tuple[Family, str], ...] = (
    ("linear", "a regularised linear model"),
    ("extra_trees", "extremely randomised trees"),
    ("boosting", "gradient-boosted trees"),
    ("svm", "a support vector machine"),
    ("mlp", "a small neural network"),
    ("knn", "nearest neighbours"),
    ("nystroem", "a linear model on a sampled radial kernel"),
    ("torch", "a residual network in torch"),
)

ENSEMBLES: tuple[Entry, ...] = (
    entry(
        "ensemble",
        "Average models that are trained on different subsets of the rows",
        when(lambda p, r: p.family in BAGGED, bag=True),
        evidence_ensembles.bag,
    ),
    entry(
        "ensemble",
        "Average models that are trained from different seeds",
        when(lambda p, r: _seeded(p) and not p.bag, seeds=True),
        evidence_ensembles.seeds,
    ),
    entry(
        "ensemble",
        "Weigh the members of the ensemble by what they predict out of fold",
        when(lambda p, r: bool(p.partners), blend="weights"),
        evidence_ensembles.weights,
    ),
    entry(
        "ensemble",
        "Stack the members of the ensemble under a linear model",
        when(lambda p, r: bool(p.partners), blend="stack"),
        evidence_ensembles.stack,
    ),
    entry(
        "ensemble",
        "Average the members of the ensemble alike",
        when(lambda p, r: True, blend="mean"),
        evidence_ensembles.alike,
    ),
    *(
        entry(
            "ensemble",
            f"Average the model with {words}",
            blend(name),
            evidence_ensembles.blend(name),
        )
        for name, words in PARTNERS
    ),
    entry(
        "ensemble",
        "Use one model alone",
        when(lambda p, r: True, bag=False, seeds=False, partners=(), blend="mean"),
        evidence_ensembles.alone,
    ),
    entry(
        "workflow",
        "Calibrate the predicted probabilities",
        when(lambda p, r: r.facts.metric.predicts == "probability", calibrate=True),
        evidence_ensembles.calibrate,
    ),
    entry(
        "workflow",
        "Use the model's own probabilities",
        when(lambda p, r: True, calibrate=False),
        evidence_ensembles.uncalibrated,
    ),
    entry(
        "workflow",
        "Keep predictions inside the range of the training target",
        when(has_values, clip_predictions=True),
        evidence_ensembles.clip_predictions,
    ),
)
