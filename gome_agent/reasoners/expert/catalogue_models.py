"""The catalogue's directives about the model."""

from __future__ import annotations

from gome_agent.reasoners.expert import evidence_models
from gome_agent.reasoners.expert.entries import (
    REGULARISED,
    ROUNDS,
    SIZED,
    WEIGHTED,
    Entry,
    entry,
    family,
    has_classes,
    has_values,
    step,
    when,
)
from gome_agent.reasoners.expert.plan import Family

FAMILIES: tuple[tuple[Family, str], ...] = (
    ("linear", "a regularised linear model"),
    ("knn", "nearest neighbours"),
    ("svm", "a support vector machine with a radial kernel"),
    ("forest", "a random forest"),
    ("extra_trees", "extremely randomised trees"),
    ("boosting", "gradient-boosted trees"),
    ("mlp", "a small neural network"),
    ("nystroem", "a linear model on a sampled radial kernel"),
    ("gp", "a Gaussian process"),
    ("torch", "a residual network in torch"),
)

MODELS: tuple[Entry, ...] = (
    *(
        entry("model", f"Use {words} as the model", family(name), evidence_models.family(name))
        for name, words in FAMILIES
    ),
    entry(
        "model",
        "Give the model more capacity",
        step("capacity", +1, -2, 2, SIZED),
        evidence_models.more_capacity,
    ),
    entry(
        "model",
        "Give the model less capacity",
        step("capacity", -1, -2, 2, SIZED),
        evidence_models.less_capacity,
    ),
    entry(
        "model",
        "Regularise the model more strongly",
        step("regularisation", +1, -2, 2, REGULARISED),
        evidence_models.more_regularisation,
    ),
    entry(
        "model",
        "Regularise the model less",
        step("regularisation", -1, -2, 2, REGULARISED),
        evidence_models.less_regularisation,
    ),
    entry(
        "model",
        "Train for more rounds, with smaller steps where there are steps",
        step("rounds", +1, 0, 3, ROUNDS),
        evidence_models.more_rounds,
    ),
    entry(
        "model",
        "Train for fewer rounds",
        step("rounds", -1, 0, 3, ROUNDS),
        evidence_models.fewer_rounds,
    ),
    entry(
        "model",
        "Weight classes by the inverse of their frequency",
        when(lambda p, r: has_classes(p, r) and p.family in WEIGHTED, class_weights=True),
        evidence_models.class_weights,
    ),
    entry(
        "model",
        "Weight all rows alike",
        when(has_classes, class_weights=False),
        evidence_models.equal_weights,
    ),
    entry(
        "model",
        "Predict the logarithm of the target",
        when(lambda p, r: has_values(p, r) and r.target_min >= 0, log_target=True),
        evidence_models.log_target,
    ),
    entry(
        "model",
        "Predict the target in its own units",
        when(has_values, log_target=False),
        evidence_models.raw_target,
    ),
    entry(
        "model",
        "Take smaller steps in boosting",
        step("rate", -1, -2, 2, frozenset({"boosting"})),
        evidence_models.smaller_steps,
    ),
    entry(
        "model",
        "Take larger steps in boosting",
        step("rate", +1, -2, 2, frozenset({"boosting"})),
        evidence_models.larger_steps,
    ),
    entry(
        "model",
        "Shrink the leaves of boosted trees more",
        step("l2", +1, -2, 2, frozenset({"boosting"})),
        evidence_models.more_shrinkage,
    ),
    entry(
        "model",
        "Shrink the leaves of boosted trees less",
        step("l2", -1, -2, 2, frozenset({"boosting"})),
        evidence_models.less_shrinkage,
    ),
    entry(
        "model",
        "Let a split of boosted trees choose among fewer columns",
        step("columns", -1, -2, 0, frozenset({"boosting"})),
        evidence_models.fewer_columns,
    ),
    entry(
        "model",
        "Let a split of boosted trees choose among more columns",
        step("columns", +1, -2, 0, frozenset({"boosting"})),
        evidence_models.more_columns,
    ),
    entry(
        "model",
        "Stop training when rows that are held back are no longer predicted better",
        when(lambda p, r: p.family in ("boosting", "mlp"), early_stopping=True),
        evidence_models.early_stopping,
    ),
    entry(
        "model",
        "Train on all rows, for all rounds",
        when(lambda p, r: True, early_stopping=False),
        evidence_models.no_early_stopping,
    ),
)
