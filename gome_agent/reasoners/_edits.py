"""What a model says of a solution that it wrote, and which directives that comes to."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from gome_agent.reasoners._patches import parse_change
from gome_agent.reasoners._prompts import Artefact
from gome_agent.reasoners._replies import parse_solution
from gome_agent.reasoners.base import MalformedReply, NoEdit, Ranked, Solution
from gome_agent.schemas import Directive, Edit, Statement


class Header(BaseModel):
    """The JSON object beside a solution."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    note: str = ""


class Named(Header):
    """Of an undirected change: in the model's own words what was done."""

    applied: tuple[Directive, ...] = ()


class _Modified(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    directive: int
    statement: Statement


class _Created(Directive):
    parents: Annotated[tuple[int, ...], Field(min_length=1)]


class Selected(Header):
    """Of a directed change: numbers of directives, one in other words, one made out of several."""

    applied: tuple[int, ...]
    modified: _Modified | None = None
    created: _Created | None = None


_H = TypeVar("_H", bound=Header)


def read_change(
    reply: object, parent: Solution, header: type[_H], artefact: Artefact
) -> tuple[str, _H]:
    """Read a new version of a solution; a program may be given as the places that change.

    Raises:
      NoEdit: nothing changed.
      MalformedReply: it cannot be read; one sentence.
    """
    if artefact == "program":
        script, told = parse_change(reply, parent.script, header)
    else:
        script, told = parse_solution(reply, header)
    if script == parent.script:
        raise NoEdit("the model returned the solution unchanged")
    return script, told


def directed_edit(script: str, told: Selected, shown: Ranked) -> Edit:
    """An edit whose directives are what was really done.

    A directive that was carried out in other words is the directive of these words, and so is one
    made out of others: those that were shown keep their weight, since nobody tried them. The note
    says where it came from.

    Raises:
      NoEdit: no directive was carried out.
      MalformedReply: a number is not that of a directive shown, or there twice.
    """
    reworded = () if told.modified is None else (told.modified.directive,)
    parents = () if told.created is None else told.created.parents
    _check("`applied` and `modified`", (*told.applied, *reworded), len(shown))
    _check("`parents`", parents, len(shown))
    applied, origins = [shown[i - 1][0] for i in told.applied], []
    if told.modified is not None:
        component = shown[told.modified.directive - 1][0].component
        applied.append(_directive(told.modified.statement, component))
        origins.append(f"a rewording of directive {told.modified.directive}")
    if told.created is not None:
        applied.append(_directive(told.created.statement, told.created.component))
        origins.append(f"made out of {', '.join(map(str, parents))}")
    if not applied:
        raise NoEdit("the model carried out none of the directives")
    note = f"{told.note} ({'; '.join(origins)})" if origins else told.note
    return Edit(script=script, applied=tuple(applied), note=note)


def _check(what: str, numbers: tuple[int, ...], shown: int) -> None:
    if len(set(numbers)) != len(numbers) or not set(numbers) <= set(range(1, shown + 1)):
        raise MalformedReply(
            f"{what} refer to {list(numbers)}: they must hold different numbers of the {shown} "
            "directives that were shown"
        )


def _directive(statement: str, component: str) -> Directive:
    try:
        return Directive.model_validate({"statement": statement, "component": component})
    except ValueError:
        raise MalformedReply(f"the statement {statement!r} is only punctuation") from None
