"""This library: the agent's loop on a text, with a journal on disk."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from experiments.bench import toy
from experiments.bench.worker import Steps, serve


def stepper(rule: str, journal: Path, steps: int = 100_000) -> tuple[Steps, toy.Meter]:
    """An agent on the toy.

    Args:
      rule: name in `optimizers.RULES`.
      journal: where the run's journal is written.
      steps: budget of the agent.

    Returns:
      What takes steps, and the meter of its models.
    """
    import optimizers
    from gome_agent.budget import Budget
    from gome_agent.journal import Journal
    from gome_agent.loop import Agent
    from gome_agent.reasoners.prompted import Prompted
    from gome_agent.text import StartingFrom, TextEvaluator, TextTask

    meter = toy.Meter()
    suggestions = [
        {"statement": idea, "component": "workflow", "strength": 0.5, "credence": 0.8}
        for idea in toy.IDEAS
    ]
    diagnosis = json.dumps({"summary": toy.CRITIQUE, "suggestions": suggestions})

    def complete(prompt: str) -> str:
        if "<feedback>" in prompt:
            return meter.optimizer(prompt, diagnosis)
        edit = f'<solution>\n{meter.next_prompt()}\n</solution>\n{{"applied": [1]}}'
        return meter.optimizer(prompt, edit)

    def evaluate(text: str) -> list[tuple[float, str]]:
        judged = []
        for question, _, feedback in toy.EXAMPLES:
            meter.forward(f"{text}\n\n{question}")
            judged.append((meter.updates * 1e-3, feedback))
        return judged

    agent = Agent(
        task=TextTask(toy.GOAL),
        strategy=optimizers.directed(optimizers.RULES[rule]()),
        reasoner=StartingFrom(toy.PROMPT, Prompted(complete, artefact="text")),
        evaluator=TextEvaluator(evaluate),
        journal=Journal.create(journal),
        budget=Budget(steps),
        public=Path(),
    )
    agent.step()  # The draft: the prompt itself.
    return partial(toy.timed, agent.step, meter), meter


if __name__ == "__main__":
    serve(lambda: stepper(sys.argv[1], Path("journal.sqlite"))[0])
