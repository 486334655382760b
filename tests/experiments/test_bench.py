"""The benchmarks: what they count is tested here, what they time is not."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optimizers
from experiments.bench import (
    core,
    framework,
    overhead,
    plain_search,
    recall,
    report,
    selection,
    throughput,
    toy,
)
from experiments.bench.environments import environment, pinned
from experiments.bench.overhead import OURS, Contender, WorkerFailed, measure
from experiments.bench.peers import gome
from gome_agent.text import optimise_text
from optimizers import Operator
from optimizers.search._tree import begin

STEPS = 500
MOST_CALLS, MOST_TOKENS = 4, 1500


@pytest.mark.parametrize("rule", ["sgd", "gome"])
def test_calls_and_prompt_tokens_a_step_are_few_and_do_not_grow(rule, tmp_path):
    steps, _ = gome.stepper(rule, tmp_path / "journal.sqlite")
    laps = steps(STEPS)
    assert {lap.forward_calls for lap in laps} == {len(toy.EXAMPLES)}
    assert max(lap.optimizer_calls for lap in laps) <= MOST_CALLS
    assert {lap.optimizer_calls for lap in laps} == {2}  # One diagnosis, one edit.
    assert max(lap.optimizer_tokens for lap in laps) <= MOST_TOKENS
    early, late = laps[4].optimizer_tokens, laps[STEPS - 1].optimizer_tokens
    assert abs(late - early) <= 0.05 * early


def test_prompts_stay_short_though_every_diagnosis_has_new_ideas():
    # More ideas than the lexicon has slots: what is told must not grow with what was ever said.
    lengths, ideas = [], iter(range(10**6))

    def complete(prompt):
        lengths.append(toy.tokens(prompt))
        if "<feedback>" not in prompt:
            return f'<solution>\n{toy.revised(len(lengths))}\n</solution>\n{{"applied": [1]}}'
        said = [
            {
                "statement": f"Try idea {next(ideas)}",
                "component": "workflow",
                "strength": 1.0 + len(lengths) / 100,
            }
            for _ in range(5)
        ]
        return json.dumps({"suggestions": said})

    def evaluate(text):
        return [(len(lengths) * 1e-3, feedback) for _, _, feedback in toy.EXAMPLES]

    result = optimise_text(
        toy.PROMPT,
        evaluate,
        complete,
        strategy=optimizers.directed(optimizers.momentum()),
        steps=60,
    )
    assert all(step.accepted for step in result.run.steps)
    assert next(ideas) > 2 * 128
    early = lengths[8] + lengths[9]
    assert abs(lengths[-2] + lengths[-1] - early) <= 0.05 * early


def test_updates_are_as_long_as_the_first_prompt():
    assert 38 <= len(toy.PROMPT.split()) <= 42
    assert {toy.tokens(toy.revised(n)) for n in (1, 20, 300)} == {toy.tokens(toy.PROMPT) + 3}


def test_a_worker_takes_orders_and_answers_with_laps():
    done = subprocess.run(
        [sys.executable, "-m", "experiments.bench.peers.gome", "sgd"],
        input="2\n3\n",
        capture_output=True,
        text=True,
        check=True,
        cwd=overhead.ROOT,
    )
    ready, first, second = map(json.loads, done.stdout.splitlines())
    assert ready == "ready"
    assert (len(first), len(second)) == (2, 3)
    assert all(lap["seconds"] > 0 and lap["optimizer_calls"] == 2 for lap in first + second)


def fake(name, milliseconds, last_words=""):
    """A contender that claims to take so long, longer for each round and each token-hungrier."""
    code = f"""
import json, sys
print(json.dumps("ready"), flush=True)
for turn, line in enumerate(sys.stdin):
    if {last_words!r} and turn:
        sys.exit({last_words!r})
    took = {milliseconds} * (turn + 1) / 1000
    lap = dict(seconds=took, cpu_seconds=took / 2, forward_calls=3, forward_tokens=30)
    steps = range(int(line))
    laps = [dict(lap, optimizer_calls=1, optimizer_tokens=100 * turn + i + 1) for i in steps]
    print(json.dumps(laps), flush=True)
"""
    return Contender(name, (sys.executable, "-c", code))


def test_ratios_are_taken_within_rounds_and_growth_over_the_run(tmp_path):
    compared = [fake(OURS, 2.0), fake("slow", 6.0)]
    ours, slow = measure(compared, tmp_path, rounds=4, steps=10)
    # Rounds take 2, 4, 6 and 8 ms; the first is a warm-up.
    assert (ours.ms, ours.ratio) == (pytest.approx(6.0), pytest.approx(1.0))
    assert (slow.ms, slow.ratio) == (pytest.approx(18.0), pytest.approx(3.0))
    assert (slow.cpu_ms, slow.cpu_ratio) == (pytest.approx(9.0), pytest.approx(3.0))
    assert (slow.forward_calls, slow.optimizer_calls) == (3, 1)
    assert (slow.tokens_early, slow.tokens_late) == (5, 310)


def test_a_contender_that_fails_is_reported_with_its_reason(tmp_path):
    broken = Contender("broken", (sys.executable, "-c", "raise ImportError('no such peer')"))
    compared = [fake(OURS, 2.0), broken, fake("weak", 1.0, last_words="out of memory")]
    ours, *others = measure(compared, tmp_path, rounds=3, steps=2)
    assert ours.missing == ""
    assert "no such peer" in others[0].missing
    assert "out of memory" in others[1].missing
    assert all(row.ms is None for row in others)
    with pytest.raises(WorkerFailed, match="ours"):
        measure([fake(OURS, 2.0, last_words="gone")], tmp_path, rounds=3, steps=2)


def test_a_peer_that_is_not_installed_is_reported(tmp_path):
    for requirement in pinned("textgrad", "trace-opt", "gepa"):
        assert "==" in requirement
        assert requirement in environment(requirement, tmp_path, install=False).missing
    here, missing = overhead.contenders(tmp_path, install=False)
    assert here[0].name == OURS
    assert len(missing) == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_all_tables_are_written(tmp_path):
    choices, runs = selection.measure(
        (6,), repetitions=2, batch=2, seconds=0.0, environments=tmp_path, install=False
    )
    results = report.Results(
        quick=True,
        machine="a machine",
        versions={"python": "3"},
        overhead=(
            overhead.Row(OURS, ms=0.5, ratio=1.0, forward_calls=3, optimizer_calls=2),
            overhead.Row("gepa", missing="pip | said no"),
        ),
        framework=tuple(framework.measure(steps=4, runs=2)),
        recall=tuple(recall.curve((8,), repetitions=2)),
        host=tuple(core.host_steps(("sgd",), 3)),
        throughput=tuple(core.throughput(("sgd",), runs=4, steps=5, repetitions=2)),
        simulated=tuple(throughput.costs((4,), runs=3, steps=5, rounds=2)),
        scaling=tuple(throughput.scaling(2, runs=2, steps=4, dim=4, rounds=2)),
        memory=tuple(throughput.memory((5,), runs=2, dim=4)),
        choices=tuple(choices),
        runs=tuple(runs),
        seconds=1.0,
    )
    record = json.loads(json.dumps(results.record(), allow_nan=False))
    around = {row["evaluator"]: row for row in record["framework"]}
    assert set(around) == {framework.IN_MEMORY, *framework.SANDBOXES}
    assert around[framework.IN_MEMORY]["followed"] > 0
    assert all(row["missing"] or row["step"] > row["framework"] for row in record["framework"][1:])
    assert [point["memories"] for point in record["recall"]] == [8]
    assert all(cost > 0 for point in record["recall"] for cost in point.values())
    assert {line["body"] for line in record["throughput"]} == set(core.BODIES)
    assert all(line["steps_per_second"] > 0 for line in record["throughput"])
    assert {line["how"] for line in record["choices"]} == {"host", "compiled", "python"}
    assert all(line["per_second"] > 0 for line in record["runs"])
    loops = {line["loop"] for line in record["simulated"]}
    assert loops == {"floor", "rollout", "numpy", "python"}
    assert {line["size"] for line in record["scaling"]} == {"runs", "steps", "dim"}
    assert record["host"][0]["ms"] > 0
    page = report.markdown(results)
    assert "3 + 2" in page
    assert "pip / said no" in page
    for section in report.sections(results):
        assert section.title in page
        assert {len(row) for row in section.rows} == {len(section.head)}


@pytest.mark.parametrize("name", plain_search.SEARCHES)
def test_a_tree_made_at_once_is_the_tree_that_was_told(name):
    """What is timed is the policy in the state that it would have come to."""
    policy = optimizers.POLICIES[name]()
    parents, scores = selection.random_tree(9)
    state = selection.grown(policy, parents, scores, capacity=12)
    told = policy.init(12)
    for parent, score in zip(parents, scores, strict=True):
        expansion = optimizers.Expansion(jnp.int32(parent), jnp.int32(Operator.IMPROVE))
        told = begun(told, expansion)
        zero = jnp.zeros(())
        valid = jnp.ones((), bool)
        seen = optimizers.Observation(jnp.zeros(1), jnp.float32(score), zero, zero, zero, valid)
        told, _ = policy.tell(told, expansion, seen, valid)
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(told), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def begun(state, expansion):
    tree = getattr(state, "tree", state)
    tree = begin(tree, expansion)
    return state._replace(tree=tree) if hasattr(state, "tree") else tree


def test_the_plain_searches_choose_as_the_compiled_ones_do():
    """AIDE without failures is greedy: the best node, after the drafts."""
    parents, scores = selection.random_tree(9)
    plain = plain_search.grown("aide", parents.tolist(), scores.tolist())
    chosen = plain.ask()
    assert chosen is plain.nodes[int(np.argmax(scores))]
    assert plain_search.run("ab_mcts_a", 20, 5, seed=0) < 1.0
