"""The textual side of a step: from diagnoses to a gradient, from an update to a ranking, and from
what was carried out to amounts.

The lexicon of a run lives here. Everything in this module happens in the order of the steps, also
where several are under way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import optimizers
from gome_agent.journal import Journal
from gome_agent.reasoners.base import Brief, MalformedReply, NoEdit, Ranked, Reasoner, Solution
from gome_agent.schemas import Directive, Edit
from optimizers import Embedder, Lexicon

SHOWN_WEIGHTS = 20


@dataclass
class Directions:
    """What directives are known in a run, and what is said of them.

    Attributes:
      evicted: called for every slot that changes hands.
    """

    reasoner: Reasoner
    journal: Journal
    capacity: int
    embed: Embedder | None
    diagnoses: int
    evicted: Callable[[int], None]
    lexicon: Lexicon = field(init=False)

    def __post_init__(self) -> None:
        self.lexicon = Lexicon(self.capacity)

    def gradient(
        self, number: int, brief: Brief, source: Solution, rng: np.random.Generator
    ) -> np.ndarray:
        """The textual gradient at a solution, over the lexicon's slots; several are stacked.

        Raises:
          NoEdit, MalformedReply: no diagnosis could be had.
        """
        gradients, failures = [], []
        for _ in range(self.diagnoses):
            try:
                gradient, evicted = self._diagnose(number, brief, source, rng)
            except (NoEdit, MalformedReply) as failure:
                failures.append(failure)
                continue
            for earlier in gradients:
                earlier[evicted] = 0.0  # it spoke of a directive that has just left
            gradients.append(gradient)
        if not gradients:
            raise failures[0]
        for failure in failures:
            record_failure(self.journal, number, failure)
        return gradients[0] if self.diagnoses == 1 else np.stack(gradients)

    def _diagnose(self, number, brief, source, rng) -> tuple[np.ndarray, list[int]]:
        """One diagnosis as a vector over the lexicon's slots, and which of them changed hands."""
        self.journal.checkpoint()
        diagnosis = self.reasoner.diagnose(brief, source, rng)
        encoding = optimizers.encode(self.lexicon, diagnosis.to_core(), number, self.embed)
        self.lexicon = encoding.lexicon
        evicted = list(optimizers.evicted_slots(encoding.events))
        for slot in evicted:
            self.evicted(slot)
        self.journal.append(
            "diagnosed",
            {
                "summary": diagnosis.summary,
                "suggestions": diagnosis.model_dump()["suggestions"],
                "without_slot": [directive.statement for directive in encoding.dropped],
                "lexicon": [dict(vars(event)) for event in encoding.events],
            },
            number,
        )
        return encoding.gradient, evicted

    def rank(self, number: int, update: np.ndarray) -> Ranked:
        """The directives in the order in which an update wants them carried out."""
        weighted = optimizers.decode(self.lexicon, update)
        shown = [
            {"statement": d.statement, "component": d.component, "weight": weight}
            for d, weight in weighted[:SHOWN_WEIGHTS]
        ]
        self.journal.append("ranked", {"directives": shown}, number)
        return tuple((Directive.from_core(d), weight) for d, weight in weighted)

    def amounts(self, number: int, edit: Edit) -> np.ndarray:
        """How far an edit went along each slot, shape `(capacity,)`; admits new directives."""
        applied = [directive.to_core() for directive in edit.applied]
        new = [directive for directive in applied if self.lexicon.slot(directive) is None]
        if new:
            mentions = [optimizers.Suggestion(directive, 1.0) for directive in new]
            # Between a proposal and its outcome no slot may change hands.
            encoding = optimizers.encode(self.lexicon, mentions, number, self.embed, evict=False)
            self.lexicon = encoding.lexicon
            events = [dict(vars(event)) for event in encoding.events]
            without_slot = [directive.statement for directive in encoding.dropped]
            told = {"lexicon": events, "without_slot": without_slot}
            self.journal.append("admitted", told, number)
        amounts = np.zeros(self.capacity, np.float32)
        for i, directive in enumerate(applied):
            slot = self.lexicon.slot(directive)
            if slot is not None:
                amount = edit.amounts[i] if edit.amounts else 1.0
                # Two wordings of one directive were carried out once.
                amounts[slot] = max(amounts[slot], amount, key=abs)
        return amounts


def record_failure(journal: Journal, number: int, failure: Exception) -> None:
    """Put down that a reasoner failed: a step's fact like any other."""
    told = {"error": type(failure).__name__, "reason": str(failure)}
    journal.append("failed", told, number)
