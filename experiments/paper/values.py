"""Every number of the paper's text: its key, how it is written, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import gome_theory as theory
from experiments.strategy_tables import load


class Value(NamedTuple):
    """One number."""

    text: str
    """LaTeX, without a unit."""
    source: str
    """The law or the study that it is from."""


Named = Iterator[tuple[str, str]]
PUBLISHED = {
    "full": 35.1, "no_traces": 32.4, "no_memory": 28.9, "no_reasoning": 25.8,
    "rate": 41.1, "rate_without": 22.6,
}  # fmt: skip
"""Per cent, as reported in arXiv 2603.01692."""
TRAP_BIAS = 0.05
PERSISTENCE = 0.9


def values() -> dict[str, Value]:
    """All numbers by key.

    Raises:
      ValueError: two have the same key, or one is not finite.
    """
    found: dict[str, Value] = {}
    for source, numbers in _SOURCES.items():
        for key, text in numbers():
            if key in found or "nan" in text or "inf" in text:
                raise ValueError(f"the number `{key}` of {source} is {text!r}, or there are two")
            found[key] = Value(text, source)
    return found


def _progress() -> Named:
    for r in (0, 1, 2):
        yield f"psi.{r}", f"{theory.psi_g(float(r)):.3f}"
    number = int(theory.most_efficient_n(10_000).n)
    yield "best_of_n.n", f"{number}"
    efficiency = float(theory.expected_max_normal(number)) ** 2 / number
    yield "best_of_n.efficiency", f"{efficiency:.3f}"
    for dim in (10, 30, 100):
        exact = float(theory.hill_climb_rate(dim).rate) * dim
        yield f"scaled_error.{dim}", rf"{100 * (1 - float(theory.psi_g(0.0)) / exact):.1f}\,\%"


def _crossover() -> Named:
    for dim in (10, 30, 100):
        yield f"crossover.gated.{dim}", f"{theory.gated_vs_gated(dim, cost=2.0).alignment:.3f}"
    yield "crossover.scaled.2", f"{theory.inverse_psi_g(2.0 * theory.psi_g(0.0)):.2f}"


def _trap() -> Named:
    yield "trap.omega", f"{TRAP_BIAS:g}"
    yield "trap.one", f"{theory.bias_threshold(bias_share=TRAP_BIAS):.3f}"
    four = theory.bias_threshold(bias_share=TRAP_BIAS, traces=4, shared_bias=0.0)
    yield "trap.four", f"{four:.3f}"


def _published() -> Named:
    from scipy import stats

    for name, number in PUBLISHED.items():
        yield f"published.{name}", f"{number:.1f}"
    scaled = {}
    for name in ("rate", "rate_without"):
        share = PUBLISHED[name] / 100
        quantile = float(stats.norm.ppf(share))
        scaled[name] = 2 * quantile + float(stats.norm.pdf(quantile)) / share
    yield "published.r", f"{scaled['rate']:.2f}"
    yield "published.r_without", f"{scaled['rate_without']:.2f}"
    ratio = float(theory.psi_g(scaled["rate"]) / theory.psi_g(scaled["rate_without"]))
    yield "published.break_even", f"{ratio:.1f}"


def _birth() -> Named:
    import optax

    import optimizers

    law = optimizers.check(optax.adam(0.1), laws=["birth at 10"])["birth at 10"]
    yield "birth.adam.10", f"{law.value:.2f}"


def _verify() -> Named:
    table, _ = load("verify_theory")
    exact = table[table.tag == "exact"]
    yield "verify.rows", f"{len(table)}"
    yield "verify.exact_rows", f"{len(exact)}"
    yield "verify.largest_z", f"{exact.z.abs().max():.1f}"
    worst = table[table.tag == "mean-field"].scaled_error.abs().max()
    yield "verify.meanfield_worst", f"{100 * worst:.0f}"


def _memory() -> Named:
    table, _ = load("momentum")
    rows = table[(table.kind == "success") & (table.gamma == PERSISTENCE)].set_index("memory")
    yield "memory.r", f"{rows.r.iloc[0]:g}"
    yield "memory.gamma", f"{PERSISTENCE:g}"
    yield "memory.none", f"{theory.psi_g(float(rows.r.iloc[0])):.2f}"
    yield "memory.process", _with_error(rows.loc["process"])
    yield "memory.normalised", _with_error(rows.loc["normalised"])


def _strategies() -> Named:
    _, config = load("paradigms")
    yield "strategies.searches", _words(len(config.searches))
    yield "strategies.dim", f"{config.dim}"
    yield "strategies.cost", f"{config.cost:g}"
    yield "strategies.noise", f"{max(config.noises):g}"


def _auto() -> Named:
    from experiments.studies.regrets import NOISE_FREE

    table, config = load("hybrids")
    here = table[table.world.isin(NOISE_FREE)]
    worst = here.groupby(["strategy", "budget"]).regret.max()
    short, long = config.budgets[1], config.budgets[-1]
    sides = max(worst[side, long] for side in ("directed", "hill_climb"))
    yield "auto.budget", f"{long:g}"
    yield "auto.regret", rf"{100 * worst['auto', long]:.1f}\,\%"
    yield "auto.short_budget", f"{short:g}"
    yield "auto.short_regret", rf"{100 * worst['auto', short]:.0f}\,\%"
    yield "auto.worst_side", rf"{100 * sides:.0f}\,\%"


def _real() -> Named:
    from experiments.studies import paradigms_real as study

    table, config = load("paradigms_real")
    yield "real.tasks", _words(len(config.tasks))
    yield "real.seeds", _words(config.seeds)
    yield "real.evaluations", _words(config.real_steps)
    arms = len(config.directed) * len(config.alignments) + len(config.searches)
    yield "real.runs", f"{arms * config.seeds * len(config.tasks)}"
    utilities = study.finals(table, config, cost=2.0)
    search = study.best_search(utilities, config)
    for rule in config.directed:
        middle, low, high = study.lead(utilities, rule, search, config).crossover()
        yield f"real.{rule}.crossover", f"{middle:.2f}"
        yield f"real.{rule}.crossover_ci", f"[{low:.2f}, {high:.2f}]"


def _expert() -> Named:
    from experiments.studies.reliability import agreements

    states = agreements(load("reliability")[0])
    yield "expert.cosine", f"{states.cosine.median():.2f}"
    yield "expert.states", _words(len(states))


def _automl() -> Named:
    yield "automl.seeds", _words(load("automl")[1].seeds)


def _calibration() -> Named:
    table, _ = load("calibration")
    settings: Any = table[table["case"].isna()]
    keys = ["r", "omega", "sigma", "traces", "steps", "varied"]
    yield "calibration.settings", f"{len(settings[keys].drop_duplicates())}"


def _ablation() -> Named:
    from experiments.studies.ablation import CLEAR, inequalities, setting_rows

    table, config = load("ablation")
    plain = config.kinds[0]
    settings = [(g, r) for g in config.persistences for r in config.scaled_alignments]
    yield "ablation.settings", f"{len(settings)}"
    for key, accounting in (("wallclock", "wall-clock"), ("shared", "shared budget")):
        holds = 0
        for gamma, r in settings:
            marks = inequalities(setting_rows(table, plain, accounting, gamma, r))
            holds += not any(z < -CLEAR for z in marks.values())
        yield f"ablation.{key}", "none" if holds == 0 else f"{holds}"


_WORDS = (
    *("none", "one", "two", "three", "four", "five", "six", "seven"),
    *("eight", "nine", "ten", "eleven", "twelve", "thirteen"),
)


def _words(number: int) -> str:
    """A count, in letters while it is small."""
    return _WORDS[number] if number < len(_WORDS) else f"{number}"


def _with_error(row: Any) -> str:
    digits = max(0, 1 - math.floor(math.log10(1.96 * row.stderr)))
    return rf"${row.value:.{digits}f}\pm{np.round(1.96 * row.stderr, digits):.{digits}f}$"


_SOURCES = {
    "gome_theory.psi_g, most_efficient_n": _progress,
    "gome_theory.gated_vs_gated, inverse_psi_g": _crossover,
    "gome_theory.bias_threshold": _trap,
    "arXiv:2603.01692, and gome_theory.psi_g of it": _published,
    "optimizers.check": _birth,
    "study verify_theory": _verify,
    "study momentum": _memory,
    "study paradigms": _strategies,
    "study hybrids": _auto,
    "study paradigms_real": _real,
    "study reliability": _expert,
    "study automl": _automl,
    "study calibration": _calibration,
    "study ablation": _ablation,
}
