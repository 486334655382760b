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

from gome_agent.reasoners.expert.features import columns, preprocessing
from gome_agent.reasoners.expert.models import estimator, literal
from gome_agent.reasoners.expert.plan import Plan
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
    "sklearn.calibration": "CalibratedClassifierCV",
    "sklearn.cluster": "KMeans",
    "sklearn.compose": "TransformedTargetRegressor make_column_transformer",
    "sklearn.decomposition": "PCA",
    "sklearn.ensemble": (
        "BaggingClassifier BaggingRegressor ExtraTreesClassifier ExtraTreesRegressor "
        "HistGradientBoostingClassifier HistGradientBoostingRegressor RandomForestClassifier "
        "RandomForestRegressor VotingClassifier VotingRegressor"
    ),
    "sklearn.feature_selection": "SelectPercentile f_classif f_regression",
    "sklearn.impute": "SimpleImputer",
    "sklearn.linear_model": "LogisticRegression Ridge",
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
    functions = "\n\n\n".join((_build(plan, facts), _predict(plan, facts), _score(facts)))
    body = (
        f"{_load(facts)}\n\n{columns(plan, facts)}\n\n\n{functions}\n\n\n"
        f"{_validate(plan, facts)}\n\n{_submit(facts)}\n\n{_report(facts)}"
    )
    title = textwrap.fill(_title(plan, facts), 96)
    return f'"""{title}\n\n{plan.to_line()}\n"""\n\n{_imports(body)}\n\n{body}\n'


def _title(plan: Plan, facts: TaskFacts) -> str:
    """One sentence that says what the script does."""
    family = plan.family.replace("_", " ") + (", bagged" if plan.bag else "")
    partner = "" if plan.partner == "none" else f", averaged with {plan.partner.replace('_', ' ')}"
    sentence = f"{facts.title}: {family}{partner}; {facts.metric.name} over {plan.folds} folds."
    return re.sub(r'[\\"\s]+', " ", sentence)


def _imports(body: str) -> str:
    """Import lines of exactly the names that the body uses."""
    used = set(re.findall(r"\w+", body))
    lines = ["import json", "import time"]
    if "combinations" in used:
        lines.append("from itertools import combinations")
    lines.append("from pathlib import Path")
    lines += ["", "import numpy as np", "import pandas as pd"]
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


def _build(plan: Plan, facts: TaskFacts) -> str:
    lines, names = preprocessing(plan, facts)
    lines += estimator(plan, facts)
    pipeline = f"make_pipeline({', '.join([*names, 'model'])})"
    if plan.log_target and facts.kind == "regression":
        lines.append(f"pipeline = {pipeline}")
        pipeline = "TransformedTargetRegressor(pipeline, func=np.log1p, inverse_func=np.expm1)"
    lines.append(f"return {pipeline}")
    return 'def build():\n    """The whole model, unfitted."""\n' + textwrap.indent(
        "\n".join(lines), "    "
    )


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
    low, high = facts.metric.bounds
    limits = [f"{bound:g}" if abs(bound) < float("inf") else "None" for bound in (low, high)]
    if plan.clip_predictions:
        limits = ["y.min()", "y.max()"]
    clip = "" if limits == ["None", "None"] else f".clip({', '.join(limits)})"
    return head + f'    """Predicted values."""\n    return model.predict(rows){clip}'


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
folds, train_folds = [], []
for fit, held in split.split(X, y):
    model = build().fit(X.iloc[fit], y[fit])
    held_out[held] = predict(model, X.iloc[held])
    seen = fit[:: 1 + len(fit) // 2000]
    folds.append(score(y[held], held_out[held]))
    train_folds.append(score(y[seen], predict(model, X.iloc[seen])))
half = build().fit(X.iloc[fit[::2]], y[fit[::2]])  # the last fold's model on half of its rows
half_fold = score(y[held], predict(half, X.iloc[held]))
mean, spread = np.mean(folds), np.std(folds)
print(f"Validation {facts.metric.name} is {{mean:.5g}}; the folds spread by {{spread:.2g}}.")
print(f"On the training rows it is {{np.mean(train_folds):.5g}}.")"""


def _submit(facts: TaskFacts) -> str:
    lines = ["model = build().fit(X, y)", "predicted = predict(model, X_test)"]
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


def _report(facts: TaskFacts) -> str:
    classes = facts.kind != "regression"
    lines = _confusion(facts) if classes else []
    lines += [
        "raw = train.drop(columns=[ID, TARGET])",
        'numbers, words = raw.select_dtypes("number"), raw.select_dtypes(exclude="number")',
        "levels = {c: sorted(map(str, words[c].dropna().unique())) for c in words}",
        "report = {",
        f'    "metric": {literal(facts.metric.name)},',
        '    "folds": folds,',
        '    "train_folds": train_folds,',
        '    "half_fold": half_fold,',
        '    "seconds": round(time.perf_counter() - start, 2),',
        '    "rows": len(raw),',
        '    "numeric_columns": numbers.shape[1],',
        '    "categorical_columns": words.shape[1],',
        '    "cardinality": max(map(len, levels.values()), default=0),',
        '    "levels": {c: known for c, known in levels.items() if len(known) <= 12},',
        '    "missing_share": float(numbers.isna().mean().max()) if numbers.shape[1] else 0.0,',
        '    "skew": float(numbers.skew().fillna(0).abs().max()) if numbers.shape[1] else 0.0,',
        *(_CLASS_ENTRIES if classes else _VALUE_ENTRIES),
        "}",
        "print(json.dumps(report))",
    ]
    return "\n".join(lines)


_VALUE_ENTRIES = (
    '    "target_skew": float(pd.Series(y).skew()),',
    '    "target_min": float(y.min()),',
)
_CLASS_ENTRIES = (
    '    "class_shares": (np.bincount(y) / len(y)).round(4).tolist(),',
    '    "class_errors": (mistakes.sum(1) / confusion.sum(1).clip(1)).round(4).tolist(),',
    '    "worst_pair": [str(CLASSES[worst[0]]), str(CLASSES[worst[1]]), int(mistakes.max())],',
)


def _confusion(facts: TaskFacts) -> list[str]:
    labels = "held_out" if facts.metric.predicts == "label" else "held_out.argmax(axis=1)"
    return [
        f"taken = {labels}.astype(int)",
        "confusion = np.zeros((len(CLASSES), len(CLASSES)), int)",
        "np.add.at(confusion, (y, taken), 1)",
        "mistakes = confusion - np.diag(np.diag(confusion))",
        "worst = np.unravel_index(mistakes.argmax(), mistakes.shape)",
    ]
