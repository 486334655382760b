"""Arguments out of range are refused by name, with the range and the reason.

A parameter means the same wherever its name occurs, so its range stands in one table;
`domain` checks a law's arguments against it and takes the exceptions of that law. NaN is in no
range, infinity only where a law has a limit there.

Not covered: regimes. A law outside its regime warns (`_regime`); it does not refuse. Conditions
between parameters are checked by the laws that have them.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Literal, NamedTuple, ParamSpec, TypeVar, get_args

import numpy as np
import numpy.typing as npt

OpenEnds = Literal["none", "low", "high", "both"]
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Range(NamedTuple):
    """Where a parameter may lie.

    Attributes:
        low: Lower end.
        high: Upper end.
        what: What the number is, such as "a probability".
        open_ends: Which finite ends do not themselves belong to the range.
        infinite: Whether an infinite end belongs to it.
    """

    low: float
    high: float
    what: str
    open_ends: OpenEnds = "none"
    infinite: bool = False


PROJECTION = Range(-1.0, 1.0, "a projection on a unit vector")
PROBABILITY = Range(0.0, 1.0, "a probability")
SHARE = Range(0.0, 1.0, "a share")
CORRELATION = Range(0.0, 1.0, "a correlation")
DEVIATION = Range(0.0, np.inf, "a standard deviation")
COUNT = Range(1.0, np.inf, "a count, at least 1")
REAL = Range(-np.inf, np.inf, "a finite number")
POSITIVE = Range(0.0, np.inf, "a positive number", "low")
AT_LEAST_ZERO = Range(0.0, np.inf, "a number that is not negative")
POSITIVE_DEVIATION = Range(0.0, np.inf, "a standard deviation, not 0", "low")
PERSISTENCE = Range(0.0, 1.0, "an autocorrelation", "high")
FULL_PERSISTENCE = Range(0.0, 1.0, "an autocorrelation")
DIMENSION = Range(2.0, np.inf, "a dimension; below 2 a random direction has no density")
BITS = Range(1.0, np.inf, "a number of bits")
DIAGNOSIS_COST = Range(1.0, np.inf, "the cost of a diagnosed step, at least 1")
BLEND_ALIGNMENT = Range(0.0, np.inf, "a scaled alignment, which must be positive here", "low")
COSINE = Range(-1.0 - 1e-9, 1.0 + 1e-9, "a cosine")  # with room for rounding
CONFIDENCE = Range(0.0, 1.0, "the probability that an interval holds the truth", "both")
CURVATURE = Range(0.0, np.inf, "a curvature", "low")

_RANGES = {
    **dict.fromkeys(("alignment", "base_alignment", "hallucination_alignment"), PROJECTION),
    **dict.fromkeys(("lagged_alignment", "lagged_overlap", "first", "second"), PROJECTION),
    "alignments": PROJECTION._replace(open_ends="both"),
    **dict.fromkeys(("hallucination", "false_accept", "false_reject", "malformed"), PROBABILITY),
    **dict.fromkeys(("bias_share", "shared_bias", "improving_share", "coupling"), SHARE),
    **dict.fromkeys(("shared_error", "foresight", "prediction"), CORRELATION),
    "fidelity": CORRELATION._replace(open_ends="low"),
    "error_correlation": PROJECTION._replace(what="a correlation"),
    "persistence": PERSISTENCE,
    **dict.fromkeys(("omega", "validity"), SHARE),
    "undirected_rate": Range(0.0, 1.0, "an improvement rate", "high"),
    **dict.fromkeys(("within", "across"), COSINE),
    "decay": Range(0.0, 1.0, "the weight of the past", "high"),
    "cost": Range(0.0, np.inf, "a cost", "low"),
    "rescoring": Range(0.0, np.inf, "a cost"),
    "efficiency": AT_LEAST_ZERO,
    "dim": DIMENSION,
    "loci": Range(2.0, np.inf, "a number of loci"),
    "epistasis": Range(0.0, np.inf, "a number of other loci"),
    "initial_wrong": Range(0.0, np.inf, "a number of bits"),
    **dict.fromkeys(("n", "traces", "basins", "screened", "sampled", "horizon", "k"), COUNT),
    **dict.fromkeys(("steps", "largest", "draws"), COUNT),
    **dict.fromkeys(("labelled", "improved", "replicates"), Range(0.0, np.inf, "a count")),
    "chains": COUNT._replace(low=2.0, what="a count, at least 2"),
    "noisy_scores": Range(1.0, 2.0, "the number of noisy scores in a difference"),
    "step": Range(0.0, np.inf, "a length"),
    "step_length": Range(0.0, np.inf, "a length"),
    "period": Range(0.0, np.inf, "a length", "low"),
    "alpha": Range(0.0, np.inf, "a step length", "low"),
    **dict.fromkeys(("varsigma", "noise", "score_noise", "difference_noise"), DEVIATION),
    **dict.fromkeys(("spread", "amplitude"), DEVIATION),
    **dict.fromkeys(("r", "base_r", "hallucinated_r", "scaled_alignment", "fitness"), REAL),
    **dict.fromkeys(("threshold", "signal", "gradient", "smooth_gain", "gain", "hurdle"), REAL),
    **dict.fromkeys(("suboptimality", "progress", "largest_r"), POSITIVE),
    **dict.fromkeys(("multiplier", "lengths"), Range(0.0, np.inf, "a relative length", "low")),
    "noise_variance": Range(0.0, np.inf, "a variance"),
    "noise_dof": Range(0.0, np.inf, "a number of degrees of freedom", "low", infinite=True),
    **dict.fromkeys(("gap", "gaps"), Range(0.0, np.inf, "how much worse a node is than the best")),
    **dict.fromkeys(("budget", "search_rate"), AT_LEAST_ZERO),
    "level": CONFIDENCE,
    "rate": POSITIVE,
    "largest_alignment": Range(0.0, 1.0, "the best alignment to be had", "both"),
    "shares": AT_LEAST_ZERO,
    "weight": AT_LEAST_ZERO,
    "evidence": Range(0.0, np.inf, "odds", infinite=True),
    **dict.fromkeys(("curvature", "curvatures", "eigenvalues"), CURVATURE),
    # Fields of records.
    "curvature.gradient_norm": AT_LEAST_ZERO,
    "curvature.along_gradient": CURVATURE,
    "curvature.trace": CURVATURE,
    "curvature.dim": Range(1.0, np.inf, "a dimension"),
    "curvature.participation": Range(1.0, np.inf, "a number of directions", infinite=True),
    "model.r": REAL,
    "model.omega": SHARE,
    "model.sigma": DEVIATION,
    "model.scale": POSITIVE,
    "model.alpha": Range(0.0, np.inf, "a step length", "low"),
    "model.validity": SHARE,
    "totals.mean": REAL,
    "totals.spread": DEVIATION,
    "totals.correlation": CORRELATION,
}


def in_range(
    name: str,
    value: npt.ArrayLike,
    low: float,
    high: float,
    what: str,
    *,
    open_ends: OpenEnds = "none",
    infinite: bool = False,
) -> np.ndarray:
    """The argument as an array of floats, all of them between low and high.

    Args:
        name: What the caller calls the argument.
        value: One number or many.
        low: Lower end.
        high: Upper end; infinity for no bound.
        what: What the number is, such as "a probability".
        open_ends: Which finite ends do not themselves belong to the range.
        infinite: Whether an infinite end belongs to the range.

    Returns:
        The numbers.

    Raises:
        ValueError: If any number is outside, or is not a number.

    Example:
        >>> in_range("n", 0, 1.0, np.inf, "a count")
        Traceback (most recent call last):
        ValueError: `n` is 0, which is not in [1, inf): it is a count. Pass a value in that range.
    """
    try:
        numbers = np.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` is {value!r}, not a number or an array: it is {what}."
        ) from error
    low_is_open = open_ends in ("low", "both") or (low == -np.inf and not infinite)
    high_is_open = open_ends in ("high", "both") or (high == np.inf and not infinite)
    above = numbers > low if low_is_open else numbers >= low
    below = numbers < high if high_is_open else numbers <= high
    if not np.all(above & below):
        left, right = "(" if low_is_open else "[", ")" if high_is_open else "]"
        raise ValueError(
            f"`{name}` is {value}, which is not in {left}{low:g}, {high:g}{right}: "
            f"it is {what}. Pass a value in that range."
        )
    return numbers


def floats(*values: npt.ArrayLike) -> list[np.ndarray]:
    """The arguments as arrays of floats, not yet broadcast."""
    return [np.asarray(value, float) for value in values]


def domain(
    **exceptions: Range,
) -> Callable[[Callable[_Arguments, _Result]], Callable[_Arguments, _Result]]:
    """Decorate a law to refuse arguments outside the range that goes with their names.

    A parameter without a range (a choice, a seed) is left alone, and so are functions, and None
    where it is a default or annotated. The fields of a record are checked like parameters.

    Args:
        **exceptions: Ranges of parameters that have another one in this law.

    Returns:
        The decorator; the law then raises a ValueError that names the parameter and its range.

    Example:
        >>> @domain(n=Range(1, 9, "a digit, not 0"))
        ... def share(n, alignment=0.0):
        ...     return alignment / n
        >>> share(n=2, alignment=1.5)
        Traceback (most recent call last):
        ValueError: `alignment` is 1.5, which is not in [-1, 1]: it is a projection on a unit \
vector. Pass a value in that range.
    """

    def decorate(law: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        signature = inspect.signature(law)

        @functools.wraps(law)
        def checked(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
            for name, value in signature.bind(*args, **kwargs).arguments.items():
                parameter = signature.parameters[name]
                annotated = type(None) in get_args(parameter.annotation)
                optional = parameter.default is None or annotated
                if not (optional and value is None):
                    check(name, value, exceptions.get(name))
            return law(*args, **kwargs)

        return checked

    return decorate


def check(name: str, value: object, exception: Range | None = None) -> None:
    """Refuse an argument outside the range of its name; for a record, that of each field.

    Args:
        name: What the caller calls the argument.
        value: Anything; functions and what has no range are let through.
        exception: The range, if it is not the one in the table.

    Raises:
        ValueError: If a number is outside, or is not a number.
    """
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        defaults = value._field_defaults  # pyright: ignore[reportAttributeAccessIssue]
        for field, number in value._asdict().items():  # pyright: ignore[reportAttributeAccessIssue]
            if number is not None or defaults.get(field, number) is not None:
                check(f"{name}.{field}", number)
        return
    allowed = exception or _RANGES.get(name)
    if allowed is None or callable(value):
        return
    in_range(
        name,
        value,  # pyright: ignore[reportArgumentType]
        allowed.low,
        allowed.high,
        allowed.what,
        open_ends=allowed.open_ends,
        infinite=allowed.infinite,
    )
