"""What a reasoner may say, validated. Anything else is a malformed reply, never a state change.

These models are the boundary between text and mathematics: a `Diagnosis` becomes a textual gradient
through `Diagnosis.suggestions`, an `Edit` becomes a program to run.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    field_validator,
    model_validator,
)

import optimizers

Component = Literal["data", "features", "model", "ensemble", "workflow"]
Statement = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
_SPELLINGS = {"true": True, "yes": True, "false": False, "no": False}


def _spelled(value: object) -> object:
    """Yes and no as models write them; anything else is left for validation to refuse."""
    return _SPELLINGS.get(value.strip(" .!").casefold(), value) if isinstance(value, str) else value


Answer = Annotated[bool, BeforeValidator(_spelled)]
"""A truth value, or one of the words yes, no, true and false in any case."""


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Directive(_Reply):
    """A canonical hypothesis about what to change."""

    statement: Statement
    component: Component

    @field_validator("statement")
    @classmethod
    def _says_something(cls, statement: str) -> str:
        if not optimizers.Directive(statement, "").identity[0]:
            raise ValueError("the statement is only punctuation: say what to change")
        return statement

    def to_core(self) -> optimizers.Directive:
        """The same directive in the optimizer's vocabulary."""
        return optimizers.Directive(self.statement, self.component)

    @classmethod
    @lru_cache(maxsize=4096)
    def from_core(cls, directive: optimizers.Directive) -> Directive:
        """A directive of the optimizer's vocabulary, validated."""
        return cls.model_validate(
            {"statement": directive.statement, "component": directive.component}
        )


class Suggestion(Directive):
    """A directive with its expected effect and the evidence for it."""

    strength: Annotated[FiniteFloat, Field(ge=-1e6, le=1e6)]
    """Expected improvement, 1 is large and 0.1 small; negative says that it would hurt."""
    credence: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    evidence: str = ""
    """What in the feedback speaks for it."""


class Diagnosis(_Reply):
    """A structured reading of one solution's feedback: the textual gradient at that solution."""

    summary: str = ""
    suggestions: tuple[Suggestion, ...] = ()

    def to_core(self) -> tuple[optimizers.Suggestion, ...]:
        """The suggestions in the optimizer's vocabulary, ready for `optimizers.encode`."""
        return tuple(
            optimizers.Suggestion(
                optimizers.Directive(s.statement, s.component), s.strength, s.credence
            )
            for s in self.suggestions
        )


class Edit(_Reply):
    """A complete new script, and which directives it carries out."""

    script: Annotated[str, StringConstraints(min_length=1)]
    applied: tuple[Directive, ...] = ()
    amounts: tuple[FiniteFloat, ...] = ()
    """How far each applied directive was carried out; 1 for all if empty."""
    note: str = ""
    """One line on what was done, for the journal."""

    @model_validator(mode="after")
    def _one_amount_each(self) -> Self:
        if self.amounts and len(self.amounts) != len(self.applied):
            raise ValueError(
                f"{len(self.amounts)} amounts for {len(self.applied)} applied directives: "
                "give one each, or none"
            )
        return self


class Verdict(_Reply):
    """Whether a solution's evaluation can be trusted."""

    aligned: Answer
    """The official metric, the same procedure for validation and test, no leakage."""
    evidence: str = ""
    """The lines of the program that speak for it."""
    concerns: tuple[str, ...] = ()
    """Mild ones; they do not decide."""


class Preference(_Reply):
    """Which of two programs with tied scores is the better one."""

    replace: Answer
    """Whether the child should take the parent's place."""
    reason: str = ""


class ScriptReport(_Reply):
    """The one JSON line that a solution prints last on standard output."""

    model_config = ConfigDict(extra="allow", frozen=True)

    metric: str
    folds: tuple[FiniteFloat, ...] = Field(min_length=1)
    """Validation score of each fold, in the metric's own units."""
    train_folds: tuple[FiniteFloat, ...] = ()
    """Training score of each fold, same units: the gap tells over- from under-fitting."""
