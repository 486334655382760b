"""The estimator of a plan, as source text: families, hyper-parameter ladders, ensembles.

Sizes are chosen so that five folds of about ten thousand rows take seconds on one core.
"""

from __future__ import annotations

import json
import textwrap

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


def estimator(plan: Plan, facts: TaskFacts) -> list[str]:
    """Statements that define `model`, unfitted: bagged, blended and calibrated as planned."""
    role = "Regressor" if facts.kind == "regression" else "Classifier"
    calibrated = plan.calibrate and facts.metric.predicts == "probability"
    probabilities = facts.metric.predicts == "probability" or plan.partner != "none"
    # Calibration makes probabilities of scores, but only where it sees the scores themselves.
    soft = probabilities and not (calibrated and plan.partner == "none")
    statements = [f"model = {_family(plan, plan.family, facts, soft)}"]
    if plan.bag:
        bag = {"n_estimators": 4, "max_samples": 0.9, "bootstrap": False, "random_state": 0}
        statements.append(f"model = {call(f'Bagging{role}', 'model', **bag)}")
    if plan.partner != "none":
        statements.append(f"partner = {_family(plan, plan.partner, facts, probabilities)}")
        voting = {} if role == "Regressor" else {"voting": "soft"}
        members = '[("model", model), ("partner", partner)]'
        statements.append(f"model = {call(f'Voting{role}', members, **voting)}")
    if calibrated:
        statements.append('model = CalibratedClassifierCV(model, method="sigmoid", cv=3)')
    return statements


def _family(plan: Plan, family: Family, facts: TaskFacts, soft: bool) -> str:
    """Source of one family's estimator; `soft` asks for probabilities."""
    regression = facts.kind == "regression"
    role = "Regressor" if regression else "Classifier"
    weights = {"class_weight": "balanced"} if plan.class_weights and not regression else {}
    capacity, strength = plan.capacity + 2, plan.regularisation + 2
    match family:
        case "linear" if regression:
            return call("Ridge", alpha=(0.1, 1.0, 10.0, 100.0, 1000.0)[strength])
        case "linear":
            inverse = (10.0, 3.0, 1.0, 0.1, 0.01)[strength]
            return call("LogisticRegression", C=inverse, max_iter=300, **weights)
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
            iterations, rate = _ROUNDS[plan.rounds]
            return call(
                f"HistGradientBoosting{role}",
                max_iter=iterations,
                learning_rate=rate,
                max_leaf_nodes=(4, 7, 15, 31, 63)[capacity],
                min_samples_leaf=(5, 10, 20, 40, 80)[strength],
                l2_regularization=(0.0, 0.0, 0.1, 3.0, 30.0)[strength],
                early_stopping=False,
                random_state=0,
                **weights,
            )
        case "mlp":
            network = call(
                f"MLP{role}",
                hidden_layer_sizes=((12,), (24,), (48,), (96,), (96, 48))[capacity],
                alpha=(1e-5, 1e-4, 1e-2, 0.3, 3.0)[strength],
                learning_rate_init=0.003,
                batch_size=128,
                max_iter=(15, 30, 60, 120)[plan.rounds],
                random_state=0,
            )
            return _standardised(network) if regression else network


def _standardised(regressor: str) -> str:
    """A regressor whose own scale matters (tolerances, learning rate), in units of the target."""
    return call("TransformedTargetRegressor", regressor, "transformer=StandardScaler()")


def cost(plan: Plan, facts: TaskFacts, rows: int) -> float:
    """Rough time of a plan's script, in units of the plain baseline's."""
    factor = {"linear": 1.0, "knn": 2.0, "svm": 3.0 + rows / 500.0, "mlp": 8.0}
    classes = max(len(facts.classes), 1) if facts.kind == "multiclass" else 1
    factor |= {"forest": 10.0, "extra_trees": 6.0, "boosting": 6.0 * classes}
    epochs = (0.5, 1.0, 2.0, 4.0)[plan.rounds]
    long = epochs if plan.family in ("forest", "extra_trees", "boosting", "mlp") else 1.0
    main = factor[plan.family] * long * (4.0 if plan.bag else 1.0)
    partner = 0.0 if plan.partner == "none" else factor[plan.partner] * epochs
    return 2.0 + (main + partner) * (4.0 if plan.calibrate else 1.0)
