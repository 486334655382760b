"""Accept what noise alone would not explain."""

from optimizers.base import Gate


def improved_beyond_noise(z: float = 1.0, threshold: float = 0.0) -> Gate:
    """Accept if the gain exceeds `threshold + z` standard errors of the gain.

    On a candidate that is truly no better, with Gaussian noise of known size, the false-accept rate
    is `1 - Phi(z)`: 0.16 at z = 1, 0.023 at z = 2. `z = 0` is `improved`.

    Args:
      z: number of standard errors.
      threshold: gain that must be exceeded beside the noise, in units of the score.
    """

    def decide(state, observation):
        return observation.gain > threshold + z * observation.gain_stderr, state

    return Gate(init=tuple, decide=decide)
