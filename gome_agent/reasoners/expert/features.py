"""The columns a plan derives before anything is fitted, as source text."""

from __future__ import annotations

from gome_agent.reasoners.expert.models import listing, literal
from gome_agent.reasoners.expert.plan import Plan
from gome_agent.tasks.base import TaskFacts

_COLUMNS = """\
numeric = list(X.select_dtypes("number"))
categorical = [column for column in X if column not in numeric%s]"""


def columns(plan: Plan, facts: TaskFacts) -> str:
    """Source that makes `X`, `X_test`, `numeric` and `categorical`."""
    plan = plan.change(
        dates=[c for c in plan.dates if c not in plan.drop],
        texts=[c for c in plan.texts if c not in plan.drop],
        crosses=[pair for pair in plan.crosses if not set(pair) & {*plan.drop, *plan.texts}],
        orders=[order for order in plan.orders if order[0] not in plan.drop],
    )
    lists = [listing("DROP", map(literal, plan.drop))] if plan.drop else []
    lists += [listing("TEXTS", map(literal, plan.texts))] if plan.texts else []
    lists += [listing("DATES", map(literal, plan.dates))] if plan.dates else []
    special = " + DATES" * bool(plan.dates) + " + TEXTS" * bool(plan.texts)
    kinds = _COLUMNS % special
    left = " + DROP" if plan.drop else ""
    tables = f"train.drop(columns=[ID, TARGET]{left}), test.drop(columns=[ID]{left})"
    start = "\n".join([*lists, f"X, X_test = {tables}", kinds])
    known, steps = _derived(plan, facts)
    if plan.categorical != "drop":
        words = "categorical + CROSSED" if plan.crosses else "categorical"
        steps.append(f'new[{words}] = new[{words}].astype(object).fillna("?").astype(str)')
    if plan.texts:
        steps.append('new[TEXTS] = rows[TEXTS].fillna("").astype(str)')
    if plan.orders:
        steps += [
            "for column, levels in ORDERS.items():",
            "    new[column] = rows[column].map({v: rank for rank, v in enumerate(levels)})",
        ]
    if not steps:
        return start
    body = "".join(f"    {line}\n" for line in steps)
    return (
        "\n".join([start, *known])
        + '\n\n\ndef engineer(rows):\n    """The columns that the model sees."""\n'
        + f"    new = rows.copy()\n{body}    return new\n\n\n"
        + f"X, X_test = engineer(X), engineer(X_test)\n{kinds}"
    )


_DATE_STEPS = [
    "for column in DATES:",
    '    day = pd.to_datetime(rows[column], errors="coerce", format="mixed", utc=True)',
    '    new[f"{column} days"] = (day - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)',
    '    for part in ("year", "month", "day", "day_of_week", "day_of_year", "hour"):',
    '        new[f"{column} {part}"] = getattr(day.dt, part).astype(float)',
    "new = new.drop(columns=DATES)",
]


def _derived(plan: Plan, facts: TaskFacts) -> tuple[list[str], list[str]]:
    """What is learnt once from the training columns, and the lines that use it."""
    known: list[str] = []
    steps: list[str] = []
    if plan.orders:
        listed = (f"    {literal(c)}: {literal(list(levels))},\n" for c, levels in plan.orders)
        known.append(f"ORDERS = {{  # as the description lists them\n{''.join(listed)}}}")
    if plan.dates:
        steps += _DATE_STEPS
    if plan.crosses:
        known.append(listing("PAIRS", (literal(list(pair)) for pair in plan.crosses)))
        known.append('CROSSED = [f"{a} x {b}" for a, b in PAIRS]')
        steps.append("for name, (a, b) in zip(CROSSED, PAIRS):")
        steps.append('    new[name] = rows[a].astype(str) + "|" + rows[b].astype(str)')
    if plan.clip_outliers:
        known.append("low, high = X[numeric].quantile(0.005), X[numeric].quantile(0.995)")
        steps.append("new[numeric] = new[numeric].clip(low, high, axis=1)")
    if plan.log_skewed:
        known.append("tails = [c for c in numeric if X[c].min() >= 0 and X[c].skew() > 1]")
        steps.append("new[tails] = np.log1p(new[tails].clip(lower=0))")
    if plan.ratios or plan.products:
        test = "f_regression" if facts.kind == "regression" else "f_classif"
        known += [
            "# The strongest columns are picked once: the same small optimism in every fold.",
            "filled = X[numeric].fillna(X[numeric].median()).fillna(0)",
            f"strength = pd.Series({test}(filled, y)[0], numeric).sort_values(ascending=False)",
            "pairs = list(combinations(strength.index[:5], 2))",
        ]
        steps.append("for a, b in pairs:")
    if plan.ratios:
        steps.append('    new[f"{a} / {b}"] = rows[a] / rows[b].where(rows[b] != 0)')
    if plan.products:
        steps.append('    new[f"{a} * {b}"] = rows[a] * rows[b]')
    if plan.missing_flags:
        known.append("gappy = [c for c in numeric if X[c].isna().any()]")
        steps.append("for column in gappy:")
        steps.append('    new[f"{column} is missing"] = rows[column].isna().astype(float)')
    if plan.frequencies:
        known.append("shares = {c: X[c].value_counts(normalize=True) for c in categorical}")
        steps.append("for column in categorical:")
        steps.append('    new[f"{column} share"] = rows[column].map(shares[column]).fillna(0.0)')
    if plan.row_statistics:
        steps += [
            'new["row mean"] = rows[numeric].mean(axis=1)',
            'new["row max"] = rows[numeric].max(axis=1)',
            'new["row sd"] = rows[numeric].std(axis=1, ddof=0)',
            'new["row zeros"] = (rows[numeric] == 0).sum(axis=1)',
        ]
    return known, steps
