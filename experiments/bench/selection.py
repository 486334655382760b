"""Tree searches: what choosing a node costs against the size of the tree, and runs a second.

`host` is a compiled ask and a compiled tell, as an agent calls them; `compiled` the same inside a
loop on the device, as a simulator does; `python` the same rule on lists of objects. TreeQuest is
the peer that has one of these rules behind ask and tell.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import optimizers
from experiments.bench import plain_search
from experiments.bench.environments import environment, pinned
from gome_theory import Reliability
from optimizers import POLICIES, Expansion, Observation, Operator, Policy
from simulators import World, noisy_evaluator, noisy_oracle, rollout, sphere

SEARCHES = ("aide", "ab_mcts_a", "aira_mcts")
ROOT = Path(__file__).parents[2]
_IN_LOOP = 16


@dataclass(frozen=True)
class Choice:
    """Microseconds of one ask and one tell; the median of repetitions."""

    search: str
    how: str
    nodes: int
    us: float | None
    """None where the size was not reached within the time allowed."""


@dataclass(frozen=True)
class Runs:
    """Whole simulated runs a second."""

    search: str
    how: str
    per_second: float
    ratio: float
    """How many times as many ours are."""


def measure(
    sizes: tuple[int, ...],
    *,
    repetitions: int,
    batch: int,
    environments: Path,
    install: bool,
    seconds: float = 3.0,
) -> tuple[list[Choice], list[Runs]]:
    """Both tables.

    Args:
      sizes: numbers of nodes.
      repetitions: steps that are timed at each size.
      batch: simulated runs in one compiled call.
      environments: folder of the peers' virtual environments.
      install: whether to make what is missing there.
      seconds: time for the runs of each contender; one run at least.
    """
    choices = [
        choice
        for search in SEARCHES
        for nodes in sizes
        for choice in _choices(search, nodes, repetitions)
    ]
    steps, dim = 100, 30
    runs = []
    peer = _treequest(sizes, repetitions, steps, dim, environments, install)
    for search in SEARCHES:
        ours = _runs_per_second(_batched(search, steps, dim, batch), batch, seconds)
        runs.append(Runs(search, "compiled, in a batch", ours, 1.0))
        if search in plain_search.SEARCHES:
            plain = _runs_per_second(partial(plain_search.run, search, steps, dim, 0), 1, seconds)
            runs.append(Runs(search, "python", plain, ours / plain))
        if search == "ab_mcts_a" and peer is not None:
            theirs = peer["runs_per_second"]
            runs.append(Runs(search, "treequest", theirs, ours / theirs))
    if peer is not None:
        laps = {int(nodes): taken for nodes, taken in peer["laps"].items()}
        choices += [
            Choice("ab_mcts_a", "treequest", n, _median_us(laps[n]) if n in laps else None)
            for n in sizes
        ]
    return choices, runs


def _choices(search: str, nodes: int, repetitions: int) -> list[Choice]:
    policy = POLICIES[search]()
    parents, scores = random_tree(nodes)
    state = grown(policy, parents, scores, capacity=nodes + repetitions + _IN_LOOP + 1)
    found = [
        Choice(search, "host", nodes, _median_us(_host_laps(policy, state, repetitions))),
        Choice(search, "compiled", nodes, _median_us(_loop_laps(policy, state, repetitions))),
    ]
    if search in plain_search.SEARCHES:
        plain = plain_search.grown(search, parents.tolist(), scores.tolist())
        laps = [_seconds(lambda: plain.tell(plain.ask(), 0.5)) for _ in range(repetitions)]
        found.append(Choice(search, "python", nodes, _median_us(laps)))
    return found


def random_tree(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Parents (-1 for 5 drafts, any earlier node after them) and scores of a random tree."""
    rng = np.random.default_rng(0)
    parents = np.array([-1 if i < 5 else rng.integers(i) for i in range(nodes)], np.int32)
    return parents, rng.random(nodes).astype(np.float32)


def grown(policy: Policy, parents: np.ndarray, scores: np.ndarray, capacity: int) -> Any:
    """State of a policy that has seen this tree, made at once: telling is what is measured."""
    state: Any = policy.init(capacity)
    tree = getattr(state, "tree", state)
    nodes = len(parents)

    def column(values, empty):
        return jnp.asarray(np.pad(values, (0, capacity - nodes), constant_values=empty))

    below = np.zeros((4, nodes), np.float32)
    for i in reversed(range(nodes)):
        if parents[i] >= 0:
            own = np.array([1.0, 1.0, scores[i], scores[i] ** 2], np.float32)
            below[:, parents[i]] += below[:, i] + own
    children = np.bincount(parents[parents >= 0], minlength=nodes).astype(np.int32)
    tree = tree._replace(
        size=jnp.int32(nodes),
        parent=column(parents, -1),
        score=column(scores, -np.inf),
        valid=column(np.ones(nodes, bool), False),
        children=column(children, 0),
        drafts=jnp.int32((parents < 0).sum()),
    )
    if not hasattr(state, "tree"):
        return tree
    state = state._replace(tree=tree)
    if hasattr(state, "below"):
        return state._replace(below=type(state.below)(*(column(row, 0) for row in below)))
    visits = column(below[0].astype(np.int32) + 1, 0)
    return state._replace(
        visits=visits,
        total=column(below[2] + scores, 0),
        evaluated=jnp.int32(nodes),
        remaining=jnp.int32(0),
    )


def _answer(policy: Policy, state: Any, expansion: Expansion, key) -> Any:
    score = jax.random.uniform(key)
    zero = jnp.zeros(())
    seen = Observation(jnp.zeros(1), score, zero, zero, zero, jnp.ones((), bool))
    return policy.tell(state, expansion, seen, jnp.ones((), bool))[0]


def _host_laps(policy: Policy, state: Any, repetitions: int) -> list[float]:
    ask = jax.jit(policy.ask)
    tell = jax.jit(lambda state, expansion, key: _answer(policy, state, expansion, key))
    held = [state]

    def step(key):
        expansion, asked = ask(held[0], key)
        assert int(expansion.operator) != Operator.DEBUG  # The host looks at what to do.
        held[0] = jax.block_until_ready(tell(asked, expansion, key))

    keys = list(jax.random.split(jax.random.key(0), repetitions + 1))
    step(keys[0])
    return [_seconds(lambda key=key: step(key)) for key in keys[1:]]


def _loop_laps(policy: Policy, state: Any, repetitions: int) -> list[float]:
    def body(number, state):
        key = jax.random.fold_in(jax.random.key(0), number)
        expansion, state = policy.ask(state, key)
        return _answer(policy, state, expansion, key)

    loop = jax.jit(lambda state: jax.lax.fori_loop(0, _IN_LOOP, body, state))
    jax.block_until_ready(loop(state))
    laps = [
        _seconds(lambda: jax.block_until_ready(loop(state)))
        for _ in range(max(3, repetitions // _IN_LOOP))
    ]
    return [lap / _IN_LOOP for lap in laps]


def _batched(search: str, steps: int, dim: int, batch: int) -> Callable[[], Any]:
    oracle = noisy_oracle(Reliability(0.0), scale=0.5)
    world = World(sphere(dim), oracle, oracle, noisy_evaluator())
    strategy = optimizers.undirected(POLICIES[search]())
    keys = jax.random.split(jax.random.key(0), batch)
    run = jax.jit(jax.vmap(lambda key: rollout(strategy, world, key, steps)[0].loss.min()))
    jax.block_until_ready(run(keys))
    return lambda: jax.block_until_ready(run(keys))


def _runs_per_second(act: Callable[[], Any], runs: int, seconds: float) -> float:
    begun, done = time.perf_counter(), 0
    while not done or time.perf_counter() - begun < seconds:
        act()
        done += runs
    return done / (time.perf_counter() - begun)


def _treequest(sizes, repetitions, steps, dim, environments, install) -> dict[str, Any] | None:
    (requirement,) = pinned("treequest")
    made = environment(requirement, environments, install=install)
    if made.missing:
        return None
    order = {
        "sizes": list(sizes),
        "repetitions": repetitions,
        "limit": 60.0,
        "steps": steps,
        "dim": dim,
    }
    command = [str(made.python), "-m", "experiments.bench.peers.treequest", json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return json.loads(done.stdout.splitlines()[-1])


def _seconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _median_us(laps: list[float]) -> float:
    return 1e6 * statistics.median(laps)
