"""One family's estimator, as source text: its hyper-parameter ladders.

Sizes are chosen so that five folds of about ten thousand rows take seconds on one core.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping

from gome_agent.reasoners.expert.plan import Family, Plan
from gome_agent.tasks.base import TaskFacts

_ROUNDS = {  # boosting iterations and learning rate: their product stays between 10 and 16
    0: (50, 0.2),
    1: (100, 0.12),
    2: (220, 0.06),
    3: (400, 0.04),
}


def literal(value: object) -> str:
    """Python source of a value, strings in double quotes.

    >>> print(literal(["it's", 1]))
    ["it's", 1]
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)) and value:
        inner = ", ".join(literal(item) for item in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)"
    return repr(value)


def call(name: str, *positional: str, **keywords: object) -> str:
    """Source of a call: on one line, or broken after the parentheses, or one argument a line.

    >>> call("Ridge", alpha=1.0)
    'Ridge(alpha=1.0)'
    """
    arguments = [*positional, *(f"{key}={literal(value)}" for key, value in keywords.items())]
    inside = ", ".join(arguments)
    if len(name) + len(inside) <= 72:
        return f"{name}({inside})"
    if len(inside) <= 88:
        return f"{name}(\n    {inside}\n)"
    listed = textwrap.indent("".join(f"{argument},\n" for argument in arguments), "    ")
    return f"{name}(\n{listed})"


def listing(name: str, items: Iterable[str]) -> str:
    """Source that assigns a list: on one line, or an item a line.

    >>> print(listing("DROP", ['"a"', '"b"']))
    DROP = ["a", "b"]
    """
    items = list(items)
    if len(name) + sum(map(len, items)) + 2 * len(items) <= 86:
        return f"{name} = [{', '.join(items)}]"
    inner = "".join(f"    {item},\n" for item in items)
    return f"{name} = [\n{inner}]"


def estimator(
    plan: Plan, family: Family, facts: TaskFacts, *, soft: bool, bare: bool = True
) -> str:
    """Source of one family's estimator, unfitted, with the plan's levels.

    Args:
      plan: gives the levels.
      family: which one.
      facts: the task.
      soft: whether probabilities are asked for.
      bare: whether nothing but the numbers of the table comes before it: false if its first
        columns are codes of categories, which boosted trees are then told of.
    """
    regression = facts.kind == "regression"
    role = "Regressor" if regression else "Classifier"
    weights = {"class_weight": "balanced"} if plan.class_weights and not regression else {}
    capacity, strength = plan.capacity + 2, plan.regularisation + 2
    match family:
        case "linear" | "nystroem":
            last = _linear(plan, facts)
            return last if family == "linear" else _nystroem(capacity, last)
        case "knn":
            neighbours = (60, 30, 15, 7, 3)[capacity]
            return call(f"KNeighbors{role}", n_neighbors=neighbours, weights="distance")
        case "svm" if regression:
            machine = call("SVR", C=(100.0, 10.0, 3.0, 1.0, 0.3)[strength], cache_size=500)
            return _standardised(machine)
        case "svm":
            inverse = (30.0, 10.0, 3.0, 1.0, 0.3)[strength]
            machine = call("SVC", C=inverse, cache_size=500, **weights)
            if not soft:
                return machine
            return call("CalibratedClassifierCV", machine, ensemble=False, cv=3)
        case "gp" if regression:
            kernel = "1.0 * Matern(1.0, nu=2.5) + WhiteKernel(0.1)"
            return call("GaussianProcessRegressor", kernel, normalize_y=True, random_state=0)
        case "gp":
            return call("GaussianProcessClassifier", "1.0 * RBF(3.0)", random_state=0)
        case "forest" | "extra_trees":
            return call(
                "RandomForest" + role if family == "forest" else "ExtraTrees" + role,
                n_estimators=(30, 60, 120, 240)[plan.rounds],
                min_samples_leaf=(20, 8, 3, 2, 1)[capacity],
                max_features=(1.0, 0.6, 0.35, 0.2, 0.1)[strength],
                random_state=0,
                **weights,
            )
        case "boosting":
            return _boosting(plan, role, weights, bare)
        case "mlp":
            stop = {"early_stopping": True, "n_iter_no_change": 6} if plan.early_stopping else {}
            network = call(
                f"MLP{role}",
                hidden_layer_sizes=((12,), (24,), (48,), (96,), (96, 48))[capacity],
                alpha=(1e-5, 1e-4, 1e-2, 0.3, 3.0)[strength],
                learning_rate_init=0.003,
                batch_size=128,
                max_iter=(15, 30, 60, 120)[plan.rounds],
                **stop,
                random_state=0,
            )
            return _standardised(network) if regression else network
        case "torch":
            network = call(
                f"Network{role}",
                width=(32, 64, 128, 256, 512)[capacity],
                decay=(1e-5, 1e-4, 1e-2, 0.1, 0.5)[strength],
                dropout=(0.0, 0.05, 0.1, 0.2, 0.4)[strength],
                epochs=(15, 30, 60, 120)[plan.rounds],
            )
            return _standardised(network) if regression else network


def _linear(plan: Plan, facts: TaskFacts) -> str:
    strength = plan.regularisation + 2
    if facts.kind == "regression":
        return call("Ridge", alpha=(0.1, 1.0, 10.0, 100.0, 1000.0)[strength])
    inverse = (10.0, 3.0, 1.0, 0.1, 0.01)[strength]
    weights = {"class_weight": "balanced"} if plan.class_weights else {}
    return call("LogisticRegression", C=inverse, max_iter=300, **weights)


def _nystroem(capacity: int, last: str) -> str:
    """A radial kernel on sampled rows before a linear model; the width scales with the columns."""
    landmarks = (60, 120, 250, 500, 800)[capacity]
    kernel = call("Nystroem", n_components=landmarks, random_state=0)
    return call("make_pipeline", kernel, last)


def _boosting(plan: Plan, role: str, weights: Mapping[str, object], bare: bool) -> str:
    capacity, strength = plan.capacity + 2, plan.regularisation + 2
    iterations, rate = _ROUNDS[plan.rounds]
    shrink = (0.0, 0.0, 0.1, 3.0, 30.0)[strength]
    fields: dict[str, object] = {
        "max_iter": iterations,
        "learning_rate": round(rate * (0.4, 0.65, 1.0, 1.6, 2.5)[plan.rate + 2], 4),
        "max_leaf_nodes": (4, 7, 15, 31, 63)[capacity],
        "min_samples_leaf": (5, 10, 20, 40, 80)[strength],
        "l2_regularization": (0.0, shrink / 10, shrink, 10 * shrink + 1, 100 * shrink + 10)[
            plan.l2 + 2
        ],
    }
    if plan.columns:
        fields["max_features"] = (0.3, 0.6)[plan.columns + 2]
    if plan.early_stopping:
        fields |= {"early_stopping": True, "n_iter_no_change": 20}
    else:
        fields["early_stopping"] = False
    codes = [] if bare else ["categorical_features=list(range(len(categorical)))"]
    return call(f"HistGradientBoosting{role}", *codes, **fields, random_state=0, **weights)


def _standardised(regressor: str) -> str:
    """A regressor whose own scale matters (tolerances, learning rate), in units of the target."""
    return call("TransformedTargetRegressor", regressor, "transformer=StandardScaler()")
