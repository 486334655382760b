"""Oracles of discrete worlds: reasoners that name one edit.

Their answers are one-hot, minus the sign of the edit they name, so that `optimizers.sgd(1.0)` asks
for exactly that edit and the landscape's `retract` makes it.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gome_theory import Reliability, validate
from simulators._ranges import require_range
from simulators.oracles import Diagnosis, Oracle, Rate, Situation, is_constant

Vector = Float[Array, " dim"]


def naming_oracle(reliability: Reliability) -> Oracle:
    r"""A reasoner that knows an improving edit with probability rho, and else names any.

    The reasoner of `gome_theory.hypercube`: with a share phi of improving edits it names one with
    probability `rho + (1 - rho) phi`. What it knows is uniform among the improving edits (where
    there is none, among all), what it guesses among all that are possible. As for a `noisy_oracle`

    - a guess is, with probability `bias_share`, the same favourite edit at every step of the trace
      (while it is possible), which traces share with probability `shared_bias`;
    - with probability `hallucination`, rho is replaced by `hallucination_alignment`;
    - with probability `malformed` the reply is of no use.

    Args:
      reliability: all but its score noise; alignments are probabilities here. Fields may be traced.

    Raises:
      ValueError: a field of the reliability is out of its range, or an alignment is negative.
    """
    return weighted_naming_oracle(reliability, lambda situation: jnp.abs(_checked_edits(situation)))


def weighted_naming_oracle(
    reliability: Reliability, weights: Callable[[Situation], Vector]
) -> Oracle:
    """`naming_oracle` where component i stands for so many edits, 0 for none.

    Args:
      reliability: as for `naming_oracle`.
      weights: `situation -> how many edits each component stands for`.

    Raises:
      ValueError: as for `naming_oracle`.
    """
    validate(reliability)
    for field in ("alignment", "hallucination_alignment"):
        require_range(field, getattr(reliability, field), 0.0, 1.0, "a probability of knowing")
    biased = not is_constant(reliability.bias_share, 0)

    def favourite(common, own, dim):
        key_favourite, key_whose = jax.random.split(own)
        shares = jax.random.uniform(key_whose) < reliability.shared_bias
        mine = jax.random.randint(key_favourite, (), 0, dim)
        return jnp.where(shares, jax.random.randint(common, (), 0, dim), mine)

    def diagnose(key, bias, situation):
        keys = jax.random.split(key, 6)
        edits, weight = _checked_edits(situation), weights(situation)
        improving = jnp.where(edits * situation.gradient < 0, weight, 0.0)
        rho, usable = reliability.alignment, None
        if not is_constant(reliability.hallucination, 0):
            hallucinates = jax.random.uniform(keys[0]) < reliability.hallucination
            rho = jnp.where(hallucinates, reliability.hallucination_alignment, rho)
        if not is_constant(reliability.malformed, 0):
            usable = jax.random.uniform(keys[1]) >= reliability.malformed
        knows = (jax.random.uniform(keys[2]) < rho) & improving.any()
        known = jax.random.categorical(keys[3], jnp.log(improving))
        guess = jax.random.categorical(keys[4], jnp.log(weight))
        if biased:
            insists = jax.random.uniform(keys[5]) < reliability.bias_share
            guess = jnp.where(insists & (weight[bias] > 0), bias, guess)
        return Diagnosis(_name(edits, jnp.where(knows, known, guess)), usable)

    return Oracle(diagnose, favourite) if biased else Oracle(diagnose)


def screening_oracle(prediction: Rate, screened: int) -> Oracle:
    r"""A reasoner that tries m random edits in its head and names the one that looks best.

    What it predicts of an edit's effect correlates `prediction` with the truth, in the sense that

    .. math:: \hat g_i = \rho_p (g_i - \bar g) / s + \sqrt{1 - \rho_p^2}\, \xi_i

    with mean and standard deviation of the true gains over all edits that are possible. It always
    names one, also where all look bad. The reasoner of `gome_theory.screened_gain`.

    Args:
      prediction: rho_p in [0, 1].
      screened: m, at least 1; all edits if there are fewer. May be traced.

    Raises:
      ValueError: a parameter is out of its range.
    """
    require_range("prediction", prediction, 0.0, 1.0, "a correlation")
    require_range("screened", screened, 1, np.inf, "a count")

    def diagnose(key, bias, situation):
        del bias
        key_order, key_noise = jax.random.split(key)
        edits = _checked_edits(situation)
        possible = edits != 0
        gain = -edits * situation.gradient
        mean = jnp.mean(gain, where=possible)
        spread = jnp.std(gain, where=possible)
        truth = (gain - mean) / jnp.where(spread > 0, spread, 1.0)
        noise = jax.random.normal(key_noise, gain.shape)
        looks = prediction * truth + jnp.sqrt(1.0 - prediction**2) * noise
        order = jnp.where(possible, jax.random.uniform(key_order, gain.shape), jnp.inf)
        considered = possible & (jnp.argsort(jnp.argsort(order)) < screened)
        return Diagnosis(_name(edits, jnp.argmax(jnp.where(considered, looks, -jnp.inf))))

    return Oracle(diagnose)


def _name(edits: Vector, which) -> Vector:
    return jnp.zeros_like(edits).at[which].set(-edits[which])


def _checked_edits(situation: Situation) -> Vector:
    if situation.edits is None:
        raise ValueError(
            "this reasoner names edits, but the landscape has none: it is not discrete. Use "
            "`noisy_oracle`, or a landscape such as `plans`, `nk` or `pipeline`."
        )
    return situation.edits
