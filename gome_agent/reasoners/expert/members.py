"""The function `build` of a script: every member with its own columns, and how they are combined.

Bagging and calibration are the main model's; a partner is a single model with the plan's levels of
regularisation left at their usual value, for they were chosen for the main family.
"""

from __future__ import annotations

import textwrap

from gome_agent.reasoners.expert.cost import BAG
from gome_agent.reasoners.expert.models import call, estimator, listing
from gome_agent.reasoners.expert.plan import Family, Plan
from gome_agent.reasoners.expert.preprocessing import preprocessing, suited
from gome_agent.tasks.base import TaskFacts


def build(plan: Plan, facts: TaskFacts) -> str:
    """Source of `build()`, which returns the whole model, unfitted."""
    lines, main = _member(plan, plan.family, facts, "columns")
    if plan.partners:
        lines.append(f"main = {main}")
        names = ["main"]
        for number, family in enumerate(plan.partners, start=2):
            more, pipeline = _member(_plain(plan), family, facts, f"columns_{number}")
            names.append(f"partner_{number}")
            lines += [*more, f"{names[-1]} = {pipeline}"]
        lines.append(listing("members", (f'("{name}", {name})' for name in names)))
        lines.append(f"return {_combined(plan, facts)}")
    else:
        lines.append(f"return {main}")
    return 'def build():\n    """The whole model, unfitted."""\n' + textwrap.indent(
        "\n".join(lines), "    "
    )


def _plain(plan: Plan) -> Plan:
    return plan.change(
        bag=False, seeds=False, calibrate=False, capacity=0, regularisation=0, rate=0, l2=0,
        columns=0, early_stopping=False,
    )  # fmt: skip


def _member(plan: Plan, family: Family, facts: TaskFacts, name: str) -> tuple[list[str], str]:
    """Lines before it, and the source of its pipeline."""
    lines, steps = preprocessing(plan, family, facts, name)
    role = "Regressor" if facts.kind == "regression" else "Classifier"
    calibrated = plan.calibrate and facts.metric.predicts == "probability"
    probabilities = facts.metric.predicts == "probability" or bool(plan.partners)
    # Calibration makes probabilities of scores, but only where it sees the scores themselves.
    alone = family == "svm" and not (plan.bag or plan.seeds)
    soft = probabilities and not (calibrated and alone)
    bare = suited(plan, family).categorical != "native"
    model = estimator(plan, family, facts, soft=soft, bare=bare)
    if plan.bag or plan.seeds:
        share = 0.9 if plan.bag else 1.0
        how = {"n_estimators": BAG, "max_samples": share, "bootstrap": False, "random_state": 0}
        model = call(f"Bagging{role}", model, **how)
    if calibrated:
        model = call("CalibratedClassifierCV", model, method="sigmoid", cv=3)
    pipeline = call("make_pipeline", *steps, model)
    if plan.log_target and facts.kind == "regression":
        pipeline = call(
            "TransformedTargetRegressor", pipeline, "func=np.log1p", "inverse_func=np.expm1"
        )
    return lines, pipeline


def _combined(plan: Plan, facts: TaskFacts) -> str:
    regression = facts.kind == "regression"
    role = "Regressor" if regression else "Classifier"
    if plan.blend == "stack":
        last = "RidgeCV()" if regression else "LogisticRegression(max_iter=300)"
        fields = {} if regression else {"stack_method": "predict_proba"}
        return call(f"Stacking{role}", "members", last, cv=4, **fields)
    voting = {} if regression else {"voting": "soft", "flatten_transform": False}
    return call(f"Voting{role}", "members", **voting)
