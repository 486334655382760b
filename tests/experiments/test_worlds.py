"""Named worlds: what the names stand for, and what is refused."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

import gome_theory
import simulators
from experiments.spec import SpecError, split
from experiments.worlds import WORLDS, build_world
from gome_theory import Reliability
from optimizers import Operator
from simulators import Situation, World

A_WORLD = World(
    simulators.sphere(3),
    simulators.noisy_oracle(Reliability(0.5)),
    simulators.noisy_oracle(Reliability(0.0)),
    simulators.noisy_evaluator(),
)


def a_landscape(dim: int = 4):
    return simulators.sphere(dim)


@pytest.mark.parametrize("name", WORLDS)
def test_every_name_is_a_world_that_can_be_asked_and_measured(name):
    world = build_world(f"{name}(noise=0.1)")
    start = world.landscape.start(jax.random.key(0))
    gradient = (world.landscape.gradient or jax.grad(world.landscape.loss))(start)
    edits = None if world.landscape.edits is None else world.landscape.edits(start)
    for oracle in (world.reasoner, world.proposer):
        said = oracle.diagnose(jax.random.key(1), (), Situation(start, gradient, edits))
        assert np.isfinite(said.direction).all()
    shown = world.evaluator.measure(
        jax.random.key(2), world.landscape.loss(start), np.int32(Operator.DRAFT)
    )
    assert float(shown.stderr) == np.float32(0.1)


def test_steps_have_the_best_length_of_theory_unless_told():
    """In units of the gradient's length, which the curvature 1 of a sphere leaves as they are."""
    dim, rho = 10, 0.4

    def lengths(text):
        world = build_world(text)
        x = world.landscape.start(jax.random.key(0))
        gradient = jax.grad(world.landscape.loss)(x)
        norms = []
        for oracle in (world.reasoner, world.proposer):
            said = oracle.diagnose(jax.random.key(1), (), Situation(x, gradient)).direction
            norms.append(np.linalg.norm(said) / np.linalg.norm(gradient))
        return norms

    # At alignment 1 a direction is the truth itself, so that its length is the scale.
    assert_allclose(lengths(f"sphere({dim}, rho=1.0, scale=0.7)")[0], 0.7, rtol=1e-5)
    undirected = lengths(f"sphere({dim}, step=0.2)")[1]
    assert_allclose(undirected, 0.2, rtol=1e-5)
    best = float(gome_theory.hill_climb_rate(dim).step)
    assert_allclose(lengths(f"sphere({dim})")[1], best, rtol=1e-5)
    told, chosen = (
        lengths(f"sphere({dim}, rho={rho}, scale=1.0)"),
        lengths(f"sphere({dim}, rho={rho})"),
    )
    best = float(gome_theory.optimal_gated_log_rate(rho, dim).step)
    assert_allclose(chosen[0] / told[0], best, rtol=1e-5)


def test_curvatures_are_in_geometric_progression():
    landscape = build_world("quadratic(dim=3, condition=100)").landscape
    curvatures = [float(2 * landscape.loss(x)) for x in np.eye(3, dtype=np.float32)]
    assert_allclose(curvatures, [1.0, 0.1, 0.01], rtol=1e-5)


def test_worlds_of_ones_own():
    here = f"{__name__}:"
    assert build_world(f"{here}A_WORLD") is A_WORLD
    assert build_world(f"{here}a_landscape(dim=6, rho=0.1)").landscape.dim == 6
    with pytest.raises(SpecError, match="whole world"):
        build_world(f"{here}A_WORLD(rho=0.1)")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("spher", "Did you mean `sphere`"),
        ("sphere(rh=0.2)", "Did you mean `rho`"),
        ("sphere(rho=2)", r"not in \[-1, 1\]"),
        ("sphere(rho=x)", "`rho` is a number"),
        ("sphere(rho='high')", "`rho` is a number"),
        ("sphere(dim=1)", "at least 2"),
        ("sphere(3, 4)", "It takes: dim"),
        ("sphere(noise=-1)", "standard deviation"),
        ("sphere(crash_rate=2)", "a probability"),
        ("quadratic(condition=0.5)", "condition"),
        ("plans(rho=-0.2)", "probability of knowing"),
        ("nk(loci=30, epistasis=12)", "at most 20 loci"),
        ("math:pi", "not a landscape or a world"),
        ("sphere(", "cannot read"),
    ],
)
def test_what_cannot_be_built_says_why(text, told):
    with pytest.raises(SpecError, match=told):
        build_world(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b;c", ("a", "b", "c")),
        (" aide(drafts=5, debug_prob=1.0) ; sgd ", ("aide(drafts=5, debug_prob=1.0)", "sgd")),
        ("consensus(sgd, how='a;b'),x", ("consensus(sgd, how='a;b')", "x")),
        ("f((1, 2), [3, 4]);;", ("f((1, 2), [3, 4])",)),
        ("", ()),
    ],
)
def test_lists_of_specs_are_split_outside_of_brackets(text, parts):
    assert split(text) == parts


@pytest.mark.parametrize("text", ["sgd(", "f('a"])
def test_what_does_not_close_is_told(text):
    with pytest.raises(SpecError, match="does not close"):
        split(text)
