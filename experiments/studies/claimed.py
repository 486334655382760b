"""What a search claims for its final candidate against what that candidate is truly worth.

Candidates pass each item independently with a hidden probability; an item passed or failed is one
metric call. The first protocol is the default of prompt optimizers such as GEPA (Agrawal et al.
2025): parent and child on a minibatch of 3, accept if the child passed more, then score it on 20
validation items and report the best validation score. Only the choice of the parent is simplified:
the best so far instead of a draw from the Pareto front, which makes no difference where no
candidate is better. There the package itself (gepa 0.1.4, 1000 calls) accepts 27.1 candidates and
claims 0.722 with standard error 0.003 over 400 seeds, and 0.748 if a candidate's outcome on an item
is fixed and the minibatches come from the validation items. The other protocols spend the same
number of calls on a better claim, or on gates with an error rate as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from experiments.studies.error_rates import compare_pass_rates, verdicts
from optimizers import claims

START = 0.5
WORLDS = {"null": (0.0, 0.0), "mixed": (-0.05, 0.1)}
"""Mean and standard deviation of the true gain of a proposal."""
WORLD_LABELS = {"null": "no candidate is better", "mixed": "gains N(-0.05, 0.1²)"}
MINIBATCH, VALIDATION = 3, 20


class Searched(NamedTuple):
    """How searches ended; arrays with a leading axis of runs."""

    truth: np.ndarray
    """Pass probability of the final candidate."""
    calls: np.ndarray
    accepted: np.ndarray
    validation: np.ndarray
    """Validation scores in order of acceptance, NaN beyond the last; shape `(runs, most)`."""


class Proposals(NamedTuple):
    """True gains of proposals."""

    mean: float
    sd: float

    def draw(self, rng: np.random.Generator, parent: np.ndarray) -> np.ndarray:
        """Pass probabilities of one child for each parent."""
        return np.clip(parent + rng.normal(self.mean, self.sd, parent.shape), 0.0, 1.0)


def most_validated(budget: int) -> int:
    """Most candidates that `accept_if_greater` can validate: the seed and every proposal tried."""
    return 2 + (budget - VALIDATION) // (2 * MINIBATCH + VALIDATION)


def accept_if_greater(
    rng: np.random.Generator, proposals: Proposals, runs: int, budget: int
) -> Searched:
    """Accept what passed more of a minibatch; the best validation score decides in the end.

    A minibatch that the parent passes entirely is not used (3 calls), and the iteration that
    reaches the budget is finished, as in the original.
    """
    every = np.arange(runs)
    truth = np.full((runs, most_validated(budget)), np.nan)
    validation = truth.copy()
    truth[:, 0], validation[:, 0] = START, rng.binomial(VALIDATION, START, runs) / VALIDATION
    calls, accepted = np.full(runs, VALIDATION), np.zeros(runs, int)
    while (active := calls < budget).any():
        parent = truth[every, np.nanargmax(validation, axis=1)]
        child = proposals.draw(rng, parent)
        before, after = rng.binomial(MINIBATCH, parent), rng.binomial(MINIBATCH, child)
        tried = active & (before < MINIBATCH)
        kept = tried & (after > before)
        accepted += kept
        truth[kept, accepted[kept]] = child[kept]
        validation[kept, accepted[kept]] = rng.binomial(VALIDATION, child[kept]) / VALIDATION
        calls += MINIBATCH * active + MINIBATCH * tried + VALIDATION * kept
    return Searched(truth[every, np.nanargmax(validation, axis=1)], calls, accepted, validation)


def hill_climb(
    gate: str, items: int, replicates: int
) -> Callable[[np.random.Generator, Proposals, int, int], Searched]:
    """Climb with a gate of `error_rates.CONTENDERS`, on fresh items in every measurement.

    Args:
      gate: its name.
      items: of candidate and of parent in each measurement.
      replicates: most measurements the gate may take; a candidate is tried if they can be paid.
    """

    def search(rng, proposals, runs, budget):
        truth, calls = np.full(runs, START), np.zeros(runs, int)
        accepted = np.zeros(runs, int)
        while (active := calls + 2 * items * replicates <= budget).any():
            child = proposals.draw(rng, truth)
            parents = np.broadcast_to(truth, (replicates, runs))
            measured = compare_pass_rates(rng, parents, child - truth, items)
            verdict, used = verdicts(gate, (), *measured)
            kept = active & verdict
            truth = np.where(kept, child, truth)
            accepted += kept
            calls += 2 * items * used * active
        return Searched(truth, calls, accepted, np.empty((runs, 0)))

    return search


def best_validated(rng: np.random.Generator, searched: Searched, budget: int) -> list[claims.Claim]:
    """The naive claim: the winner's own score, with the interval of a candidate not selected."""
    del rng, budget
    passes = np.nanmax(searched.validation, axis=1) * VALIDATION
    return [_pass_fail(round(k), VALIDATION) for k in passes]


def selected(rng: np.random.Generator, searched: Searched, budget: int) -> list[claims.Claim]:
    """From the same validation scores, corrected for the choice between them."""
    del rng
    most = most_validated(budget)
    return [claims.selected(row, items=VALIDATION, compared=most) for row in searched.validation]


def fresh(rng: np.random.Generator, searched: Searched, budget: int) -> list[claims.Claim]:
    """From all calls that the search left."""
    left = budget - searched.calls
    return [
        _pass_fail(k, int(n)) for k, n in zip(rng.binomial(left, searched.truth), left, strict=True)
    ]


def _pass_fail(passes: int, items: int) -> claims.Claim:
    return claims.fresh(np.arange(items) < passes, kind="pass_fail")


class Protocol(NamedTuple):
    """A search, the calls it may spend, and what it reports."""

    label: str
    search: Callable[[np.random.Generator, Proposals, int, int], Searched]
    claim: Callable[[np.random.Generator, Searched, int], list[claims.Claim]]
    share: float = 1.0
    """Of the budget that the search may spend."""


PROTOCOLS = {
    "greedy": Protocol(
        "accept if greater,\nbest validation score", accept_if_greater, best_validated
    ),
    "greedy_selected": Protocol(
        "accept if greater,\n`selected` claim", accept_if_greater, selected
    ),
    "greedy_fresh": Protocol("accept if greater,\n`fresh` claim", accept_if_greater, fresh, 0.8),
    "beyond": Protocol(
        "improved_beyond_noise(1),\n`fresh` claim", hill_climb("beyond_1", 20, 1), fresh, 0.8
    ),
    "sequential": Protocol(
        "sequential_test(1),\n`fresh` claim", hill_climb("sequential", 6, 8), fresh, 0.8
    ),
}


def claim_rows(name: str, world: str, config: Any) -> list[dict[str, Any]]:
    """One row: averages over runs of what is claimed, of the truth, and how often it is covered.

    Args:
      name: key of `PROTOCOLS`.
      world: key of `WORLDS`.
      config: has `runs`, `budget` and `seed`.
    """
    protocol = PROTOCOLS[name]
    rng = np.random.default_rng([config.seed, list(WORLDS).index(world)])
    affordable = int(config.budget * protocol.share)
    searched = protocol.search(rng, Proposals(*WORLDS[world]), config.runs, affordable)
    claimed = protocol.claim(rng, searched, config.budget)
    score, low, high = (
        np.array([getattr(claim, end) for claim in claimed]) for end in ("score", "low", "high")
    )
    covered = int(((low <= searched.truth) & (searched.truth <= high)).sum())
    coverage_low, coverage_high = claims.clopper_pearson(covered, config.runs)
    return [
        {
            "kind": "claim",
            "protocol": name,
            "world": world,
            "claimed": float(score.mean()),
            "claimed_sd": float(score.std(ddof=1)),
            "truth": float(searched.truth.mean()),
            "truth_sd": float(searched.truth.std(ddof=1)),
            "error_sd": float((score - searched.truth).std(ddof=1)),
            "coverage": covered / config.runs,
            "coverage_low": float(coverage_low),
            "coverage_high": float(coverage_high),
            "width": float((high - low).mean()),
            "accepted": float(searched.accepted.mean()),
            "calls": float(searched.calls.mean()),
            "runs": config.runs,
        }
    ]
