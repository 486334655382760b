"""Is the theory right? Every law's numbers, predicted and simulated, with z-scores.

Nothing predicted is typed in: predictions are calls of `gome_theory`. The simulations know the
models, not the laws. Fails where an exact law is contradicted; how rows are judged is in
`verification.check`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.study import Cell, Rows, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from experiments.studies.verification.check import Check


@dataclass(frozen=True)
class Config:
    """How much is simulated."""

    size: float = 1.0
    """Samples, relative to the committed results."""
    dims: tuple[int, ...] = (10, 30, 100)
    """Dimensions of whole runs; each compiles two programs."""
    families: tuple[str, ...] = ()
    """Families of checks (modules of `verification`); all by default."""
    level: float = 0.01
    """Chance that a first run calls any of the exact rows back though all laws hold."""
    seed: int = 0


def families(config: Config) -> tuple[str, ...]:
    """Names of the families that a configuration runs.

    Raises:
      SpecError: a family does not exist; names those that do.
    """
    from experiments.spec import SpecError, unknown
    from experiments.studies.verification import FAMILIES

    for family in config.families:
        if family not in FAMILIES:
            raise SpecError(unknown("family", family, FAMILIES))
    return config.families or FAMILIES


def checks(config: Config) -> list[Check]:
    """Every check of a configuration; nothing is simulated."""
    from experiments.studies.verification import checks_of

    return [check for family in families(config) for check in checks_of(family, config.dims)]


def cells(config: Config) -> Sequence[Cell]:
    """One cell a family; whole runs have one a dimension."""
    return [
        cell
        for family in families(config)
        for cell in (
            [{"family": family, "dim": dim} for dim in config.dims]
            if family == "runs"
            else [{"family": family}]
        )
    ]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one family."""
    del scratch
    from experiments.studies.verification import checks_of
    from experiments.studies.verification.check import exact_count, exact_quantile, rows

    dims = (cell["dim"],) if "dim" in cell else config.dims
    quantile = exact_quantile(exact_count(checks(config)), config.level)
    found = rows(
        checks_of(cell["family"], dims), size=config.size, seed=config.seed, quantile=quantile
    )
    return [{"family": cell["family"], **row} for row in found]


def verdict(table: pd.DataFrame, config: Config) -> str | None:
    """Which exact laws the simulations contradict, if any."""
    from experiments.studies.verification.check import exact_quantile, false_alarm_rate

    exact = table.query("kind == 'E'")
    wrong = exact.query("out").to_dict("records")
    if not wrong:
        return None
    told = "; ".join(
        "{id} {quantity} ({parameters}): predicted {predicted:.5g}, simulated {simulated:.5g} "
        "+- {stderr:.2g}, z = {z:.1f} ({law})".format(**{str(k): v for k, v in row.items()})
        for row in wrong
    )
    beyond = exact_quantile(len(exact), config.level)
    return (
        f"{len(wrong)} of {len(exact)} exact rows are out, twice beyond |z| = {beyond:.2f}, which "
        f"has a probability of {false_alarm_rate(len(exact), config.level):.1e} if all laws hold: "
        f"{told}. Look at the law or at the simulation of its family in "
        "experiments/studies/verification."
    )


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Predicted against simulated, z-scores of exact rows, and errors by family and kind."""
    from experiments.studies.verification.check import exact_quantile
    from experiments.studies.verification.figure import draw

    beyond = exact_quantile(int((table.kind == "E").sum()), config.level)
    return draw(table, beyond, quick=config.size < Config().size)


STUDY = Study(
    name="verify_theory",
    question="Do the laws of gome_theory hold in simulations that do not know them?",
    full=Config(),
    quick=Config(size=0.02, dims=(30,)),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
    verdict=verdict,
)
