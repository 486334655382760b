"""What to submit after a search: how far each selector falls short of the best candidate there was.

The search is the same for all of them and the evaluations are, too: a selector that measures its
finalists again stops the search as many evaluations earlier. Shortfalls are the mean logarithm of
the true loss of what is submitted, relative to the best candidate of the whole search, which only
the answers tell (`oracle_on_test`). An average of candidates can be better than any of them.

Candidates are those of a hill climb, or independent drafts on a sphere whose errors are alike to
some part: an average does away with the rest. Leaks are redrawn when a candidate is measured again;
one that lasts would fool every selector alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.study import Cell, Rows, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEARCHES = {"drafts": "Independent drafts", "hill_climb": "Hill climb"}
BEST, LOWER, MAXIMIN, ELITE = "best", "lower_bound", "maximin", "maximin_of_elite"
REVALIDATED, ENSEMBLE = "revalidated({})", "ensemble({})"


@dataclass(frozen=True)
class Config:
    """What is simulated; the loss of a draft, 1 on average, is the unit."""

    noises: tuple[float, ...] = (0.0, 0.025, 0.05, 0.1, 0.2, 0.4)
    """Standard deviation of one score. Drafts differ by 0.18 (standard deviation)."""
    leaks: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.4)
    """Share of measurements that look perfect."""
    counts: tuple[int, ...] = (10, 30, 100)
    """Evaluations, fresh ones included."""
    shown_noise: float = 0.1
    shown_count: int = 30
    several: tuple[int, ...] = (2, 5)
    """Finalists that are measured again, and members of an ensemble."""
    dim: int = 20
    alike: float = 0.8
    """Share of the errors that drafts have in common, in energy."""
    folds: int = 5
    step: float = 1.0
    """Length of a change in a hill climb, in units of `gradient / sqrt(dim)`."""
    runs: int = 4000
    seed: int = 0


def selectors_of(config: Config) -> dict[str, Any]:
    """The selectors that are compared, by the names of the table."""
    from optimizers import selectors

    several = {}
    for number in config.several:
        several[REVALIDATED.format(number)] = selectors.revalidated(number)
        several[ENSEMBLE.format(number)] = selectors.ensemble(number)
    return {
        BEST: selectors.best(),
        LOWER: selectors.lower_bound(),
        MAXIMIN: selectors.maximin(),
        ELITE: selectors.maximin_of_elite(),
        **several,
    }


def cells(config: Config) -> Sequence[Cell]:
    """A search of one length, in every world."""
    return [{"search": search, "count": count} for search in SEARCHES for count in config.counts]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Shortfalls and leads over `best`, a row for each world and selector."""
    del scratch
    worlds = [(noise, 0.0) for noise in config.noises]
    worlds += [(config.shown_noise, leak) for leak in config.leaks if leak > 0.0]
    chosen, oracle, evaluations = _simulate(cell["search"], cell["count"], worlds, config)
    names, rows = list(selectors_of(config)), []
    for w, (noise, leak) in enumerate(worlds):
        for s, name in enumerate(names):
            short = np.log(chosen[w, :, s] / oracle[w])
            lead = np.log(chosen[w, :, names.index(BEST)] / chosen[w, :, s])
            rows.append(
                {
                    **cell,
                    "noise": noise,
                    "leak": leak,
                    "selector": name,
                    "evaluations": int(evaluations[w, :, s].max()),
                    **_mean("shortfall", short),
                    **_mean("lead", lead),
                    **_mean("loss", chosen[w, :, s]),
                }
            )
    return rows


def _simulate(search: str, count: int, worlds: list[tuple[float, float]], config: Config):
    """True losses of what is submitted `(worlds, runs, selectors)`, the oracle's `(worlds, runs)`,
    and evaluations, shaped as the former."""
    import jax
    import jax.numpy as jnp

    import optimizers
    from gome_theory import Reliability
    from simulators import World, noisy_evaluator, noisy_oracle, rollout, sphere, submitted

    dim = config.dim
    common = jax.random.normal(jax.random.key(config.seed), (dim,))
    common *= jnp.sqrt(2.0 * config.alike) / jnp.linalg.norm(common)
    own = np.sqrt(2.0 * (1.0 - config.alike) / dim)
    landscape = sphere(dim)._replace(
        start=lambda key: common + own * jax.random.normal(key, (dim,))
    )
    moves = noisy_oracle(Reliability(alignment=0.0), scale=config.step / np.sqrt(dim))
    strategy = (
        optimizers.hill_climb()
        if search == "hill_climb"
        else optimizers.undirected(optimizers.search.best_of_n(n=None))
    )
    oracle = optimizers.selectors.oracle_on_test()

    def one(noise, leak, key):
        evaluator = noisy_evaluator(noise, leak_rate=leak, folds=config.folds)
        world = World(landscape, moves, moves, evaluator)
        run = rollout(strategy, world, key, count)
        key_fresh = jax.random.fold_in(key, count)
        losses, evaluations = [], []
        for selector in selectors_of(config).values():
            searched = count - selector.revalidates
            # A search that stops earlier is the beginning of a longer one with the same key.
            trace, recording = jax.tree.map(lambda x, n=searched: x[:n], run)
            loss, extra = submitted(selector, world, trace, recording, key_fresh)
            losses.append(loss)
            evaluations.append(searched + extra)
        trace, recording = run
        best, _ = submitted(oracle, world, trace, recording, key_fresh)
        return jnp.stack(losses), best, jnp.stack(evaluations)

    keys = jax.random.split(jax.random.key(config.seed), config.runs)
    of_runs = jax.vmap(one, in_axes=(None, None, 0))
    noises, leaks = jnp.array(worlds).T
    found = jax.jit(lambda *told: jax.lax.map(lambda x: of_runs(x[0], x[1], keys), told))(
        noises, leaks
    )
    return [np.asarray(x, np.float64) for x in found]


def _mean(name: str, values: np.ndarray) -> dict[str, float]:
    error = values.std(ddof=1) / np.sqrt(values.size)
    return {name: float(values.mean()), f"{name}_stderr": float(error)}


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Shortfalls over noise, length of the search and leaks, for both searches."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick, series_of

    most = max(config.several)
    names = [BEST, MAXIMIN, ELITE, REVALIDATED.format(most), ENSEMBLE.format(most)]
    styles = series_of(names)
    figure, axes = plt.subplots(2, 3, figsize=(11, 7.2), sharey="row")
    noise, count = config.shown_noise, config.shown_count
    for row, (search, title) in zip(axes, SEARCHES.items(), strict=True):
        seen = table.query(f"search == {search!r}")
        _panel(row[0], seen.query("leak == 0 and count == @count"), "noise", styles)
        _panel(row[1], seen.query("leak == 0 and noise == @noise"), "count", styles)
        _panel(row[2], seen.query("count == @count and noise == @noise"), "leak", styles)
        row[0].set_ylabel("log loss above that of the best there was")
        row[0].set_title(f"{title}, {count} evaluations")
        row[1].set_title(f"{title}, noise {noise:g}")
        row[1].set_xscale("log")
        row[1].set_xticks(config.counts, [str(number) for number in config.counts])
        row[1].minorticks_off()
        row[2].set_title(f"{title}, {count} evaluations, noise {noise:g}")
    for axis, label in zip(
        axes[1], ("noise of one score", "evaluations", "share of measurements that leak"),
        strict=True,
    ):  # fmt: skip
        axis.set_xlabel(label)
    handles, _ = axes[0, 0].get_legend_handles_labels()
    labels = [f"{BEST}, {LOWER}", *names[1:]]
    figure.legend(handles, labels, loc="outside upper center", ncols=len(names))
    if config != Config():
        mark_quick(figure)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, x: str, styles: dict[Any, dict[str, Any]]) -> None:
    for name, style in styles.items():
        seen = rows.query("selector == @name").sort_values(by=x)
        half = 1.96 * seen.shortfall_stderr
        axes.errorbar(
            seen[x], seen.shortfall, yerr=half, color=style["color"], marker=style["marker"],
            ls=style["linestyle"], ms=4, lw=1.4, elinewidth=0.9, label=name,
        )  # fmt: skip
    axes.axhline(0.0, color="#555555", lw=0.9)


STUDY = Study(
    name="selectors",
    question="What should be submitted after a search, at equal evaluations?",
    full=Config(),
    quick=Config(noises=(0.0, 0.1, 0.4), leaks=(0.0, 0.2), counts=(10, 30), runs=500),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
