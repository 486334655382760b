"""The offline reasoner: rules of thumb that read real feedback and change real scripts.

It needs no model, no key and no network, trains nothing itself, and keeps no state: the plan of a
script is read from the script, and what was tried from the brief's history. It covers tables only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np

from gome_agent.reasoners.base import Brief, NoEdit, Ranked, Solution, script_digest
from gome_agent.reasoners.expert.cost import cost
from gome_agent.reasoners.expert.crossing import combinations, path
from gome_agent.reasoners.expert.directives import BY_IDENTITY, CATALOGUE, Entry
from gome_agent.reasoners.expert.evidence import Evidence
from gome_agent.reasoners.expert.plan import NoPlan, Plan
from gome_agent.reasoners.expert.reading import Reading, read, sniff
from gome_agent.reasoners.expert.render import UnknownMetric, render
from gome_agent.reasoners.expert.repair import repairs
from gome_agent.schemas import Diagnosis, Directive, Edit, Suggestion
from optimizers import Operator


class Expert:
    """A rule-based engineer for tables. Implements `Reasoner` and `HasVocabulary`."""

    @property
    def name(self) -> str:
        return "expert"

    def draft(self, brief: Brief, rng: np.random.Generator) -> Edit:
        """The plain baseline; later drafts of a run differ a little, so that a search spreads.

        Raises:
          NoEdit: the task is not one table with one target, or its metric cannot be written.
        """
        _require_table(brief)
        numeric, categorical = sniff(brief.public / "train.csv", brief.facts)
        baseline = Plan(categorical="drop" if numeric else "onehot")
        if not brief.history:
            return _edit(baseline, brief, (), "plain baseline")
        encoding = "onehot" if categorical else "drop"
        starts = [
            baseline.change(**fields, categorical=how)
            for fields in (
                {},
                {"family": "knn"},
                {"regularisation": 1},
                {"family": "forest", "rounds": 0, "capacity": -1},
            )
            for how in dict.fromkeys((baseline.categorical, encoding))
        ]
        order = [starts[i] for i in rng.permutation(len(starts))]
        fresh = next((plan for plan in order if _is_new(plan, brief)), order[0])
        return _edit(fresh, brief, (), f"baseline with a {fresh.family} model")

    def vocabulary(self, brief: Brief, parent: Solution) -> tuple[Directive, ...]:
        """Every directive that applies to this parent, in the catalogue's order.

        Raises:
          NoEdit: the parent's script carries no plan.
        """
        plan, reading = _plan(parent), read(brief, parent)
        return tuple(entry.directive for entry, _ in _applicable(plan, reading))

    def diagnose(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Diagnosis:
        """What to change about the parent, for every directive that something speaks for.

        Strengths are expected relative reductions of the error. Directives that were tried and
        did not help are expected to help less, and those that may not fit the time limit are
        believed less. `rng` is not used: the same feedback gives the same diagnosis.

        Raises:
          NoEdit: the parent's script carries no plan.
        """
        plan, reading = _plan(parent), read(brief, parent)
        suggestions = []
        for entry, changed in _applicable(plan, reading):
            found = entry.weigh(plan, reading)
            if found is None:
                continue
            found = _remember(found, entry.directive, brief, parent)
            found = _afford(found, plan, changed, reading, brief)
            suggestions.append(
                Suggestion(
                    **entry.directive.model_dump(),
                    strength=found.strength,
                    credence=found.credence,
                    evidence=found.words,
                )
            )
        suggestions.sort(key=lambda s: -s.strength * s.credence)
        return Diagnosis(summary=_summary(plan, reading, parent), suggestions=tuple(suggestions))

    def edit(
        self, brief: Brief, parent: Solution, ranked: Ranked, rng: np.random.Generator
    ) -> Edit:
        """The first ranked directive that applies and gives a script this run has not seen.

        Raises:
          NoEdit: none does, or the parent's script carries no plan.
        """
        plan, reading = _plan(parent), read(brief, parent)
        known = [entry for d, _ in ranked if (entry := BY_IDENTITY.get(d.to_core().identity))]
        found = _first_new(known, plan, reading, brief)
        if found is None:
            raise NoEdit(_why_none(ranked, len(known)))
        entry, changed = found
        return _edit(changed, brief, (entry.directive,), entry.directive.statement)

    def improve(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """A directive drawn uniformly from the applicable ones that give a new script.

        Raises:
          NoEdit: every applicable directive gives a script that was run before.
        """
        plan, reading = _plan(parent), read(brief, parent)
        entries = [entry for entry, _ in _applicable(plan, reading)]
        shuffled = [entries[i] for i in rng.permutation(len(entries))]
        found = _first_new(shuffled, plan, reading, brief)
        if found is None:
            raise NoEdit("every directive that applies to this script has been tried from it")
        entry, changed = found
        return _edit(changed, brief, (entry.directive,), entry.directive.statement)

    def crossover(
        self, brief: Brief, parent: Solution, other: Solution, rng: np.random.Generator
    ) -> Edit:
        """Each part of the plan from either parent, drawn at random; again if that was run before.

        `applied` holds the directives of the catalogue that lead from `parent` to it, as far as
        there are such.

        Raises:
          NoEdit: the plans are equal, every combination was run before, or a script carries no
            plan.
        """
        one, two = _plan(parent), _plan(other)
        if one == two:
            raise NoEdit("the two scripts follow the same plan, so that there is nothing to cross")
        fresh = (plan for plan in combinations(one, two, rng) if _is_new(plan, brief))
        child = next(fresh, None)
        if child is None:
            raise NoEdit("every combination of these two scripts has been run")
        steps = path(one, child, read(brief, parent))
        applied = tuple(entry.directive for entry in steps)
        edit = _edit(child, brief, applied, "; ".join(d.statement for d in applied))
        return edit.model_copy(update={"amounts": tuple(map(float, steps.values()))})

    def debug(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """The smallest simplification that the failure calls for and that was not run before.

        Raises:
          NoEdit: the parent did not fail, or nothing simpler is left.
        """
        if parent.valid:
            raise NoEdit("the script did not fail, so that there is nothing to repair")
        for note, plan in repairs(_plan(parent), parent):
            if _is_new(plan, brief) and plan != _plan(parent):
                return _edit(plan, brief, (), note)
        reason = parent.failure or "no reason was given"
        raise NoEdit(f"nothing simpler is left to try for a script that failed ({reason})")


_FILES = ("train.csv", "test.csv", "sample_submission.csv")


def _require_table(brief: Brief) -> None:
    """Refuse what the scripts of the catalogue cannot do.

    Raises:
      NoEdit: says what, and what to do.
    """
    facts = brief.facts
    missing = [name for name in _FILES if not (brief.public / name).is_file()]
    several = facts.kind == "regression" and len(facts.prediction_columns) > 1
    if facts.kind in ("multilabel", "other"):
        why = f"`{facts.name}` is of the kind `{facts.kind}`"
    elif "tabular" not in facts.modality:
        why = f"the data of `{facts.name}` are `{facts.modality}`"
    elif several:
        why = f"`{facts.name}` has {len(facts.prediction_columns)} targets"
    elif missing:
        why = f"`{facts.name}` has no `{missing[0]}`"
    else:
        return
    raise NoEdit(f"The expert works on one table with one target, and {why}: use a model.")


def _plan(parent: Solution) -> Plan:
    try:
        return Plan.from_script(parent.script)
    except NoPlan as error:
        raise NoEdit(f"The expert cannot change this script: {error}.") from error


def _edit(plan: Plan, brief: Brief, applied: tuple[Directive, ...], note: str) -> Edit:
    try:
        return Edit(script=render(plan, brief.facts), applied=applied, note=note)
    except UnknownMetric as error:
        raise NoEdit(str(error)) from error


def _is_new(plan: Plan, brief: Brief) -> bool:
    digest = script_digest(_edit(plan, brief, (), "").script)
    return all(attempt.script_digest != digest for attempt in brief.history)


def _applicable(plan: Plan, reading: Reading) -> Iterable[tuple[Entry, Plan]]:
    changed = ((entry, entry.apply(plan, reading)) for entry in CATALOGUE)
    return ((entry, new) for entry, new in changed if new is not None)


def _first_new(
    entries: Iterable[Entry], plan: Plan, reading: Reading, brief: Brief
) -> tuple[Entry, Plan] | None:
    changed = ((entry, entry.apply(plan, reading)) for entry in entries)
    return next(((e, new) for e, new in changed if new is not None and _is_new(new, brief)), None)


def _remember(found: Evidence, directive: Directive, brief: Brief, parent: Solution) -> Evidence:
    """Evidence after what this run has seen of the directive.

    A useless trial from this very parent leaves a tenth of the strength, one from elsewhere half,
    one that failed a third. What would hurt is left as it is.
    """
    here = script_digest(parent.script)
    node = next((a.step for a in brief.history if a.script_digest == here), None)
    strength = found.strength
    for attempt in brief.history:
        tried = {applied.to_core().identity for applied in attempt.applied}
        if directive.to_core().identity not in tried or (attempt.accepted and attempt.gain > 0):
            continue
        if attempt.operator == Operator.CROSSOVER.name:
            continue  # It carried out several at once and tells of none alone.
        same = node is not None and attempt.parent == node
        keep = 0.1 if same else 0.5 if attempt.valid else 0.3
        strength *= keep if strength > 0 else 1.0
    return found._replace(strength=strength)


def _afford(found: Evidence, plan: Plan, changed: Plan, reading: Reading, brief: Brief) -> Evidence:
    """Evidence after the time that the changed script would take, and failures so far."""
    ratio = cost(changed, reading.facts, reading.rows) / cost(plan, reading.facts, reading.rows)
    share = reading.time_share * ratio
    failed = sum(not attempt.valid for attempt in brief.history)
    believe = 1.0 if share < 0.7 else 0.1
    believe *= 0.8**failed if ratio > 1.5 else 1.0
    return found._replace(credence=found.credence * believe)


def _summary(plan: Plan, reading: Reading, parent: Solution) -> str:
    if not parent.valid:
        return f"The script failed: {parent.failure}"
    metric = reading.facts.metric
    mean = sum(parent.folds) / max(len(parent.folds), 1)
    lines = [
        f"{plan.family} scores {mean:.5g} {metric.name} over {len(parent.folds)} folds",
        f"gap to training {reading.gap:.0%}",
        f"standard error {reading.noise:.1%} of the error",
        f"{reading.time_share:.0%} of the time limit",
    ]
    if reading.hunger > 0.02:
        lines.append(
            f"half of the rows cost {reading.hunger:.0%} more error, a quarter "
            f"{reading.early_hunger:.0%}"
        )
    if abs(reading.trend) > 0.2:
        lines.append(f"residuals go with the prediction (rank correlation {reading.trend:.2f})")
    if reading.lag > 0.2:
        lines.append(
            f"neighbouring rows err alike (correlation {reading.lag:.2f}), so that shuffled folds "
            "may promise too much"
        )
    return "; ".join([*lines, reading.worst_pair] if reading.worst_pair else lines) + "."


def _why_none(ranked: Ranked, known: int) -> str:
    if not ranked:
        return "no directive was ranked, so that there is nothing to carry out"
    if known:
        return f"none of the {known} ranked directives applies and gives a script not yet run"
    statement = ranked[0][0].statement
    names = [entry.directive.statement for entry in CATALOGUE]
    near = difflib.get_close_matches(statement, names, n=1, cutoff=0.0)[0]
    return f"the expert does not know the directive {statement!r}; the nearest it knows is {near!r}"
