"""Weights of an ensemble's members, found out of fold, as source text.

Greedy selection with replacement (Caruana et al. 2004) on predictions for rows that the members did
not see. The weights of a fold come from the other folds' rows, so that its score stays honest; what
is left is that those rows' members saw the fold, as in any stacking.
"""

from __future__ import annotations

from gome_agent.reasoners.expert.plan import Plan
from gome_agent.tasks.base import TaskFacts

ROUNDS = 20
"""Picks, and with it how fine the weights are."""


def weighted(plan: Plan) -> bool:
    """Whether the plan finds weights out of fold."""
    return plan.blend == "weights" and bool(plan.partners)


def weighing(plan: Plan, facts: TaskFacts) -> str:
    """Source of what finds the weights; empty where the plan has none to find."""
    if not weighted(plan):
        return ""
    members = 1 + len(plan.partners)
    classes = facts.kind != "regression"
    shape = f"(len(y), {members}, len(CLASSES))" if classes else f"(len(y), {members})"
    settled = "mix.argmax(axis=1)" if classes and facts.metric.predicts == "label" else "mix"
    best = "argmax" if facts.metric.higher_is_better else "argmin"
    if not classes:
        settled = f"mix{clip(plan, facts)}"
    return f"""\
said = np.zeros({shape})  # by each member, of rows it did not see


def members(model, rows):
    \"\"\"What each member predicts, a row of the table first.\"\"\"
{_MEMBERS_CLASSES if classes else _MEMBERS_VALUES}


def weigh(rows):
    \"\"\"How often each member is picked when each time the best addition is.\"\"\"
    picks, total = np.zeros({members}), 0.0
    for number in range(1, {ROUNDS + 1}):
        mixes = [(total + said[rows, member]) / number for member in range({members})]
        best = int(np.{best}([score(y[rows], {settled}) for mix in mixes]))
        picks[best] += 1
        total = mixes[best] * number
    return picks"""


_MEMBERS_VALUES = "    return model.transform(rows)"
_MEMBERS_CLASSES = """\
    chances = np.zeros((len(rows), *said.shape[1:]))
    chances[:, :, model.classes_] = model.transform(rows).transpose(1, 0, 2)
    return chances"""


def clip(plan: Plan, facts: TaskFacts) -> str:
    """Source that keeps predicted values where they can be scored; empty if they always are."""
    low, high = facts.metric.bounds
    limits = [f"{bound:g}" if abs(bound) < float("inf") else "None" for bound in (low, high)]
    if plan.clip_predictions:
        limits = ["y.min()", "y.max()"]
    return "" if limits == ["None", "None"] else f".clip({', '.join(limits)})"
