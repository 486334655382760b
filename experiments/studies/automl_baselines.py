"""What a user would try without an agent, as a program over a task's public files.

    python -P automl_baselines.py METHOD PUBLIC SUBMISSION < problem.json

It is run by its path (-P keeps its folder off the import path) and needs nothing of ours: FLAML
lives in an environment of its own. The problem is `Problem` as JSON; the last line of output is a
JSON object with `validation` (in the metric's own units, null if none was made) and `evaluations`.
Methods:

    hgb            scikit-learn's histogram gradient boosting with its defaults, categories told
    random_search  random draws of a pipeline over boosting, forest and linear model, five folds
                   each, until the time is spent; the best is fitted again
    flaml          FLAML (Wang et al. 2021) with its defaults and the same time

For `rmsle` the logarithm of the target is one of the choices of the random search, and FLAML is
given the logarithm, since it does not know the metric.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCORERS = {
    "accuracy": "accuracy",
    "auc": "roc_auc",
    "log_loss": "neg_log_loss",
    "rmse": "neg_root_mean_squared_error",
    "rmsle": "neg_root_mean_squared_log_error",
}
FLAML_METRICS = {
    "accuracy": "accuracy",
    "auc": "roc_auc",
    "log_loss": "log_loss",
    "rmse": "rmse",
    "rmsle": "rmse",
}


@dataclass(frozen=True)
class Problem:
    """All that the methods are told."""

    id_column: str
    target: str
    kind: str
    metric: str
    predicts: str
    columns: list[str]
    """Of a submission, after the id."""
    classes: list[str]
    seed: int
    seconds: float
    """Time to search, for the methods that search."""


def main(method: str, public: Path, submission: Path) -> None:
    """Fit a method, write its submission and print what it measured."""
    import pandas as pd

    problem = Problem(**json.load(sys.stdin))
    train, test = (pd.read_csv(public / f"{name}.csv") for name in ("train", "test"))
    X = train.drop(columns=[problem.id_column, problem.target])
    y = train[problem.target].astype(str) if problem.classes else train[problem.target]
    rows = test.drop(columns=[problem.id_column])
    model, report = METHODS[method](X, y, problem)
    predicted = _predictions(model, rows, problem)
    table = pd.DataFrame(
        predicted, columns=problem.columns, index=pd.Index(test[problem.id_column])
    )
    table.reset_index().to_csv(submission, index=False)
    print(json.dumps(report))


def _predictions(model: Any, rows: Any, problem: Problem) -> Any:
    import numpy as np

    if problem.predicts != "probability":
        predicted = np.asarray(model.predict(rows))
        return np.maximum(predicted, 0.0) if problem.metric == "rmsle" else predicted
    chances = np.asarray(model.predict_proba(rows))
    order = [[str(c) for c in model.classes_].index(name) for name in problem.classes]
    chances = chances[:, order] / chances.sum(axis=1, keepdims=True)
    return chances if len(problem.columns) > 1 else chances[:, 1]


def hgb(X: Any, y: Any, problem: Problem) -> tuple[Any, dict[str, Any]]:
    """Defaults; nothing is validated."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.pipeline import make_pipeline

    words = make_column_selector(dtype_exclude="number")
    numbers = make_column_selector(dtype_include="number")
    columns = make_column_transformer((_codes(), words), ("passthrough", numbers))
    several = X.select_dtypes(exclude="number").shape[1]
    model = _boosting(problem, categorical_features=list(range(several)) or None)
    model = make_pipeline(columns, model).fit(X, y)
    return model, {"validation": None, "evaluations": 1}


def _codes() -> Any:
    import numpy as np
    from sklearn.preprocessing import OrdinalEncoder

    return OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=250
    )


def _boosting(problem: Problem, **fields: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if problem.classes else HistGradientBoostingRegressor
    return kind(random_state=problem.seed, **fields)


def random_search(X: Any, y: Any, problem: Problem) -> tuple[Any, dict[str, Any]]:
    """Draws until another would not fit the time, what it takes to fit the best one included."""
    import numpy as np
    from sklearn.base import clone
    from sklearn.model_selection import KFold, ParameterSampler, StratifiedKFold, cross_val_score

    started = time.perf_counter()
    splitter = StratifiedKFold if problem.classes else KFold
    folds = splitter(5, shuffle=True, random_state=problem.seed)
    draws = ParameterSampler(space(problem), n_iter=10_000, random_state=problem.seed)
    best, best_score, count, longest = None, -np.inf, 0, 0.0
    for settings in draws:
        begun = time.perf_counter()
        if count and begun - started + 1.25 * longest > problem.seconds:
            break
        model: Any = clone(pipeline(problem))
        model.set_params(**settings)
        scores = cross_val_score(model, X, y, cv=folds, scoring=SCORERS[problem.metric])
        count, longest = count + 1, max(longest, time.perf_counter() - begun)
        if np.mean(scores) > best_score:
            best, best_score = model, float(np.mean(scores))
    assert best is not None
    lower = SCORERS[problem.metric].startswith("neg_")
    validation = -best_score if lower else best_score
    return best.fit(X, y), {"validation": validation, "evaluations": count}


def pipeline(problem: Problem) -> Any:
    """Columns, then a model; for `rmsle` around it the logarithm of the target."""
    from sklearn.compose import (
        TransformedTargetRegressor,
        make_column_selector,
        make_column_transformer,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (words, make_column_selector(dtype_exclude="number")),
    )
    steps = Pipeline([("columns", columns), ("model", _boosting(problem))])
    if problem.metric != "rmsle":
        return steps
    return TransformedTargetRegressor(steps)


def space(problem: Problem) -> list[dict[str, Any]]:
    """What is drawn: a family with equal chances, then its hyper-parameters."""
    import numpy as np
    from scipy.stats import loguniform, randint, uniform
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    classes = bool(problem.classes)
    forest = RandomForestClassifier if classes else RandomForestRegressor
    linear = LogisticRegression(max_iter=300) if classes else Ridge()
    strength = {"C": loguniform(1e-2, 1e2)} if classes else {"alpha": loguniform(1e-2, 1e3)}
    families = (
        (
            _boosting(problem),
            {
                "learning_rate": loguniform(0.02, 0.3),
                "max_iter": randint(50, 400),
                "max_leaf_nodes": randint(4, 64),
                "min_samples_leaf": randint(5, 60),
                "l2_regularization": loguniform(1e-3, 30.0),
                "max_features": uniform(0.3, 0.7),
            },
        ),
        (
            forest(n_estimators=120, random_state=problem.seed),
            {"min_samples_leaf": randint(1, 20), "max_features": uniform(0.1, 0.9)},
        ),
        (linear, strength),
    )
    outer = "regressor__" if problem.metric == "rmsle" else ""
    found = [
        {f"{outer}model": [model], **{f"{outer}model__{name}": v for name, v in ranges.items()}}
        for model, ranges in families
    ]
    if not outer:
        return found
    targets = (
        {"func": [None], "inverse_func": [None]},
        {"func": [np.log1p], "inverse_func": [np.expm1]},
    )
    return [{**one, **target} for one in found for target in targets]


def flaml(X: Any, y: Any, problem: Problem) -> tuple[Any, dict[str, Any]]:
    """Defaults, with the time and the metric told."""
    import numpy as np
    from flaml import AutoML  # pyright: ignore[reportMissingImports]

    logarithm = problem.metric == "rmsle"
    automl = AutoML()
    automl.fit(
        X,
        np.log1p(y) if logarithm else y,
        task="classification" if problem.classes else "regression",
        metric=FLAML_METRICS[problem.metric],
        time_budget=problem.seconds,
        seed=problem.seed,
        n_jobs=1,
        verbose=0,
    )
    loss = automl.best_loss
    higher = problem.metric in ("accuracy", "auc")
    report = {
        "validation": float(1.0 - loss if higher else loss),
        "evaluations": len(automl.config_history),
    }
    return (_Exponential(automl) if logarithm else automl), report


@dataclass(frozen=True)
class _Exponential:
    """Predictions of a model of the logarithm, in the target's own units."""

    model: Any

    def predict(self, rows: Any) -> Any:
        import numpy as np

        return np.expm1(self.model.predict(rows))


METHODS = {"hgb": hgb, "random_search": random_search, "flaml": flaml}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
