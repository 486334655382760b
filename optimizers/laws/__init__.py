"""Numerical laws of update rules: what any optax transformation does to evidence.

A textual gradient is evidence, and a rule's laws say how it treats evidence: whether it adds up,
whether opposite critiques give opposite steps, whether silence ends a motion, whether a directive
that is born late moves like one born early. A law is decided by searching for a counter-example on
a fixed set of simple sequences, in double precision; the simplest one found is reported. So "no"
is a proof by example, and "yes" means that none was found.

>>> import optax, optimizers
>>> character = optimizers.check(optax.sign_sgd(0.5), laws=["linear", "homogeneous", "merges"])
>>> character["linear"].holds, character["homogeneous"].value
(False, 0.0)
>>> character["merges"].counterexample
'g1=(1, 1): slots 1 and 2 as one: update (-0.5, 0), sum of theirs (-1, 0)'
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

import jax
import numpy as np
import optax

from optimizers.laws import _algebra, _motion
from optimizers.laws._character import (
    WANTED as WANTED,
    Basis as Basis,
    Character as Character,
    Law as Law,
)
from optimizers.laws._probe import STEPS, Probe, describe


def check(
    rule: optax.GradientTransformation,
    *,
    basis: Basis = "directives",
    seed: int = 0,
    dimension: int = 6,
    laws: Iterable[str] | None = None,
) -> Character:
    """Decide every law for a rule.

    Parameters start at simple numbers and move with the updates, as they do in a run. The rule
    gets a falling positive `value`, `step` and `key`.

    Args:
      rule: any optax transformation.
      basis: what the coordinates are; decides which failures are worth a warning.
      seed: of the random sequences and of the rule's key.
      dimension: number of slots, at least 3.
      laws: names of the laws to decide; all of `LAWS` if not given.

    Returns:
      The character; print it, or read `character["odd"].holds`.

    Raises:
      TypeError: `rule` is not an optax transformation.
      ValueError: unknown basis or law, or too small a dimension.
    """
    if not isinstance(rule, optax.GradientTransformation):
        hint = " Call it: it builds a rule." if callable(rule) else ""
        raise TypeError(
            "a rule is an optax transformation, a pair of functions `init(params) -> state` and "
            "`update(gradient, state, params, **extra) -> (update, state)`, such as "
            f"`optax.adam(0.1)`; got {type(rule).__name__} `{rule!r:.60}`.{hint}"
        )
    if dimension < 3:
        raise ValueError(f"the laws need at least 3 slots, got dimension={dimension}")
    Character(basis, ())  # refuses an unknown basis before the work starts
    names = tuple(LAWS) if laws is None else tuple(laws)
    for name in names:
        if name not in LAWS:
            near = difflib.get_close_matches(name, LAWS, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise ValueError(f"unknown law `{name}`.{hint} There are: {', '.join(LAWS)}.")
    with jax.enable_x64(True), np.errstate(all="ignore"):
        probe = Probe(rule, dimension, seed)
        return Character(basis, tuple(_decide(name, probe) for name in names))


def _decide(name: str, probe: Probe) -> Law:
    try:
        return LAWS[name](probe)
    except Exception as error:  # a rule may raise anything, and that is a finding too
        return Law(name, None, None, None, f"cannot be tested: {describe(error)}")


LAWS: dict[str, Callable[[Probe], Law]] = {
    "linear": _algebra.linear,
    "homogeneous": _algebra.homogeneous,
    "odd": _algebra.odd,
    "rotation-equivariant": _algebra.rotation,
    "permutation-equivariant": _algebra.permutation,
    "diagonal-scale invariant": _algebra.diagonal,
    "merges": _algebra.merges,
    "padding": _algebra.padding,
    "zero fixpoint": _algebra.zero_fixpoint,
    "silence": _motion.silence,
    "falls silent": _motion.falls_silent,
    "birth at 10": _motion.birth(10),
    "birth at 1000": _motion.birth(1000),
    "bounded step": _motion.bounded,
    "finite": _algebra.finite,
    "uses params": _motion.uses(
        "params",
        "where one stands",
        lambda probe: probe.run(probe.gradients, 1 - 2 * probe.start),
    ),
    "uses value": _motion.uses(
        "value",
        "the loss",
        lambda probe: probe.run(probe.gradients, values=np.arange(STEPS) % 3),
    ),
    "uses key": _motion.uses(
        "key",
        "the random key",
        lambda probe: probe.run(probe.gradients, seed=probe.seed + 1),
    ),
    "deterministic": _algebra.deterministic,
    "jit equals eager": _algebra.jit_equals_eager,
}
