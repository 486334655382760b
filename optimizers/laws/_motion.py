"""Laws of motion: what is left after silence, how newborn slots move, how far, and upon what."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimizers.laws._character import Law
from optimizers.laws._compare import UP_TO_EPSILON, equal, history, shown, simplest
from optimizers.laws._probe import ROWS, STEPS, Probe

NEWBORN = 0.1
"""How far the first step of a late slot may be from that of an early one, relatively."""
QUIET = 0.05
"""Share of an update that may be left after 50 silent steps."""


def _share_after(probe: Probe, silent: int) -> tuple[float, str]:
    """Largest update after so many silent steps over the largest before them; at worst.

    It looks at ten steps after the silence, for rules that act only every few steps.
    """
    spoken, window = 20, 10
    gradients = np.zeros((4, spoken + silent + window, probe.dimension))
    gradients[:, :spoken] = probe.gradients[ROWS - 4 :, :1]
    gradients[0, :spoken] = np.eye(probe.dimension)[0]
    sizes = np.linalg.norm(probe.run(gradients), axis=-1)
    before, after = sizes[:, :spoken].max(1), sizes[:, spoken + silent - 1 : -1].max(1)
    if not (before > 0).all():
        raise ValueError("it does not move when spoken to, so it cannot fall silent")
    shares = after / before
    worst = int(np.argmax(shares))
    said = shown(gradients[worst, 0])
    return float(shares[worst]), (
        f"{spoken} times g={said}, then {silent} times 0: "
        f"|u| from {before[worst]:.4g} to {after[worst]:.4g}"
    )


def silence(probe: Probe) -> Law:
    """Share of the update that is left after 50 silent steps."""
    share, example = _share_after(probe, 50)
    quiet = share <= QUIET
    meaning = "at most a twentieth of the motion is left after 50 silent steps"
    return Law("silence", quiet, share, None if quiet else example, meaning)


def falls_silent(probe: Probe) -> Law:
    """Whether practically nothing is left after 1000."""
    share, example = _share_after(probe, 1000)
    silent = share <= UP_TO_EPSILON
    meaning = "the motion ends when nobody speaks any more"
    return Law("falls silent", silent, share, None if silent else example, meaning)


def birth(born: int) -> Callable[[Probe], Law]:
    """First step of a slot born at a step, over that of one born at step 0.

    The other slots always speak, with gradients of size 1; the loss stays the same.
    """

    def law(probe: Probe) -> Law:
        random = np.random.default_rng(probe.seed)
        gradients = random.choice([-1.0, 1.0], (1, born + 1, probe.dimension))
        gradients[0, [0, born]] = 1.0
        late = gradients.copy()
        late[0, :born, 0] = 0.0
        equal_values = np.ones(born + 1)
        at_once = probe.run(gradients, values=equal_values)[0, 0, 0]
        newborn = probe.run(late, values=equal_values)[0, born, 0]
        if at_once == 0:
            raise ValueError("the first step of a slot is zero, there is nothing to compare with")
        ratio = float(newborn / at_once)
        holds = abs(ratio - 1) <= NEWBORN
        example = f"g=1 in a new slot: u={at_once:.4g} at step 0, {newborn:.4g} at step {born}"
        return Law(
            f"birth at {born}",
            holds,
            ratio,
            None if holds else example,
            f"a directive born at step {born} moves like one born at step 0",
        )

    return law


def bounded(probe: Probe) -> Law:
    """The largest update when gradients explode: all of them, later ones, or one after long."""

    def largest(size: float):
        half = probe.gradients[::2]
        later, long = half.copy(), np.full((4, 1001, probe.dimension), 0.5)
        later[:, STEPS // 2 :] *= size
        long[:, -1] = size
        gradients = np.concatenate([half * size, later])
        updates = probe.run(gradients)
        return gradients, updates, max(np.abs(updates).max(), np.abs(probe.run(long)).max())

    limit = largest(1e3)[2]
    gradients, updates, value = largest(1e6)
    if value <= 1.01 * limit:
        meaning = "no critique was severe enough to move a slot further than this"
        return Law("bounded step", True, float(value), None, meaning)
    meaning = "severe critiques move arbitrarily far"
    exceeding = np.abs(updates).max(-1) > 1.01 * limit
    if not exceeding.any():
        example = "1000 times g=(0.5, ...), then g=(1e+06, ...)"
        return Law("bounded step", False, None, f"{example}: |u| reaches {value:.4g}", meaning)
    row, step = simplest(exceeding, (gradients,))
    example = f"{history((gradients,), row, step)}: update {shown(updates[row, step])}"
    return Law("bounded step", False, None, example, meaning)


def uses(name: str, what: str, run_with: Callable[[Probe], np.ndarray]):
    """Whether a rule fails without an argument, or moves differently with another one."""

    def law(probe: Probe) -> Law:
        error = probe.error_of_a_step(without=name)
        if error and not probe.error_of_a_step():
            meaning = f"the update depends on {what}; without it: {error}"
            return Law(f"uses {name}", True, None, None, meaning)
        usual, other = probe.run(probe.gradients), run_with(probe)
        same = equal("", "", (probe.gradients,), usual, other, "", probe.rounding)
        verb = "does not depend" if same.holds else "depends"
        return Law(f"uses {name}", not same.holds, None, None, f"the update {verb} on {what}")

    return law
