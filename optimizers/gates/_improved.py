"""Accept a higher score, as hill climbing and most agents do."""

from optimizers.base import Gate


def improved(threshold: float = 0.0) -> Gate:
    """Accept if the measured gain exceeds a threshold: `gain > threshold`.

    A candidate that is truly no better passes half of the time under symmetric continuous noise,
    whatever its size (less often where scores tie, as pass/fail scores do). On undirected proposals
    the gate makes no progress at any step size once the scaled noise of a gain reaches 4, and
    accepted scores are inflated.

    Args:
      threshold: in units of the score; 0 is strict improvement, +inf accepts nothing.
    """

    def decide(state, observation):
        return observation.gain > threshold, state

    return Gate(init=tuple, decide=decide)
