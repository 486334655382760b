"""The catalogue: what the expert can change about a plan, and what speaks for it.

Each entry is a directive, the change of the plan that carries it out (None where it does not
apply), and its evidence in a reading. Strengths are expected relative reductions of the error:
rules of thumb set by hand, not estimates. Those for columns of one kind (pixels) were revised after
runs on the bundled digits task, so that a result there is not evidence for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gome_agent.reasoners.expert import evidence
from gome_agent.reasoners.expert.evidence import SMOOTH, TREES, Weigh
from gome_agent.reasoners.expert.plan import Plan
from gome_agent.reasoners.expert.reading import Reading
from gome_agent.schemas import Component, Directive

Change = Callable[[Plan, Reading], Mapping[str, object] | None]

SVM_ROWS = 5000
"""Beyond this many rows a kernel machine takes minutes, not seconds."""


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


def _entry(component: Component, statement: str, change: Change, weigh: Weigh) -> Entry:
    return Entry(Directive(statement=statement, component=component), change, weigh)


def _when(condition: Callable[[Plan, Reading], bool], **fields: object) -> Change:
    return lambda plan, reading: fields if condition(plan, reading) else None


def _step(field: str, by: int, low: int, high: int, families: frozenset[str]) -> Change:
    """Move a hyper-parameter by one level, for the families that have it."""

    def change(plan: Plan, reading: Reading) -> Mapping[str, object] | None:
        level = getattr(plan, field) + by
        fits = plan.family in families and low <= level <= high
        return {field: level} if fits else None

    return change


def _numeric(plan: Plan, reading: Reading) -> bool:
    return reading.numeric > 0 or bool(plan.orders)


def _words(plan: Plan, reading: Reading) -> bool:
    return reading.categorical > len(plan.orders)


def _pairs(plan: Plan, reading: Reading) -> bool:
    return reading.numeric >= 2


def _classes(plan: Plan, reading: Reading) -> bool:
    return reading.facts.kind != "regression"


def _values(plan: Plan, reading: Reading) -> bool:
    return reading.facts.kind == "regression"


def _family(name: str) -> Change:
    def change(plan: Plan, reading: Reading) -> Mapping[str, object] | None:
        if plan.family == name or (name == "svm" and reading.rows > SVM_ROWS):
            return None
        # Levels belong to the family they were tuned for.
        partner = "none" if plan.partner == name else plan.partner
        keep_bag = plan.bag and name in _BAGGED
        return {
            "family": name, "partner": partner, "bag": keep_bag,
            "capacity": 0, "regularisation": 0, "rounds": 1,
        }  # fmt: skip

    return change


def _blend(name: str) -> Change:
    def condition(plan: Plan, reading: Reading) -> bool:
        small = name != "svm" or reading.rows <= SVM_ROWS
        return small and name not in (plan.family, plan.partner)

    return _when(condition, partner=name)


_BAGGED = frozenset({"boosting", "mlp", "knn"})
_SIZED = TREES | {"knn", "mlp"}
_ROUNDS = TREES | {"mlp"}
_REGULARISED = TREES | {"linear", "svm", "mlp"}
_WEIGHTED = TREES | {"linear", "svm"}
_PLAIN_COLUMNS = dict.fromkeys(
    ("ratios", "products", "splines", "row_statistics", "clusters", "frequencies"), False
)

CATALOGUE: tuple[Entry, ...] = (
    _entry(
        "data",
        "Fill missing numbers with a constant far outside their range",
        _when(lambda p, r: r.missing > 0 and p.family in TREES, missing="constant"),
        evidence.constant_fill,
    ),
    _entry(
        "data",
        "Fill missing numbers with the column median",
        _when(lambda p, r: p.missing != "median", missing="median"),
        evidence.median_fill,
    ),
    _entry(
        "data",
        "Clip numeric columns to their 0.5% and 99.5% quantiles",
        _when(_numeric, clip_outliers=True),
        evidence.clip_outliers,
    ),
    _entry(
        "data",
        "Leave numeric columns as they are: no clipping and no logarithms",
        _when(_numeric, clip_outliers=False, log_skewed=False),
        evidence.leave_numbers,
    ),
    _entry(
        "features",
        "Leave the scale of numeric columns as it is",
        _when(lambda p, r: _numeric(p, r) and (p.family in TREES or r.homogeneous), scaling="none"),
        evidence.scaling("none"),
    ),
    _entry(
        "features",
        "Scale numeric columns to zero mean and unit variance",
        _when(_numeric, scaling="standard"),
        evidence.scaling("standard"),
    ),
    _entry(
        "features",
        "Make numeric columns more normal with a power transform",
        _when(_numeric, scaling="power"),
        evidence.scaling("power"),
    ),
    _entry(
        "features",
        "Map numeric columns to normal quantiles",
        _when(_numeric, scaling="quantile"),
        evidence.scaling("quantile"),
    ),
    _entry(
        "features",
        "Take logarithms of skewed numeric columns",
        _when(lambda p, r: r.skew > 1, log_skewed=True),
        evidence.log_skewed,
    ),
    _entry(
        "features",
        "Encode categorical columns as one-hot indicators",
        _when(_words, categorical="onehot"),
        evidence.categorical("onehot"),
    ),
    _entry(
        "features",
        "Encode categorical columns as integer codes",
        _when(_words, categorical="ordinal"),
        evidence.categorical("ordinal"),
    ),
    _entry(
        "features",
        "Encode categorical columns by the mean target of each level",
        _when(_words, categorical="target"),
        evidence.categorical("target"),
    ),
    _entry(
        "features",
        "Turn graded categories into ranks in the order that the description gives",
        lambda p, r: {"orders": r.orders} if r.orders else None,
        evidence.ranks,
    ),
    _entry(
        "features",
        "Add how common each category is",
        _when(lambda p, r: r.categorical > 0, frequencies=True),
        evidence.frequencies,
    ),
    _entry(
        "features",
        "Add an indicator for each column that has missing numbers",
        _when(lambda p, r: r.missing > 0 and r.numeric > 0, missing_flags=True),
        evidence.missing_flags,
    ),
    _entry(
        "features",
        "Add ratios of the strongest numeric columns",
        _when(_pairs, ratios=True),
        evidence.ratios,
    ),
    _entry(
        "features",
        "Add products of the strongest numeric columns",
        _when(_pairs, products=True),
        evidence.products,
    ),
    _entry(
        "features",
        "Expand numeric columns into splines",
        _when(lambda p, r: _numeric(p, r) and p.family in SMOOTH, splines=True),
        evidence.splines,
    ),
    _entry(
        "features",
        "Add statistics of each row's numeric columns",
        _when(_pairs, row_statistics=True),
        evidence.row_statistics,
    ),
    _entry(
        "features",
        "Add distances to the centres of k-means clusters",
        _when(_pairs, clusters=True),
        evidence.clusters,
    ),
    _entry(
        "features",
        "Remove the derived columns",
        _when(lambda p, r: True, **_PLAIN_COLUMNS),
        evidence.remove_derived,
    ),
    _entry(
        "features",
        "Keep only the better half of the columns by a univariate test",
        _when(lambda p, r: r.numeric + r.categorical >= 4, reduction="select"),
        evidence.reduction("select"),
    ),
    _entry(
        "features",
        "Project the columns onto their principal components",
        _when(lambda p, r: r.numeric + r.categorical >= 4, reduction="pca"),
        evidence.reduction("pca"),
    ),
    _entry(
        "features",
        "Keep every column: no selection and no projection",
        _when(lambda p, r: True, reduction="none"),
        evidence.reduction("none"),
    ),
    *(
        _entry("model", f"Use {words} as the model", _family(name), evidence.family(name))
        for name, words in (
            ("linear", "a regularised linear model"),
            ("knn", "nearest neighbours"),
            ("svm", "a support vector machine with a radial kernel"),
            ("forest", "a random forest"),
            ("extra_trees", "extremely randomised trees"),
            ("boosting", "gradient-boosted trees"),
            ("mlp", "a small neural network"),
        )
    ),
    _entry(
        "model",
        "Give the model more capacity",
        _step("capacity", +1, -2, 2, _SIZED),
        evidence.more_capacity,
    ),
    _entry(
        "model",
        "Give the model less capacity",
        _step("capacity", -1, -2, 2, _SIZED),
        evidence.less_capacity,
    ),
    _entry(
        "model",
        "Regularise the model more strongly",
        _step("regularisation", +1, -2, 2, _REGULARISED),
        evidence.more_regularisation,
    ),
    _entry(
        "model",
        "Regularise the model less",
        _step("regularisation", -1, -2, 2, _REGULARISED),
        evidence.less_regularisation,
    ),
    _entry(
        "model",
        "Train for more rounds, with smaller steps where there are steps",
        _step("rounds", +1, 0, 3, _ROUNDS),
        evidence.more_rounds,
    ),
    _entry(
        "model",
        "Train for fewer rounds",
        _step("rounds", -1, 0, 3, _ROUNDS),
        evidence.fewer_rounds,
    ),
    _entry(
        "model",
        "Weight classes by the inverse of their frequency",
        _when(lambda p, r: _classes(p, r) and p.family in _WEIGHTED, class_weights=True),
        evidence.class_weights,
    ),
    _entry(
        "model",
        "Weight all rows alike",
        _when(_classes, class_weights=False),
        evidence.equal_weights,
    ),
    _entry(
        "model",
        "Predict the logarithm of the target",
        _when(lambda p, r: _values(p, r) and r.target_min >= 0, log_target=True),
        evidence.log_target,
    ),
    _entry(
        "model",
        "Predict the target in its own units",
        _when(_values, log_target=False),
        evidence.raw_target,
    ),
    _entry(
        "ensemble",
        "Average models that are trained on different subsets of the rows",
        _when(lambda p, r: p.family in _BAGGED, bag=True),
        evidence.bag,
    ),
    *(
        _entry("ensemble", f"Average the model with {words}", _blend(name), evidence.blend(name))
        for name, words in (
            ("linear", "a regularised linear model"),
            ("extra_trees", "extremely randomised trees"),
            ("boosting", "gradient-boosted trees"),
            ("svm", "a support vector machine"),
            ("mlp", "a small neural network"),
        )
    ),
    _entry(
        "ensemble",
        "Use one model alone",
        _when(lambda p, r: True, bag=False, partner="none"),
        evidence.alone,
    ),
    _entry(
        "workflow",
        "Calibrate the predicted probabilities",
        _when(lambda p, r: r.facts.metric.predicts == "probability", calibrate=True),
        evidence.calibrate,
    ),
    _entry(
        "workflow",
        "Use the model's own probabilities",
        _when(lambda p, r: True, calibrate=False),
        evidence.uncalibrated,
    ),
    _entry(
        "workflow",
        "Keep predictions inside the range of the training target",
        _when(_values, clip_predictions=True),
        evidence.clip_predictions,
    ),
)
"""Every directive that the expert knows, in a fixed order."""

BY_IDENTITY: Mapping[tuple[str, str], Entry] = {
    entry.directive.to_core().identity: entry for entry in CATALOGUE
}
"""The catalogue by what makes two directives the same."""
