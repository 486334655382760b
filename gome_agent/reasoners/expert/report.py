"""The end of a script, as source text: what it measured beyond its score, in one JSON line.

Everything here is evidence for the next step: how the score grows with the rows, where the errors
are and what they go with, which columns the model uses, what kinds of columns there are, and what
the script cost. All of it is measured on rows that the model did not see.
"""

from __future__ import annotations

from gome_agent.reasoners.expert.models import literal
from gome_agent.tasks.base import TaskFacts

IMPORTANCE_COLUMNS = 24
"""Importances are measured for at most as many columns: each costs a prediction."""


def report(facts: TaskFacts) -> str:
    """Source that prints the report."""
    classes = facts.kind != "regression"
    lines = [
        *(_confusion(facts) if classes else []),
        *_residuals(facts),
        *_COLUMNS,
        *_importance(facts),
    ]
    lines += [
        "report = {",
        f'    "metric": {literal(facts.metric.name)},',
        '    "folds": folds,',
        '    "train_folds": train_folds,',
        '    "learning_curve": curve,',
        '    "importance": importance,',
        '    "residual_columns": clues,',
        '    "residual_order": lag,',
        *(_CLASS_ENTRIES if classes else _VALUE_ENTRIES),
        '    "rows": len(raw),',
        '    "numeric_columns": numbers.shape[1],',
        '    "categorical_columns": words.shape[1],',
        '    "cardinality": max(map(len, levels.values()), default=0),',
        '    "levels": {c: known for c, known in levels.items() if len(known) <= 12},',
        '    "sizes": {c: int(raw[c].nunique()) for c in list(words) + whole},',
        '    "dates": dates,',
        '    "texts": texts,',
        '    "names": names,',
        '    "constants": [c for c in raw if raw[c].nunique(dropna=False) < 2],',
        '    "missing_share": float(numbers.isna().mean().max()) if numbers.shape[1] else 0.0,',
        '    "skew": float(numbers.skew().fillna(0).abs().max()) if numbers.shape[1] else 0.0,',
        '    "torch": find_spec("torch") is not None,',
        '    "seconds": round(time.perf_counter() - start, 2),',
        '    "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,',
        "}",
        "print(json.dumps(report))",
    ]
    return "\n".join(lines)


_VALUE_ENTRIES = (
    '    "residual_trend": tied(held_out, residual),',
    '    "residual_spread": tied(held_out, np.abs(residual)),',
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


def _residuals(facts: TaskFacts) -> list[str]:
    """What is left of the target, and the share of it that each raw column alone explains."""
    if facts.kind != "regression":
        found = "y != taken"
        if facts.kind == "binary" and facts.metric.predicts == "probability":
            found = "y - held_out[:, 1]"
        lines = [f"residual = ({found}).astype(float)"]
    elif facts.metric.name == "rmsle":
        lines = ["residual = np.log1p(y) - np.log1p(held_out)"]
    else:
        lines = ["residual = y - held_out"]
    lines += ["residual = residual - residual.mean()", *_EXPLAINED]
    return lines + (_TIED if facts.kind == "regression" else [])


_TIED = [
    "",
    "",
    "def tied(one, other):",
    '    """Rank correlation; 0 where either is constant."""',
    "    one, other = pd.Series(one).rank(), pd.Series(other).rank()",
    "    return float(one.corr(other)) if one.std() and other.std() else 0.0",
    "",
    "",
]
_EXPLAINED = [
    "",
    "",
    "def explained(column):",
    '    """Share of the residual\'s variance between groups, corrected for their number."""',
    '    numbers = column.dtype.kind in "iuf" and column.nunique() > 20',
    '    groups = pd.qcut(column, 12, duplicates="drop") if numbers else column',
    "    groups = groups.astype(str).to_numpy()",
    "    left = pd.Series(residual)",
    "    sizes = left.groupby(groups).transform(len)",
    "    within = (left - left.groupby(groups).transform('mean'))[sizes > 1]",
    "    free = (sizes > 1).sum() - len(set(groups[sizes > 1]))",
    "    whole = float(np.var(residual))",
    "    return 1.0 - float((within**2).sum()) / free / whole if free > 0 and whole > 0 else 0.0",
    "",
    "",
]
_COLUMNS = [
    "raw = train.drop(columns=[ID, TARGET])",
    'numbers, words = raw.select_dtypes("number"), raw.select_dtypes(exclude="number")',
    "levels = {c: sorted(map(str, words[c].dropna().unique())) for c in words}",
    "whole = [c for c in numbers if numbers[c].nunique() <= 40 and (numbers[c] % 1 == 0).all()]",
    "written = {c: words[c].dropna().astype(str) for c in words if words[c].notna().any()}",
    r'DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"',
    "dates = [c for c in written if written[c].str.match(DATE).mean() > 0.9]",
    'texts = [c for c in written if written[c].str.count(" ").mean() >= 3 and len(levels[c]) > 50]',
    "names = [c for c in written if len(levels[c]) > 0.9 * len(raw) and c not in dates + texts]",
    "clues = {c: round(explained(raw[c]), 4) for c in list(raw)[:40] if c not in texts}",
    "clues = dict(sorted(clues.items(), key=lambda clue: -clue[1])[:6])",
    "lag = float(np.corrcoef(residual[1:], residual[:-1])[0, 1]) if residual.std() else 0.0",
]


def _importance(facts: TaskFacts) -> list[str]:
    loss = "known - now" if facts.metric.higher_is_better else "now - known"
    return [
        "importance, some = {}, held[:400]  # what the score loses when a column is shuffled",
        "known = score(y[some], predict(model, X.iloc[some]))",
        f"for column in list(X) if X.shape[1] <= {IMPORTANCE_COLUMNS} else []:",
        "    rows = X.iloc[some].copy()",
        "    shuffled = np.random.default_rng(0).permutation(len(rows))",
        "    rows[column] = rows[column].to_numpy()[shuffled]",
        "    now = score(y[some], predict(model, rows))",
        f"    importance[column] = round({loss}, 6)",
    ]
