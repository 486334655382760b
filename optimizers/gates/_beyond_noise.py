"""Accept what noise alone would not explain."""

from optimizers.base import Gate
from optimizers.gates._student import normal_quantile_for_t


def improved_beyond_noise(z: float = 1.0, threshold: float = 0.0, folds: int | None = None) -> Gate:
    """Accept if the gain exceeds `threshold + z * gain_stderr`: a one-sided z test of the gain.

    On a candidate that is truly no better, with Gaussian noise of known size, the false-accept rate
    is `1 - Phi(z)`: 0.16 at z = 1, 0.023 at z = 2. A candidate better by `delta` standard errors is
    rejected with probability `Phi(z - delta)`. `z = 0` is `improved`.

    A standard error estimated from few folds is often too small by chance, and the rate grows: to
    0.19 at z = 1 and 0.058 at z = 2 with five folds. With `folds`, `z` is replaced by the quantile
    of Student's t (1908) that restores `1 - Phi(z)`, for independent normal folds. Folds of
    cross-validation share training data, so their spread still understates the error of a gain
    (Nadeau and Bengio 2003).

    Args:
      z: number of standard errors.
      threshold: gain that must be exceeded beside the noise, in units of the score.
      folds: number of (paired) folds that `gain_stderr` was estimated from; `None`: it is known.

    Raises:
      ValueError: `folds` is less than 2.
    """
    quantile = normal_quantile_for_t(z, folds)

    def decide(state, observation):
        return observation.gain > threshold + quantile * observation.gain_stderr, state

    return Gate(init=tuple, decide=decide)
