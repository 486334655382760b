"""The step functions, compiled for a driver that calls them once a step on a few hundred numbers.

On this scale a call and each array that it returns cost more than what is computed. So what the
host wants to know of a step comes out of the same call, in one array; what it knows already is not
returned; and the call that settles a step asks for the next one, too.

XLA runs a computation in the calling thread if it takes less than 1000 floating-point operations,
and its kernels one after another if there are at most 8 or none touches more than 512 bytes: 128
numbers. Beyond, threads are woken, which costs as much again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import optimizers
from optimizers import Expansion, Observation, Operator, Proposal, Run, Strategy


class Asked(NamedTuple):
    """What a step is: `optimizers.Expansion` on the host."""

    expansion: Expansion
    policy: Any
    """State of the policy after it was asked; the run holds it from when the step begins."""
    parent: int
    other: int
    """Second parent of a CROSSOVER, -1 otherwise."""
    operator: Operator
    needs_diagnosis: bool


class Proposed(NamedTuple):
    """A proposal, and what the host wants to know of it."""

    proposal: Proposal
    update: np.ndarray
    base: np.ndarray
    """Parameters that the step starts from."""
    finite: bool
    withheld: bool


class Seen(NamedTuple):
    """One measurement of a candidate."""

    params: Any
    """Where it ended up."""
    numbers: np.ndarray
    """Score, its standard error, whether it is valid, gain over the parent, its standard error; for
    a policy that compares folds, their scores."""


class Settled(NamedTuple):
    """A step that is over."""

    run: Run
    accepted: bool
    slot: int
    gain: float
    gain_stderr: float
    replicates: int
    next: Asked
    """What the next step is, if there is one."""


class Compiled:
    """`optimizers`' step functions for one strategy on a vector of parameters.

    With `in_flight` steps under way, step `n` is asked for when step `n - in_flight` is settled.
    """

    def __init__(self, strategy: Strategy, in_flight: int = 1) -> None:
        next_one = partial(_ask_next, in_flight)
        self._ask = _compile(_ask, strategy)
        self._propose = _compile(_propose, strategy)
        self._conclude = _compile(_conclude, strategy, next_one)
        self._rest = _compile(_rest, strategy, next_one)
        self._miss = _compile(_miss, strategy, next_one)
        self._settle = _compile(_settle, strategy, next_one)
        self.stay: Callable[..., Proposal] = _compile(optimizers.stay, strategy)
        self.recycle: Callable[..., Run] = _compile(optimizers.recycle_run, strategy)
        self._recycle_proposed = _compile(_recycle_proposed, strategy)
        self._observe = _compile(_observe, strategy)
        self.pool: Callable[..., Observation] = jax.jit(optimizers.pool)
        self.undecided: Callable[..., Any] = jax.jit(strategy.gate.undecided)
        self.tied: Callable[..., Any] = jax.jit(strategy.gate.tied)

    def ask(self, run: Run, number: int) -> Asked:
        """One of the first expansions of a run; those that follow come with settled steps."""
        expansion, policy, report = self._ask(run, number)
        return _asked(expansion, policy, np.asarray(report).tolist())

    def propose(
        self, run: Run, expansion: Expansion, direction: np.ndarray, number: int
    ) -> Proposed:
        """The candidate of a DESCEND step."""
        rule_state, report = self._propose(run, expansion, direction, number)
        report = np.asarray(report)
        update, base, params = report[1:].reshape(3, -1)
        largest = float(report[0])
        return Proposed(
            Proposal(expansion, update, params, rule_state),
            update,
            base,
            finite=math.isfinite(largest),
            withheld=largest == 0.0,
        )

    def recycle_proposed(self, proposed: Proposed, origin: Any, slot: int) -> Proposed:
        """A proposal under way after a slot has changed hands: it says nothing of the newcomer."""
        proposal = self._recycle_proposed(proposed.proposal, origin, slot)
        update, base = proposed.update.copy(), proposed.base.copy()
        update[slot], base[slot] = 0.0, np.asarray(origin)[slot]
        return proposed._replace(proposal=proposal, update=update, base=base)

    def conclude(self, run: Run, proposal: Proposal, seen: Seen) -> Settled:
        """Settle with one measurement."""
        return _read(run, *self._conclude(run, proposal, *seen))

    def observe(self, run: Run, proposal: Proposal, seen: Seen) -> Observation:
        """One of several measurements."""
        return self._observe(run, proposal, *seen)

    def settle(self, run: Run, proposal: Proposal, observation: Observation) -> Settled:
        """Settle with an observation."""
        return _read(run, *self._settle(run, proposal, observation))

    def rest(self, run: Run, proposal: Proposal) -> Settled:
        """Settle a withheld step."""
        return _read(run, *self._rest(run, proposal))

    def miss(self, run: Run, proposal: Proposal) -> Settled:
        """Settle a step that came to no candidate."""
        return _read(run, *self._miss(run, proposal))


def _compile(function: Callable[..., Any], *known: Any) -> Callable[..., Any]:
    return jax.jit(partial(function, *known))


def _ask_next(in_flight: int, strategy: Strategy, run: Run):
    return _ask(strategy, run, run.step + (in_flight - 1))


def _ask(strategy: Strategy, run: Run, number):
    expansion, run = optimizers.ask(strategy, run, number)
    other = -1 if expansion.other is None else expansion.other
    needed = optimizers.needs_diagnosis(run, expansion)
    report = jnp.array([expansion.parent, other, expansion.operator, needed], jnp.float32)
    return expansion, run.policy, report


def _asked(expansion: Expansion, policy: Any, report: Sequence[float]) -> Asked:
    parent, other, operator, needs_diagnosis = report
    operator = Operator(int(operator))
    return Asked(expansion, policy, int(parent), int(other), operator, bool(needs_diagnosis))


def _propose(strategy: Strategy, run: Run, expansion: Expansion, direction, number):
    expansion = expansion._replace(operator=jnp.int32(Operator.DESCEND))  # no other is compiled
    proposal = optimizers.propose(strategy, run, expansion, direction, number)
    base = optimizers.parent_params(run, expansion)
    largest = jnp.abs(proposal.update).max(keepdims=True)
    report = [largest, proposal.update, base, proposal.params]
    return proposal.rule_state, jnp.concatenate(report)


def _recycle_proposed(strategy: Strategy, proposal: Proposal, origin, slot) -> Proposal:
    return proposal._replace(
        update=proposal.update.at[slot].set(0.0),
        params=proposal.params.at[slot].set(origin[slot]),
        rule_state=optimizers.recycle(strategy.rule, proposal.rule_state, slot, origin),
    )


def _conclude(strategy: Strategy, next_one, run: Run, proposal: Proposal, params, numbers):
    seen = _observe(strategy, run, proposal, params, numbers)
    return _settle(strategy, next_one, run, proposal, seen)


def _observe(strategy: Strategy, run: Run, proposal: Proposal, params, numbers) -> Observation:
    score, stderr, valid, gain, gain_stderr = numbers[:5]
    return optimizers.observe(
        run,
        proposal.expansion,
        params,
        score,
        stderr=stderr,
        valid=valid > 0,
        gain=gain,
        gain_stderr=gain_stderr,
        folds=numbers[5:] if strategy.policy.folds else None,
    )


def _rest(strategy: Strategy, next_one, run: Run, proposal: Proposal):
    same = optimizers.unchanged(run, proposal.expansion, strategy.policy.folds)
    return _settle(strategy, next_one, run, proposal, same)


def _miss(strategy: Strategy, next_one, run: Run, proposal: Proposal):
    """The policy hears of repairs only, lest it try the same one for ever.

    Of anything else there would be a node without a script, which cannot be repaired.
    """

    def tell(state, expansion, observation, accepted):
        told = strategy.policy.tell(state, expansion, observation, accepted)
        untold = strategy.policy.cancel(state, expansion), jnp.array(-1)
        repairs = expansion.operator == Operator.DEBUG
        return jax.tree.map(partial(jnp.where, repairs), told, untold)

    quiet = strategy.policy._replace(tell=tell)
    nothing = optimizers.unchanged(run, proposal.expansion, strategy.policy.folds)._replace(
        score=jnp.float32(-jnp.inf), valid=jnp.array(False), replicates=jnp.array(1)
    )
    return _settle(strategy._replace(policy=quiet), next_one, run, proposal, nothing)


def _settle(strategy: Strategy, next_one, run: Run, proposal: Proposal, seen: Observation):
    after, decision = optimizers.settle(strategy, run, proposal, seen)
    expansion, policy, asked = next_one(strategy, after)
    numbers = [decision.accepted, decision.slot, seen.gain, seen.gain_stderr, seen.replicates]
    after = after._replace(key=None, origin=None)  # as they were; keys are slow to hand over
    return after, expansion, policy, jnp.concatenate([asked, jnp.array(numbers, jnp.float32)])


def _read(before: Run, after: Run, expansion: Expansion, policy: Any, report: Any) -> Settled:
    *asked, accepted, slot, gain, gain_stderr, replicates = np.asarray(report).tolist()
    return Settled(
        run=after._replace(key=before.key, origin=before.origin),
        accepted=bool(accepted),
        slot=int(slot),
        gain=gain,
        gain_stderr=gain_stderr,
        replicates=int(replicates),
        next=_asked(expansion, policy, asked),
    )
