"""The columns a plan gives to its model, as source text: derived columns and preprocessing."""

from __future__ import annotations

from gome_agent.reasoners.expert.models import call, literal
from gome_agent.reasoners.expert.plan import Plan
from gome_agent.tasks.base import TaskFacts

_COLUMNS = """\
numeric = list(X.select_dtypes("number"))
categorical = [column for column in X if column not in numeric]"""


def columns(plan: Plan, facts: TaskFacts) -> str:
    """Source that makes `X`, `X_test`, `numeric` and `categorical`."""
    known, steps = _derived(plan, facts)
    start = f"X, X_test = train.drop(columns=[ID, TARGET]), test.drop(columns=[ID])\n{_COLUMNS}"
    if plan.categorical != "drop":
        steps.append('new[categorical] = rows[categorical].astype(object).fillna("?").astype(str)')
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
        + f"X, X_test = engineer(X), engineer(X_test)\n{_COLUMNS}"
    )


def _derived(plan: Plan, facts: TaskFacts) -> tuple[list[str], list[str]]:
    """What is learnt once from the training columns, and the lines that use it."""
    known: list[str] = []
    steps: list[str] = []
    if plan.orders:
        listed = (f"    {literal(c)}: {literal(list(levels))},\n" for c, levels in plan.orders)
        known.append(f"ORDERS = {{  # as the description lists them\n{''.join(listed)}}}")
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


def preprocessing(plan: Plan, facts: TaskFacts) -> tuple[list[str], list[str]]:
    """Lines of `build` that define the transformers, and the names of the pipeline's steps."""
    lines = [f"numbers = {_chain(_numbers(plan))}"]
    parts = ["(numbers, numeric)"]
    if plan.categorical != "drop":
        lines.append(f"categories = {_chain(_categories(plan, facts))}")
        parts.append("(categories, categorical)")
    lines.append("columns = " + call("make_column_transformer", *parts, sparse_threshold=0))
    names = ["columns"]
    if plan.clusters:
        lines.append("centres = KMeans(12, n_init=1, random_state=0)")
        lines.append("groups = make_pipeline(centres, StandardScaler())")
        names.append("make_union(FunctionTransformer(), groups)")
    if plan.reduction == "select":
        test = "f_regression" if facts.kind == "regression" else "f_classif"
        names.append(f"SelectPercentile({test}, percentile=50)")
    elif plan.reduction == "pca":
        names.append('PCA(0.95, svd_solver="full")')
    return lines, names


def _chain(steps: list[str]) -> str:
    return steps[0] if len(steps) == 1 else call("make_pipeline", *steps)


def _numbers(plan: Plan) -> list[str]:
    fill: dict[str, object] = {"strategy": plan.missing}
    if plan.missing == "constant":
        fill["fill_value"] = -999
    steps = [call("SimpleImputer", **fill)]
    match plan.scaling:
        case "standard":
            steps.append("StandardScaler()")
        case "power":
            steps.append("PowerTransformer()")
        case "quantile":
            steps.append(
                'QuantileTransformer(n_quantiles=200, output_distribution="normal", random_state=0)'
            )
        case "none":
            pass
    if plan.splines:
        steps.append('SplineTransformer(n_knots=6, extrapolation="linear")')
    return steps


def _categories(plan: Plan, facts: TaskFacts) -> list[str]:
    if plan.categorical == "onehot":
        options = {"handle_unknown": "infrequent_if_exist", "max_categories": 25}
        return [call("OneHotEncoder", **options, sparse_output=False)]
    if plan.categorical == "ordinal":
        first = call("OrdinalEncoder", handle_unknown="use_encoded_value", unknown_value=-1)
    else:
        kind = "continuous" if facts.kind == "regression" else facts.kind
        first = call("TargetEncoder", target_type=kind, random_state=0)
    return [first] if plan.scaling == "none" else [first, "StandardScaler()"]
