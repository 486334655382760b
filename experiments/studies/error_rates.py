"""How often gates decide wrongly: the real gate objects on simulated measurements.

Units: 1 is the standard deviation of one measured gain of a candidate that is no better. A false
accept is accepting such a candidate (true gain 0), a false reject is rejecting a better one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr

import optimizers
from optimizers import Gate, Observation, gates
from optimizers.claims import clopper_pearson

FOLDS = 5
ITEMS = 50
PRIOR_MEAN, PRIOR_SD = -1.0, 1.0
LEARNED_FROM = 50
"""Gains that a gate with a state sees before it is examined."""


def normal_cdf(x: float) -> float:
    """Distribution function Phi of the standard normal law."""
    return float(ndtr(x))


class Contender(NamedTuple):
    """A gate, and the rates that its documentation promises for known Gaussian noise."""

    label: str
    gate: Callable[[], Gate]
    false_accept: float
    false_reject: Callable[[float], float] | None
    """Of the true gain; `None` where nothing is promised."""


CONTENDERS: Mapping[str, Contender] = {
    "always": Contender("always", gates.always, 1.0, lambda gain: 0.0),
    "improved": Contender("improved", gates.improved, 0.5, lambda gain: normal_cdf(-gain)),
    "beyond_1": Contender(
        "improved_beyond_noise(1)",
        lambda: gates.improved_beyond_noise(1.0),
        normal_cdf(-1.0),
        lambda gain: normal_cdf(1.0 - gain),
    ),
    "beyond_2": Contender(
        "improved_beyond_noise(2)",
        lambda: gates.improved_beyond_noise(2.0),
        normal_cdf(-2.0),
        lambda gain: normal_cdf(2.0 - gain),
    ),
    "beyond_2_folds": Contender(
        f"improved_beyond_noise(2, folds={FOLDS})",
        lambda: gates.improved_beyond_noise(2.0, folds=FOLDS),
        normal_cdf(-2.0),
        None,
    ),
    "sequential": Contender("sequential_test(1)", lambda: gates.sequential_test(1.0), 0.05, None),
    "sequential_32": Contender(
        "sequential_test(1, replicates=32)",
        lambda: gates.sequential_test(1.0, replicates=32),
        0.05,
        lambda gain: 0.05 if gain >= 1 else float("nan"),
    ),
    "sequential_folds": Contender(
        f"sequential_test(1, folds={FOLDS})",
        lambda: gates.sequential_test(1.0, folds=FOLDS),
        0.05,
        None,
    ),
    "bayes": Contender(
        f"bayes({PRIOR_MEAN:g}, {PRIOR_SD:g})",
        lambda: gates.bayes(PRIOR_MEAN, PRIOR_SD),
        normal_cdf(PRIOR_MEAN / PRIOR_SD**2),
        lambda gain: normal_cdf(-PRIOR_MEAN / PRIOR_SD**2 - gain),
    ),
    "bayes_learned": Contender(
        "bayes(), prior learned", gates.bayes, normal_cdf(PRIOR_MEAN / PRIOR_SD**2), None
    ),
}


def known(rng: np.random.Generator, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian noise of known standard deviation."""
    return gain + rng.standard_normal(gain.shape), np.ones(gain.shape)


def folds(rng: np.random.Generator, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian noise; the standard error is estimated from the spread of independent folds."""
    values = gain[..., None] + np.sqrt(FOLDS) * rng.standard_normal((*gain.shape, FOLDS))
    return values.mean(-1), values.std(-1, ddof=1) / np.sqrt(FOLDS)


def pass_fail(rng: np.random.Generator, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Candidate and parent on different items; the parent passes half of them."""
    sd = np.sqrt(2 * 0.25 / ITEMS)
    return tuple(
        value / sd for value in compare_pass_rates(rng, np.full(gain.shape, 0.5), gain * sd, ITEMS)
    )


def compare_pass_rates(
    rng: np.random.Generator, parent: np.ndarray, gain: np.ndarray, items: int
) -> tuple[np.ndarray, np.ndarray]:
    """A measured difference of pass rates, and its standard error.

    The error counts one pass and one failure more on each side than were seen (Agresti and Caffo
    2000), so that a measurement without a failure is not mistaken for certainty.

    Args:
      rng: draws the passes.
      parent: true pass rates.
      gain: true differences; rates are clipped to [0, 1].
      items: per candidate and measurement.
    """
    passes = rng.binomial(items, np.stack([np.clip(parent + gain, 0, 1), parent]))
    smoothed = (passes + 1) / (items + 2)
    stderr = np.sqrt((smoothed * (1 - smoothed) / items).sum(0))
    return (passes[0] - passes[1]) / items, stderr


FOR_FOLDS = ("beyond_2_folds", "sequential_folds")
"""Gates that are told that standard errors were estimated; of no use under other noise."""
NOISES = {"known": known, "folds": folds, "pass_fail": pass_fail}
NOISE_LABELS = {
    "known": "Gaussian, known standard error",
    "folds": f"Gaussian, standard error from {FOLDS} folds",
    "pass_fail": f"pass or fail on {ITEMS} items",
}


def rate_rows(name: str, noise: str, config: Any) -> list[dict[str, Any]]:
    """Rates of one gate under one kind of noise, a row per true gain.

    A gate with a state learns it first, from proposals whose true gains are
    `N(PRIOR_MEAN, PRIOR_SD^2)`; the candidates under test are then judged with that state.

    Args:
      name: key of `CONTENDERS`.
      noise: key of `NOISES`.
      config: has `candidates`, `gains` and `seed`.
    """
    contender, measure = CONTENDERS[name], NOISES[noise]
    gate = _gate(name)
    rng = np.random.default_rng([config.seed, list(NOISES).index(noise)])
    proposals = rng.normal(PRIOR_MEAN, PRIOR_SD, (LEARNED_FROM, config.candidates))
    learn = gate.init() != ()
    states = _learned(name)(*measure(rng, proposals)) if learn else gate.init()

    rows = []
    for gain in config.gains:
        truth = np.full((gate.replicates, config.candidates), gain)
        accepted, used = verdicts(name, states, *measure(rng, truth))
        wrong = int(accepted.sum() if gain == 0 else (~accepted).sum())
        low, high = clopper_pearson(wrong, config.candidates)
        promised = contender.false_accept if gain == 0 else _promise(contender, gain)
        rows.append(
            {
                "kind": "rate",
                "gate": name,
                "noise": noise,
                "gain": gain,
                "error": "false accept" if gain == 0 else "false reject",
                "rate": wrong / config.candidates,
                "low": float(low),
                "high": float(high),
                "nominal": float(promised),
                "measurements": float(used.mean()),
                "candidates": config.candidates,
            }
        )
    return rows


def _promise(contender: Contender, gain: float) -> float:
    return contender.false_reject(gain) if contender.false_reject else float("nan")


def verdicts(
    name: str, states: Any, gain: np.ndarray, stderr: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Decide on many candidates, measuring again while the gate asks for it.

    Args:
      name: key of `CONTENDERS`.
      states: of the gate; with a leading axis of candidates, or empty.
      gain: successive measurements, shape `(replicates, candidates)`.
      stderr: their standard errors.

    Returns:
      Whether each candidate was accepted, and how many measurements it took.
    """
    accepted, used = _compiled(name)(states, jnp.float32(gain), jnp.float32(stderr))
    return np.asarray(accepted), np.asarray(used)


def observation(gain, stderr) -> Observation:
    """What a gate sees of a measured candidate."""
    return Observation(
        params=jnp.zeros(()),
        score=jnp.zeros(()),
        stderr=jnp.zeros(()),
        gain=gain,
        gain_stderr=stderr,
        valid=jnp.array(True),
        replicates=jnp.ones((), jnp.int32),
    )


def judge(gate: Gate, state, gain, stderr):
    """One candidate: `(accepted, measurements used)` from `gate.replicates` measurements."""

    def measure(seen, measured):
        settled, again = seen
        wanted = ~settled & gate.undecided(state, again)
        pooled = optimizers.pool(again, observation(*measured))
        again = jax.tree.map(functools.partial(jnp.where, wanted), pooled, again)
        return (~wanted, again), None

    first = (jnp.array(False), observation(gain[0], stderr[0]))
    (_, seen), _ = jax.lax.scan(measure, first, (gain[1:], stderr[1:]))
    return gate.decide(state, seen)[0], seen.replicates


@functools.cache
def _gate(name: str) -> Gate:
    return CONTENDERS[name].gate()


@functools.cache
def _compiled(name: str):
    return jax.jit(jax.vmap(functools.partial(judge, _gate(name)), (0, 1, 1)))


@functools.cache
def _learned(name: str):
    gate = _gate(name)

    def learn(gain, stderr):
        def see(state, measured):
            return gate.decide(state, observation(*measured))[1], None

        return jax.lax.scan(see, gate.init(), (gain, stderr))[0]

    learn = jax.jit(jax.vmap(learn, 1))
    return lambda gain, stderr: learn(jnp.float32(gain), jnp.float32(stderr))
