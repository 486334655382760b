"""From the columns of a table to the numbers a family can use, as source text."""

from __future__ import annotations

from gome_agent.reasoners.expert.models import call, literal
from gome_agent.reasoners.expert.plan import SMOOTH, Family, Plan
from gome_agent.tasks.base import TaskFacts


def suited(plan: Plan, family: Family) -> Plan:
    """The plan with choices of columns that a family can use, where they were made for another.

    Boosted trees may keep missing numbers and take categories as they are; a smooth partner of
    trees needs a fill near the data, one scale, and levels that are not put in an order.
    """
    changes: dict[str, object] = {}
    if plan.missing == "keep" and (family != "boosting" or reshaped(plan)):
        changes["missing"] = "median"
    if plan.categorical == "native" and (family != "boosting" or reshaped(plan)):
        changes["categorical"] = "onehot" if family in SMOOTH else "ordinal"
    if family in SMOOTH and plan.family not in SMOOTH:
        changes |= {"missing": "median"} if plan.missing == "constant" else {}
        changes |= {"scaling": "standard"} if plan.scaling == "none" else {}
        changes |= {"categorical": "onehot"} if plan.categorical == "ordinal" else {}
    return plan.change(**changes) if changes else plan


def reshaped(plan: Plan) -> bool:
    """Whether columns are mixed after the transformers, so that none is a code any more."""
    return plan.clusters or plan.reduction != "none"


def preprocessing(
    plan: Plan, family: Family, facts: TaskFacts, name: str
) -> tuple[list[str], list[str]]:
    """Lines that define the transformers of one member, and the names of its first steps.

    Args:
      plan: the choices.
      family: of the member.
      facts: the task.
      name: what the lines call the first transformer.
    """
    plan = suited(plan, family)
    parts = []
    if plan.categorical != "drop":
        parts.append(f"({_chain(_categories(plan, facts))}, categorical)")
    parts.append(f"({_chain(_numbers(plan))}, numeric)")
    if plan.categorical != "native":
        parts.reverse()  # Numbers first, but for codes that boosted trees must find.
    parts += [f"({_text()}, {column})" for column in text_columns(plan)]
    lines = [f"{name} = " + call("make_column_transformer", *parts, sparse_threshold=0)]
    names = [name]
    if plan.clusters:
        groups = "make_pipeline(KMeans(12, n_init=1, random_state=0), StandardScaler())"
        names.append(call("make_union", "FunctionTransformer()", groups))
    if plan.reduction == "select":
        test = "f_regression" if facts.kind == "regression" else "f_classif"
        names.append(f"SelectPercentile({test}, percentile=50)")
    elif plan.reduction == "pca":
        names.append('PCA(0.95, svd_solver="full")')
    return lines, names


def text_columns(plan: Plan) -> tuple[str, ...]:
    """Source of the names of the text columns in use."""
    return tuple(literal(column) for column in plan.texts if column not in plan.drop)


def _text() -> str:
    words = call(
        "TfidfVectorizer", ngram_range=(1, 2), sublinear_tf=True, min_df=2, max_features=5000
    )
    return call("make_pipeline", words, call("TruncatedSVD", "12", random_state=0))


def _chain(steps: list[str]) -> str:
    return steps[0] if len(steps) == 1 else call("make_pipeline", *steps)


def _numbers(plan: Plan) -> list[str]:
    fill: dict[str, object] = {"strategy": plan.missing}
    if plan.missing == "constant":
        fill["fill_value"] = -999
    steps = [] if plan.missing == "keep" else [call("SimpleImputer", **fill)]
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
    return steps or ['"passthrough"']


def _categories(plan: Plan, facts: TaskFacts) -> list[str]:
    if plan.categorical == "onehot":
        options = {"handle_unknown": "infrequent_if_exist", "max_categories": 25}
        return [call("OneHotEncoder", **options, sparse_output=False)]
    if plan.categorical == "native":
        # Boosted trees take at most 255 levels.
        options = {"handle_unknown": "use_encoded_value", "max_categories": 250}
        return [call("OrdinalEncoder", "unknown_value=np.nan", **options)]
    if plan.categorical == "ordinal":
        first = call("OrdinalEncoder", handle_unknown="use_encoded_value", unknown_value=-1)
    else:
        kind = "continuous" if facts.kind == "regression" else facts.kind
        first = call("TargetEncoder", target_type=kind, random_state=0)
    return [first] if plan.scaling == "none" else [first, "StandardScaler()"]
