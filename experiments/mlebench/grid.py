"""A grid of runs on MLE-bench: competitions x strategies x seeds, saved beside what it left.

`OUT/grid.json` says what is run; `OUT/COMPETITION/STRATEGY/seed-N` is a usual folder of a run.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from experiments import spec
from gome_agent.hardware.profiles import profile
from gome_agent.hardware.slots import parse_gpus
from gome_agent.tasks.mlebench.base import PREFIX
from optimizers.budget import parse_budget

FILE = "grid.json"
LEVELS = ("low", "medium", "high")
"""Complexities by which the benchmark reports; `low` is the Lite split."""
WHERE = ("python", "sandbox", "gpus", "gpu_slots", "benchmark", "data_dir")
"""Decide where something is run, never what; a run that is resumed is told of them anew."""
_MAY_GROW = ("competitions", "strategies", "seeds")

Words = Annotated[tuple[str, ...], Field(min_length=1)]


class GridError(ValueError):
    """A grid that cannot be run, graded or reported; says why and what to do."""


class Grid(BaseModel):
    """Everything that decides the runs of a grid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    competitions: Words
    strategies: Words
    """As `gome run --strategy` takes them; the first one is the baseline of comparisons."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    splits: dict[str, tuple[str, ...]] = {}
    """Competitions of each of `LEVELS`, all of them, whether they are run here or not."""
    reasoner: str = "prompted"
    model: str = ""
    steps: Annotated[int, Field(ge=1)] = 500
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 12 * 3600.0
    """Wall clock of one run."""
    budget: str = ""
    """Further limits of one run."""
    seconds_per_run: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3600.0
    """Wall clock of one script."""
    repairs: Annotated[int, Field(ge=0)] = 0
    rehearse: Annotated[int, Field(ge=0)] = 0
    hardware: str = ""
    """Name of a profile; none if empty."""
    python: str = ""
    """Interpreter of the scripts; the one of gome if empty."""
    sandbox: str = ""
    benchmark: str = ""
    """Home of the benchmark; the usual place if empty."""
    data_dir: str = ""
    """Prepared data; those of the installation if empty."""
    facts: bool = True
    """Whether prompts tell what is known of a competition beyond the benchmark's description."""
    gpus: str = ""
    gpu_slots: Annotated[int, Field(ge=1)] = 1
    """Scripts at once on one card."""
    jobs: Annotated[int, Field(ge=1)] = 1
    """Runs at once."""

    @field_validator("competitions")
    @classmethod
    def _are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
                raise ValueError(f"`{name}` is not the id of a competition")
        return names

    @field_validator("strategies")
    @classmethod
    def _can_be_built(cls, strategies: tuple[str, ...]) -> tuple[str, ...]:
        for strategy in strategies:
            spec.build_strategy(strategy)
        return strategies

    @field_validator("hardware")
    @classmethod
    def _is_known(cls, hardware: str) -> str:
        if hardware:
            profile(hardware)
        return hardware

    @field_validator("gpus")
    @classmethod
    def _are_cards(cls, gpus: str) -> str:
        parse_gpus(gpus)
        return gpus

    @field_validator("budget")
    @classmethod
    def _can_be_read(cls, budget: str) -> str:
        parse_budget(budget)
        return budget

    @field_validator("competitions", "strategies", "seeds")
    @classmethod
    def _differ(cls, values: tuple) -> tuple:
        if twice := {str(value) for value in values if values.count(value) > 1}:
            raise ValueError(f"given twice: {', '.join(sorted(twice))}")
        return values

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All runs; seeds outermost, so that a part of the grid is as balanced as it can be."""
        return tuple(
            Cell(competition, strategy, seed)
            for seed in self.seeds
            for competition in self.competitions
            for strategy in self.strategies
        )

    def level(self, competition: str) -> str | None:
        """The complexity of a competition; `None` for one that counts in no split."""
        return next((name for name in LEVELS if competition in self.splits.get(name, ())), None)


class Cell(NamedTuple):
    """One run of a grid."""

    competition: str
    strategy: str
    seed: int

    @property
    def task(self) -> str:
        return PREFIX + self.competition

    def folder(self, out: Path) -> Path:
        return out / self.competition / slug(self.strategy) / f"seed-{self.seed}"

    def __str__(self) -> str:
        return f"{self.competition}, {self.strategy}, seed {self.seed}"


def slug(strategy: str) -> str:
    """A folder's name for a strategy: its words, and a digest where they do not say all.

    >>> slug("gome"), slug("aide(drafts=5)")
    ('gome', 'aide-drafts-5-1ab8583d')
    """
    words = re.sub(r"\W+", "-", strategy).strip("-")[:40]
    if words == strategy:
        return words
    return f"{words}-{hashlib.sha256(strategy.encode()).hexdigest()[:8]}"


def make(**settings) -> Grid:
    """A grid, checked.

    Raises:
      GridError, SlotsError: says which setting is wrong, and why.
    """
    try:
        return Grid(**settings)
    except ValidationError as error:
        raise GridError(_told(error, "the grid")) from error


def load(out: Path) -> Grid:
    """The grid of a folder.

    Raises:
      GridError: there is none, or it was written by another version or by hand, wrongly.
    """
    path = out / FILE
    if not path.is_file():
        raise GridError(f"no {FILE} in `{out}`: is it the --out of `gome mlebench run`?")
    try:
        return Grid.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise GridError(_told(error, f"`{path}`")) from error


def enter(grid: Grid, out: Path) -> None:
    """Save a grid in its folder, which exists, or let it take the place of one that it extends.

    Raises:
      GridError: the folder holds another grid; says what differs.
    """
    path = out / FILE
    if path.is_file():
        differences = tuple(_differences(load(out), grid))
        if differences:
            raise GridError(
                f"`{path}` is of another grid: {'; '.join(differences)}. Competitions, strategies "
                f"and seeds may be added, and {', '.join(WHERE)} and jobs may change; for anything "
                "else take another --out"
            )
    draft = path.with_suffix(".tmp")
    draft.write_text(grid.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(draft, path)


def _differences(saved: Grid, new: Grid) -> Iterator[str]:
    for name in Grid.model_fields:
        before, now = getattr(saved, name), getattr(new, name)
        if name in _MAY_GROW:
            if gone := [str(value) for value in before if value not in now]:
                yield f"{name} without {', '.join(gone)}"
        elif name == "splits":
            changed = [level for level in before if before[level] != now.get(level)]
            if changed:
                yield f"another list of competitions for {', '.join(changed)}"
        elif name not in (*WHERE, "jobs") and before != now:
            yield f"{name} was {before!r} and is {now!r}"


def _told(error: ValidationError, where: str) -> str:
    problems = []
    for problem in error.errors(include_url=False):
        place = ".".join(map(str, problem["loc"])) or "it"
        problems.append(f"{place}: {problem['msg'].removeprefix('Value error, ')}")
    return f"{where} cannot be used: {'; '.join(problems)}"
