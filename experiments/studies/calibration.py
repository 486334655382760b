"""Do the intervals of a calibration hold the truth as often as they say, and how wide are they?

Steps of known parameters are calibrated many times. Two kinds of cells: steps of the model that the
calibration assumes, over alignment, bias, noise and amounts of data; and gated runs on a sphere,
where bias drifts, dimension is finite, and parents may have been chosen for their stored score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.study import Cell, Rows, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "r": "r, locally optimal steps",
    "r_tested": "r, step-size A/B",
    "alpha": "alpha, step-size A/B",
    "omega": "omega",
    "sigma": "sigma",
}
_COLOURS = {
    "r": "directed",
    "r_tested": "directed_ungated",
    "alpha": "best_of_n",
    "omega": "hill_climb",
    "sigma": "crossover",
}


@dataclass(frozen=True)
class Config:
    """What is simulated."""

    repetitions: int = 800
    """Calibrations per cell."""
    alignments: tuple[float, ...] = (-0.5, 0.0, 0.5, 1.0, 2.0)
    biases: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    noises: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0)
    """sigma of a measured gain, in units of F."""
    sizes: tuple[tuple[int, int], ...] = ((3, 20), (5, 20), (8, 20), (20, 20), (40, 20), (8, 80))
    """Traces, and steps of each."""
    replicates: int = 30
    dim: int = 200
    lengths: tuple[int, ...] = (4, 10, 20, 40)
    """Steps of the runs on the sphere."""
    sphere_traces: int = 20
    sphere_repetitions: int = 100
    seed: int = 0


_CENTRE: Mapping[str, Any] = {"r": 0.5, "omega": 0.2, "sigma": 1.0, "traces": 8, "steps": 20}


def cells(config: Config) -> Sequence[Cell]:
    """One parameter at a time around a centre, and the sphere at every length."""
    found = [{**_CENTRE, "varied": "r", "r": r} for r in config.alignments]
    found += [{**_CENTRE, "varied": "omega", "omega": omega} for omega in config.biases]
    found += [{**_CENTRE, "varied": "sigma", "sigma": sigma} for sigma in config.noises]
    found += [{**_CENTRE, "varied": "size", "traces": k, "steps": t} for k, t in config.sizes]
    sphere = [
        {"varied": "sphere", "case": case, "steps": steps}
        for case in ("no bias", "bias", "stored parents")
        for steps in config.lengths
    ]
    return [*found, *sphere]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Coverage and width of every interval in one cell."""
    del scratch
    rng = np.random.default_rng([config.seed, cells(config).index(cell)])
    return _sphere(config, cell, rng) if cell["varied"] == "sphere" else _model(config, cell, rng)


def _model(config: Config, cell: Cell, rng: np.random.Generator) -> Rows:
    from gome_theory import Estimate, StepModel, calibrate, simulate_steps

    model = StepModel(cell["r"], cell["omega"], cell["sigma"])
    truths = {"r": model.r, "omega": model.omega, "sigma": model.sigma}
    size = {"traces": cell["traces"], "steps": cell["steps"]}
    replicates = config.replicates if model.sigma else 0
    found: dict[str, list[Any]] = {name: [] for name in LABELS}
    for number in range(config.repetitions):
        seen = simulate_steps(model, rng, **size, replicates=replicates)
        one = calibrate(seen, seed=number, draws=1000)
        for name, quantity in (("r", one.r), ("omega", one.omega), ("sigma", one.sigma)):
            found[name].append(quantity)
        arms = simulate_steps(model, rng, **size, replicates=replicates, lengths=(1.0, 2.0))
        two = calibrate(arms, seed=number, draws=1000)
        found["r_tested"].append(two.r_tested)
        found["alpha"].append(two.alpha if isinstance(two.r_tested, Estimate) else two.r_tested)
    truths |= {"r_tested": model.r, "alpha": model.step}
    if not model.sigma:
        del found["sigma"]
    return [{**cell, **_row(name, found[name], truths[name])} for name in found]


def _row(name: str, found: Sequence[Any], truth: float) -> dict[str, Any]:
    from gome_theory import Estimate

    told = [q for q in found if isinstance(q, Estimate)]
    held = sum(q.low <= truth <= q.high for q in told)
    finite = [q.high - q.low for q in told if np.isfinite(q.high - q.low)]
    return {
        "quantity": name,
        "truth": truth,
        "identified": len(told) / len(found),
        "calibrations": len(told),
        "coverage": held / len(told) if told else float("nan"),
        "width": float(np.median(finite)) if finite else float("nan"),
        "median": float(np.median([q.value for q in told])) if told else float("nan"),
    }


def _sphere(config: Config, cell: Cell, rng: np.random.Generator) -> Rows:
    from gome_theory import Observations, StepModel, calibrate, simulate_sphere

    model = StepModel(1.0, 0.2 if cell["case"] == "bias" else 0.0, 2.0 / config.dim)
    traces, n = config.sphere_traces, config.sphere_repetitions
    runs = simulate_sphere(
        model,
        rng,
        dim=config.dim,
        traces=traces * n,
        steps=cell["steps"],
        stored=cell["case"] == "stored parents",
    )
    trace = np.repeat(np.arange(traces), cell["steps"])
    found = [
        calibrate(Observations(trace, gain.ravel(), noise=model.sigma), seed=number, draws=1000)
        for number, gain in enumerate(np.split(runs.measured, n))
    ]
    rows = (
        _row("r", [c.r for c in found], 1.0),
        _row("omega", [c.omega for c in found], model.omega),
    )
    return [{**cell, **row} for row in rows]


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Coverage over each parameter, width over the amount of data, and the sphere."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(11, 6.6))
    model = table.query("varied != 'sphere'")
    panels = (("r", "r"), ("omega", "omega"), ("sigma", "sigma / F"))
    for place, (varied, label) in zip(axes[0], panels, strict=True):
        _coverage(place, model.query("varied == @varied"), varied, label)
    axes[0, 0].set_ylabel("truth in the 95% interval")
    sizes = model.query("varied == 'size'").copy()
    sizes["label"] = [
        f"{int(k)} x {int(t)}" for k, t in zip(sizes.traces, sizes.steps, strict=True)
    ]
    _coverage(axes[1, 0], sizes, "label", "traces x steps")
    axes[1, 0].set_ylabel("truth in the 95% interval")
    _widths(axes[1, 1], sizes)
    _runs(axes[1, 2], table.query("varied == 'sphere' and quantity == 'r'"), config)
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    if config.repetitions < Config().repetitions:
        figure.text(0.995, 0.005, "quick version", ha="right", fontsize=8, color="#888888")
    return figure


def _coverage(axes: Axes, rows: pd.DataFrame, over: str, label: str) -> None:
    from experiments.style import COLOURS

    for name, words in LABELS.items():
        seen = rows[(rows.quantity == name) & (rows.calibrations > 0)]
        error = 1.96 * np.sqrt(
            np.maximum(seen.coverage * (1 - seen.coverage), 0) / seen.calibrations
        )
        axes.errorbar(
            seen[over],
            seen.coverage,
            yerr=error,
            fmt="o-",
            ms=3.6,
            lw=1.0,
            color=COLOURS[_COLOURS[name]],
            label=words,
        )
    axes.axhline(0.95, color="black", lw=0.9, ls="--", zorder=0)
    axes.set_ylim(0.82, 1.005)
    axes.set_yticks([0.85, 0.9, 0.95, 1.0], ["85%", "90%", "95%", "100%"])
    axes.set_xlabel(label)
    axes.set_title(f"Coverage over {label}")
    if over == "label":
        axes.tick_params("x", labelsize=7)


def _widths(axes: Axes, rows: pd.DataFrame) -> None:
    from experiments.style import COLOURS

    for name in ("r", "r_tested", "omega"):
        seen = rows[rows.quantity == name]
        axes.plot(seen.label, seen.width, "o-", ms=3.6, color=COLOURS[_COLOURS[name]])
    axes.set_yscale("log")
    axes.set_yticks([0.3, 0.5, 1.0, 2.0, 4.0], ["0.3", "0.5", "1", "2", "4"])
    axes.minorticks_off()
    axes.tick_params("x", labelsize=7)
    axes.set_xlabel("traces x steps")
    axes.set_title("Width of the intervals (median)")


def _runs(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import COLOURS

    colours = {"no bias": "crossover", "bias": "hill_climb", "stored parents": "greedy_tree"}
    words = {"no bias": "no bias", "bias": "omega = 0.2", "stored parents": "stored parents"}
    for case, colour in colours.items():
        seen = rows.query("case == @case").sort_values("steps")
        axes.plot(seen.steps, seen["median"], "o-", ms=3.6, color=COLOURS[colour])
        axes.annotate(
            words[case],
            (seen.steps.iloc[-1], seen["median"].iloc[-1]),
            xytext=(-4, 40 if case == "bias" else 6),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=COLOURS[colour],
        )
    axes.axhline(1.0, color="black", lw=0.9, ls="--", zorder=0)
    axes.set_xlabel("steps of a run")
    axes.set_ylabel("median estimate of r")
    axes.set_title(f"Gated runs on a sphere, d = {config.dim}, r = 1")


STUDY = Study(
    name="calibration",
    question="Do the intervals of a calibration hold the truth as often as they say?",
    full=Config(),
    quick=Config(repetitions=200, sphere_repetitions=40),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
