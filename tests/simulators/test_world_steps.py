"""What a world does at a step: replies that fail, parents measured again, crashes, prices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optimizers
from gome_theory import (
    Reliability,
    bias_trap,
    consensus_alignment,
    ema_alignment,
)
from optimizers import Operator
from simulators import (
    Prices,
    Trace,
    World,
    advance,
    erring_judge,
    loss_within,
    moving_frame,
    naming_oracle,
    noisy_evaluator,
    noisy_oracle,
    pipeline,
    rollout,
    rugged,
    simulate,
    situate,
    spent,
    sphere,
    world_keys,
)

DRAWS = 6000
FAST = {"xla_backend_optimization_level": 1}


def near(samples, expected, sigmas=4.0):
    """Whether a mean is within so many of its own standard errors, however many there are."""
    samples = np.asarray(samples, np.float64)
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return bool(np.all(np.abs(samples.mean(axis=0) - expected) <= sigmas * error + 1e-7))


def step_by_step(strategy, world, steps, seed=0):
    """The run after every step, and the whole trace and recording."""
    key = jax.random.key(seed)
    run = optimizers.init(strategy, jnp.zeros(world.landscape.dim), key, steps)
    step = jax.jit(lambda state, key: advance(strategy, world, state, key), compiler_options=FAST)
    state, runs, rows = (run, situate(world, key)), [], []
    for one in world_keys(key, steps):
        state, row = step(state, one[None])
        runs.append(state[0])
        rows.append(row)
    return runs, *jax.tree.map(lambda *parts: np.concatenate(parts), *rows)


@pytest.fixture(scope="module")
def interrupted():
    """A reasoner whose replies often fail, on a rugged landscape that is measured in pairs."""
    world = World(
        rugged(5, amplitude=0.02, period=0.1, counts="trend"),
        noisy_oracle(Reliability(0.7, malformed=0.4)),
        noisy_oracle(Reliability(0.0), 0.3),
        noisy_evaluator(0.01, relative=True, remeasures=True),
    )
    return world, *step_by_step(optimizers.directed(optimizers.momentum(0.2)), world, steps=60)


def test_nothing_is_evaluated_or_learned_after_a_malformed_reply(interrupted):
    _, runs, trace, _ = interrupted
    withheld = trace.evaluations == 0
    assert 12 <= withheld.sum() <= 36  # 24 of 60 expected, standard deviation 3.8.
    assert (trace.diagnosed[1:]).all()  # Asked for and paid all the same.
    assert not trace.accepted[withheld].any()
    for t in np.flatnonzero(withheld):
        before, after = (runs[t - 1], runs[t])
        for old, new in zip(
            jax.tree.leaves((before.params, before.rule_state, before.score)),
            jax.tree.leaves((after.params, after.rule_state, after.score)),
            strict=True,
        ):
            assert (old == new).all()
        assert trace.loss[t] == trace.parent_loss[t]
        assert trace.seconds[t] == 0


def test_measuring_the_parent_again_takes_a_second_evaluation(interrupted):
    _, _, trace, recording = interrupted
    assert trace.evaluations[0] == 1
    assert set(trace.evaluations[1:].tolist()) == {0, 2}
    assert (trace.seconds == trace.evaluations).all()
    tried = np.flatnonzero(trace.evaluations == 2)
    parents = recording.parent.score[tried, 0]
    assert np.unique(parents).size == tried.size  # Never the stored score.
    gains = recording.candidate.score[tried, 0] - parents
    assert (trace.accepted[tried] == (gains > 0)).all()


def test_what_is_shown_is_the_whole_of_a_rugged_landscape(interrupted):
    world, _, trace, recording = interrupted
    shown = np.asarray(jax.vmap(world.landscape.shown)(recording.params), np.float64)
    tried = trace.evaluations > 0
    assert near(((trace.score + shown) / shown)[tried] / 0.01, 0.0)
    assert near((((trace.score + shown) / shown)[tried] / 0.01) ** 2, 1.0)
    counted = np.asarray(jax.vmap(world.landscape.loss)(recording.params))
    np.testing.assert_allclose(trace.loss, counted, rtol=1e-5)
    assert (shown > counted).all()


@pytest.fixture(scope="module")
def tree_of_pipelines():
    world = World(
        pipeline(4, 4, seed=5, crash_share=0.3),
        naming_oracle(Reliability(0.5)),
        naming_oracle(Reliability(0.0)),
        noisy_evaluator(),
    )
    strategy = optimizers.undirected(optimizers.search.aide(drafts=2, debug_probability=1.0))
    return world, *step_by_step(strategy, world, steps=50)


def test_pipelines_crash_and_are_repaired_in_a_tree(tree_of_pipelines):
    world, runs, trace, recording = tree_of_pipelines
    crashed = trace.operator == Operator.IMPROVE
    crashed &= ~trace.valid
    repairs = trace.operator == Operator.DEBUG
    assert crashed.sum() >= 5
    assert repairs.sum() == crashed[:-1].sum()  # With debug_probability 1: at once.
    assert trace.valid[repairs].all()
    runs_at_all = np.asarray(jax.vmap(world.landscape.runs)(recording.params))
    assert (trace.valid == runs_at_all).all()
    for t in np.flatnonzero(repairs):
        broken = runs[-1].params[trace.parent[t]]
        assert (recording.params[t] == world.landscape.repair(broken)).all()
    assert not np.isfinite(runs[-1].score[trace.slot[crashed]]).any()
    took = np.asarray(jax.vmap(world.landscape.seconds)(recording.params))
    np.testing.assert_allclose(trace.seconds, took, rtol=1e-6)


@pytest.mark.parametrize(("gain", "told"), [(0.3, 0.8), (-0.3, 0.15), (0.0, 0.15)])
def test_a_judge_errs_at_its_rates_and_keeps_the_size(gain, told):
    judge = erring_judge(false_accept=0.15, false_reject=0.2).judge
    keys = jax.random.split(jax.random.key(1), DRAWS)
    said = np.asarray(jax.vmap(lambda key: judge(key, jnp.array(gain)))(keys))
    assert near(said > 0, told)
    assert (said != 0).all()
    assert np.allclose(np.abs(said), abs(gain))


def test_optimism_shrinks_what_is_seen_and_leaks_flatter():
    evaluator = noisy_evaluator(0.1, optimism=0.25, leak_rate=0.3, leak=0.5)
    keys = jax.random.split(jax.random.key(2), DRAWS)
    seen = jax.vmap(lambda key: evaluator.measure(key, jnp.array(2.0), Operator.IMPROVE))(keys)
    score = np.asarray(seen.score, np.float64)
    assert near(score, -0.75 * 2.0 + 0.3 * 0.5 * 2.0)
    leaked = score > -1.0  # Ten standard deviations of the noise apart, -1.5 and -0.5.
    assert near(leaked, 0.3)
    assert near(score[leaked], -0.5)


def trace_of(parent_loss, evaluations, seconds, diagnosed):
    """A trace of which only what prices look at is filled in."""
    columns = dict.fromkeys(Trace._fields, jnp.zeros(()))
    columns |= {"parent_loss": parent_loss, "evaluations": evaluations}
    columns |= {"seconds": seconds, "diagnosed": diagnosed}
    return Trace(**{name: jnp.asarray(column) for name, column in columns.items()})


def test_prices_and_budgets_against_plain_python():
    generator = np.random.default_rng(0)
    steps, runs = 12, 4
    losses = generator.uniform(0.1, 1.0, (runs, steps)).astype(np.float32)
    evaluations = generator.integers(0, 3, (runs, steps))
    evaluations[:, 0] = 1
    seconds = generator.uniform(0, 5, (runs, steps)).astype(np.float32)
    diagnosed = generator.random((runs, steps)) < 0.6
    diagnosed[:, 0] = False
    trace = trace_of(losses, evaluations, seconds, diagnosed)
    prices = Prices(evaluation=1.0, second=0.25, diagnosis=3.0)
    budgets = [0.5, 4.0, 11.0, 23.0, 1e6]
    bill = spent(trace, prices)
    reached = loss_within(trace, prices, jnp.array(budgets))
    for run in range(runs):
        paid, bills = 0.0, []
        for t in range(steps):
            paid += evaluations[run, t] + 0.25 * seconds[run, t] + 3.0 * diagnosed[run, t]
            bills.append(paid)
        np.testing.assert_allclose(bill[run], bills, rtol=1e-5)
        for column, budget in enumerate(budgets):
            done = sum(bill <= budget for bill in bills)
            if done in (0, steps):
                assert np.isnan(reached[run, column])
            else:
                assert reached[run, column] == losses[run, done]
    assert np.isnan(reached[:, -1]).all()
    assert np.isfinite(reached[:, 1:3]).any()


def test_with_unit_prices_a_budget_counts_evaluations():
    losses = np.array([1.0, 0.9, 0.5, 0.4], np.float32)
    trace = trace_of(losses, np.ones(4), np.ones(4), np.ones(4))
    assert loss_within(trace, Prices(), jnp.array([1, 2, 3])).tolist() == losses[1:].tolist()


@pytest.mark.parametrize("gamma", [0.0, 0.6, 0.95])
def test_a_moving_truth_correlates_gamma_to_the_lag(gamma):
    dim, lags, frame = 20, 4, moving_frame(gamma)

    def turns(key):
        key, first = jax.random.split(key)
        start = frame.init(first, dim)

        def turn(direction, key):
            turned = frame.turn(key, direction)
            return turned, turned

        _, later = jax.lax.scan(turn, start, jax.random.split(key, lags))
        return later @ start

    overlap = jax.vmap(turns)(jax.random.split(jax.random.key(3), DRAWS))
    # One step keeps c = E (g + s w) / |g n + s u| with w = <u, n>, exactly; k steps keep c^k.
    w = np.random.default_rng(0).normal(size=(200_000, dim))
    w = w[:, 0] / np.linalg.norm(w, axis=1)
    s = np.sqrt(1 - gamma**2)
    kept = ((gamma + s * w) / np.sqrt(1 + 2 * gamma * s * w)).mean()
    assert abs(kept - gamma) < 0.6 / dim
    assert near(overlap, kept ** np.arange(1, lags + 1), sigmas=4.5)


def test_places_in_a_moving_frame_keep_their_distance():
    frame = moving_frame(0.5)
    direction = frame.init(jax.random.key(0), 6)
    placed = frame.place(direction, 3.0 * jnp.ones((2, 6)))
    np.testing.assert_allclose(placed, jnp.tile(-np.sqrt(54.0) * direction, (2, 1)), rtol=1e-5)


def test_an_average_over_a_moving_truth_is_aligned_as_predicted():
    # Steps so short that only the frame turns the truth, while the distance stays what it was.
    dim, rate, decay, steps, burn_in = 1000, 1e-5, 0.8, 70, 40
    conditions = [(0.3, 0.9, 0.0), (0.3, 0.9, 0.3), (0.5, 0.6, 0.0)]
    strategy = optimizers.directed(optimizers.ema(rate, decay), gate=optimizers.gates.always())

    def one(condition, key):
        rho, gamma, omega = condition
        world = World(
            sphere(dim),
            noisy_oracle(Reliability(rho, bias_share=omega)),
            noisy_oracle(Reliability(0.0)),
            noisy_evaluator(),
            frame=moving_frame(gamma),
        )
        trace, recording = rollout(strategy, world, key, steps)
        return trace.loss, trace.parent_loss, recording.direction, recording.params

    rows = tuple(jnp.array(column) for column in zip(*conditions, strict=True))
    keys = jax.random.split(jax.random.key(4), 48)
    batch = jax.jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None)), compiler_options=FAST)
    loss, parent_loss, said, landed = (np.asarray(x) for x in batch(rows, keys))
    average = np.zeros(said[:, :, 0].shape)
    along, energy = [], []
    for t in range(1, steps):
        average = decay * average + (1 - decay) * said[:, :, t]
        distance = np.linalg.norm(landed[:, :, t], axis=-1)
        along.append((average * landed[:, :, t]).sum(axis=-1) / distance**2)
        energy.append((average**2).sum(axis=-1) / distance**2)
    along, energy = np.mean(along[burn_in:], axis=0), np.mean(energy[burn_in:], axis=0)
    after, before = (x[..., burn_in + 1 :].astype(float) for x in (loss, parent_loss))
    gained = np.log(before / after).mean(axis=-1)
    for row, (rho, gamma, omega) in enumerate(conditions):
        law = float(ema_alignment(rho, gamma, decay, omega))
        kept = (1 - decay) / (1 - decay * gamma)
        assert near(along[row], rho * kept)
        assert near(energy[row], (rho * kept / law) ** 2)
        assert near(gained[row] / (2 * rate), rho * kept)  # Progress, to first order in the step.


RHO, STEP, OMEGA, KAPPA = 0.4, 0.4, 0.3, 0.5


@pytest.fixture(scope="module", params=[1, 3])
def several_diagnoses(request):
    """Ungated runs on the mean of K diagnoses, each by a reasoner with a bias of its own."""
    dim, steps, diagnoses = 1000, 61, request.param
    world = World(
        sphere(dim),
        noisy_oracle(Reliability(RHO, bias_share=OMEGA, shared_bias=KAPPA)),
        noisy_oracle(Reliability(0.0)),
        noisy_evaluator(),
        diagnoses=diagnoses,
    )
    strategy = optimizers.directed(
        optimizers.consensus(optimizers.sgd(STEP)), gate=optimizers.gates.always()
    )

    def one(key):
        trace, recording = rollout(strategy, world, key, steps)
        first = recording.direction[1].reshape(diagnoses, dim).mean(axis=0)
        return trace.parent_loss, recording.params[0], -first

    keys = jax.random.split(jax.random.key(5), 64)
    batch = jax.jit(jax.vmap(one), compiler_options=FAST)(keys)
    return diagnoses, *(np.asarray(x, np.float64) for x in batch)


def test_the_mean_of_several_diagnoses_is_aligned_as_predicted(several_diagnoses):
    diagnoses, _, start, said = several_diagnoses
    distance = np.linalg.norm(start, axis=1)
    along = -(said * start).sum(axis=1) / distance**2
    energy = (said**2).sum(axis=1) / distance**2
    law = float(consensus_alignment(RHO, diagnoses, OMEGA, KAPPA))
    assert near(along, RHO)
    assert near(energy, (RHO / law) ** 2)


def test_a_biased_consensus_settles_at_the_predicted_rate(several_diagnoses):
    diagnoses, losses, _, _ = several_diagnoses
    trap = bias_trap(RHO, OMEGA, STEP, traces=diagnoses, shared_bias=KAPPA)
    rates = np.log(losses[:, 30] / losses[:, -1]) / (losses.shape[1] - 31)
    assert near(rates, trap.rate)
    # The trap is felt: without bias the rate would be another.
    free = bias_trap(RHO, 0.0, STEP, traces=diagnoses)
    assert not near(rates, free.rate)


def test_judged_runs_accept_what_the_judge_says():
    world = World(
        sphere(6),
        noisy_oracle(Reliability(0.3)),
        noisy_oracle(Reliability(0.0)),
        erring_judge(1, 1),
    )
    trace = simulate(
        lambda _: (optimizers.directed(optimizers.sgd(0.5)), world),
        jnp.zeros(1),
        jax.random.key(6),
        steps=20,
        runs=8,
    )
    # A judge that is always wrong: accepted is exactly what does not improve.
    worse = trace.loss >= trace.parent_loss
    assert (trace.accepted[..., 1:] == worse[..., 1:]).all()
