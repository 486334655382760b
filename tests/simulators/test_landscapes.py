"""Every landscape: its optimum, its start, its gradient, and runs on it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import optimizers
from gome_theory import Reliability
from simulators import (
    World,
    advance,
    lumped_naming_oracle,
    lumped_oracle,
    lumped_plans,
    lumped_plateau,
    lumped_sphere,
    naming_oracle,
    nk,
    nk_fitness,
    noisy_evaluator,
    noisy_oracle,
    pipeline,
    plans,
    plateau,
    quadratic,
    rosenbrock,
    rugged,
    screening_oracle,
    simulate,
    situate,
    sphere,
    world_keys,
)
from tests.statistical import assert_exceeds, assert_mean

SMOOTH = {
    "sphere": sphere(5),
    "quadratic": quadratic([4.0, 1.0, 0.1]),
    "rosenbrock": rosenbrock(4),
    "rugged": rugged(4, amplitude=0.02, period=0.3),
    "rugged slope": rugged(4, amplitude=0.02, period=0.3, sees="slope"),
    "rugged trend": rugged(3, amplitude=0.02, period=0.3, curvatures=[1, 2, 3], counts="trend"),
    "plateau": plateau(4, levels=8),
    "plateau slope": plateau(4, levels=8, sees="slope"),
}
DISCRETE = {
    "plans": plans(9, wrong_share=0.7),
    "nk adjacent": nk(10, 3, seed=1),
    "nk random": nk(10, 4, seed=2, neighbourhood="random"),
    "pipeline": pipeline(3, 4, seed=3, crash_share=0.4),
}
LUMPED = {
    "lumped sphere": lumped_sphere(9),
    "lumped plateau": lumped_plateau(9, levels=8),
    "lumped plans": lumped_plans(9, wrong_share=0.7),
}
ALL = SMOOTH | DISCRETE | LUMPED
BITS = ("plans", "nk adjacent", "nk random")
LOSS_ONE_ON_AVERAGE = ("rosenbrock", "nk adjacent", "nk random", "pipeline")


def table(landscapes):
    return pytest.mark.parametrize(
        "landscape", [pytest.param(value, id=name) for name, value in landscapes.items()]
    )


def optimum(landscape):
    return jnp.zeros(landscape.dim) if landscape.optimum is None else landscape.optimum


def starts(landscape, draws=64, seed=0):
    return jax.jit(jax.vmap(landscape.start))(jax.random.split(jax.random.key(seed), draws))


def effects(landscape, x):
    """Change of the loss by every edit that is possible, made by `retract`; NaN for others."""
    edits, here = np.asarray(landscape.edits(x)), landscape.loss(x)
    one_by_one = jax.vmap(lambda wish: landscape.loss(landscape.retract(x, wish)) - here)
    return np.where(edits != 0, one_by_one(np.diag(edits)), np.nan)


@table(ALL)
def test_the_optimum_has_loss_zero_and_nothing_has_less(landscape):
    assert float(landscape.loss(optimum(landscape))) == 0.0
    somewhere = starts(landscape)
    around = optimum(landscape) + 0.1 * jax.random.normal(jax.random.key(1), somewhere.shape)
    points = somewhere if landscape.edits is not None else jnp.concatenate([somewhere, around])
    assert (jax.vmap(landscape.loss)(points) >= 0).all()
    if landscape.runs is not None:
        assert landscape.runs(optimum(landscape))


@table(ALL)
def test_a_start_has_loss_one_or_has_it_on_average(landscape):
    # The shown loss of a rugged landscape and the loss that counts differ by the cosines.
    points = starts(landscape, draws=4000)
    losses = np.asarray(jax.jit(jax.vmap(landscape.loss))(points), np.float64)
    name = next(name for name, value in ALL.items() if value is landscape)
    if name.startswith("rugged") and landscape.shown is None:
        losses = np.asarray((points**2).sum(axis=1) / 2, np.float64)
    if name in LOSS_ONE_ON_AVERAGE:
        assert_mean(losses, 1.0)
    else:
        np.testing.assert_allclose(losses, 1.0, rtol=1e-5)


def central_differences(loss, x, step=1e-3):
    moves = step * np.eye(len(x))
    return np.array([(loss(x + m) - loss(x - m)) / (2 * step) for m in moves])


def in_doubles(name):
    """The losses again, by NumPy, from their equations."""

    def cosines(x):
        return 0.02 * (1 - np.cos(2 * np.pi * x / 0.3)).sum()

    def valley(x):
        box = 2.048
        mean = (len(x) - 1) * (100 * (box**2 / 3 + box**4 / 5) + 1 + box**2 / 3)
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum() / mean

    return {
        "sphere": lambda x: (x**2).sum() / 2,
        "quadratic": lambda x: (np.array([4.0, 1.0, 0.1]) * x**2).sum() / 2,
        "rosenbrock": valley,
        "rugged": lambda x: (x**2).sum() / 2 + cosines(x),
        "rugged slope": lambda x: (x**2).sum() / 2 + cosines(x),
        "rugged trend": lambda x: (np.array([1.0, 2.0, 3.0]) * x**2).sum() / 2,
        "plateau": lambda x: round((x**2).sum() / 2 * 8) / 8,
        "plateau slope": lambda x: round((x**2).sum() / 2 * 8) / 8,
    }[name]


@pytest.mark.parametrize("name", SMOOTH)
@given(seed=st.integers(0, 2**31 - 1))
@settings(max_examples=10, deadline=None)
def test_losses_and_gradients_of_free_coordinates(name, seed):
    landscape = SMOOTH[name]
    point = np.random.default_rng(seed).normal(size=landscape.dim)
    exact = in_doubles(name)
    single = np.float64(np.float32(point))
    if not name.startswith("plateau"):  # Rounding may go either way next to an edge.
        np.testing.assert_allclose(landscape.loss(jnp.asarray(point)), exact(single), rtol=1e-4)
    seen = {"rugged": in_doubles("sphere"), "plateau": in_doubles("sphere")}.get(name, exact)
    if name == "plateau slope":
        expected = np.zeros(landscape.dim)
    else:
        expected = central_differences(seen, single, 1e-5)
    gradient = landscape.gradient or jax.grad(landscape.loss)
    np.testing.assert_allclose(gradient(jnp.asarray(point)), expected, rtol=1e-3, atol=1e-3)


def test_smoothness_is_the_largest_curvature_at_the_optimum():
    for name in ("sphere", "quadratic", "rosenbrock", "rugged trend"):
        landscape = SMOOTH[name]
        hessian = jax.hessian(landscape.loss)(optimum(landscape))
        assert landscape.smoothness == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-4)


def test_ruggedness_is_what_evaluations_show_beside_the_trend():
    whole, trend = SMOOTH["rugged"], rugged(4, amplitude=0.02, period=0.3, counts="trend")
    x = whole.start(jax.random.key(5))
    assert trend.shown is not None
    assert trend.shown(x) == whole.loss(x) > trend.loss(x)
    # Cosines of a random phase: mean A, standard deviation A / sqrt(2), each.
    points = 10 * jax.random.normal(jax.random.key(6), (4000, 4))
    rough = np.asarray(jax.vmap(trend.shown)(points) - jax.vmap(trend.loss)(points), np.float64)
    assert_mean(rough, 0.08)
    assert_mean((rough - 0.08) ** 2, 0.02**2 * 2)


def test_a_plateau_is_flat_between_its_edges():
    landscape = plateau(2, levels=4)
    radii = np.sqrt(2 * np.array([0.0, 0.12, 0.13, 0.37, 0.38, 0.87, 0.88]))
    losses = [float(landscape.loss(jnp.array([r, 0.0]))) for r in radii]
    assert losses == [0, 0, 0.25, 0.25, 0.5, 0.75, 1.0]


@table(DISCRETE | {"lumped plans": LUMPED["lumped plans"]})
def test_gradient_times_edit_is_what_an_edit_does(landscape):
    gradient = landscape.gradient or jax.grad(landscape.loss)
    for x in starts(landscape, draws=5):
        edits, change = landscape.edits(x), effects(landscape, x)
        possible = edits != 0
        said = np.asarray(gradient(x) * edits)
        np.testing.assert_allclose(said[possible], change[possible], atol=1e-5)
        assert set(np.unique(edits)) <= {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("name", BITS)
def test_bits_are_flipped_one_at_a_time(name):
    landscape = DISCRETE[name]
    points, wishes = starts(landscape, draws=8), starts(sphere(landscape.dim), 8)
    for x, wish in zip(np.asarray(points), np.asarray(wishes), strict=True):
        landed = landscape.retract(jnp.asarray(x), wish)
        wanted = (1 - 2 * x) * wish
        changed = np.flatnonzero(np.asarray(landed != x))
        assert list(changed) == ([wanted.argmax()] if wanted.max() > 0 else [])
        assert set(np.unique(landed)) <= {0.0, 1.0}
        against = -(1 - 2 * x) * np.abs(wish)
        assert (landscape.retract(jnp.asarray(x), against) == x).all()


@pytest.mark.parametrize("name", BITS)
def test_the_optimum_of_bits_is_the_best_of_all(name):
    landscape = DISCRETE[name]
    points = jnp.array(list(itertools.product([0.0, 1.0], repeat=landscape.dim)))
    losses = np.asarray(jax.vmap(landscape.loss)(points))
    assert losses.min() == 0.0
    assert (losses == 0).sum() == 1
    assert (points[losses.argmin()] == landscape.optimum).all()


@pytest.mark.parametrize(("loci", "epistasis"), [(5, 0), (7, 1), (9, 4), (9, 8), (12, 2)])
def test_dynamic_programming_finds_what_enumeration_finds(loci, epistasis):
    landscape = nk(loci, epistasis, seed=4)
    fitness = nk_fitness(loci, epistasis, seed=4)
    points = jnp.array(list(itertools.product([0.0, 1.0], repeat=loci)))
    z = np.asarray(jax.vmap(fitness)(points), np.float64)
    assert (points[z.argmax()] == landscape.optimum).all()
    expected = (z.max() - z) / (z.max() - z.mean())
    np.testing.assert_allclose(jax.vmap(landscape.loss)(points), expected, atol=1e-5)


def test_a_long_ring_is_solved_and_no_flip_of_two_bits_improves_on_it():
    landscape = nk(48, 5, seed=0)
    pairs = jnp.array(list(itertools.combinations_with_replacement(range(48), 2)))

    def flip(pair):
        x = landscape.optimum.at[pair[0]].add(1.0)
        return jnp.mod(x.at[pair[1]].add(jnp.where(pair[0] == pair[1], 0.0, 1.0)), 2.0)

    assert (jax.vmap(lambda pair: landscape.loss(flip(pair)))(pairs) > 0).all()


def test_a_locus_depends_on_itself_and_its_neighbours():
    fitness = nk_fitness(12, 2, seed=0)
    x = jnp.zeros(12)
    # Flipping far apart loci adds up, flipping neighbours does not.
    one, other, neighbour = (x.at[i].set(1.0) for i in (0, 6, 1))
    assert fitness(one + other) == pytest.approx(
        float(fitness(one) + fitness(other) - fitness(x)), abs=1e-5
    )
    assert abs(fitness(one + neighbour) - fitness(one) - fitness(neighbour) + fitness(x)) > 0.01


def all_pipelines(components, options):
    chosen = np.array(list(itertools.product(range(options), repeat=components)))
    return chosen, jnp.asarray(np.eye(options)[chosen].reshape(len(chosen), -1), jnp.float32)


def test_pipelines_against_all_there_are():
    landscape = DISCRETE["pipeline"]
    chosen, points = all_pipelines(3, 4)
    losses, runs = (np.asarray(jax.vmap(f)(points)) for f in (landscape.loss, landscape.runs))
    assert 0.1 < runs.mean() < 0.9
    assert losses[runs].min() == 0.0
    assert losses[runs].mean() == pytest.approx(1.0, rel=1e-5)
    assert (losses[~runs] == losses[runs].max()).all()
    # Whether it runs is a matter of pairs: a pair is bad if nothing that holds it runs.
    bad = [
        (a, i, b, j)
        for a, b in itertools.combinations(range(3), 2)
        for i, j in itertools.product(range(4), repeat=2)
        if not runs[(chosen[:, a] == i) & (chosen[:, b] == j)].any()
    ]
    assert all(i > 0 and j > 0 for _, i, _, j in bad)
    crashes = [any(c[a] == i and c[b] == j for a, i, b, j in bad) for c in chosen]
    assert (np.array(crashes) == ~runs).all()


def test_a_repair_makes_a_pipeline_run_and_leaves_one_that_runs_alone():
    landscape = DISCRETE["pipeline"]
    chosen, points = all_pipelines(3, 4)
    repaired = jax.vmap(landscape.repair)(points)
    assert jax.vmap(landscape.runs)(repaired).all()
    runs = np.asarray(jax.vmap(landscape.runs)(points))
    assert (repaired[runs] == points[runs]).all()
    after = np.asarray(repaired).reshape(-1, 3, 4).argmax(axis=2)
    assert ((after == chosen) | (after == 0)).all()
    assert (after[:, 0] == chosen[:, 0]).all()  # The later component of a pair gives way.


def test_pipelines_take_a_second_on_average_and_options_their_own():
    landscape = DISCRETE["pipeline"]
    chosen, points = all_pipelines(3, 4)
    seconds = np.asarray(jax.vmap(landscape.seconds)(points), np.float64)
    assert seconds.mean() == pytest.approx(1.0, rel=1e-5)
    design = np.eye(4)[chosen].reshape(len(chosen), -1)
    options, *_ = np.linalg.lstsq(design, seconds, rcond=None)
    np.testing.assert_allclose(design @ options, seconds, atol=1e-5)
    assert seconds.min() > 0


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_pipeline_takes_the_option_that_is_wanted_most(seed):
    landscape = DISCRETE["pipeline"]
    key_start, key_wish = jax.random.split(jax.random.key(seed))
    x, wish = landscape.start(key_start), jax.random.normal(key_wish, (12,))
    assert landscape.runs(x)
    landed = np.asarray(landscape.retract(x, wish)).reshape(3, 4)
    assert (landed.sum(axis=1) == 1).all()
    wanted = np.where(np.asarray(x) == 1, -np.inf, wish)
    best = int(wanted.argmax())
    expected = np.asarray(x).reshape(3, 4).copy()
    if wanted[best] > 0:
        expected[best // 4] = np.eye(4)[best % 4]
    assert (landed == expected).all()
    assert (landscape.retract(x, -jnp.abs(wish)) == x).all()


@pytest.mark.parametrize("interactions", [0.0, 1.0])
def test_interactions_are_what_options_alone_do_not_explain(interactions):
    landscape = pipeline(4, 3, seed=0, interactions=interactions, crash_share=0.0)
    chosen, points = all_pipelines(4, 3)
    losses = np.asarray(jax.vmap(landscape.loss)(points), np.float64)
    design = np.eye(3)[chosen].reshape(len(chosen), -1)
    left = losses - design @ np.linalg.lstsq(design, losses, rcond=None)[0]
    assert (left.std() < 1e-5) == (interactions == 0.0)


REASONERS = {
    "noisy": noisy_oracle(Reliability(alignment=0.6)),
    "naming": naming_oracle(Reliability(alignment=0.6)),
    "screening": screening_oracle(0.6, 3),
}


def world_of(name):
    landscape = ALL[name]
    if name == "lumped plans":
        reasoner = proposer = lumped_naming_oracle(Reliability(alignment=0.6))
    elif name in LUMPED:
        reasoner = lumped_oracle(Reliability(alignment=0.6, bias_share=0.1), 9)
        proposer = lumped_oracle(Reliability(alignment=0.0), 9, scale=0.3)
    elif name in DISCRETE:
        reasoner, proposer = REASONERS["naming"], naming_oracle(Reliability(alignment=0.0))
    else:
        reasoner, proposer = REASONERS["noisy"], noisy_oracle(Reliability(alignment=0.0), 0.3)
    return World(landscape, reasoner, proposer, noisy_evaluator(0.01, relative=True))


FAST = {"xla_backend_optimization_level": 1}


@pytest.mark.parametrize("name", ALL)
def test_runs_improve_and_go_on_from_where_they_were(name):
    world = world_of(name)
    learning_rate = 1.0 if world.landscape.edits is not None else 0.5 / world.landscape.smoothness
    strategy = optimizers.directed(optimizers.sgd(learning_rate))
    steps, key = 12, jax.random.key(0)
    run = optimizers.init(strategy, jnp.zeros(world.landscape.dim), key, steps)
    start, keys = (run, situate(world, key)), world_keys(key, steps)
    go_on = jax.jit(
        lambda state, keys: advance(strategy, world, state, keys), compiler_options=FAST
    )
    half, (first, recording) = go_on(start, keys[:6])
    (run, _), (second, _) = go_on(half, keys[6:])
    trace = jax.tree.map(lambda one, other: jnp.concatenate([one, other]), first, second)
    assert jnp.isfinite(recording.params).all()
    assert (trace.loss >= 0).all()
    if name == "plateau slope":  # There the reasoner has nothing to say, and all is withheld.
        assert trace.evaluations.tolist() == [1] + [0] * 11
    else:
        assert float(world.landscape.loss(run.params[0])) < float(trace.loss[0])
    if name in ("quadratic", "pipeline", "lumped plans"):
        (uninterrupted, _), (whole, _) = go_on(start, keys)
        pairs = zip(jax.tree.leaves(trace), jax.tree.leaves(whole), strict=True)
        assert all((one == other).all() for one, other in pairs)
        assert (run.params == uninterrupted.params).all()


@pytest.mark.parametrize(
    ("name", "reasoner"),
    [("nk random", "screening"), ("pipeline", "screening"), ("plans", "noisy")],
)
def test_other_reasoners_get_on_in_discrete_worlds(name, reasoner):
    world = world_of(name)._replace(reasoner=REASONERS[reasoner])
    trace = simulate(
        lambda _: (optimizers.directed(optimizers.sgd(1.0)), world),
        jnp.zeros(1),
        jax.random.key(2),
        steps=20,
        runs=64,
    )
    gained = np.asarray(trace.parent_loss[0, :, 1] - trace.parent_loss[0, :, -1], np.float64)
    assert_exceeds(gained.mean(), 0.0, gained.std(ddof=1) / 8, draws=64)
