"""On a real GPU, with PyTorch: a doctor's visit, and a small network through the whole loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import optimizers
from gome_agent.budget import Budget
from gome_agent.evaluator import SandboxEvaluator
from gome_agent.hardware import card_checks
from gome_agent.hardware.checks import examine, likely_profile
from gome_agent.hardware.facts import Asked, Facts
from gome_agent.hardware.host import look
from gome_agent.hardware.limits import script_limits
from gome_agent.hardware.nvidia import NoAnswer, cards
from gome_agent.hardware.probing import probe
from gome_agent.hardware.profiles import PROFILES
from gome_agent.hardware.slots import GpuSlots
from gome_agent.journal import Journal
from gome_agent.loop import Agent
from gome_agent.reasoners import Scripted
from gome_agent.sandbox import detect, interpreter
from gome_agent.schemas import Edit
from gome_agent.tasks import registry
from gome_agent.text import IN_MEMORY

pytestmark = pytest.mark.gpu
# Two folds of a perceptron in fp16, and a submission in the format of the sample.
NETWORK = """
import json
import numpy as np
import pandas as pd
import torch

torch.manual_seed(int(open("replicate").read()))
train, test = pd.read_csv("input/train.csv"), pd.read_csv("input/test.csv")
sample = pd.read_csv("input/sample_submission.csv")
name, target = sample.columns
features = [column for column in test.columns if column != name]
labels = np.sort(train[target].unique())

def tensor(frame):
    return torch.tensor(frame[features].to_numpy(np.float32) / 16, device="cuda")

x = tensor(train)
y = torch.tensor(np.searchsorted(labels, train[target]), device="cuda")

def fit(rows):
    net = torch.nn.Sequential(
        torch.nn.Linear(len(features), 64), torch.nn.ReLU(), torch.nn.Linear(64, len(labels))
    ).cuda()
    optimizer, scaler = torch.optim.Adam(net.parameters(), 1e-2), torch.amp.GradScaler("cuda")
    for _ in range(150):
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=torch.float16):
            loss = torch.nn.functional.cross_entropy(net(x[rows]), y[rows])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    return net

def accuracy(net, rows):
    return (net(x[rows]).argmax(1) == y[rows]).float().mean().item()

halves = torch.randperm(len(x), device="cuda").chunk(2)
nets = [fit(half) for half in halves]
folds = [accuracy(net, half) for net, half in zip(nets, halves[::-1])]
seen = [accuracy(net, half) for net, half in zip(nets, halves)]
sample[target] = labels[fit(torch.arange(len(x), device="cuda"))(tensor(test)).argmax(1).cpu()]
sample.to_csv("submission.csv", index=False)
print(json.dumps({"metric": "accuracy", "folds": folds, "train_folds": seen}))
"""
TOO_LARGE = "import torch\nx = torch.empty(2**42, dtype=torch.uint8, device='cuda')\n"


@pytest.fixture(scope="module", autouse=True)
def _a_card() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed here")
    try:
        cards()
    except NoAnswer as error:
        pytest.skip(str(error))


def test_a_doctor_tells_of_the_card(tmp_path: Path) -> None:
    python = interpreter(None)
    host = look(python, None, tmp_path)
    hardware = likely_profile(Facts(host))
    if hardware == PROFILES["cpu"]:
        pytest.skip(f"there is no profile of {host.cards[0].name}")
    limits = script_limits(hardware, 300.0)
    backend = detect()
    told = probe(backend, replace(limits, gpus=(host.cards[0].index,)))
    facts = Facts(host, Asked(gpus=(host.cards[0].index,)), told, backend.name)
    findings = {one.check: one for one in examine(facts, hardware)}
    for check in ("gpu", "card in scripts", "torch", "fp16 product", "fp16 training"):
        assert findings[check].state == "ok", findings[check]
    assert findings["bf16"].says == ("native" if hardware.bf16 else "not supported, as expected")
    assert all(check(facts, hardware) is not None for check in card_checks.CHECKS)


def test_a_network_learns_in_half_precision_through_the_whole_loop(tmp_path: Path) -> None:
    task, public = registry.load("digits"), tmp_path / "public"
    task.prepare(public)
    limits = script_limits(PROFILES["v100"], 300.0)
    slots = GpuSlots((cards()[0].index,), folder=tmp_path / "locks")
    evaluator = SandboxEvaluator(task, detect(), limits, public, tmp_path / "steps", slots=slots)
    agent = Agent(
        task=task,
        strategy=optimizers.undirected(optimizers.search.random_tree()),
        reasoner=Scripted([Edit(script=NETWORK), Edit(script=TOO_LARGE)]),
        evaluator=evaluator,
        journal=Journal.create(IN_MEMORY),
        budget=Budget(steps=2),
        public=public,
    )
    result = agent.run()
    first, second = (step.solution for step in result.steps)
    assert first.valid, first.failure
    assert first.score > 0.85
    assert task.grade(tmp_path / "steps" / "000" / "submission.csv").score > 0.85
    assert second.outcome == "memory"
    assert "the GPU ran out of memory: tried to allocate 4096.00 GiB" in second.failure
