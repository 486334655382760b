"""Laws of equality: two ways to the same update, compared."""

from __future__ import annotations

import numpy as np

from optimizers.laws._character import Law
from optimizers.laws._compare import UP_TO_EPSILON, equal, history, shown, simplest
from optimizers.laws._probe import ROWS, STEPS, Probe


def linear(probe: Probe) -> Law:
    """`u(g + h) = u(g) + u(h)`."""
    a = probe.gradients
    b = np.roll(a, 1, axis=0)
    separate = probe.run(a) + probe.run(b)
    return equal(
        "linear",
        "evidence adds up: the update of a sum is the sum of the updates",
        (a, b),
        probe.run(a + b),
        separate,
        "u(g+h)={}, u(g)+u(h)={}",
        probe.rounding,
    )


def homogeneous(probe: Probe) -> Law:
    """`u(c g) = c^k u(g)` for c > 0; k is the growth most often seen, tested as an equality."""
    name, base = "homogeneous", probe.run(probe.gradients)
    scaled = {c: probe.run(c * probe.gradients) for c in (2, 4, 0.125)}
    sizes, grown = np.abs(base).max(-1), np.abs(scaled[4]).max(-1)
    seen = (sizes > 0) & (grown > 0) & np.isfinite(sizes) & np.isfinite(grown)
    if not seen.any():
        raise ValueError("it never moves, so it has no degree")
    growth = np.log(grown[seen] / sizes[seen]) / np.log(4)
    halves, counts = np.unique(np.round(2 * growth), return_counts=True)
    degree = float(halves[np.argmax(counts)]) / 2
    meanings = {
        0.0: "only directions count: the severity of a diagnosis is discarded",
        1.0: "a diagnosis twice as severe moves twice as far",
    }
    meaning = meanings.get(degree, f"c times the gradients give c^{degree:g} times the updates")
    laws = [
        equal(
            name,
            meaning,
            (probe.gradients,),
            updates,
            c**degree * base,
            f"u({c}g)={{}}, {c**degree:g}u(g)={{}}",
            max(UP_TO_EPSILON, probe.rounding),
        )
        for c, updates in scaled.items()
    ]
    failed = [law for law in laws if not law.holds]
    if not failed:
        return Law(name, True, degree, None, meaning)
    meaning = "updates do not scale with a power of the severity"
    return Law(name, False, float(growth.mean()), failed[0].counterexample, meaning)


def odd(probe: Probe) -> Law:
    """`u(-g) = -u(g)`."""
    return equal(
        "odd",
        "the opposite critique gives the opposite step",
        (probe.gradients,),
        probe.run(-probe.gradients),
        -probe.run(probe.gradients),
        "u(-g)={}, -u(g)={}",
        probe.rounding,
    )


def rotation(probe: Probe) -> Law:
    """`u(R g; R p) = R u(g; p)`, for a turn of one plane and for one of the whole space."""
    plane, random = np.eye(probe.dimension), np.random.default_rng(probe.seed)
    plane[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    anywhere, _ = np.linalg.qr(random.normal(size=plane.shape))
    meaning = "free of the basis: rotating an embedding rotates the steps"
    name, said = "rotation-equivariant", "R turns (1, 0) into (0.6, 0.8): u(Rg)={}, R u(g)={}"
    law = _equivariant(probe, plane, name, meaning, said)
    if not law.holds:
        return law
    return _equivariant(probe, anywhere, name, meaning, "a rotation R: u(Rg)={}, R u(g)={}")


def permutation(probe: Probe) -> Law:
    """`u(P g; P p) = P u(g; p)`."""
    return _equivariant(
        probe,
        np.eye(probe.dimension)[::-1],
        "permutation-equivariant",
        "no slot is special: renumbering directives renumbers the steps",
        "slots in reverse: u(Pg)={}, P u(g)={}",
    )


def merges(probe: Probe) -> Law:
    """`u(M g; M p) = M u(g; p)`, where M adds one slot to another and empties it."""
    merge = np.eye(probe.dimension)
    merge[:2, :2] = [[1, 1], [0, 0]]
    return _equivariant(
        probe,
        merge,
        "merges",
        "two names for one directive are as good as one",
        "slots 1 and 2 as one: update {}, sum of theirs {}",
    )


def _equivariant(probe: Probe, matrix, name: str, meaning: str, said: str) -> Law:
    return equal(
        name,
        meaning,
        (probe.gradients,),
        probe.run(probe.gradients @ matrix.T, matrix @ probe.start),
        probe.run(probe.gradients) @ matrix.T,
        said,
        probe.rounding,
    )


def diagonal(probe: Probe) -> Law:
    """`u(D g) = u(g)` for positive diagonal D."""
    scales = np.resize([2.0, 1.0, 4.0], probe.dimension)
    return equal(
        "diagonal-scale invariant",
        "the unit in which a directive is criticised does not matter",
        (probe.gradients,),
        probe.run(probe.gradients * scales),
        probe.run(probe.gradients),
        "slots scaled by 2, 1, 4, ...: {} instead of {}",
        max(UP_TO_EPSILON, probe.rounding),
    )


def padding(probe: Probe) -> Law:
    """A slot without gradients stays zero, and the others move as they do without it."""
    smaller = Probe(probe.rule, probe.dimension - 1, probe.seed)
    gradients, start = probe.gradients.copy(), probe.start.copy()
    gradients[..., -1], start[-1] = 0.0, 0.0
    alone = smaller.run(gradients[..., :-1], start[:-1])
    without = np.concatenate([alone, np.zeros_like(alone[..., :1])], -1)
    return equal(
        "padding",
        "a slot that is never mentioned stays zero and changes nothing",
        (gradients,),
        probe.run(gradients, start),
        without,
        "with a spare slot {}, without it {}",
        probe.rounding,
    )


def zero_fixpoint(probe: Probe) -> Law:
    """`u(0) = 0` from a fresh state."""
    gradients = np.zeros((1, STEPS, probe.dimension))
    return equal(
        "zero fixpoint",
        "without any evidence nothing moves",
        (gradients,),
        probe.run(gradients),
        gradients,
        f"parameters {shown(probe.start)}: update {{}}, not {{}}",
        probe.rounding,
    )


def deterministic(probe: Probe) -> Law:
    """Two fresh runs with one key agree to the bit."""
    gradients = probe.gradients[ROWS - 1]
    first, again = (np.stack([probe.run_eagerly(gradients[:4])]) for _ in range(2))
    return equal(
        "deterministic",
        "the same key gives the same update",
        (gradients[None, :4],),
        first,
        again,
        "once {}, then {}",
        tolerance=0.0,
    )


def jit_equals_eager(probe: Probe) -> Law:
    """The compiled batch agrees with operation by operation."""
    gradients = probe.gradients[-4:, :4]
    eager = np.stack([probe.run_eagerly(sequence) for sequence in gradients])
    return equal(
        "jit equals eager",
        "compiling changes nothing",
        (gradients,),
        probe.run(gradients),
        eager,
        "compiled {}, eager {}",
        probe.rounding,
    )


def finite(probe: Probe) -> Law:
    """No NaN and no infinity, whatever the gradients, silence included."""
    gradients = np.concatenate([probe.gradients[: ROWS // 2], 0 * probe.gradients[: ROWS // 2]])
    updates = probe.run(gradients)
    bad = np.asarray((~np.isfinite(updates)).any(axis=-1))
    example = None
    if bad.any():
        row, step = simplest(bad, (gradients,))
        example = f"{history((gradients,), row, step)}: update {shown(updates[row, step])}"
    return Law("finite", not bad.any(), None, example, "finite gradients give finite updates")
