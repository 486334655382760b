"""Per-component normalisation: gains against simulated steps, theorems against random problems."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import gome_theory as gt
from gome_theory.adaptive import ADAM_NEVER_LOSES, LEVEL, SGD_NEVER_LOSES, UNDECIDED
from tests.statistical import assert_mean

vectors = hnp.arrays(float, 6, elements=st.floats(0.1, 10.0))


@pytest.mark.parametrize("case", ["noise differs", "signal differs", "both differ", "curvature"])
@pytest.mark.parametrize("rule", ["sgd", "adam", "sign", "wiener"])
def test_gain_of_simulated_steps(case, rule):
    dim, samples = 32, 40_000
    rng = np.random.default_rng(0)
    spread = np.exp(rng.standard_normal(dim))
    g = spread if case in ("signal differs", "both differ") else np.ones(dim)
    s = 3 * np.exp(rng.standard_normal(dim)) if case != "signal differs" else np.full(dim, 3.0)
    L = np.exp(rng.standard_normal(dim)) if case == "curvature" else np.ones(dim)
    v2 = g**2 + s**2
    measured = g + s * rng.standard_normal((samples, dim))
    direction = {
        "sgd": measured,
        "adam": measured / np.sqrt(v2),
        "sign": np.sign(measured),
        "wiener": measured * g**2 / (L * v2),
    }[rule]
    laws = {"sgd": gt.sgd_gain, "adam": gt.adam_gain, "sign": gt.sign_gain}
    predicted = (laws | {"wiener": gt.wiener_gain})[rule](g, s, L)
    # The step that the law calls best: twice the gain over the slope, from the law alone.
    slope, bend = direction @ g, direction**2 @ L
    step = 2 * predicted / slope.mean()
    gain = step * slope - step**2 * bend / 2
    assert_mean(gain, predicted)
    for other in (0.8, 1.25):
        assert (other * step * slope - (other * step) ** 2 * bend / 2).mean() < gain.mean()


@given(vectors, vectors, vectors, vectors)
def test_no_fixed_diagonal_beats_wiener(g, s, L, p):
    best = gt.wiener_gain(g, s, L)
    preconditioned = np.sum(p * g**2) ** 2 / (2 * np.sum(L * p**2 * (g**2 + s**2)))
    assert preconditioned <= best * (1 + 1e-12)
    assert gt.sgd_gain(g, s, L) <= best * (1 + 1e-12)
    assert gt.adam_gain(g, s, L) <= best * (1 + 1e-12)


@given(vectors, vectors)
def test_adam_never_loses_where_only_noise_differs(g, s):
    """Equal signals and curvatures, and more: any signal energy in proportion to curvature."""
    for signal, curvature in ((np.ones(6), np.ones(6)), (g, 3 * g**2)):
        answer = gt.adam_versus_sgd(signal, s, curvature)
        assert answer.ratio >= 1 - 1e-12
        assert answer.theorem in (ADAM_NEVER_LOSES, LEVEL)
    jensen = np.mean(1 / np.hypot(1, s)) ** 2 * np.mean(1 + s**2)
    assert gt.adam_versus_sgd(np.ones(6), s).ratio == pytest.approx(jensen)


@given(vectors, st.floats(0.0, 10.0))
def test_sgd_never_loses_at_constant_signal_to_noise(g, noisiness):
    answer = gt.adam_versus_sgd(g, noisiness * g)
    assert answer.ratio == pytest.approx(g.sum() ** 2 / (6 * (g**2).sum()))
    assert answer.ratio <= 1 + 1e-12
    assert answer.theorem in (SGD_NEVER_LOSES, LEVEL)


def test_constant_signal_to_noise_decides_nothing_where_curvature_differs():
    g = np.array([1.0, 10.0])
    steep_where_strong = gt.adam_versus_sgd(g, g, g**2)
    steep_where_weak = gt.adam_versus_sgd(g, g, 1 / g**2)
    assert steep_where_strong.ratio > 1 > steep_where_weak.ratio
    assert steep_where_weak.theorem == UNDECIDED


def test_sentences_and_shapes():
    answer = gt.adam_versus_sgd(
        [[1.0, 1.0], [1.0, 1.0], [1.0, 2.0], [1.0, 2.0]],
        [[1.0, 2.0], [3.0, 3.0], [1.0, 2.0], [5.0, 1.0]],
    )
    assert answer.theorem.tolist() == [ADAM_NEVER_LOSES, LEVEL, SGD_NEVER_LOSES, UNDECIDED]
    assert answer.ratio[1] == pytest.approx(1.0)
    assert isinstance(gt.adam_gain([1.0, 2.0], 1.0), float)


def test_limits():
    g, L = np.array([1.0, 2.0, 0.5]), np.array([1.0, 3.0, 0.2])
    assert gt.sign_gain(g, 0.0, L) == pytest.approx(gt.adam_gain(g, 0.0, L))
    assert gt.wiener_gain(g, 0.0, L) == pytest.approx(np.sum(g**2 / (2 * L)))
    padded = gt.adam_gain([1.0, 2.0, 0.0], [1.0, 1.0, 0.0])
    assert padded == pytest.approx(gt.adam_gain([1.0, 2.0], 1.0))
    # Under much noise the sign of a component tells 2/pi of what its normalised value tells.
    assert gt.sign_gain(g, 1e4) / gt.adam_gain(g, 1e4) == pytest.approx(2 / np.pi, rel=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match=r"`noise` is -1\.0"):
        gt.sgd_gain([1.0], -1.0)
    with pytest.raises(ValueError, match=r"`curvature` is 0\.0"):
        gt.adam_gain([1.0], 1.0, 0.0)
