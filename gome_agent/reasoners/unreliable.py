"""The dial: any reasoner, made unreliable by a known amount.

A diagnosis is a vector over the directives that apply to a solution, and an unreliable reasoner is
one whose direction `u` has a given alignment with the true one, `n` (`gome_theory.Reliability`):

    u = rho n + sqrt(1 - rho^2) [ sqrt(bias) b + sqrt(1 - bias) w ]

with `w` uniform on the unit sphere, drawn anew at every call, and `b` a unit vector that persists.
The crossover between reasoning and search can thus be measured on real tasks, with the alignment
known. Edits, drafts, combinations and repairs are passed through, and judgments, comparisons and
refinements if the inner reasoner has them: only *where to go* is corrupted, never the carrying out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from gome_agent.reasoners.base import (
    Brief,
    HasVocabulary,
    Ranked,
    Reasoner,
    Solution,
    pass_on,
    usage_of,
)
from gome_agent.schemas import Diagnosis, Directive, Edit, Suggestion
from optimizers.budget import Spent


class Unreliable:
    """A reasoner whose diagnoses keep a known alignment with those of another.

    The space is that of the inner reasoner's `vocabulary` for the parent (together with anything
    else its diagnosis names); a reasoner without a vocabulary is corrupted within the directives
    of its own diagnosis. What the inner diagnosis is silent about counts as zero. With a bias, the
    alignment `rho` is the mean over seeds: `b` may by chance point along `n` or against it.

    Args:
      inner: the reasoner to corrupt; its diagnosis counts as the truth.
      rho: alignment, from -1 (the opposite) over 0 (uninformative) to 1 (the inner direction).
      bias: share of the error's energy that persists from call to call, in [0, 1].
      hallucination: probability that a diagnosis has alignment 0 instead of `rho`.
      seed: which persistent bias; has no effect on anything else.

    Raises:
      ValueError: an argument is out of range.
    """

    def __init__(
        self,
        inner: Reasoner,
        rho: float,
        bias: float = 0.0,
        hallucination: float = 0.0,
        seed: int = 0,
    ) -> None:
        _check("rho", rho, -1.0, "the alignment with the inner diagnosis")
        _check("bias", bias, 0.0, "the share of the error that persists")
        _check("hallucination", hallucination, 0.0, "the probability of an unrelated diagnosis")
        self._inner = inner
        self._rho = rho
        self._bias = bias
        self._hallucination = hallucination
        self._seed = seed
        pass_on(self, inner)

    @property
    def name(self) -> str:
        """The inner reasoner's name with the dial's setting."""
        extra = f", bias={self._bias:g}" if self._bias else ""
        extra += f", hallucination={self._hallucination:g}" if self._hallucination else ""
        return f"unreliable({self._inner.name}, rho={self._rho:g}{extra})"

    @property
    def usage(self) -> Spent | None:
        """What the inner reasoner has spent, if it can tell."""
        return usage_of(self._inner)

    def vocabulary(self, brief: Brief, parent: Solution) -> tuple[Directive, ...]:
        """The inner reasoner's vocabulary; empty if it has none."""
        if isinstance(self._inner, HasVocabulary):
            return self._inner.vocabulary(brief, parent)
        return ()

    def diagnose(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Diagnosis:
        """The inner diagnosis, corrupted; its words are withheld, for they would tell the truth.

        The norm is on average that of the inner diagnosis. An inner diagnosis without direction
        (nothing suggested, or all strengths zero) has none to corrupt and becomes an empty one.
        """
        inner = self._inner.diagnose(brief, parent, rng)
        directives, truth = _vector(inner, self.vocabulary(brief, parent))
        norm = float(np.linalg.norm(truth))
        if norm == 0.0:
            return Diagnosis()
        rho = 0.0 if rng.random() < self._hallucination else self._rho
        persistent = persistent_direction(directives, self._seed)
        told = norm * corrupt(truth / norm, persistent, rho, self._bias, rng)
        suggestions = tuple(
            Suggestion(statement=d.statement, component=d.component, strength=float(strength))
            for d, strength in zip(directives, told, strict=True)
        )
        return Diagnosis(suggestions=tuple(sorted(suggestions, key=lambda s: -s.strength)))

    def draft(self, brief: Brief, rng: np.random.Generator) -> Edit:
        """The inner reasoner's draft."""
        return self._inner.draft(brief, rng)

    def edit(
        self, brief: Brief, parent: Solution, ranked: Ranked, rng: np.random.Generator
    ) -> Edit:
        """The inner reasoner's edit."""
        return self._inner.edit(brief, parent, ranked, rng)

    def improve(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """The inner reasoner's undirected change."""
        return self._inner.improve(brief, parent, rng)

    def crossover(
        self, brief: Brief, parent: Solution, other: Solution, rng: np.random.Generator
    ) -> Edit:
        """The inner reasoner's combination."""
        return self._inner.crossover(brief, parent, other, rng)

    def debug(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """The inner reasoner's repair."""
        return self._inner.debug(brief, parent, rng)


def corrupt(
    truth: np.ndarray,
    persistent: np.ndarray,
    rho: float,
    bias: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """`rho n + sqrt(1 - rho^2) [sqrt(bias) b + sqrt(1 - bias) w]`.

    Its inner product with `n` has mean `rho + sqrt(1 - rho^2) sqrt(bias) <b, n>` over `w`.

    Args:
      truth: unit vector `n`, shape `(d,)`.
      persistent: unit vector `b`, shape `(d,)`.
      rho: alignment in [-1, 1].
      bias: share in [0, 1].
      rng: gives `w`.

    Returns:
      The direction `u`, shape `(d,)`; its squared length is 1 on average over `w` and `b`.
    """
    fresh = rng.standard_normal(truth.shape)
    fresh /= np.linalg.norm(fresh)
    error = math.sqrt(bias) * persistent + math.sqrt(1.0 - bias) * fresh
    return rho * truth + math.sqrt(1.0 - rho**2) * error


def persistent_direction(directives: Sequence[Directive], seed: int) -> np.ndarray:
    """A unit vector with one component for each directive, fixed by its identity and the seed.

    Before it is scaled to unit length, a directive's component (a standard normal number) does not
    depend on which other directives there are: the same prejudice at every solution.

    Args:
      directives: at least one.
      seed: which prejudice.

    Returns:
      Shape `(len(directives),)`.
    """
    components = np.array([_prejudice(directive, seed) for directive in directives])
    return components / np.linalg.norm(components)


def _prejudice(directive: Directive, seed: int) -> float:
    text = repr((seed, directive.to_core().identity))
    entropy = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
    return float(np.random.default_rng(entropy).standard_normal())


def _vector(
    diagnosis: Diagnosis, vocabulary: Sequence[Directive]
) -> tuple[tuple[Directive, ...], np.ndarray]:
    """Directives and a diagnosis' coordinates: sums of strength times credence, as in `encode`."""
    named = [Directive(statement=s.statement, component=s.component) for s in diagnosis.suggestions]
    slots = {d.to_core().identity: d for d in [*named, *vocabulary]}
    slots |= {d.to_core().identity: d for d in vocabulary}
    order = {identity: i for i, identity in enumerate(sorted(slots))}
    truth = np.zeros(len(order))
    for directive, suggestion in zip(named, diagnosis.suggestions, strict=True):
        truth[order[directive.to_core().identity]] += suggestion.strength * suggestion.credence
    return tuple(slots[identity] for identity in order), truth


def _check(name: str, value: float, low: float, meaning: str) -> None:
    if not low <= value <= 1.0:
        raise ValueError(f"`{name}` is {meaning} and lies between {low:g} and 1, got {value}")
