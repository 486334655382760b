"""What is to be said of a grid's runs beside their numbers, by what grid and journals know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from experiments.lenient import listed, mapping
from experiments.mlebench import grades, results
from experiments.mlebench.grid import LEVELS
from experiments.mlebench.report import shown
from experiments.mlebench.results import MEASURES, Results, Row
from gome_agent.journal import JOURNAL, Journal

_SEEDS_WANTED = 3


class _Told(NamedTuple):
    """What the journal of a run says about how it was run."""

    sandboxes: dict[str, tuple[str, ...]]
    """Names, and what each does not cover; a run may go on in another one."""
    ended: datetime


def warnings(found: Results, pad_missing: bool) -> Iterator[str]:
    """What a reader of the leaderboard would object to."""
    if len(found.grid.seeds) < _SEEDS_WANTED:
        yield f"{len(found.grid.seeds)} seeds: the benchmark asks for {_SEEDS_WANTED} or more."
    for level in LEVELS:
        here, all_ = _covered(found, level)
        if 0 < here < all_:
            yield (
                f"{level}: {here} of {all_} competitions were run; the benchmark's own script "
                "refuses this split unless the others are padded as failures."
            )
    if pad_missing and found.missing:
        yield f"{len(found.missing)} runs without a grade are padded as failures."
    if failed := [row for row in found.missing if row.failure]:
        names = "; ".join(str(row.cell) for row in failed)
        yield f"The benchmark's graders failed on {len(failed)} of them: {names}."


def text(
    found: Results, out: Path, names: Mapping[str, str], hardware: str, *, pad_missing: bool
) -> str:
    """The text of a declaration, in Markdown.

    Args:
      found: graded runs.
      out: folder of the grid.
      names: experiment ids by strategy.
      hardware: of the runs.
      pad_missing: whether runs without a grade count as failures.
    """
    grid = found.grid
    asked = grid.model or f"none: the reasoner is {grid.reasoner}"
    hours = f"{grid.seconds / 3600:g}"
    padded = ", and runs without a grade are padded as failures" if pad_missing else ""
    lines = [
        "# MLE-bench: what to declare",
        "",
        "## Rows of `runs/README.md`",
        "",
        "| **experiment_id** | **notes** |",
        "| --- | --- |",
        *(
            f"| {names[strategy]} | {asked}, gome with `{strategy}`, {hours} hours, {hardware} |"
            for strategy in grid.strategies
        ),
        "",
        "## Rows of the table",
        "",
        "| Agent | LLM(s) used | Low == Lite (%) | Medium (%) | High (%) | All (%) "
        "| Running Time (hours) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| gome, `{strategy}` | {asked} | {' | '.join(_splits(found, strategy))} | {hours} |"
            for strategy in grid.strategies
        ),
        "",
        f"Mean ± standard error over {len(grid.seeds)} seeds of the percentage of competitions "
        f"with any medal. A split that was not run completely has no number{padded}.",
        "",
        *(f"**{warning}**\n" for warning in warnings(found, pad_missing)),
        "## How it was run",
        "",
        *(f"- {line}" for line in _how(found, out, hardware)),
        "",
    ]
    return "\n".join(lines)


def _covered(found: Results, level: str) -> tuple[int, int]:
    names = found.grid.splits.get(level, ())
    return len(set(names) & set(found.grid.competitions)), len(names)


def _splits(found: Results, strategy: str) -> list[str]:
    """A number for each split that was run completely, and for all of them together."""
    told, complete = [], True
    for level in LEVELS:
        here, all_ = _covered(found, level)
        whole = 0 < here == all_
        complete &= whole
        told.append(_any_medal(found.of(strategy, level)) if whole else "-")
    rows = [row for row in found.of(strategy) if row.level is not None]
    return [*told, _any_medal(rows) if complete else "-"]


def _any_medal(rows: list[Row]) -> str:
    # Where nothing is missing padding changes nothing.
    return shown(results.rate(rows, MEASURES[0], pad_missing=True))


def _how(found: Results, out: Path, hardware: str) -> Iterator[str]:
    grid = found.grid
    profile = f" (profile `{grid.hardware}`)" if grid.hardware else ""
    yield f"Hardware: {hardware}{profile}."
    further = f", {grid.budget}" if grid.budget else ""
    yield f"Each run: {grid.seconds / 3600:g} hours, at most {grid.steps} steps{further}."
    finished = [row for row in found.rows if row.state == "finished"]
    yield f"{len(finished)} of {len(found.rows)} runs of the grid came to their end."
    told = [_told(row.cell.folder(out)) for row in finished]
    yield (
        "No signal derived from the held-out test set is exposed to the agent during rollouts: an "
        "open run can ask the benchmark only whether a submission is valid, and is graded after it "
        "was closed. What is submitted was chosen by validation on training data."
    )
    if grid.facts:
        yield (
            "Prompts tell, beyond the benchmark's descriptions, how its graders read a submission "
            "and which known leaks are forbidden: hints from the benchmark's code, not from scores."
        )
    yield from _order(found, out, told)
    for name, gaps in sorted({k: v for each in told for k, v in each.sandboxes.items()}.items()):
        yield f"Scripts ran in the sandbox `{name}`. Not covered by it: {' '.join(gaps)}"


def _order(found: Results, out: Path, told: list[_Told]) -> Iterator[str]:
    """Whether anybody could have learned from one run's grade while another was at work."""
    first = min(time for row in found.rows for time in grades.known_at(row.cell.folder(out)))
    later = sum(each.ended > first for each in told)
    if later:
        yield (
            f"{later} runs ended after the first grade of this grid was known to its operator; "
            "nothing of it was given to them."
        )
    else:
        yield "No run was graded before all of them had ended."


def _told(folder: Path) -> _Told:
    with Journal.open(folder / JOURNAL) as journal:
        begun = [*journal.events("started"), *journal.events("resumed")]
        finished = journal.last("finished")
    assert finished is not None, folder
    boxes = [mapping(event.payload["sandbox"]) for event in begun if "sandbox" in event.payload]
    sandboxes = {
        str(box.get("name", "unknown")): tuple(map(str, listed(box.get("not_covered"))))
        for box in boxes
    }
    return _Told(sandboxes, datetime.fromtimestamp(finished.time, UTC))
