"""TextGrad (pip `textgrad`): loss, backward and update are model calls; its JSON log is on."""

from __future__ import annotations

import importlib
import os
from functools import partial

from experiments.bench import toy
from experiments.bench.worker import Steps, serve


def stepper() -> Steps:
    """A system prompt under `TextualGradientDescent`, as in the library's prompt tutorial."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    tg = importlib.import_module("textgrad")
    engines = importlib.import_module("textgrad.engine.base")
    meter = toy.Meter()

    class Forward(engines.EngineLM):
        model_string = "forward"

        def generate(self, prompt, system_prompt=None, **kwargs):
            return meter.forward(f"{system_prompt}\n\n{prompt}")

        __call__ = generate

    class Backward(engines.EngineLM):
        model_string = "backward"

        def generate(self, prompt, system_prompt=None, **kwargs):
            asks_update = "<IMPROVED_VARIABLE>" in f"{system_prompt}{prompt}"
            reply = (
                f"<IMPROVED_VARIABLE>{meter.next_prompt()}</IMPROVED_VARIABLE>"
                if asks_update
                else toy.CRITIQUE
            )
            return meter.optimizer(f"{system_prompt or ''}\n\n{prompt}", reply)

        __call__ = generate

    tg.set_backward_engine(Backward())
    prompt = tg.Variable(toy.PROMPT, requires_grad=True, role_description=toy.GOAL)
    model = tg.BlackboxLLM(Forward(), system_prompt=prompt)
    loss_of = tg.TextLoss("Criticise the answer: correctness, form, length.")
    optimizer = tg.TGD(parameters=[prompt])

    def step() -> None:
        optimizer.zero_grad()
        losses = []
        for question, _, _ in toy.EXAMPLES:
            asked = tg.Variable(question, requires_grad=False, role_description="question")
            losses.append(loss_of(model(asked)))
        tg.sum(losses).backward()
        optimizer.step()
        if prompt.value != toy.revised(meter.updates):
            raise RuntimeError(f"textgrad did not take the update: {prompt.value!r}")

    return partial(toy.timed, step, meter)


if __name__ == "__main__":
    serve(stepper)
