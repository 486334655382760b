"""Ordinary pipelines, drawn at random: what the teams on a leaderboard submit.

A draw picks a model family, its hyper-parameters, and how features are encoded and scaled, among
what is commonly tried, weak choices included. Nothing is tuned and no answer is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import BayesianRidge, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from gome_agent.tasks.bundled import Recipe

FAMILIES = {
    "linear": 0.12,
    "neighbours": 0.09,
    "svm": 0.07,
    "tree": 0.04,
    "forest": 0.11,
    "extra trees": 0.1,
    "boosting": 0.33,
    "network": 0.1,
    "bayes": 0.04,
}
"""Model families, and how often each is drawn."""

FEW_COLUMNS = 12
"""Products and ratios of columns are only tried with at most so many numeric columns."""


@dataclass(frozen=True)
class Entry:
    """One team: a pipeline, and how it is told in the leaderboard."""

    text: str
    model: Any
    """Unfitted scikit-learn estimator."""


def draw(rng: np.random.Generator, recipe: Recipe, train: pd.DataFrame) -> Entry:
    """A random pipeline for the task.

    Args:
      rng: source of all randomness, the model's own seed included.
      recipe: the task.
      train: features of the public train file, without id and target.
    """
    regression = recipe.facts.kind == "regression"
    family = str(rng.choice(list(FAMILIES), p=list(FAMILIES.values())))
    model, words = _model(rng, family, regression)
    features, how = _features(rng, recipe, train)
    pipeline = Pipeline([*features, ("model", model)])
    texts = [f"{family} {words}".strip(), *how]
    if regression and rng.random() < 0.4:
        pipeline = TransformedTargetRegressor(pipeline, func=np.log1p, inverse_func=np.expm1)
        texts.append("log target")
    elif regression:  # Networks and kernels need a target of unit scale; others do not mind.
        pipeline = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
    return Entry("; ".join(texts), pipeline)


def _model(rng: np.random.Generator, family: str, regression: bool) -> tuple[Any, str]:
    """Model of a family with drawn hyper-parameters, and these as text."""
    build, choices = _MODELS[family]
    drawn = {name: values[rng.integers(len(values))] for name, values in choices.items()}
    words = " ".join(f"{name}={value}" for name, value in drawn.items())
    return build(regression, int(rng.integers(2**31)), **drawn), words


def _linear(regression: bool, seed: int, penalty: float) -> Any:
    return Ridge(penalty) if regression else LogisticRegression(C=1 / penalty, max_iter=300)


def _neighbours(regression: bool, seed: int, **options: Any) -> Any:
    return (KNeighborsRegressor if regression else KNeighborsClassifier)(**options)


def _svm(regression: bool, seed: int, **options: Any) -> Any:
    if regression:
        return SVR(cache_size=500, **options)
    # `SVC` has no probabilities of its own.
    calibration: dict[str, Any] = {"ensemble": False, "cv": 3}
    return CalibratedClassifierCV(SVC(cache_size=500, **options), **calibration)


def _seeded(classifier: Any, regressor: Any, regression: bool, seed: int, **options: Any) -> Any:
    return (regressor if regression else classifier)(random_state=seed, **options)


def _bayes(regression: bool, seed: int) -> Any:
    return BayesianRidge() if regression else GaussianNB(var_smoothing=1e-3)


_TREES = {"min_samples_leaf": (1, 2, 5, 10), "max_features": ("sqrt", 0.3, 0.6)}

_MODELS: dict[str, tuple[Callable[..., Any], dict[str, tuple[Any, ...]]]] = {
    "linear": (_linear, {"penalty": (0.01, 0.1, 1.0, 10.0, 100.0)}),
    "neighbours": (
        _neighbours,
        {"n_neighbors": (1, 3, 5, 10, 25, 50), "weights": ("uniform", "distance"), "p": (1, 2)},
    ),
    "svm": (_svm, {"C": (0.1, 1.0, 10.0), "gamma": ("scale", 0.01, 0.1)}),
    "tree": (
        partial(_seeded, DecisionTreeClassifier, DecisionTreeRegressor),
        {"max_depth": (4, 8, 12, None), "min_samples_leaf": (1, 5, 20)},
    ),
    "forest": (
        partial(_seeded, RandomForestClassifier, RandomForestRegressor),
        _TREES,
    ),
    "extra trees": (
        partial(_seeded, ExtraTreesClassifier, ExtraTreesRegressor),
        _TREES,
    ),
    "boosting": (
        partial(_seeded, HistGradientBoostingClassifier, HistGradientBoostingRegressor),
        {
            "learning_rate": (0.05, 0.1, 0.15),
            "max_iter": (50, 100, 200),
            "max_leaf_nodes": (10, 20, 31),
            "l2_regularization": (0.0, 1.0),
        },
    ),
    "network": (
        partial(_seeded, MLPClassifier, MLPRegressor, early_stopping=True, max_iter=150),
        {"hidden_layer_sizes": ((32,), (100,), (64, 32)), "alpha": (1e-4, 1e-2, 1.0)},
    ),
    "bayes": (_bayes, {}),
}


def _features(
    rng: np.random.Generator, recipe: Recipe, train: pd.DataFrame
) -> tuple[list[tuple[str, Any]], list[str]]:
    """Steps from the raw table to numbers, and how they are told."""
    numeric = train.select_dtypes("number").columns.tolist()
    texts = [name for name in train.columns if name not in numeric]
    steps: list[tuple[str, Any]] = [("missing", SimpleImputer(strategy="median"))]
    told = []
    extra = rng.choice(["none", "ratios", "products"], p=[0.5, 0.25, 0.25])
    if len(numeric) <= FEW_COLUMNS and extra == "ratios":
        steps.append(("ratios", FunctionTransformer(ratios)))
        told.append("ratios")
    if len(numeric) <= FEW_COLUMNS and extra == "products":
        steps.append(("products", PolynomialFeatures(2, include_bias=False)))
        told.append("products")
    scaler = str(rng.choice(list(_SCALERS)))
    steps.append(("scale", _SCALERS[scaler]()))
    told.append(scaler)
    encoder = str(rng.choice([name for name in _ENCODERS if name != "graded" or recipe.ordered]))
    if texts:
        told.append(encoder)
    columns = [("numbers", Pipeline(steps), numeric), *_encoded(encoder, texts, recipe)]
    pipeline: list[tuple[str, Any]] = [("columns", ColumnTransformer(columns))]
    if len(numeric) > FEW_COLUMNS and rng.random() < 0.3:
        size = int(rng.choice([15, 25, 40]))
        pipeline.append(("components", PCA(size, random_state=0)))
        told.append(f"{size} components")
    return pipeline, told


_SCALERS: dict[str, Callable[[], Any]] = {
    "raw": FunctionTransformer,
    "standard": StandardScaler,
    "min-max": MinMaxScaler,
    "quantile": partial(
        QuantileTransformer, n_quantiles=200, output_distribution="normal", random_state=0
    ),
}

_ENCODERS: dict[str, Callable[[], Any]] = {
    "one-hot": partial(OneHotEncoder, handle_unknown="ignore", sparse_output=False),
    "ordinal": partial(OrdinalEncoder, handle_unknown="use_encoded_value", unknown_value=-1),
    "target": partial(TargetEncoder, **{"random_state": 0}),
    "graded": partial(OrdinalEncoder, handle_unknown="use_encoded_value", unknown_value=-1),
}


def _encoded(encoder: str, texts: list[str], recipe: Recipe) -> list[tuple[str, Any, list[str]]]:
    if not texts:
        return []
    if encoder == "graded":
        grades = [list(recipe.ordered[name]) for name in texts]
        return [("texts", _ENCODERS[encoder]().set_params(categories=grades), texts)]
    return [("texts", _ENCODERS[encoder](), texts)]


def ratios(values: np.ndarray) -> np.ndarray:
    """The columns, and the ratio of each pair of them; 0 where the divisor is 0.

    Args:
      values: `(rows, columns)`.

    Returns:
      `(rows, columns + columns (columns - 1) / 2)`.

    >>> ratios(np.array([[6.0, 3.0], [1.0, 0.0]])).tolist()
    [[6.0, 3.0, 2.0], [1.0, 0.0, 0.0]]
    """
    first, second = np.triu_indices(values.shape[1], 1)
    divisor = values[:, second]
    quotient = np.divide(
        values[:, first], divisor, out=np.zeros_like(divisor, dtype=float), where=divisor != 0
    )
    return np.hstack([values, quotient])
