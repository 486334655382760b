"""A worker: a process that holds one library and takes steps when told to.

It reads a number of steps a line on standard input and answers with a line of JSON, what each of
them took. Between orders it sleeps, so that several workers can take turns on one machine.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict

from experiments.bench.toy import Spent

Steps = Callable[[int], list[Spent]]


def serve(make: Callable[[], Steps]) -> None:
    """Build the library's stepper in a temporary folder, then take orders until input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What a library prints must not get between the answers.
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            steps = make()
            print(json.dumps("ready"), file=answers, flush=True)
            for line in sys.stdin:
                laps = [asdict(spent) for spent in steps(int(line))]
                print(json.dumps(laps), file=answers, flush=True)
        finally:
            os.chdir(home)
