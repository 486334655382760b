"""What a run leaves behind for a calibration: its steps as arrays.

Not covered: where the arrays come from; `gome calibrate` reads them from journals.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._ranges import in_range


class Selected(NamedTuple):
    """A candidate chosen for its score and then measured on data that had no part in the choice.

    Attributes:
        optimism: Score it was chosen for, less the score on the untouched data.
        candidates: How many were compared, at least 2.
        spread: Standard deviation of their scores.
    """

    optimism: float
    candidates: int
    spread: float


class Observations(NamedTuple):
    """Steps of one kind (directed, or undirected) on one task; arrays of shape (n,).

    Attributes:
        trace: Which trace a step belongs to: a run, or a branch with a bias of its own.
        gain: Measured gain over the parent, positive is better; NaN where nothing was measured.
        valid: Whether the candidate ran and was scored.
        accepted: Whether the gate took it; None if the log does not say.
        improved: Whether it improved on its parent, where the log says so without a gain.
        multiplier: Length of the step relative to the unit arm of a step-size A/B.
        stderr: Reported standard error of the gain, NaN where unknown.
        stderr_dof: Degrees of freedom of each standard error.
        noise: sigma of a gain where it is known (0 for scores without noise).
        replicate_gains: Groups of repeated measurements of one gain.
        replicate_scores: Groups of repeated measurements of one score.
        selected: Candidates chosen for their score and measured again on untouched data.
        fresh_gain: Gain measured anew, after the gate's decision; NaN where it was not.
        repeated: Whether the step went along the last step's directive again.
        overlap: Cosine of the step's directive with that of the step before, NaN for the first.
    """

    trace: npt.ArrayLike
    gain: npt.ArrayLike
    valid: npt.ArrayLike | None = None
    accepted: npt.ArrayLike | None = None
    improved: npt.ArrayLike | None = None
    multiplier: npt.ArrayLike | None = None
    stderr: npt.ArrayLike | None = None
    stderr_dof: float = np.inf
    noise: float | None = None
    replicate_gains: Sequence[npt.ArrayLike] = ()
    replicate_scores: Sequence[npt.ArrayLike] = ()
    selected: Sequence[Selected] = ()
    fresh_gain: npt.ArrayLike | None = None
    repeated: npt.ArrayLike | None = None
    overlap: npt.ArrayLike | None = None


class Steps(NamedTuple):
    """The arrays of `Observations`, checked and filled in; shape (n,) each.

    Attributes:
        trace: As given.
        gain: NaN where nothing was measured.
        stderr: NaN where unknown.
        multiplier: 1 where not given.
        valid: Whether an outcome is known.
        improved: Whether it was an improvement.
        accepted: None if the log does not say.
        measured: Whether the step is valid and has a gain.
        unit: Whether it has the commonest length.
    """

    trace: np.ndarray
    gain: np.ndarray
    stderr: np.ndarray
    multiplier: np.ndarray
    valid: np.ndarray
    improved: np.ndarray
    accepted: np.ndarray | None
    measured: np.ndarray
    unit: np.ndarray


def checked(seen: Observations) -> Steps:
    """Check lengths and ranges, fill in what follows from the rest.

    Args:
        seen: As recorded.

    Returns:
        The arrays.

    Raises:
        ValueError: There are no steps, arrays differ in length, or a number is out of its range.
    """
    trace = np.atleast_1d(np.asarray(seen.trace))
    n = len(trace)
    if n == 0:
        raise ValueError(
            "`trace` is empty: there are no steps to calibrate from, pass at least one."
        )

    def array(name: str, default, kind) -> np.ndarray:
        value = getattr(seen, name)
        value = np.full(n, default) if value is None else np.atleast_1d(np.asarray(value, kind))
        if value.shape != (n,):
            raise ValueError(
                f"`{name}` has shape {value.shape} and `trace` has {n} entries: give one per step."
            )
        return value

    gain, multiplier = array("gain", np.nan, float), array("multiplier", 1.0, float)
    stderr = array("stderr", np.nan, float)
    in_range("multiplier", multiplier, 0.0, np.inf, "the length of a step", open_ends="low")
    in_range("stderr", stderr[~np.isnan(stderr)], 0.0, np.inf, "a standard error", infinite=True)
    dof = "a number of degrees of freedom"
    in_range("stderr_dof", seen.stderr_dof, 0.0, np.inf, dof, open_ends="low", infinite=True)
    if seen.noise is not None:
        in_range("noise", seen.noise, 0.0, np.inf, "a standard deviation")
    for chosen in seen.selected:
        in_range("selected.candidates", chosen.candidates, 2.0, np.inf, "a count, at least 2")
        in_range("selected.spread", chosen.spread, 0.0, np.inf, "a standard deviation")
    for name in ("fresh_gain", "repeated", "overlap"):
        array(name, np.nan, float)
    told = seen.improved is not None
    valid = array("valid", True, bool) & (np.isfinite(gain) | told)
    lengths, counts = np.unique(multiplier, return_counts=True)
    return Steps(
        trace=trace,
        gain=gain,
        stderr=stderr,
        multiplier=multiplier,
        valid=valid,
        improved=valid & (array("improved", False, bool) if told else gain > 0.0),
        accepted=None if seen.accepted is None else array("accepted", False, bool),
        measured=valid & np.isfinite(gain),
        unit=multiplier == lengths[np.argmax(counts)],
    )
