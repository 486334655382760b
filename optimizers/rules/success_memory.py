"""Success memory: momentum over what was accepted, read through a similarity kernel.

The published agent keeps (hypothesis, score) pairs of accepted steps and shows some of them to the
model ("Reasoning as Gradient", arXiv:2603.01692, section on success memory). As an update law:

    m_t = sum_j N p_j decay^(age_j) u_j,     p = softmax_j clip(a_t cos(g_t, u_j) + b tanh(z_j))
    update direction = |g_t| (g_t / |g_t| + weight * m_t)

where `u_j` is the diagnosed direction of the j-th accepted step (its innovation, not the blend that
was applied), `z_j` its gain over the root mean square of remembered gains (direction-aware and free
of units, where the published kernel takes tanh of raw metric differences), `a_t` falls by half
every `half_life` steps, and `N` is the number of memories: with a flat kernel m is plain momentum
over accepted innovations. Read by sampling, as the published agent does, `N p_j` is replaced by
`N/n` times how often memory `j` comes up in `n` draws with replacement: same expectation, fewer
memories to show to a model. Three choices follow the theory of success memory:

* gating needs no code here. `settle` commits this rule's state only with an accepted step.
* m is not normalised: its norm is its confidence. Normalising loses half or more of the benefit.
* what is read depends on probabilities alone; never "the oldest first".
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key

from optimizers.base import UpdateRule
from optimizers.rules._arguments import require_at_least, require_fraction, require_positive
from optimizers.rules._basis import Embedded, is_embedded, require_one_diagnosis
from optimizers.rules._precision import at_least_single


class Success(NamedTuple):
    """One remembered step, or a batch of them with a leading axis `memories`."""

    direction: Float[Array, "*memories dim"]
    """Unit innovation, in the sign of a gradient."""
    gain: Float[Array, "*memories"]
    """Improvement of the score; 0 if no scores are passed."""
    step: Int[Array, "*memories"]
    exists: Bool[Array, "*memories"]


class SuccessMemoryState(NamedTuple):
    """What is remembered, and the step that still waits for its outcome."""

    memory: Success
    pending: Success
    pending_params: Float[Array, " dim"]
    pending_value: Float[Array, ""]
    count: Int[Array, ""]


def scale_by_success_memory(
    decay: float = 0.9,
    weight: float = 0.3,
    *,
    similarity: float = 1.0,
    gain: float = 1.0,
    half_life: float = 30.0,
    clip: float = 2.0,
    capacity: int = 32,
    draws: int | None = None,
) -> UpdateRule:
    """Add the remembered accepted innovations to the current direction.

    Degree 1 in the current gradient, odd while the memory is empty, silent on silence (a zero
    gradient gives a zero update), rotation-equivariant. Without `value` and `step` extra arguments
    all gains count alike and age is counted in updates; without `key` nothing is sampled. An
    accepted step that left the parameters as they were is not remembered.

    Args:
      decay: what a memory keeps of its weight per step, in [0, 1].
      weight: weight of the memory vector against the current unit direction; 0 is plain SGD.
      similarity: kernel weight of the cosine between current and remembered direction.
      gain: kernel weight of the squashed relative gain.
      half_life: number of steps in which the influence of similarity halves.
      clip: kernel logits are clamped to [-clip, clip], so odds never exceed exp(2 clip).
      capacity: number of memories; the one with the least weight makes room.
      draws: number of memories to sample by their probabilities, with replacement, from the extra
        argument `key`; `None` reads the expectation. Sampling 4 costs 4 to 7 % of progress at an
        alignment of 0.1 and a quarter to a third at 0.6 (sphere and quadratic in 32 dimensions).
        A static argument for `optax.inject_hyperparams`, as `capacity` is.

    Returns:
      The transformation; follow it with a learning rate (see `recipes.gome`).

    Raises:
      ValueError: an argument is out of range.
    """
    require_fraction("decay", decay)
    require_at_least("capacity", capacity, 1)
    require_positive("half_life", half_life)
    require_at_least("clip", clip, 0.0)
    if draws is not None:
        require_at_least("draws", draws, 1)

    def init(params):
        flat, _ = ravel_pytree(params)
        zero = jnp.zeros_like(flat)
        one = Success(zero, jnp.zeros(()), jnp.zeros((), jnp.int32), jnp.zeros((), bool))
        many = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), one)
        return SuccessMemoryState(many, one, zero, jnp.zeros(()), jnp.zeros((), jnp.int32))

    def probabilities(memory: Success, unit, step):
        """Of reading each memory, shape `(capacity,)`; 0 where there is none."""
        cosine = memory.direction @ unit
        number = jnp.maximum(memory.exists.sum(), 1)
        spread = jnp.sqrt((memory.gain**2).sum() / number)
        relative = jnp.tanh(memory.gain / jnp.where(spread > 0, spread, 1.0))
        fading = similarity * 0.5 ** (step / half_life)
        logits = jnp.clip(fading * cosine + gain * relative, -clip, clip)
        logits = jnp.where(memory.exists, logits, -jnp.inf)
        return jnp.where(memory.exists, jax.nn.softmax(logits, where=memory.exists), 0.0)

    def weights_of(memory: Success, reading, step):
        """Weight of each memory in the memory vector, from the distribution it is read by."""
        age = jnp.maximum(step - memory.step, 0)
        return memory.exists.sum() * reading * decay**age

    def remember(state: SuccessMemoryState, carried_out, value, step) -> Success:
        """The memory with the pending step in it: this state was committed, so it succeeded."""
        direction, length = _unit(state.pending.direction * carried_out)
        entry = state.pending._replace(
            direction=direction,
            gain=_finite(state.pending_value - value),
            exists=state.pending.exists & (length > 0),  # a step done elsewhere is no evidence
        )
        expected = probabilities(state.memory, direction, step)
        weakest = jnp.argmin(weights_of(state.memory, expected, step))
        free = jnp.argmin(state.memory.exists)
        slot = jnp.where(state.memory.exists.all(), weakest, free)
        stored = jax.tree.map(lambda rows, x: rows.at[slot].set(x), state.memory, entry)
        return jax.tree.map(
            lambda new, old: jnp.where(entry.exists, new, old), stored, state.memory
        )

    def update(updates, state, params=None, *, value=0.0, step=None, key=None, **extra_args):
        del extra_args
        require_one_diagnosis(updates, updates if params is None else params, "`gome`")
        gradient, unravel = ravel_pytree(updates)
        before = state.pending_params
        now = before if params is None else ravel_pytree(params)[0]
        carried_out = jnp.array(True) if params is None else _moved(params, before)
        value = jnp.asarray(value, state.pending_value.dtype)
        step = state.count if step is None else jnp.asarray(step, jnp.int32)
        memory = remember(state, carried_out, value, step)
        unit, norm = _unit(gradient)
        reading = probabilities(memory, unit, step)
        if draws is not None and key is not None:
            reading = _sampled(key, reading, draws)
        blended = norm * (unit + weight * weights_of(memory, reading, step) @ memory.direction)
        return unravel(blended.astype(gradient.dtype)), SuccessMemoryState(
            memory=memory,
            pending=Success(unit, jnp.zeros(()), step, norm > 0),
            pending_params=now,
            pending_value=value,
            count=state.count + 1,
        )

    return at_least_single(UpdateRule(init, update))


def _sampled(key: Key[Array, ""], probability: Float[Array, " n"], draws: int):
    """Shares of `draws` draws with replacement: unbiased for the probabilities."""
    drawn = jax.random.categorical(key, jnp.log(probability), shape=(draws,))
    return jnp.zeros_like(probability).at[drawn].add(1 / draws)


def _moved(params, before: Float[Array, " dim"]) -> Bool[Array, " dim"]:
    """Which parameters are not where they were; all or none of an `Embedded` vector."""
    _, unravel = ravel_pytree(params)
    changed = jax.tree.map(lambda new, old: new != old, params, unravel(before))

    def whole(node):
        return (
            Embedded(jnp.full_like(node.vector, node.vector.any())) if is_embedded(node) else node
        )

    return ravel_pytree(jax.tree.map(whole, changed, is_leaf=is_embedded))[0]


def _unit(vector):
    """Unit vector and norm; the zero vector stays zero."""
    norm = jnp.linalg.norm(vector)
    return vector / jnp.where(norm > 0, norm, 1.0), norm


def _finite(x):
    return jnp.where(jnp.isfinite(x), x, 0.0)
