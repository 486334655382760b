"""Accept a higher score, as hill climbing and most agents do."""

from optimizers.base import Gate


def improved(threshold: float = 0.0) -> Gate:
    """Accept if the measured gain exceeds a threshold.

    With noisy scores this is the naive gate: on undirected proposals it makes no progress at any
    step size once the scaled noise of a gain reaches 4, and accepted scores are inflated.

    Args:
      threshold: in units of the score; 0 is strict improvement.
    """

    def decide(state, observation):
        return observation.gain > threshold, state

    return Gate(init=tuple, decide=decide)
