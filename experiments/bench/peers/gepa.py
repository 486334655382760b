"""GEPA (pip `gepa`): parent and child on a minibatch, one reflection, then the validation set.

GEPA owns its loop, so a step is measured from one reflection call to the next.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from experiments.bench import toy
from experiments.bench.worker import Steps, serve

MODES = ("rejected", "accepted", "saved")
"""No candidate is better; every candidate is; the same with a run folder, GEPA's journal."""


def stepper(mode: str) -> Steps:
    """`gepa.optimize` with minibatches of three, run afresh at every order."""
    gepa = importlib.import_module("gepa")
    adapters = importlib.import_module("gepa.core.adapter")
    meter = toy.Meter()
    runs = iter(range(1_000_000))

    class Adapter:
        propose_new_texts = None

        def evaluate(self, batch, candidate, capture_traces=False):
            text = candidate["prompt"]
            outputs = [meter.forward(f"{text}\n\n{question}") for question, _, _ in batch]
            score = 0.0
            if mode != "rejected" and "Version" in text:
                score = int(text.rstrip(".").rsplit(" ", 1)[1]) * 1e-6
            traces = list(zip(batch, outputs, strict=True)) if capture_traces else None
            return adapters.EvaluationBatch(outputs, [score] * len(batch), traces)

        def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
            records = [
                {"Inputs": question, "Generated Outputs": output, "Feedback": feedback}
                for (question, _, feedback), output in eval_batch.trajectories
            ]
            return dict.fromkeys(components_to_update, records)

    def steps(number: int) -> list[toy.Spent]:
        laps: list[toy.Spent] = []

        def reflect(prompt: Any) -> str:
            laps.append(meter.lap())
            return meter.optimizer(str(prompt), f"```\n{meter.next_prompt()}\n```")

        gepa.optimize(
            seed_candidate={"prompt": toy.PROMPT},
            trainset=list(toy.EXAMPLES),
            valset=list(toy.EXAMPLES),
            adapter=Adapter(),
            reflection_lm=reflect,
            reflection_minibatch_size=len(toy.EXAMPLES),
            skip_perfect_score=False,
            stop_callbacks=lambda state: len(laps) > number,
            logger=_Silent(),
            run_dir=f"run{next(runs)}" if mode == "saved" else None,
        )
        return laps[1:]  # The first holds the start of the run.

    return steps


class _Silent:
    def log(self, message: str) -> None:
        """GEPA's own progress lines are not part of what is measured."""


if __name__ == "__main__":
    serve(lambda: stepper(sys.argv[1]))
