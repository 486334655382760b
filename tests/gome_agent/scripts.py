"""Running rendered scripts for real, several in one plain subprocess."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gome_agent.reasoners import Solution
from gome_agent.schemas import ScriptReport
from gome_agent.tasks.base import TaskFacts

RUNNER = """
import contextlib, io, json, os, runpy, sys, traceback, warnings
warnings.simplefilter("ignore")
for folder in sys.argv[1:]:
    os.chdir(folder)
    out, failure = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(out):
            runpy.run_path("solution.py", run_name="__main__")
    except Exception:
        failure = traceback.format_exc()
    with open("result.json", "w") as file:
        json.dump({"stdout": out.getvalue(), "failure": failure}, file)
"""


def run_scripts(jobs: Sequence[tuple[TaskFacts, str, Path]], folder: Path) -> list[Solution]:
    """Run (facts, script, public folder) one after the other; what each showed."""
    places = []
    for number, (_, script, public) in enumerate(jobs):
        place = folder / str(number)
        place.mkdir(parents=True)
        (place / "input").symlink_to(public)
        (place / "solution.py").write_text(script)
        places.append(place)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    subprocess.run(
        [sys.executable, "-c", RUNNER, *map(str, places)],
        env={**os.environ, **threads},
        check=True,
        capture_output=True,
        timeout=300,
    )
    results = [json.loads((place / "result.json").read_text()) for place in places]
    return [
        _solution(facts, script, result)
        for (facts, script, _), result in zip(jobs, results, strict=True)
    ]


def _solution(facts: TaskFacts, script: str, result: dict[str, str]) -> Solution:
    if result["failure"]:
        return Solution(script, valid=False, failure="error", log=result["failure"])
    report = ScriptReport.model_validate_json(result["stdout"].splitlines()[-1])
    assert report.metric == facts.metric.name
    return Solution(
        script,
        valid=True,
        score=facts.metric.utility(float(np.mean(report.folds))),
        stderr=float(np.std(report.folds, ddof=1) / np.sqrt(len(report.folds))),
        folds=report.folds,
        train_folds=report.train_folds,
        feedback=dict(report.model_extra or {}),
        seconds=float(report.model_extra["seconds"]),
    )
