"""Hybrids: choices worked out by hand, a plain-Python `auto`, its closed form against theory."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

import gome_theory
import optimizers
from gome_theory import Reliability
from optimizers import Operator, search
from optimizers.search import _auto, _gated_progress
from optimizers.search._gain_scale import RATE, TYPICAL
from optimizers.search._hybrid import _CHOICE
from simulators import World, noisy_evaluator, noisy_oracle, rollout, sphere
from tests.optimizers.test_policies import compiled, played, runs, seeds
from tests.statistical import assert_estimate, assert_exceeds

DRAFT, DESCEND, IMPROVE, DEBUG, CROSSOVER = Operator
STEPS = 24
NORMAL = NormalDist()


@dataclass(frozen=True)
class Step:
    """How a step ends; a draft ends well whatever is said here."""

    gain: float
    noise: float = 0.0
    valid: bool = True
    replicates: int = 1


GOOD, BAD, CRASH = Step(1.0), Step(-1.0), Step(1.0, valid=False)
WITHHELD = Step(0.0, replicates=0)

gains = st.sampled_from([-3.0, -1.0, -0.25, 0.0, 0.25, 1.0, 2.0, 20.0])
outcomes = st.one_of(
    st.builds(Step, gains, st.sampled_from([0.0, 0.5])), st.sampled_from([CRASH, WITHHELD])
)
scripts = st.lists(st.tuples(outcomes, outcomes), min_size=STEPS, max_size=STEPS)
"""For each step how it ends if it is directed, and if it is not."""


def observation(step):
    return optimizers.Observation(
        params=np.zeros(1, np.float32),
        score=np.float32(0),
        stderr=np.float32(0),
        gain=np.float32(step.gain),
        gain_stderr=np.float32(step.noise),
        valid=np.bool_(step.valid),
        replicates=np.int32(step.replicates),
    )


def play(policy, script, seed=0):
    """Every operator after the draft, with the chooser's state before it and its key."""
    ask, tell = compiled(policy)
    state = policy.init(policy.capacity(STEPS))
    draft, state = ask(state, jax.random.key(seed))
    state, _ = tell(state, draft, observation(GOOD), np.bool_(True))
    for number, (directed, undirected) in enumerate(script):
        key = jax.random.fold_in(jax.random.key(seed), number)
        expansion, asked = ask(state, key)
        operator = Operator(int(expansion.operator))
        yield operator, state.chooser, jax.random.fold_in(key, _CHOICE)
        step = directed if operator == DESCEND else undirected
        accepted = np.bool_(step.valid and step.gain > 0)
        state, _ = tell(asked, expansion, observation(step), accepted)


def operators(policy, script, seed=0):
    return [operator for operator, _, _ in play(policy, script, seed)]


def alike(*steps):
    """A script in which it does not matter who takes a step."""
    return [(step, step) for step in steps]


SEQUENTIAL = search.sequential()
AUTO = search.auto(SEQUENTIAL, cost=2.0)
BANDIT = search.bandit(SEQUENTIAL, cost=2.0)

# --- any hybrid ----------------------------------------------------------------------------------

BASES = {"aide": search.aide(2), "best_of_n": search.best_of_n(3)}
HYBRIDS = {name: search.auto(base) for name, base in BASES.items()}


@pytest.mark.parametrize("name", BASES)
@given(run=runs, seed=seeds)
def test_a_base_policy_does_not_notice_who_takes_its_steps(name, run, seed):
    alone = played(BASES[name], run, seed)
    for base, (*node, operator, slot) in zip(alone, played(HYBRIDS[name], run, seed), strict=True):
        assert ([base[0]], base[2]) == (node, slot)
        assert operator == base[1] if base[1] in (DRAFT, DEBUG) else operator in (DESCEND, IMPROVE)


@pytest.mark.parametrize("policy", [AUTO, BANDIT, search.hand_over(SEQUENTIAL, patience=3)])
@given(script=scripts, seed=seeds, power=st.sampled_from([-40, -3, 1, 20]))
def test_the_unit_of_the_score_changes_no_choice(policy, script, seed, power):
    """Powers of two, by which floating-point numbers scale exactly."""
    factor = 2.0**power

    def scaled(step):
        return Step(step.gain * factor, step.noise * factor, step.valid, step.replicates)

    elsewhere = [(scaled(directed), scaled(undirected)) for directed, undirected in script]
    assert operators(policy, script, seed) == operators(policy, elsewhere, seed)


@pytest.mark.parametrize("hybrid", [search.auto, search.bandit, search.hand_over])
def test_without_noise_the_greedy_tree_and_a_gated_sequence_are_the_same_run(hybrid):
    """The default base with the gate `always`, and `sequential` with the gate `improved`."""
    world = World(
        sphere(8),
        noisy_oracle(Reliability(alignment=0.4)),
        noisy_oracle(Reliability(alignment=0.0), scale=0.4),
        noisy_evaluator(),
    )

    @functools.partial(jax.jit, static_argnums=0)
    def traced(strategy):
        return rollout(strategy, world, jax.random.key(3), 40)[0]

    tree = traced(optimizers.undirected(hybrid(), rule=optimizers.sgd(0.4)))
    gated = traced(optimizers.directed(optimizers.sgd(0.4), policy=hybrid(search.sequential())))
    np.testing.assert_array_equal(tree.operator, gated.operator)
    np.testing.assert_allclose(tree.parent_loss[1:], gated.parent_loss[1:], rtol=1e-5)


# --- hand-over -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "steps", "expected"),
    [
        ({"after": 3}, [GOOD, BAD, CRASH, GOOD, GOOD], "IIIDD"),
        ({"after": 0}, [GOOD, BAD], "DD"),
        ({"after": 2, "reverse": True}, [BAD, BAD, BAD, GOOD], "DDII"),
        ({"after": 9, "patience": 2}, [BAD, GOOD, BAD, CRASH, GOOD, GOOD], "IIIIDD"),
        ({"after": 9, "patience": 2}, [GOOD, WITHHELD, Step(0.0), GOOD], "IIID"),
        ({"after": 1, "patience": 5}, [BAD, BAD], "ID"),
    ],
)
def test_hand_over(settings, steps, expected):
    chosen = operators(search.hand_over(SEQUENTIAL, **settings), alike(*steps))
    assert "".join("D" if operator == DESCEND else "I" for operator in chosen) == expected


# --- the closed form -----------------------------------------------------------------------------


def seen(r, alpha, varsigma=0.0):
    """What a run of such steps shows: improvement rate, root mean square gain, noise share."""
    gate = gome_theory.noisy_gate(r, alpha, varsigma)
    variance = 4 * alpha**2 + varsigma**2
    mean = 2 * alpha * r - alpha**2
    return gate.acceptance, np.sqrt(mean**2 + variance), varsigma**2 / variance


@given(r=st.floats(-0.5, 3.0), alpha=st.floats(0.3, 3.0), varsigma=st.sampled_from([0.0, 0.5, 1.5]))
def test_progress_is_that_of_the_law_of_noisy_gates(r, alpha, varsigma):
    law = gome_theory.noisy_gate(r, alpha, varsigma).progress
    assume(law > 0.02)
    found = _gated_progress.log_progress(*map(jnp.float32, seen(r, alpha, varsigma)))
    assert float(found) == pytest.approx(math.log(law), abs=2e-3)


def test_a_gate_that_loses_ground_has_next_to_no_progress():
    assert gome_theory.noisy_gate(0.0, 1.0, 4.5).progress < 0
    found = _gated_progress.log_progress(*map(jnp.float32, seen(0.0, 1.0, 4.5)))
    assert float(found) < math.log(1e-4)


@given(r=st.floats(-0.5, 3.0))
def test_steps_of_the_best_size_are_known_by_their_improvement_rate(r):
    alpha = gome_theory.optimal_alpha(r)
    rate, rms, _ = seen(r, alpha)
    assert float(_gated_progress.locally_optimal_rms(jnp.float32(rate))) == pytest.approx(
        rms, rel=2e-3
    )


def lead(directed, undirected, cost, steps=1e6):
    """The lead after very many steps of which this was seen."""
    rate, rms, noise = (
        np.array(pair, np.float32) for pair in zip(directed, undirected, strict=True)
    )
    spread = rms**2 / (1 + jax.scipy.special.ndtri(rate) ** 2)
    tally = _auto.Tally(
        *(jnp.asarray(steps * x) for x in (np.ones(2), np.ones(2), rate, rms**2, noise * spread))
    )
    nothing = jnp.zeros(())
    return _auto.lead_of(tally, _auto.Repeats(nothing, nothing, nothing), cost)


@pytest.mark.parametrize("cost", [1.5, 2.0, 4.0])
def test_the_lead_changes_sign_at_the_crossover_of_theory(cost):
    crossing = float(gome_theory.inverse_psi_g(cost * gome_theory.psi_g(0.0)))
    exact = gome_theory.gated_vs_gated(10**6, cost, law="scaled").alignment * 10**3
    assert crossing == pytest.approx(float(exact), rel=1e-6)
    search_side = seen(0.0, gome_theory.optimal_alpha(0.0))
    below, above = (
        lead(seen(r, gome_theory.optimal_alpha(r)), search_side, cost).log_ratio
        for r in (crossing * 0.98, crossing * 1.02)
    )
    assert below < 0 < above


def test_the_lead_is_that_of_theory_where_steps_have_another_size_and_scores_are_noisy():
    directed, undirected, cost = (0.8, 0.7, 0.6), (0.0, 1.9, 0.6), 3.0
    progress = [gome_theory.noisy_gate(*side).progress for side in (directed, undirected)]
    found = lead(seen(*directed), seen(*undirected), cost).log_ratio
    assert float(found) == pytest.approx(math.log(progress[0] / progress[1] / cost), abs=5e-3)


def test_the_variance_is_that_of_the_estimate():
    rng, samples, steps, mean = np.random.default_rng(0), 4000, 400, 0.4
    drawn = rng.normal(mean, 1.0, (samples, steps))
    rate, rms = (drawn > 0).mean(1), np.sqrt((drawn**2).mean(1))
    estimates = np.asarray(_gated_progress.log_progress(rate, rms, np.zeros(samples)))
    p = NORMAL.cdf(mean)
    formula = float(_gated_progress.log_progress_variance(p, 0.0, steps))
    # To first order in the errors of rate and size: to 3 per cent at this many steps.
    error = formula * math.sqrt(2 / samples)
    assert_estimate(estimates.var(ddof=1), formula, error, slack=0.03 * formula)


# --- auto ----------------------------------------------------------------------------------------


class PlainAuto:
    """`auto` on lists of steps, in double precision: everything is computed from the start."""

    def __init__(self, cost=2.0, margin=0.1, exploration=0.5, memory=50.0):
        self.cost, self.margin, self.exploration = cost, margin, exploration
        self.keep = 1 - 1 / memory
        self.steps = ([], [])
        """Of either side: (ran, improved, square of the gain, of its noise)."""
        self.unit, self.count, self.directed = 1.0, 0, True

    def discounted(self, values):
        return sum(v * self.keep**age for age, v in enumerate(reversed(values)))

    def side(self, which):
        """Root mean square, log progress and its variance."""
        steps = self.steps[which]
        tried = self.discounted([1.0 for _ in steps])
        ran, improved, squares, noise = (self.discounted([s[i] for s in steps]) for i in range(4))
        weight, prior = (2, 0.35) if which == 0 else (40, 0.27)
        rate = (improved + weight * prior) / (ran + weight)
        u = NORMAL.inv_cdf(rate)
        phi = NORMAL.pdf(u)
        alpha = 2 * (u + phi / rate)
        total = squares + 16 * (2 * alpha) ** 2 * (1 + u**2)
        mean_square = total / (ran + 16)
        spread = math.sqrt(mean_square / (1 + u**2))
        noise_share = min(max(noise / total * (1 + u**2), 0), 0.95)
        runs = (ran + 2) / (tried + 2)
        per_spread = max(u * rate + (1 - noise_share) * phi, 1e-6)
        slope = (rate + noise_share * u * phi) / per_spread - u / (1 + u**2)
        k = self.correlation() if which == 0 else 0.0
        independent = ran * (1 - k) / (1 + k) + weight
        variance = (1 - runs) / (runs * (tried + 2)) + (
            slope**2 * rate * (1 - rate) / phi**2
            + (1 + 2 * u**2) / (1 + u**2) ** 2 / 2
            + slope * u / (1 + u**2)
        ) / independent
        return math.sqrt(mean_square), math.log(runs * spread * per_spread), variance

    def correlation(self):
        ran = [s for s in self.steps[0] if s[0]]
        # Discounted by directed steps that ran, where the tally counts crashes too.
        every = self.discounted([s[0] for s in self.steps[0]])
        rate = (self.discounted([s[1] for s in self.steps[0]]) + 1) / (every + 2)
        both = self.discounted([b[1] * a[1] for a, b in itertools.pairwise([(0, 0), *ran])])
        pairs = self.discounted([1.0 for _ in ran])
        k = (both - pairs * rate**2) / (rate * (1 - rate)) / (pairs + 10)
        return min(max(k, 0.0), 0.9)

    def lead(self):
        (_, directed, v), (_, undirected, w) = self.side(0), self.side(1)
        return directed - undirected - math.log(self.cost), math.sqrt(v + w)

    def threshold(self):
        """The step is directed if a uniform number is above (first value) or below (second) it."""
        number = len(self.steps[0]) + len(self.steps[1])
        if number < 4:
            return 1.0, "above" if number % 2 else "below"
        value, error = self.lead()
        doubt = NORMAL.cdf(-abs(value) / (self.exploration * error))
        if self.directed:
            return max(doubt, 0.02), "above"
        return max(doubt, 0.02 / self.cost), "below"

    def learn(self, which, step):
        expected = self.side(which)[0]
        ran = step.valid and step.replicates > 0
        gain, noise = (step.gain, step.noise) if ran else (0.0, 0.0)
        if self.count == 0 and gain != 0:
            self.unit = abs(gain) / (TYPICAL * expected)
        size = min(abs(gain) / self.unit, 5 * expected)
        self.steps[which].append((ran, ran and gain > 0, size**2, (noise / self.unit) ** 2))
        if gain != 0:
            surprise = math.log(abs(gain) / (self.unit * TYPICAL * expected))
            rate = max(RATE, 1 / (1 + self.count))
            self.unit *= math.exp(rate * min(max(surprise, -3), 3))
            self.count += 1
        value, _ = self.lead()
        self.directed = value >= -self.margin if self.directed else value > self.margin


@given(script=scripts, seed=seeds)
def test_auto_is_the_plain_one(script, seed):
    plain = PlainAuto()
    for (operator, chooser, key), step in zip(play(AUTO, script, seed), script, strict=True):
        value, error = plain.lead()
        assert float(chooser.lead.log_ratio) == pytest.approx(value, abs=2e-3)
        assert float(chooser.lead.stderr) == pytest.approx(error, rel=2e-3)
        assume(abs(abs(value) - plain.margin) > 2e-3)
        assert bool(chooser.directed) == plain.directed
        bound, when = plain.threshold()
        drawn = float(jax.random.uniform(key))
        assume(abs(drawn - bound) > 2e-3)
        assert (operator == DESCEND) == (drawn < bound if when == "below" else drawn >= bound)
        plain.learn(0 if operator == DESCEND else 1, step[0 if operator == DESCEND else 1])


@given(script=scripts, seed=seeds, margin=st.sampled_from([0.0, 0.3, 1.0]))
def test_auto_keeps_its_side_within_the_margin_and_leaves_it_beyond(script, seed, margin):
    side = True
    for _, chooser, _ in play(with_margin(margin), script, seed):
        value = float(chooser.lead.log_ratio)
        if int(chooser.tally.steps.sum()):
            side = value > -margin if side else value > margin
        assert bool(chooser.directed) == side or abs(value) == margin


@functools.cache
def with_margin(margin):
    return search.auto(SEQUENTIAL, margin=margin)


def test_crashes_and_withheld_steps_count_as_steps_that_did_not_run():
    script = alike(GOOD, BAD, CRASH, WITHHELD, CRASH, BAD, BAD, BAD)
    chosen = list(play(AUTO, script))
    tally = chosen[-1][1].tally
    taken = [operator for operator, _, _ in chosen[:-1]]
    for side, operator in enumerate((DESCEND, IMPROVE)):
        mine = [step for (step, _), by in zip(script, taken, strict=False) if by == operator]
        weights = [0.98**age for age in reversed(range(len(mine)))]
        ran = [w for w, step in zip(weights, mine, strict=True) if step in (GOOD, BAD)]
        assert float(tally.steps[side]) == pytest.approx(sum(weights), rel=1e-5)
        assert float(tally.ran[side]) == pytest.approx(sum(ran), rel=1e-5)


def test_outcomes_that_repeat_make_the_lead_less_certain():
    tally = _auto.Tally(*(jnp.full(2, x) for x in (40.0, 40.0, 20.0, 40.0, 0.0)))
    last, pairs = jnp.zeros(()), jnp.float32(40.0)
    fresh, repeated = (
        float(_auto.lead_of(tally, _auto.Repeats(last, pairs, jnp.float32(both)), 2.0).stderr)
        for both in (10.0, 18.0)
    )
    assert repeated > 1.1 * fresh


# --- what they come to ---------------------------------------------------------------------------

LONG, MANY = 300, 64


@functools.cache
def long_run(policy):
    """Which of LONG steps were directed, for MANY seeds; gains shrink by e^-6 on the way."""

    def one(means, key):
        state = policy.init(1)
        draft, state = policy.ask(state, key)
        state, _ = policy.tell(state, draft, observation(GOOD), jnp.ones((), bool))

        def step(state, now):
            number, mean = now
            ours = jax.random.fold_in(key, number)
            expansion, state = policy.ask(state, ours)
            directed = expansion.operator == DESCEND
            gain = jnp.where(directed, mean[0], mean[1]) + jax.random.normal(
                jax.random.fold_in(ours, 1)
            )
            shrunk = gain * jnp.exp(-6.0 * number / LONG)
            seen = observation(GOOD)._replace(gain=shrunk)
            state, _ = policy.tell(state, expansion, seen, shrunk > 0)
            return state, directed

        return jax.lax.scan(step, state, (jnp.arange(LONG), means))[1]

    return jax.jit(jax.vmap(one, in_axes=(None, 0)))


def directed_share(policy, early, late=None):
    """Of the last third, one number a seed; `early` and `late` are mean gains of both sides."""
    late = early if late is None else late
    means = jnp.array([early] * (LONG // 2) + [late] * (LONG - LONG // 2))
    chosen = long_run(policy)(means, jax.random.split(jax.random.key(5), MANY))
    return np.asarray(chosen)[:, -LONG // 3 :].mean(1)


def mean_and_error(share):
    return share.mean(), share.std(ddof=1) / math.sqrt(MANY)


@pytest.mark.parametrize("policy", [AUTO, BANDIT])
def test_it_ends_on_the_side_with_more_progress_per_cost(policy):
    share, error = mean_and_error(directed_share(policy, (1.0, -0.6)))
    assert_exceeds(share, 0.85, error, draws=MANY)
    share, error = mean_and_error(directed_share(policy, (-0.6, -0.6)))
    assert_exceeds(0.3, share, error, draws=MANY)


def test_auto_notices_a_reasoner_that_changes():
    share, error = mean_and_error(directed_share(AUTO, (1.0, -0.6), (-2.0, -0.6)))
    assert_exceeds(0.3, share, error, draws=MANY)
    share, error = mean_and_error(directed_share(AUTO, (-0.6, -0.6), (2.0, -0.6)))
    assert_exceeds(share, 0.35, error, draws=MANY)  # Without the change it is 0.05.


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: search.hand_over(after=-1), "after"),
        (lambda: search.hand_over(patience=0), "patience"),
        (lambda: search.bandit(cost=0.0), "cost"),
        (lambda: search.bandit(memory=1.0), "memory"),
        (lambda: search.auto(cost=-1.0), "cost"),
        (lambda: search.auto(margin=-0.1), "margin"),
        (lambda: search.auto(exploration=0.0), "exploration"),
        (lambda: search.auto(memory=float("nan")), "memory"),
    ],
)
def test_errors_name_the_argument(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_a_hand_over_that_cannot_happen_is_told():
    assert search.hand_over(after=20).inert(21) == []
    (reason,) = search.hand_over(after=20).inert(20)
    assert "does not hand over within 20" in reason
    assert len(search.hand_over(search.ml_master(), after=20).inert(5)) > 1  # and of its base
