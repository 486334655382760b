"""The vocabulary that everything else is written in: types, and what each of them is for.

The functions that put them to work are in `optimizers.steps`. Scores are higher-is-better.
Gradients follow optax: they point where the *loss* grows.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

UpdateRule = optax.GradientTransformationExtraArgs
"""From a gradient to an update: any optax transformation is an update rule.

`propose` passes the extra arguments `value` (loss of the parent, i.e. minus its score), `step`
(evaluations so far) and `key`; a rule takes what it needs by keyword and ignores the rest.
"""

Params = PyTree[Array]
Scalar = Float[Array, ""]


class Operator(enum.IntEnum):
    """How a candidate is made from its parent."""

    DRAFT = 0
    """A fresh start, without a parent."""
    DESCEND = 1
    """A step of the update rule along a diagnosed direction."""
    IMPROVE = 2
    """An undirected change of the parent: what tree searches call "improve"."""
    DEBUG = 3
    """A repair of a parent that failed."""
    CROSSOVER = 4
    """A combination of two parents, without a diagnosis."""


class Expansion(NamedTuple):
    """What to do next: expand node `parent` (-1: none) with an operator."""

    parent: Int[Array, ""]
    operator: Int[Array, ""]
    other: Int[Array, ""] | None = None
    """Second parent of a CROSSOVER (-1 otherwise); `None` from policies that never cross."""


class Proposal(NamedTuple):
    """A candidate before it is tried, with the moments that go with it."""

    expansion: Expansion
    update: Params
    """What the rule wants added to the parent's parameters."""
    params: Params
    """Parent's parameters plus `update`."""
    rule_state: Any
    """State of the rule if the candidate is committed."""


class Observation(NamedTuple):
    """What the world saw. Build it with `observe`, which compares with the stored parent."""

    params: Params
    """Where the candidate really ended up; a retraction may realise part of an update."""
    score: Scalar
    stderr: Scalar
    """Standard error of `score`."""
    gain: Scalar
    """Score minus the parent's; +inf for a draft."""
    gain_stderr: Scalar
    """Standard error of `gain`: smaller than the scores' when folds are paired."""
    valid: Bool[Array, ""]
    replicates: Int[Array, ""] | int = 1
    """Number of measurements that were pooled."""
    folds: Float[Array, " folds"] | None = None
    """Scores on parts of the validation data, of which `score` is the mean; if the world tells."""
    preferred: Bool[Array, ""] | None = None
    """Whether a comparison that is not by score preferred the candidate; `None`: none was made."""


class Decision(NamedTuple):
    """What became of a candidate."""

    accepted: Bool[Array, ""]
    slot: Int[Array, ""]
    """Node under which it is stored, -1 if it is not kept."""


def _nothing_to_undo(state: Any, expansion: Expansion) -> Any:
    del expansion
    return state


def _can_act(steps: int) -> Sequence[str]:
    del steps
    return ()


def _never(state: Any, observation: Observation) -> Bool[Array, ""]:
    del state
    return jnp.zeros_like(observation.valid, bool)


class Gate(NamedTuple):
    """Whether to accept, apart from which way to go. `decide` never sees failed candidates."""

    init: Callable[[], Any]
    decide: Callable[[Any, Observation], tuple[Bool[Array, ""], Any]]
    undecided: Callable[[Any, Observation], Bool[Array, ""]] = _never
    """Whether another measurement of candidate and parent is wanted before `decide`."""
    replicates: int = 1
    """Most measurements of one candidate."""
    tied: Callable[[Any, Observation], Bool[Array, ""]] = _never
    """Whether `decide` will look at `Observation.preferred`; asked when no replicate is wanted."""

    @property
    def compares(self) -> bool:
        """Whether there are ties at all: a driver need not look for them otherwise."""
        return self.tied is not _never


class Policy(NamedTuple):
    """Which node to leave from and with which operator; pure, of fixed capacity, jittable."""

    capacity: Callable[[int], int]
    """Number of nodes to keep for a run of so many evaluations."""
    init: Callable[[int], Any]
    """State for that capacity."""
    ask: Callable[[Any, Key[Array, ""]], tuple[Expansion, Any]]
    tell: Callable[[Any, Expansion, Observation, Bool[Array, ""]], tuple[Any, Int[Array, ""]]]
    """`(state, expansion, observation, accepted) -> (state, slot to store the candidate in)`.

    `ask` may be called again before: what was asked and not yet told is in flight, and counts
    against a node's limits. Answers come in any order."""
    cancel: Callable[[Any, Expansion], Any] = _nothing_to_undo
    """In the place of `tell` where what was asked for came to no candidate."""
    inert: Callable[[int], Sequence[str]] = _can_act
    """Which parts of a schedule cannot act in a run of so many evaluations, a sentence each."""
    folds: int = 0
    """How many fold scores an observation must have."""
    in_flight: int | None = None
    """Most expansions that may be asked for and not yet told; `None`: any number. Where a node is
    replaced by its child, two children of it at once would be compared with what is gone."""
    shares: bool = False
    """Whether nodes are traces that read each other's success memories."""


class History(NamedTuple):
    """Every evaluated candidate of a run in order; arrays of shape `(steps,)`."""

    score: Float[Array, " steps"]
    stderr: Float[Array, " steps"]
    valid: Bool[Array, " steps"]
    accepted: Bool[Array, " steps"]
    folds: Float[Array, "steps folds"] | None = None
    """Fold scores, where the world tells them."""
    test: Float[Array, " steps"] | None = None
    """Held-out scores, higher is better: for reports on finished runs, never inside one."""


class Selector(NamedTuple):
    """What to submit at the end."""

    rank: Callable[[History], Float[Array, " steps"]]
    """A value for each candidate: the largest is submitted. See `optimizers.ranking`."""
    revalidates: int = 0
    """Of so many candidates, the first in rank, the best is taken by a fresh measurement."""
    averages: int = 1
    """So many candidates, the first in rank, are submitted as the average of their predictions."""
    reads_test: bool = False
    """Whether `rank` looks at the held-out scores: for reports, never for a submission."""


class Strategy(NamedTuple):
    """Everything that decides: comparisons between agents are comparisons of these values."""

    policy: Policy
    rule: UpdateRule
    gate: Gate
    selector: Selector


class Run(NamedTuple):
    """State of a run: a pytree of arrays. Rows of `params` and `rule_state` belong to nodes."""

    step: Int[Array, ""]
    key: Key[Array, ""]
    origin: Params
    params: Params
    """Leading axis: node."""
    rule_state: Any
    """Leading axis: node. Moments live where the parameters live."""
    score: Float[Array, " nodes"]
    stderr: Float[Array, " nodes"]
    policy: Any
    gate: Any


class HeldDiagnosis(NamedTuple):
    """Marks the part of a rule's state that holds a diagnosis for use again."""

    direction: Params
    remaining: Int[Array, ""]
    """How many further steps it serves; 0: the next step needs a new one."""


class LearnsFromRejections(NamedTuple):
    """Marks the part of a rule's state that a rejected step still changes."""

    inner: Any


def learns_from_rejections(rule: optax.GradientTransformation) -> UpdateRule:
    """A rule whose state also advances when the step it proposed is rejected.

    Without it `settle` keeps the moments of a rejected step out of the run, as it keeps the
    parameters out.

    Args:
      rule: any optax transformation.

    Returns:
      The same updates; its state is wrapped in `LearnsFromRejections`.
    """
    rule = optax.with_extra_args_support(rule)

    def init(params):
        return LearnsFromRejections(rule.init(params))

    def update(updates, state, params=None, **extra_args):
        updates, inner = rule.update(updates, state.inner, params, **extra_args)
        return updates, LearnsFromRejections(inner)

    return UpdateRule(init, update)
