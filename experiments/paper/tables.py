"""The paper's tables, as LaTeX, from the committed results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from experiments import strategy_tables
from experiments.agent_tables import rounded
from experiments.paper import sources
from experiments.strategy_tables import RESULTS, load

RULES = ("sgd", "momentum", "nesterov", "adam", "sign", "lion", "gome")
LAWS = {
    "linear": "linear",
    "degree": "homogeneous",
    "rotates": "rotation-equivariant",
    "merges": "merges",
    "silence": "silence",
}


def rules() -> str:
    """What kind of rule each is."""
    import optimizers
    from experiments.pages import shown

    rows = []
    for name in RULES:
        character = optimizers.check(optimizers.RULES[name](), laws=LAWS.values())
        rows.append((rf"\texttt{{{name}}}", *(shown(character, law) for law in LAWS.values())))
    return tabular("l" + "c" * len(LAWS), ("rule", *LAWS), rows)


def verification() -> str:
    """Rows, error and largest z of each tag of law."""
    table, _ = load("verify_theory")
    rows = []
    for tag, laws in table.groupby("tag", sort=False):
        error = 100 * laws.scaled_error.abs()
        claims = tag in ("exact", "asymptotic", "mean-field")
        rows.append(
            (
                str(tag),
                f"{len(laws)}",
                f"{laws.family.nunique()}",
                f"{error.median():.2g}" if claims else "",
                f"{error.max():.2g}" if claims else "",
                f"{laws.z.abs().max():.1f}" if tag == "exact" else "",
                f"{int(laws.out.sum())}",
            )
        )
    heads = ("tag", "rows", "families", "median error", "largest error", "largest $|z|$", "out")
    return tabular("lrrrrrr", heads, rows)


def strategies() -> str:
    """As in the guide to strategies."""
    heads, rows = strategy_tables.paradigms()
    cells = ([plain(cell.removeprefix("from ")) for cell in row] for row in rows)
    return tabular("rrlllll", map(plain, heads), cells)


def automl() -> str:
    """Tasks by methods: held-out scores, the best mean in bold."""
    from experiments.studies.automl import interval, label
    from gome_agent.tasks import registry

    table, config = load("automl")
    methods = ("draft", *config.strategies, *config.baselines)
    heads = ["method"]
    columns = []
    for task in config.tasks:
        metric = registry.load(task).facts.metric
        arrow = r"$\uparrow$" if metric.higher_is_better else r"$\downarrow$"
        heads.append(rf"{task} ({plain(metric.name)} {arrow})")
        scores = table[table.task == task].groupby("method").score
        found = {method: interval(scores.get_group(method).astype(float)) for method in methods}
        best = max(found, key=lambda method: metric.utility(found[method][0]))
        columns.append([_with_interval(*found[m], bold=m == best) for m in methods])
    names = (
        rf"\texttt{{{plain(m)}}}" if m in config.strategies else label(m).replace("the ", "")
        for m in methods
    )
    return tabular("l" + "r" * len(columns), heads, zip(names, *columns, strict=True))


def _with_interval(mean: float, half: float, *, bold: bool) -> str:
    shown, error = rounded(mean, half)
    return rf"$\mathbf{{{shown}}}\pm{error}$" if bold else rf"${shown}\pm{error}$"


def coverage() -> str:
    """Of nominal 95 % intervals, over settings."""
    table, _ = load("calibration")
    known: Any = table[table["case"].isna() & (table.identified > 0)]
    names = {
        "r": "$r$, from improvement rates",
        "r_tested": "$r$, from a step-size experiment",
        "alpha": r"$\alpha$, from a step-size experiment",
        "omega": r"$\omega$",
        "sigma": r"$\sigma$",
    }
    rows = []
    for quantity, name in names.items():
        found = known[known.quantity == quantity].coverage
        rows.append((name, f"{found.min():.3f}", f"{found.median():.3f}", f"{found.max():.3f}"))
    return tabular("lrrr", ("quantity", "lowest", "median", "highest"), rows)


def statements() -> str:
    """Every statement of the text with its code, tests and studies."""
    lines = [
        r"\begin{longtable}{p{.2\linewidth}p{.25\linewidth}p{.42\linewidth}}",
        r"\toprule statement & code & tests; study \\ \midrule \endhead",
    ]
    for found in sources.statements():
        tests = ", ".join(rf"\place{{{name}}}" for name in found.tests)
        shown = ", ".join(rf"\study{{{name}}}" for name in found.studies)
        tests = f"{tests}; {shown}" if shown else tests
        code = ", ".join(rf"\place{{{name}}}" for name in found.laws)
        name = rf"\raggedright {found.kind.capitalize()}~\ref{{{found.label}}} {found.title}"
        lines.append(rf"{name} & \raggedright {code} & \raggedright\arraybackslash {tests} \\")
    return "\n".join((*lines, r"\bottomrule", r"\end{longtable}"))


def studies() -> str:
    """Where and when each result was computed."""
    rows = []
    for path in sorted(RESULTS.glob("*/manifest.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        commit = str(told["commit"] or "")
        mark = "*" if commit.endswith("+changes") else ""
        rows.append(
            (
                rf"\study{{{told['study']}}}",
                told["written"][:10],
                rf"\texttt{{{commit[:8]}}}{mark}",
                f"{told['seconds']:.0f}",
            )
        )
    return tabular("lllr", ("study", "written", "commit", "seconds"), rows)


def plain(text: str) -> str:
    """Markdown of the guides as LaTeX."""
    text = text.replace("ρ", r"$\rho$").replace("±", r"$\pm$").replace("%", r"\%")
    parts = text.split("`")
    for number in range(1, len(parts), 2):
        parts[number] = rf"\texttt{{{parts[number]}}}"
    return "".join(parts).replace("_", r"\_")


def tabular(columns: str, heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A booktabs table."""
    lines = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
    ]
    lines += [" & ".join(row) + r" \\" for row in rows]
    return "\n".join((*lines, r"\bottomrule", r"\end{tabular}"))


TABLES: Mapping[str, Callable[[], str]] = {
    function.__name__: function
    for function in (
        rules,
        verification,
        strategies,
        automl,
        coverage,
        statements,
        studies,
    )
}
