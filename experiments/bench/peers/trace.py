"""Trace (pip `trace-opt`): the graph is propagated without a model, OptoPrime asks it once."""

from __future__ import annotations

import importlib
import json
import os
from functools import partial
from types import SimpleNamespace

from experiments.bench import toy
from experiments.bench.worker import Steps, serve


def stepper() -> Steps:
    """A trainable prompt node; the feedback on the minibatch is one text, as Trace requires."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    trace = importlib.import_module("opto.trace")
    optimizers = importlib.import_module("opto.optimizers")
    meter = toy.Meter()
    prompt = trace.node(toy.PROMPT, trainable=True, description=toy.GOAL)

    @trace.bundle(description="[answer] The model's answer to a question under a system prompt.")
    def answer(system_prompt, question):
        return meter.forward(f"{system_prompt}\n\n{question}")

    @trace.bundle(description="[together] The answers of a minibatch, one after the other.")
    def together(first, second, third):
        return "\n".join((first, second, third))

    def model(messages, **kwargs):
        text = "\n".join(message["content"] for message in messages)
        suggestion = {prompt.py_name: meter.next_prompt()}
        reply = {"reasoning": toy.CRITIQUE, "answer": "", "suggestion": suggestion}
        message = SimpleNamespace(content=meter.optimizer(text, json.dumps(reply)))
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])

    optimizer = optimizers.OptoPrime([prompt], llm=model)
    feedback = "\n".join(text for _, _, text in toy.EXAMPLES)

    def step() -> None:
        answers = together(*(answer(prompt, question) for question, _, _ in toy.EXAMPLES))
        optimizer.zero_feedback()
        optimizer.backward(answers, feedback)
        optimizer.step()
        if prompt.data != toy.revised(meter.updates):
            raise RuntimeError(f"Trace did not take the update: {prompt.data!r}")

    return partial(toy.timed, step, meter)


if __name__ == "__main__":
    serve(stepper)
