"""Tables of the guides that are computed, never typed: `python -m experiments.pages` renews them.

A guide holds a table between `<!-- generated: NAME -->` and `<!-- /generated -->`; a test checks
that every such table is what its function gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path

import optimizers
from optimizers import RULES, WRAPPERS, Character

ROOT = Path(__file__).parents[1]
LAWS = {
    "linear": "linear",
    "degree": "homogeneous",
    "odd": "odd",
    "rotates": "rotation-equivariant",
    "merges": "merges",
    "silence": "silence",
    "birth": "birth at 10",
    "zero": "zero fixpoint",
}
"""Heading and name of each law shown."""
NUMBERS = ("homogeneous", "silence", "birth at 10")
"""Laws whose value is shown, not only whether they hold."""
STRATEGY_TABLES = ("paradigms", "searches", "paradigms_real", "hybrids")
AGENT_TABLES = ("automl", "automl_leads", "reliability")


def characters() -> str:
    """A row of laws for each named rule, and for each wrapper around `sgd`."""
    rules = {name: make() for name, make in RULES.items()}
    rules |= {f"{name}(sgd)": make(RULES["sgd"]()) for name, make in WRAPPERS.items()}
    rows = []
    for name, rule in rules.items():
        character = optimizers.check(rule, laws=LAWS.values())
        rows.append((f"`{name}`", *(shown(character, law) for law in LAWS.values())))
    return _markdown(("rule", *LAWS), rows)


def shown(character: Character, name: str) -> str:
    """One law of a rule in a cell."""
    law = character[name]
    if law.holds is None:
        return "undefined"
    if name in NUMBERS:
        return f"{law.value:.2g}" if law.holds or name != "homogeneous" else "no"
    return "yes" if law.holds else "no"


def gate_rates() -> str:
    """False accepts of a candidate that is no better, false rejects of one that is, by gate."""
    from experiments.studies.error_rates import CONTENDERS

    table = _results("gates").query("kind == 'rate'")
    rows = []
    for gate in CONTENDERS:
        of_gate = table[table.gate == gate].set_index(["noise", "gain"])
        null = of_gate.xs(0.0, level="gain")
        noise = "known" if "known" in null.index else "folds"
        rows.append(
            (
                f"`{CONTENDERS[gate].label}`",
                f"{null.nominal[noise]:.3f}",
                *(_rate(null.rate, kind) for kind in ("known", "folds", "pass_fail")),
                *(_rate(of_gate.rate, (noise, gain)) for gain in (1.0, 2.0)),
                f"{null.measurements[noise]:.1f}",
            )
        )
    heads = (
        "nominal",
        "known noise",
        "5 folds",
        "50 pass/fail",
        "gain 1",
        "gain 2",
        "measurements",
    )
    return _markdown(("gate", *heads), rows)


def claims() -> str:
    """What a search of 1000 metric calls claims, and what is true."""
    from experiments.studies.claimed import PROTOCOLS, WORLD_LABELS

    table = _results("gates").query("kind == 'claim'")
    rows = []
    for world in WORLD_LABELS:
        for protocol in PROTOCOLS:
            row = table[(table.world == world) & (table.protocol == protocol)].iloc[0]
            numbers = f"{row.claimed:.3f}", f"{row.truth:.3f}", f"{row.coverage:.1%}"
            rows.append(
                (WORLD_LABELS[world], PROTOCOLS[protocol].label.replace("\n", " "), *numbers)
            )
    return _markdown(("candidates", "protocol", "claimed", "truth", "covered"), rows)


def malformed() -> str:
    """Every kind of malformed reply, and what a run makes of it."""
    from gome_agent.models.malformed import KINDS

    rows = ((kind.name, kind.question, _code(kind.shown), kind.outcome) for kind in KINDS)
    return _markdown(("kind", "asked for", "sent", "outcome"), rows)


def _code(text: str) -> str:
    """A text as it stands in a cell of a table; what cannot be seen is escaped."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return f"`{shown.replace('|', '¦').replace('`', chr(39))}`" if shown else ""


def statements() -> str:
    """Every statement of the paper with its code, tests and studies, as links from its folder."""
    from experiments.paper import sources

    places = sources.places()
    places |= {f"study {name}": f"experiments/results/{name}" for name in sources.studies()}

    def links(names: Iterable[str], kind: str = "") -> str:
        return ", ".join(f"[`{name}`](../{places[kind + name]})" for name in names)

    rows = (
        (
            f"{found.kind.capitalize()}: {found.title.lower() or found.label.partition(':')[2]}",
            links(found.laws),
            links(found.tests),
            links(found.studies, "study "),
        )
        for found in sources.statements()
    )
    return _markdown(("statement", "code", "tests", "study and figure"), rows)


def table_of(module: str, name: str) -> Callable[[], str]:
    """A table of `strategy_tables` or `agent_tables`."""

    def table() -> str:
        return _markdown(*getattr(import_module(f"experiments.{module}"), name)())

    return table


def _rate(rates, key) -> str:
    return f"{rates[key]:.3f}" if key in rates.index else ""


def _results(study: str):
    import pandas as pd

    return pd.read_parquet(ROOT / "experiments" / "results" / study / "table.parquet")


def _markdown(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = tuple(heads)
    lines = (heads, ("---",) * len(heads), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES: Mapping[str, Callable[[], str]] = {
    "characters": characters,
    "gate_rates": gate_rates,
    "claims": claims,
    "malformed": malformed,
    "statements": statements,
    **{name: table_of("strategy_tables", name) for name in STRATEGY_TABLES},
    **{name: table_of("agent_tables", name) for name in AGENT_TABLES},
}
PAGES = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "paper" / "README.md")
MARKED = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- /generated -->)", re.DOTALL)


def main() -> None:
    """Rewrite every generated table in place."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        renewed = MARKED.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}\n{m[4]}", text)
        if renewed != text:
            page.write_text(renewed, encoding="utf-8")
            print(f"renewed {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
