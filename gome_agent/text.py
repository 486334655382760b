"""Optimise a text, such as a prompt, with the same loop that optimises programs.

The text takes the place of the script, examples take the place of folds: every candidate is scored
on the same examples, so that a gain is the mean of paired differences and has a standard error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

import optimizers
from gome_agent.budget import Budget
from gome_agent.journal import Journal
from gome_agent.loop import Agent, Result
from gome_agent.reasoners._replies import CLOSING, OPENING
from gome_agent.reasoners.base import Brief, Ranked, Reasoner, Solution, usage_of
from gome_agent.reasoners.prompted import Complete, Prompted
from gome_agent.schemas import Diagnosis, Edit
from gome_agent.tasks.base import Grade, InvalidSubmission, Metric, TaskFacts
from gome_agent.validation import standard_error
from optimizers import Strategy
from optimizers.budget import Spent

Evaluate = Callable[[str], Sequence[tuple[float, str]]]
"""From a text to `(score, feedback)` of each example, in a fixed order; higher is better."""

IN_MEMORY = Path(":memory:")
"""SQLite's name for a database that no file holds."""


@dataclass(frozen=True)
class TextTask:
    """What the loop has to know of a text to optimise; there are no data and no submissions."""

    goal: str
    name: str = "text"

    @property
    def facts(self) -> TaskFacts:
        """The score is the mean over examples, and higher is better."""
        return self._facts

    @cached_property
    def _facts(self) -> TaskFacts:
        metric = Metric("score", True, lambda answers, predictions: float(np.mean(predictions)))
        return TaskFacts(
            self.name, self.goal, "regression", metric, "", "", (), independent_folds=True
        )

    @property
    def description(self) -> str:
        return self.goal

    @property
    def sealed(self) -> tuple[Path, ...]:
        return ()

    def prepare(self, public: Path) -> None:
        """Nothing to write: what the text is judged on stays in the caller's function."""

    def check(self, submission: Path) -> None:
        """Raises `InvalidSubmission`: a text is not submitted."""
        raise InvalidSubmission("a text has no submission: use the text itself")

    def grade(self, submission: Path) -> Grade:
        """Raises `InvalidSubmission`: a text is not submitted."""
        raise InvalidSubmission("a text has no held-out answers: score it on other examples")


@dataclass(frozen=True)
class TextEvaluator:
    """Scores a text by the caller's function; what that raises is a bug and is raised on."""

    evaluate_examples: Evaluate

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        """Score one text on all examples; a replicate calls the function once more.

        Returns:
          A solution whose folds are the examples' scores and whose standard error is
          `sd / sqrt(n)`, since examples are independent; feedback is listed worst example first.
          Not valid if there is no score or one is not finite.
        """
        judged = list(self.evaluate_examples(script))
        scores = [float(score) for score, _ in judged]
        if not scores or not all(map(math.isfinite, scores)):
            failure = f"the examples' scores are {scores}: at least one, and finite, is needed"
            return Solution(script, valid=False, failure=failure)
        worst_first = sorted(range(len(scores)), key=scores.__getitem__)
        return Solution(
            script=script,
            valid=True,
            score=math.fsum(scores) / len(scores),
            stderr=standard_error(scores, independent=True),
            folds=tuple(scores),
            feedback={f"example {i + 1}, score {scores[i]:.4g}": judged[i][1] for i in worst_first},
        )


@dataclass(frozen=True)
class StartingFrom:
    """A reasoner whose first draft is a given text; everything else is the inner one's."""

    text: str
    inner: Reasoner

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def draws(self) -> bool:
        """Whether the inner reasoner uses the generator that it is passed."""
        return getattr(self.inner, "draws", True)

    @property
    def usage(self) -> Spent | None:
        """What the inner reasoner has spent, if it can tell."""
        return usage_of(self.inner)

    def draft(self, brief: Brief, rng: np.random.Generator) -> Edit:
        """The text to start from; no model is asked."""
        return Edit(script=self.text, note="the text to start from")

    def diagnose(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Diagnosis:
        """As the inner reasoner."""
        return self.inner.diagnose(brief, parent, rng)

    def edit(
        self, brief: Brief, parent: Solution, ranked: Ranked, rng: np.random.Generator
    ) -> Edit:
        """As the inner reasoner."""
        return self.inner.edit(brief, parent, ranked, rng)

    def improve(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """As the inner reasoner."""
        return self.inner.improve(brief, parent, rng)

    def crossover(
        self, brief: Brief, parent: Solution, other: Solution, rng: np.random.Generator
    ) -> Edit:
        """As the inner reasoner."""
        return self.inner.crossover(brief, parent, other, rng)

    def debug(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """As the inner reasoner."""
        return self.inner.debug(brief, parent, rng)


@dataclass(frozen=True)
class TextResult:
    """An optimised text, and the run that found it."""

    text: str
    score: float
    """Mean over the examples it was optimised on: optimistic; score it on others."""
    run: Result


def optimise_text(
    text: str,
    evaluate: Evaluate,
    complete: Complete,
    *,
    goal: str = "Improve the text, so that its score on the examples rises.",
    strategy: Strategy | None = None,
    steps: int = 10,
    seed: int = 0,
    top: int = 5,
    journal: Path | None = None,
) -> TextResult:
    """Optimise a text by directed steps: diagnose, let an update rule weigh, edit, compare.

    A step takes two calls of the model, however many examples there are, and one of `evaluate`.
    The length of prompts does not grow with the number of steps.

    Args:
      text: where to start.
      evaluate: from a text to `(score, feedback)` of each example.
      complete: any model, prompt to reply.
      goal: what the text is for; told to the model.
      strategy: what decides; success memory with the gate `improved` if not given.
      steps: candidates to try after the text itself.
      seed: of the strategy's randomness.
      top: directives shown to the model at most.
      journal: file for the run's journal, which must not exist; kept in memory if not given.

    Returns:
      The text that the strategy's selector chooses. It may be the first one.

    Raises:
      ValueError: the text is empty or contains the tags that delimit it in replies, it cannot be
        scored itself, or the selector averages predictions.

    Example:
      A "model" that reads the feedback and obeys, and one example that wants a polite text:

      >>> import re
      >>> def evaluate(text):
      ...     polite = "please" in text
      ...     return [(1.0, "good") if polite else (0.0, "The reader misses a please.")]
      >>> def complete(prompt):
      ...     if "Directives" not in prompt:
      ...         return '''{"suggestions": [{"statement": "Say please",
      ...                     "component": "workflow", "strength": 1.0}]}'''
      ...     text = re.search("<solution>\\n(.*?)\\n</solution>", prompt).group(1)
      ...     return f'<solution>{text}, please</solution> {{"applied": [1]}}'
      >>> result = optimise_text("Sort the list", evaluate, complete, steps=2)
      >>> result.text, result.score
      ('Sort the list, please', 1.0)
    """
    if not text.strip() or OPENING in text or CLOSING in text:
        raise ValueError(
            f"`text` must not be empty and not contain `{OPENING}` or `{CLOSING}`, which delimit "
            f"it in replies: {text[:60]!r}"
        )
    strategy = strategy or optimizers.directed(optimizers.gome())
    if strategy.selector.averages > 1:
        raise ValueError("texts have no average: take a selector that chooses one, such as `best`")
    reasoner = Prompted(complete, artefact="text", top=top)
    with Journal.create(journal or IN_MEMORY) as events:
        prompts = {"prompt_digest": reasoner.prompt_digest, "goal": goal, "seed": seed}
        events.append("started", prompts)
        agent = Agent(
            task=TextTask(goal),
            strategy=strategy,
            reasoner=StartingFrom(text, reasoner),
            evaluator=TextEvaluator(evaluate),
            journal=events,
            budget=Budget(steps + 1),
            public=Path(),
            seed=seed,
            judges=False,  # whoever scores a text has no folds to leak
        )
        run = agent.run()
    best = run.best
    if best is None or best.edit is None:
        raise ValueError(f"no text could be scored: {run.steps[0].solution.failure}")
    return TextResult(best.edit.script, best.solution.score, run)
