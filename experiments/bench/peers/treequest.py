"""TreeQuest (pip `treequest`): AB-MCTS-A, a library of tree searches with ask and tell.

It grows trees by itself only, so a size is reached by growing to it.
"""

from __future__ import annotations

import importlib
import json
import math
import random
import sys
import time

import numpy as np


def main(sizes: list[int], repetitions: int, limit: float, steps: int, dim: int) -> None:
    """Print seconds of a step at each size reached within the limit, and runs a second."""
    treequest = importlib.import_module("treequest")
    rng = random.Random(0)
    search = treequest.ABMCTSA()
    state, size, started, taken = search.init_tree(), 0, time.perf_counter(), {}

    def grow(above):
        return "a solution", rng.random()

    for wanted in sizes:
        while size < wanted and time.perf_counter() - started < limit:
            state = search.step(state, {"improve": grow}, True)
            size += 1
        if size < wanted:
            break
        laps = []
        for _ in range(repetitions):
            begun = time.perf_counter()
            state = search.step(state, {"improve": grow}, True)
            laps.append(time.perf_counter() - begun)
            size += 1
        taken[wanted] = laps
    begun, runs = time.perf_counter(), 0
    while time.perf_counter() - begun < 3.0:
        _run(treequest, steps, dim, runs)
        runs += 1
    seconds = time.perf_counter() - begun
    print(json.dumps({"laps": taken, "runs_per_second": runs / seconds}))


def _run(treequest, steps: int, dim: int, seed: int) -> None:
    """The run of `plain_search.run`."""
    rng = np.random.default_rng(seed)

    def improve(base):
        move = rng.standard_normal(dim)
        if base is None:
            point = move * math.sqrt(2.0) / np.linalg.norm(move)
        else:
            point = base + move * (np.linalg.norm(base) / dim)
        return point, math.exp(-0.5 * float(point @ point))

    search = treequest.ABMCTSA()
    state = search.init_tree()
    for _ in range(steps):
        state = search.step(state, {"improve": improve}, True)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
