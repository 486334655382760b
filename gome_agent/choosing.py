"""What is submitted at the end of a run: the selector's ranking, and what it wants beyond it.

The search is over. A selector may want the first candidates of its ranking measured once more on a
split that no gate has used, and the predictions of the first ones averaged. Where that cannot be
done the ranking stands, and the note says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import optimizers
from gome_agent.measuring import Bench
from gome_agent.records import Fresh, Step, history_of
from optimizers import Selector


class SelectorError(ValueError):
    """A selector that a run must not have."""


class Choice(NamedTuple):
    """What a selector submits."""

    steps: tuple[int, ...]
    """The chosen one; more if the predictions of several are averaged, best first."""
    fresh: tuple[Fresh, ...]
    """What was measured once more, in order of rank."""
    note: str
    """What could not be done as the selector wants it; empty if all could."""
    interrupted: bool = False
    """Whether Ctrl-C came while candidates were measured again."""


def require_blind(selector: Selector) -> None:
    """Refuse a selector that reads the answers.

    Raises:
      SelectorError: says where its choice can be seen.
    """
    if selector.reads_test:
        raise SelectorError(
            "the selector `oracle_on_test` reads the answers, so that no run may have it: choose "
            "another; `gome grade DIR` reports on a finished run what it would have submitted"
        )


def choose(selector: Selector, steps: Sequence[Step], bench: Bench, *, ended: bool) -> Choice:
    """Rank the candidates of a run and do what the selector wants beyond that.

    Args:
      selector: what decides.
      steps: every step of the run.
      bench: where candidates are measured.
      ended: whether the run came to its end; one that was interrupted measures nothing more.
    """
    if not steps:
        return Choice((), (), "")
    history = history_of(steps, bench.task.facts.metric)
    places = max(selector.revalidates, selector.averages, 1)
    notes = []
    try:
        ranked = optimizers.ranking(selector, history, places)
    except ValueError as error:
        ranked = optimizers.ranking(optimizers.selectors.best(), history, places)
        notes.append(f"chosen by score alone: {error}")
    order = [steps[place].step for place in map(int, ranked) if place >= 0]
    known = {step.step: step for step in steps}  # an abandoned step leaves a gap
    fresh: list[Fresh] = []
    interrupted = False
    if selector.revalidates and order:
        first = order[: selector.revalidates]
        fresh, interrupted = _measure_again(first, known, bench) if ended else ([], False)
        notes += _shortcomings(first, fresh, known)
        order = _by_fresh_score(order, fresh)
    chosen = tuple(order[: selector.averages])
    return Choice(chosen, tuple(fresh), "; ".join(notes), interrupted)


def _measure_again(
    order: Sequence[int], steps: Mapping[int, Step], bench: Bench
) -> tuple[list[Fresh], bool]:
    """One fresh measurement each, until something is used up or Ctrl-C; and if it was that."""
    fresh = []
    try:
        for step in order:
            if not bench.may_revalidate():
                break
            fresh.append(Fresh(step, bench.revalidate(step, steps[step].solution.script)))
    except KeyboardInterrupt:
        bench.journal.append("interrupted", {"revalidated": len(fresh)})
        bench.journal.flush()
        return fresh, True
    return fresh, False


def _by_fresh_score(order: Sequence[int], fresh: Sequence[Fresh]) -> list[int]:
    """Measured ones by their fresh score, then those not measured, then those that failed."""
    seen = {step: solution.score if solution.valid else None for step, solution in fresh}
    measured = [step for step in order if seen.get(step) is not None]
    unknown = [step for step in order if step not in seen]
    failed = [step for step in order if step in seen and seen[step] is None]
    return [*sorted(measured, key=lambda step: -(seen[step] or 0.0)), *unknown, *failed]


def _shortcomings(
    first: Sequence[int], fresh: Sequence[Fresh], steps: Mapping[int, Step]
) -> list[str]:
    notes = []
    if len(fresh) < len(first):
        missing = f"{len(fresh)} of {len(first)} candidates were measured again before the end"
        notes.append(missing if fresh else f"{missing}: chosen by rank")
    failed = [str(step) for step, solution in fresh if not solution.valid]
    if failed:
        notes.append(f"measured again, steps {', '.join(failed)} failed")
    same = [
        str(step)
        for step, solution in fresh
        if solution.folds and solution.folds == steps[step].solution.folds
    ]
    if same:
        notes.append(
            f"measured again, steps {', '.join(same)} gave the same folds: do their scripts read "
            "the seed of the validation split from the file `replicate`?"
        )
    return notes
