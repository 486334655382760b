"""Tree search that does not always expand its best node: what a gap costs, and who gets pulled.

Gap law: a child of a node that is ``delta`` worse than the best node improves *the best* only by
what it gains beyond delta. A selection policy (UCT, progressive widening, random restarts into the
tree) enters through its distribution of gaps alone:

    progress per evaluation = E over visits of psi(delta),   efficiency eta = that / psi_g(r) <= 1.

eta is what `gated_vs_gated` takes as ``efficiency``. This is conditional on the visits: the law
does not predict which nodes a policy visits. Scores are noise-free and the landscape has one basin,
the setting in which looking elsewhere cannot pay.

Not covered: predicting the gaps, noise, several basins.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._one_dimensional import maximise
from gome_theory._projection import tail_mean, tail_probability
from gome_theory._ranges import POSITIVE, SHARE, domain
from gome_theory.gradient_rate import Values, gain_coefficients
from gome_theory.scaled_rate import normal_density, psi_g


class TreeProgress(NamedTuple):
    """Progress of a tree search with given visits.

    Attributes:
        progress: d times the mean gain of the best node per evaluation.
        efficiency: eta, relative to always expanding the best node with the best step.
        alpha: Scaled step.
    """

    progress: Values
    efficiency: Values
    alpha: Values


@domain()
def gap_psi(r: npt.ArrayLike, alpha: npt.ArrayLike, gap: npt.ArrayLike) -> Values:
    """Gap law: psi(delta) = s [t Phi(t) + phi(t)], t = r - alpha/2 - delta/(2 alpha) [asymptotic].

    Args:
        r: Scaled alignment of the proposals.
        alpha: Scaled step > 0.
        gap: delta = d (f_node - f_best) / f_best >= 0.

    Returns:
        d times the mean improvement of the best node by one expansion; `psi` at gap 0.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(gap_psi(0.0, 1.2, 2.0), 4))
        0.0817
    """
    r, alpha = np.asarray(r, float), np.asarray(alpha, float)
    gap = np.asarray(gap, float)
    t = r - alpha / 2.0 - gap / (2.0 * alpha)
    return (2.0 * alpha * (t * special.ndtr(t) + normal_density(t)))[()]


@domain(gap=SHARE._replace(open_ends="high"))
def gap_gain(
    alignment: npt.ArrayLike, step: npt.ArrayLike, dim: npt.ArrayLike, gap: npt.ArrayLike
) -> Values:
    """The gap law at finite d: E max(G - g, 0) with G = A + B w of Lemma 1 [exact].

    Args:
        alignment: rho of the proposals.
        step: a, in units of the *node's* distance to the optimum.
        dim: d >= 2.
        gap: g = (f_node - f_best) / f_node in [0, 1).

    Returns:
        Mean improvement of the best node by one expansion, in units of f_node.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(gap_gain(0.2, step=0.2, dim=40.0, gap=0.0)), 4))
        0.049
    """
    gap = np.asarray(gap, float)
    offset, spread = gain_coefficients(alignment, step)
    offset = offset - gap
    safe = np.where(spread > 0.0, spread, 1.0)
    decided = np.where(offset > 0.0, -1.0, 1.0)  # without spread the offset decides
    threshold = np.clip(np.where(spread > 0.0, -offset / safe, decided), -1.0, 1.0)
    gain = offset * tail_probability(threshold, dim) + spread * tail_mean(threshold, dim)
    return np.maximum(gain, 0.0)[()]


@domain()
def tree_progress(
    r: npt.ArrayLike,
    gaps: npt.ArrayLike,
    shares: npt.ArrayLike | None = None,
    alpha: npt.ArrayLike | None = None,
) -> TreeProgress:
    """Progress and efficiency of a tree search from the gaps of the nodes it expands [asymptotic].

    Args:
        r: Scaled alignment of the proposals.
        gaps: Gaps delta of the visits, last axis.
        shares: Share of visits of each gap (they are normalised); None counts each once.
        alpha: Scaled step of all expansions; None takes the best single one.

    Returns:
        Progress, eta and the step. All visits at gap 0 give eta = 1 at the best step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> half_elsewhere = tree_progress(0.0, gaps=[0.0, 50.0])
        >>> print(round(half_elsewhere.efficiency, 3))
        0.5
    """
    r, gaps = np.asarray(r, float), np.asarray(gaps, float)
    weights = np.ones_like(gaps) if shares is None else np.asarray(shares, float)
    weights = weights / weights.sum(-1, keepdims=True)

    def progress(step: np.ndarray) -> np.ndarray:
        psi = np.asarray(gap_psi(r[..., None, None], step[..., None], gaps[..., None, :]))
        return (psi * weights[..., None, :]).sum(-1)

    if alpha is None:
        shape = np.broadcast_shapes(r.shape, gaps.shape[:-1])
        upper = np.broadcast_to(10.0 + 2.0 * np.abs(r) + np.sqrt(gaps.max(-1)), shape)
        alpha = maximise(progress, 1e-2, upper).argument
    alpha = np.asarray(alpha, float)
    rate = progress(alpha[..., None])[..., 0]
    return TreeProgress(rate[()], (rate / psi_g(r))[()], alpha[()])


@domain(gap=POSITIVE)
def ucb1_pull_bound(
    gap: npt.ArrayLike, horizon: npt.ArrayLike, noise: npt.ArrayLike = 0.5
) -> Values:
    """Most expected pulls of an inferior arm: 32 sigma^2 ln n / Delta^2 + 1 + pi^2/3 [theorem].

    Auer, Cesa-Bianchi and Fischer (2002), Theorem 1, for UCB1 with the index
    mean_j + sqrt(8 sigma^2 ln t / n_j) and rewards that are sigma-sub-Gaussian (normal noise of
    standard deviation sigma; sigma = 1/2 for rewards in [0, 1], where it reads 8 ln n / Delta^2
    with the familiar index sqrt(2 ln t / n_j)).

    Args:
        gap: Delta > 0, by how much the arm's mean is below the best mean.
        horizon: n >= 1, total pulls.
        noise: sigma, sub-Gaussian parameter of a reward.

    Returns:
        An upper bound; simulated numbers are often several times smaller.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(ucb1_pull_bound(gap=0.5, horizon=1000), 1))
        225.3
    """
    gap = np.asarray(gap, float)
    horizon = np.asarray(horizon, float)
    spread = np.asarray(noise, float)
    return (32.0 * spread**2 * np.log(horizon) / gap**2 + 1.0 + np.pi**2 / 3.0)[()]
