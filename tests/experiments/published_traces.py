"""Small files in the format of the authors' traces, from simulated runs with known parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gome_theory import StepModel, simulate_steps

SHAPES = ("number", "text", "mapping", "table", "frame")
"""Ways in which a validation score may be written down."""


def write_traces(path: Path, tasks: Mapping[str, Any]) -> Path:
    """Write as Python writes JSON, NaN included."""
    path.write_text(json.dumps(tasks, indent=1), encoding="utf-8")
    return path


def simulated_task(
    rng: np.random.Generator,
    model: StepModel,
    *,
    steps: int,
    metric: str = "auc",
    lower: bool = False,
    shape: str = "number",
    replicates: int = 0,
) -> dict[str, Any]:
    """One trace of one task: a root, steps from the incumbent, and codes that are run again.

    Every score is the incumbent's plus a gain of the model, so that gains are what the model says;
    half of a gain's noise variance is that of a score.
    """
    seen = simulate_steps(model, rng, traces=1, steps=steps, replicates=1)
    sign = -1.0 if lower else 1.0
    task: dict[str, Any] = {"scenario": f"Forecast. Submissions are evaluated by {metric}."}
    scores, code = {"code 0": 0.5}, "code 0"
    task["loop_0"] = _loop("", code, 0.5, True, metric, shape)
    for number, gain in enumerate(np.asarray(seen.gain), start=1):
        new = f"code {number}"
        if np.isnan(gain):
            task[f"loop_{number}"] = _loop(code, new, None, False, metric, shape)
            continue
        scores[new] = scores[code] + sign * float(gain)
        better = bool(gain > 0.0)
        task[f"loop_{number}"] = _loop(code, new, scores[new], better, metric, shape)
        code = new if better else code
    for number in range(replicates):
        # The same code twice, from a base of its own: a pair of replicate scores, and two roots.
        noise = model.sigma / np.sqrt(2.0) * rng.normal(size=2)
        for which in range(2):
            key = f"loop_{steps + 1 + 2 * number + which}"
            again = 0.3 + float(noise[which])
            task[key] = _loop("", f"replicate {number}", again, False, metric, shape)
    return task


def _loop(base, code, score, accepted, metric, shape) -> dict[str, Any]:
    return {
        "base_code": base,
        "code": code,
        "final_hypothesis": {"hypothesis": "scale", "problem_label": "model"},
        "task": "Model",
        "valid_score": written(score, metric, shape),
        "test_report": None,
        "feedback": {"decision": accepted, "reason": 'it says "NaN" and Infinity, in words'},
        "sota_hypothesis": None,
        "running_time": "12.5",
    }


def written(score: float | None, metric: str, shape: str) -> Any:
    """A score in one of the shapes; a missing one as NaN."""
    if score is None:
        return float("nan")
    return {
        "number": score,
        "text": f" {score!r} ",
        "mapping": {metric: score},
        "table": f",{metric}\nmodel_1,-7.0\nensemble,{score!r}\n",
        "frame": {metric: {"model_1": -7.0, "ensemble": score}},
    }[shape]
