"""Plan + task facts -> the Python script that carries the plan out.

The script is straight pandas and scikit-learn with only the parts that the plan needs; it knows
nothing of this package. It reads `input/`, validates on a split that is the same for every plan
(so that the folds of two scripts are paired), writes `submission.csv`, and prints its report, one
JSON object, as the last line of standard output.
"""

from __future__ import annotations

import difflib
import re
import textwrap

from gome_agent.reasoners.expert.blending import clip, weighing, weighted
from gome_agent.reasoners.expert.features import columns
from gome_agent.reasoners.expert.members import build
from gome_agent.reasoners.expert.models import literal
from gome_agent.reasoners.expert.network import network
from gome_agent.reasoners.expert.plan import Plan
from gome_agent.reasoners.expert.report import report
from gome_agent.tasks.base import TaskFacts

SCORES = {
    "accuracy": "accuracy_score(truth, predicted)",
    "balanced_accuracy": "balanced_accuracy_score(truth, predicted)",
    "f1_macro": 'f1_score(truth, predicted, average="macro")',
    "auc": "roc_auc_score(truth, predicted[:, 1])",
    "log_loss": "log_loss(truth, predicted, labels=range(len(CLASSES)))",
    "rmse": "root_mean_squared_error(truth, predicted)",
    "rmsle": "root_mean_squared_log_error(truth, predicted)",
    "mae": "mean_absolute_error(truth, predicted)",
    "r2": "r2_score(truth, predicted)",
}
"""How each metric is written in a script; `truth` holds class codes or values."""

_MODULES = {
    "scipy.special": "softmax",
    "sklearn.base": "BaseEstimator ClassifierMixin RegressorMixin",
    "sklearn.calibration": "CalibratedClassifierCV",
    "sklearn.cluster": "KMeans",
    "sklearn.compose": "TransformedTargetRegressor make_column_transformer",
    "sklearn.decomposition": "PCA TruncatedSVD",
    "sklearn.ensemble": (
        "BaggingClassifier BaggingRegressor ExtraTreesClassifier ExtraTreesRegressor "
        "HistGradientBoostingClassifier HistGradientBoostingRegressor RandomForestClassifier "
        "RandomForestRegressor StackingClassifier StackingRegressor VotingClassifier "
        "VotingRegressor"
    ),
    "sklearn.feature_extraction.text": "TfidfVectorizer",
    "sklearn.feature_selection": "SelectPercentile f_classif f_regression",
    "sklearn.gaussian_process": "GaussianProcessClassifier GaussianProcessRegressor",
    "sklearn.gaussian_process.kernels": "Matern RBF WhiteKernel",
    "sklearn.impute": "SimpleImputer",
    "sklearn.kernel_approximation": "Nystroem",
    "sklearn.linear_model": "LogisticRegression Ridge RidgeCV",
    "sklearn.metrics": (
        "accuracy_score balanced_accuracy_score f1_score log_loss mean_absolute_error r2_score "
        "roc_auc_score root_mean_squared_error root_mean_squared_log_error"
    ),
    "sklearn.model_selection": "KFold StratifiedKFold",
    "sklearn.neighbors": "KNeighborsClassifier KNeighborsRegressor",
    "sklearn.neural_network": "MLPClassifier MLPRegressor",
    "sklearn.pipeline": "make_pipeline make_union",
    "sklearn.preprocessing": (
        "FunctionTransformer OneHotEncoder OrdinalEncoder PowerTransformer QuantileTransformer "
        "SplineTransformer StandardScaler TargetEncoder"
    ),
    "sklearn.svm": "SVC SVR",
}


class UnknownMetric(ValueError):
    """The expert does not know how to write this metric in a script."""


def render(plan: Plan, facts: TaskFacts) -> str:
    """The script of a plan.

    Args:
      plan: the choices.
      facts: what is told about the task.

    Returns:
      Python source; the same plan and facts give the same text.

    Raises:
      UnknownMetric: naming the nearest metric that can be written.
    """
    parts = (network(plan, facts), build(plan, facts), _predict(plan, facts), _score(facts))
    functions = "\n\n\n".join(filter(None, (*parts, weighing(plan, facts))))
    body = (
        f"{_load(facts)}\n\n{columns(plan, facts)}\n\n\n{functions}\n\n\n"
        f"{_validate(plan, facts)}\n\n{_submit(plan, facts)}\n\n{report(facts)}"
    )
    title = textwrap.fill(_title(plan, facts), 96)
    return f'"""{title}\n\n{plan.to_line()}\n"""\n\n{_imports(body)}\n\n{body}\n'


def _title(plan: Plan, facts: TaskFacts) -> str:
    """One sentence that says what the script does."""
    family = plan.family.replace("_", " ") + (", bagged" if plan.bag or plan.seeds else "")
    partners = [f", with {name.replace('_', ' ')}" for name in plan.partners]
    partners += [f" ({plan.blend})"] if partners else []
    sentence = (
        f"{facts.title}: {family}{''.join(partners)}; {facts.metric.name} over {plan.folds} folds."
    )
    return re.sub(r'[\\"\s]+', " ", sentence)


def _imports(body: str) -> str:
    """Import lines of exactly the names that the body uses."""
    used = set(re.findall(r"\w+", body))
    lines = [
        "import json",
        "import resource",
        "import time",
        "from importlib.util import find_spec",
    ]
    if "combinations" in used:
        lines.append("from itertools import combinations")
    lines += ["from pathlib import Path", "", "import numpy as np", "import pandas as pd"]
    lines += ["import torch"] if "NetworkClassifier" in used or "NetworkRegressor" in used else []
    for module, known in _MODULES.items():
        names = [name for name in known.split() if name in used]
        line = f"from {module} import {', '.join(names)}"
        if len(line) > 100:
            line = f"from {module} import (\n    " + ",\n    ".join(names) + ",\n)"
        lines += [line] if names else []
    return "\n".join(lines)


def _load(facts: TaskFacts) -> str:
    lines = [
        f"ID, TARGET = {literal(facts.id_column)}, {literal(facts.target)}",
        "start = time.perf_counter()",
        'train = pd.read_csv("input/train.csv")',
        'test = pd.read_csv("input/test.csv")',
        'sample = pd.read_csv("input/sample_submission.csv")',
    ]
    if facts.kind == "regression":
        lines.append("y = train[TARGET].to_numpy(float)")
    elif facts.metric.predicts == "label":
        lines.append("CLASSES, y = np.unique(train[TARGET], return_inverse=True)")
    else:
        lines.append(f"CLASSES = {literal(list(facts.classes))}")
        lines.append("y = np.array([CLASSES.index(str(label)) for label in train[TARGET]])")
    return "\n".join(lines)


def _predict(plan: Plan, facts: TaskFacts) -> str:
    head = "def predict(model, rows):\n"
    if facts.kind != "regression" and facts.metric.predicts == "label":
        return head + '    """Position of the label in CLASSES."""\n    return model.predict(rows)'
    if facts.kind != "regression":
        return head + (
            '    """One probability a class, in the order of CLASSES; each row sums to one."""\n'
            "    chances = np.zeros((len(rows), len(CLASSES)))\n"
            "    chances[:, model.classes_] = model.predict_proba(rows).astype(np.float64)\n"
            "    return chances / chances.sum(axis=1, keepdims=True)"
        )
    return head + f'    """Predicted values."""\n    return model.predict(rows){clip(plan, facts)}'


def _score(facts: TaskFacts) -> str:
    name = facts.metric.name
    if name not in SCORES:
        close = difflib.get_close_matches(name, SCORES, n=1)
        hint = f" Did you mean `{close[0]}`?" if close else ""
        known = ", ".join(f"`{score}`" for score in SCORES)
        raise UnknownMetric(f"The expert cannot write the metric `{name}`.{hint} It knows {known}.")
    way = "higher" if facts.metric.higher_is_better else "lower"
    return (
        f'def score(truth, predicted):\n    """{name}: {way} is better."""\n'
        f"    return float({SCORES[name]})"
    )


def _validate(plan: Plan, facts: TaskFacts) -> str:
    splitter = "KFold" if facts.kind == "regression" else "StratifiedKFold"
    probabilities = facts.kind != "regression" and facts.metric.predicts == "probability"
    shape = "(len(y), len(CLASSES))" if probabilities else "len(y)"
    return f"""\
# Measured again, the script finds the number of the replicate here: another split.
REPLICATE = int(Path("replicate").read_text()) if Path("replicate").exists() else 0
split = {splitter}(n_splits={plan.folds}, shuffle=True, random_state=REPLICATE)
held_out = np.zeros({shape})  # every row, by the model that did not see it
folds, train_folds, curve = [], [], []
{_WEIGHED if weighted(plan) else _FIT}
    held_out[held] = predict(model, X.iloc[held])
    seen = fit[:: 1 + len(fit) // 2000]
    folds.append(score(y[held], held_out[held]))
    train_folds.append(score(y[seen], predict(model, X.iloc[seen])))
for share in (4, 2):  # the last fold's model on a part of its rows
    try:
        part = build().fit(X.iloc[fit[::share]], y[fit[::share]])
        curve.append([1 / share, score(y[held], predict(part, X.iloc[held]))])
    except ValueError:  # too few rows for it
        continue
curve.append([1.0, folds[-1]])
mean, spread = np.mean(folds), np.std(folds)
print(f"Validation {facts.metric.name} is {{mean:.5g}}; the folds spread by {{spread:.2g}}.")
print(f"On the training rows it is {{np.mean(train_folds):.5g}}.")"""


_FIT = """\
for fit, held in split.split(X, y):
    model = build().fit(X.iloc[fit], y[fit])"""
_WEIGHED = """\
fitted, fold_of = [], np.zeros(len(y), int)
for number, (fit, held) in enumerate(split.split(X, y)):
    model = build().fit(X.iloc[fit], y[fit])
    said[held], fold_of[held] = members(model, X.iloc[held]), number
    fitted.append((model, fit, held))
for number, (model, fit, held) in enumerate(fitted):
    model.set_params(weights=weigh(fold_of != number))  # from the rows of the other folds"""


def _submit(plan: Plan, facts: TaskFacts) -> str:
    lines = ["final = build().fit(X, y)"]
    if weighted(plan):
        lines += [
            "final.set_params(weights=weigh(fold_of >= 0))",
            'print(f"The members\' weights are {final.weights.tolist()}.")',
        ]
    lines.append("predicted = predict(final, X_test)")
    names = list(facts.prediction_columns)
    if facts.kind != "regression" and facts.metric.predicts == "label":
        lines.append("predicted = np.asarray(CLASSES)[predicted]")
    elif facts.kind != "regression" and len(names) == 1:
        lines.append("predicted = predicted[:, 1]")
    lines += [
        f"submission = pd.DataFrame(predicted, columns={literal(names)}, index=test[ID])",
        "submission = submission.loc[sample[ID]].reset_index()[list(sample.columns)]",
        'submission.to_csv("submission.csv", index=False)',
    ]
    return "\n".join(lines)
