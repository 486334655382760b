"""Scores, decisions and directions out of fields whose types nobody documented.

Every function takes any JSON value and answers `None` where it finds nothing; none raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from experiments import lenient

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_PREFERRED = ("ensemble", "valid_score", "score", "mean", "value", "result")
_DECISIONS = ("decision", "acceptable", "accepted", "accept", "replace best result", "success")
_YES, _NO = {"true", "yes", "accept", "accepted", "1"}, {"false", "no", "reject", "rejected", "0"}
_DECIDED = re.compile(
    r"\b(?:decision|replace best result|accept(?:ed|able)?)\b\W{1,4}"
    r"(true|false|yes|no|accept(?:ed)?|reject(?:ed)?)\b",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"hallucinat|refut|contradict|disprov|not support|unsupported|wrong direction|invalidated",
    re.IGNORECASE,
)
_HIGHER = re.compile(
    r"(?:higher|larger|greater) (?:\w+ ){0,2}(?:is|are) better|bigger is better|"
    r"(?:should|to) be maximi[sz]ed|maximi[sz]e the (?:\w+ )?(?:metric|score)|"
    r"metric direction\W+(?:maxim|higher|true)",
    re.IGNORECASE,
)
_LOWER = re.compile(
    r"(?:lower|smaller) (?:\w+ ){0,2}(?:is|are) better|(?:should|to) be minimi[sz]ed|"
    r"minimi[sz]e the (?:\w+ )?(?:metric|score|error|loss)|"
    r"metric direction\W+(?:minim|lower|false)",
    re.IGNORECASE,
)
_HIGH_METRICS = (
    *("accuracy", "auc", "auroc", "roc_auc", "f1", "fbeta", "f2", "precision", "recall", "map"),
    *("map@3", "map@5", "map@7", "ndcg", "kappa", "qwk", "quadratic_weighted_kappa", "dice", "iou"),
    *("r2", "pearson", "spearman", "jaccard", "mcc", "gini"),
)
_LOW_METRICS = (
    *("rmse", "mse", "mae", "rmsle", "mcrmse", "logloss", "log_loss", "loss", "error", "smape"),
    *("mape", "cross_entropy", "crossentropy", "levenshtein", "medae"),
)


class Score(NamedTuple):
    """A number and the name of what it measures, if there was one."""

    value: float
    metric: str


def number(value: Any) -> float | None:
    """A finite number, also from text that is nothing but a number.

    >>> number("0.81"), number(" -1e-3 "), number("nan"), number(True)
    (0.81, -0.001, None, None)
    """
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    return lenient.number(value)


def score(value: Any) -> Score | None:
    """A validation score: a number, its text, an object, a list, or a table as text.

    Of several numbers the ensemble's counts, else one with a telling name, else the last.

    >>> score({"auc": {"lgbm": 0.80, "ensemble": 0.83}})
    Score(value=0.83, metric='auc')
    >>> score(",rmse\\nmodel_1,0.51\\nensemble,0.49")
    Score(value=0.49, metric='rmse')
    """
    plain = number(value)
    if plain is not None:
        return Score(plain, "")
    if isinstance(value, str):
        return _from_text(value)
    found = list(_numbers(value, ()))
    if not found:
        return None
    for wanted in _PREFERRED:
        for path, value in found:
            if any(wanted == part.casefold().strip() for part in path):
                return Score(value, _metric_of(path))
    path, value = found[-1]
    return Score(value, _metric_of(path))


def _numbers(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item, path)
    else:
        found = number(value)
        if found is not None:
            yield path, found


def _metric_of(path: tuple[str, ...]) -> str:
    named = [part for part in path if higher_by_name(part) is not None]
    return named[0] if named else ""


def _from_text(text: str) -> Score | None:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    rows = [re.split(r"[,;\t|]|\s{2,}|:", line) for line in lines]
    metric = next(
        (cell.strip() for row in rows for cell in row if higher_by_name(cell) is not None), ""
    )
    numbers = [
        (row[0].casefold().strip(), found[-1])
        for row in rows
        if (found := [n for cell in row if (n := number(cell)) is not None])
    ]
    if not numbers:
        return None
    ensemble = [value for name, value in numbers if name == "ensemble"]
    return Score(ensemble[-1] if ensemble else numbers[-1][1], metric)


def decision(feedback: Any) -> bool | None:
    """Whether a loop's result was taken, from an object or from text.

    >>> decision({"decision": "yes"}), decision("Decision: False\\nReason: worse"), decision(3)
    (True, False, None)
    """
    if isinstance(feedback, bool):
        return feedback
    if isinstance(feedback, str):
        match = _DECIDED.search(feedback)
        return None if match is None else match[1].casefold() in _YES
    if not isinstance(feedback, Mapping):
        return None
    by_name = {str(key).casefold().replace("_", " "): item for key, item in feedback.items()}
    for name in _DECISIONS:
        found = by_name.get(name)
        if isinstance(found, bool):
            return found
        word = str(found).casefold().strip() if isinstance(found, str | int) else ""
        if word in _YES | _NO:
            return word in _YES
    return None


def wrong_diagnosis(feedback: Any) -> bool | None:
    """Whether the feedback calls the hypothesis wrong; `None` if it has no words on it.

    >>> wrong_diagnosis({"hypothesis_evaluation": "Refuted: the score fell."})
    True
    """
    if isinstance(feedback, str):
        return bool(_WRONG.search(feedback)) if feedback.strip() else None
    if not isinstance(feedback, Mapping):
        return None
    words = [str(item) for item in feedback.values() if isinstance(item, str)]
    return bool(_WRONG.search("\n".join(words))) if words else None


def higher_by_name(metric: Any) -> bool | None:
    """Whether higher is better, from the name of a metric.

    >>> higher_by_name("ROC AUC"), higher_by_name("rmse"), higher_by_name("metric")
    (True, False, None)
    """
    name = str(metric).casefold().strip()
    words = {name, re.sub(r"[\s-]+", "_", name), *re.split(r"[\s_\-]+", name)}
    low = any(word in words for word in _LOW_METRICS)
    high = any(word in words for word in _HIGH_METRICS)
    return None if high == low else high


def higher_by_text(text: Any) -> bool | None:
    """Whether higher is better, from what a description says outright.

    >>> higher_by_text("Submissions are scored; a lower score is better.")
    False
    """
    words = text if isinstance(text, str) else str(text) if isinstance(text, Mapping) else ""
    high, low = bool(_HIGHER.search(words)), bool(_LOWER.search(words))
    return None if high == low else high


def higher_by_report(report: Any) -> bool | None:
    """Whether higher is better, from a grading report."""
    if not isinstance(report, Mapping):
        return None
    for key, sign in (("is_lower_better", False), ("lower_is_better", False)):
        if isinstance(report.get(key), bool):
            return report[key] == sign
    found = report.get("higher_is_better")
    return found if isinstance(found, bool) else None
