"""The metrics of the bundled tasks, by name.

Each is scikit-learn's function of the same meaning, imported when it is first called so that
listing tasks stays fast. Only metrics that a bundled task uses are here; another task may bring its
own `Metric`.
"""

from __future__ import annotations

import math

import numpy as np

from gome_agent.tasks.base import Metric


def _accuracy(answers: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(answers, labels))


def _auc(answers: np.ndarray, probabilities: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(answers, probabilities))


def _log_loss(answers: np.ndarray, probabilities: np.ndarray) -> float:
    # `answers` are column positions, so that scikit-learn's sorting of labels is the column order.
    from sklearn.metrics import log_loss

    return float(log_loss(answers, probabilities, labels=np.arange(probabilities.shape[1])))


def _rmse(answers: np.ndarray, predictions: np.ndarray) -> float:
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(answers, predictions))


def _rmsle(answers: np.ndarray, predictions: np.ndarray) -> float:
    from sklearn.metrics import root_mean_squared_log_error

    return float(root_mean_squared_log_error(answers, predictions))


ACCURACY = Metric("accuracy", True, _accuracy, predicts="label")
"""Share of rows whose label is right."""

AUC = Metric("auc", True, _auc, predicts="probability", bounds=(0.0, 1.0))
"""Area under the ROC curve of the second class."""

LOG_LOSS = Metric("log_loss", False, _log_loss, predicts="probability", bounds=(0.0, 1.0))
"""Mean of `-log p(answer)`, in nats; probabilities are clipped at the float64 epsilon."""

RMSE = Metric("rmse", False, _rmse)
"""Root of the mean squared error, in the target's units."""

RMSLE = Metric("rmsle", False, _rmsle, bounds=(0.0, math.inf))
"""Root of the mean squared difference of `log(1 + value)`."""
