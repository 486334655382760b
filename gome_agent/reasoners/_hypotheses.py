"""A diagnosis as challenges and scored hypotheses, and what strength a hypothesis comes to.

The two stages of the paper (arXiv 2603.01692), in one reply: challenges say what limits the score,
hypotheses what to change about it. The rest of the library sees a `Diagnosis`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from gome_agent.reasoners.base import MalformedReply
from gome_agent.schemas import Diagnosis, Directive, Statement, Suggestion

WEIGHTS = {
    "alignment": 0.2,
    "impact": 0.4,
    "novelty": 0.2,
    "feasibility": 0.1,
    "risk_reward": 0.1,
}
"""Of the five dimensions, as in the published agent; they sum to 1."""
Kind = Literal["scenario", "trace"]
Effect = Literal["improves", "worsens"]
Score = Annotated[FiniteFloat, Field(ge=1.0, le=10.0)]
Credence = Annotated[FiniteFloat, Field(ge=0.0, le=1.0)]


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Challenge(_Reply):
    """Something that limits the score."""

    kind: Kind
    statement: Statement
    evidence: str
    """What in the task, the data or the feedback speaks for it."""
    impact: str
    """What meeting it should do to the metric."""


class Scores(_Reply):
    """How good a hypothesis is, from 1 to 10 in each dimension."""

    alignment: Score
    """It answers its challenge."""
    impact: Score
    """Size of the effect on the score."""
    novelty: Score
    """1 for what was tried before."""
    feasibility: Score
    risk_reward: Score


class _Proposed(Directive):
    effect: Effect
    scores: Scores
    credence: Credence
    """Probability that the effect is as said."""


class Hypothesis(_Proposed):
    """A change that answers a challenge."""

    challenge: int
    """Number of the challenge in the reply, from 1."""


class Hypotheses(_Reply):
    """What a model replies to a diagnosis."""

    summary: str = ""
    challenges: tuple[Challenge, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()

    @model_validator(mode="after")
    def _answers_what_there_is(self) -> Self:
        for hypothesis in self.hypotheses:
            if not 1 <= hypothesis.challenge <= len(self.challenges):
                raise ValueError(
                    f"a hypothesis answers challenge {hypothesis.challenge}, and there are "
                    f"{len(self.challenges)}: number them from 1"
                )
        return self


class Rewritten(_Proposed):
    """A hypothesis after criticism."""

    number: int
    """Of the hypothesis, from 1."""
    critique: str


class Critique(_Reply):
    """What a model replies when it is asked to criticize hypotheses."""

    rewritten: tuple[Rewritten, ...] = ()

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        numbers = [new.number for new in self.rewritten]
        if len(set(numbers)) != len(numbers):
            raise ValueError(f"the numbers {numbers} are not different")
        return self


def strength(effect: Effect, scores: Scores) -> float:
    """Expected improvement of a hypothesis, in [-1, 1]: the entry of the textual gradient.

        strength = sign * sum_k w_k (score_k - 1) / 9

    with the weights 0.2 alignment, 0.4 impact, 0.2 novelty, 0.1 feasibility, 0.1 risk/reward of the
    published agent, which ranks hypotheses by `sum_k w_k score_k`. The affine change of scale makes
    the lowest scores no force at all; the sign is that of the expected effect, so that a model can
    warn of a change. `Suggestion.credence` multiplies it where the gradient is made.

    >>> lowest = {name: 1 for name in WEIGHTS}
    >>> strength("improves", Scores(**{**lowest, "impact": 10}))
    0.4
    """
    quality = sum(weight * (getattr(scores, name) - 1) / 9 for name, weight in WEIGHTS.items())
    return quality if effect == "improves" else -quality


def to_diagnosis(reply: Hypotheses) -> Diagnosis:
    """The suggestions that hypotheses come to, in their order; a challenge is their evidence."""
    return Diagnosis(
        summary=reply.summary,
        suggestions=tuple(
            Suggestion(
                statement=hypothesis.statement,
                component=hypothesis.component,
                strength=strength(hypothesis.effect, hypothesis.scores),
                credence=hypothesis.credence,
                evidence=_evidence(reply.challenges[hypothesis.challenge - 1]),
            )
            for hypothesis in reply.hypotheses
        ),
    )


def rewritten(reply: Hypotheses, critique: Critique) -> Hypotheses:
    """The hypotheses with the rewritten ones in their places; those left out stay as they were.

    Raises:
      MalformedReply: a number is not that of a hypothesis.
    """
    hypotheses = list(reply.hypotheses)
    for new in critique.rewritten:
        if not 1 <= new.number <= len(hypotheses):
            raise MalformedReply(
                f"hypothesis {new.number} is rewritten, and there are {len(hypotheses)}"
            )
        changed = new.model_dump(exclude={"number", "critique"})
        challenge = hypotheses[new.number - 1].challenge
        hypotheses[new.number - 1] = Hypothesis(**changed, challenge=challenge)
    return reply.model_copy(update={"hypotheses": tuple(hypotheses)})


def shown(reply: Hypotheses) -> str:
    """Hypotheses with numbers, one line each, for a model to criticize."""
    return "\n".join(_line(reply.challenges, i, h) for i, h in enumerate(reply.hypotheses, start=1))


def _line(challenges: Sequence[Challenge], number: int, hypothesis: Hypothesis) -> str:
    challenge = challenges[hypothesis.challenge - 1]
    size = strength(hypothesis.effect, hypothesis.scores)
    return (
        f"{number}. ({hypothesis.component}, strength {size:+.2g}, credence "
        f"{hypothesis.credence:.2g}) {hypothesis.statement} Because: {_evidence(challenge)}"
    )


def _evidence(challenge: Challenge) -> str:
    parts = (challenge.statement, challenge.evidence, challenge.impact)
    return f"{challenge.kind}: " + " | ".join(part.strip() for part in parts if part.strip())
