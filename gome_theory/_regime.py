"""A law outside its regime answers and warns; the warning points at the line that asked.

Laws call each other, so the line is looked for: the first one outside this package.
"""

import sys
import warnings

import numpy as np
import numpy.typing as npt

from gome_theory.reliability import RegimeWarning

_SMALLEST_SCALED_DIM = 30
_PACKAGE = __name__.split(".")[0]


def warn_outside_regime(message: str) -> None:
    """Give a `RegimeWarning` at the first line outside this package.

    Args:
        message: What is outside which regime, how wrong the law is there, and what to do.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _inside(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, RegimeWarning, stacklevel=level)


def warn_below_scaled_regime(dim: npt.ArrayLike, advice: str = "Use a larger dimension.") -> None:
    """Warn where a scaled law is used below dimension 30.

    Args:
        dim: d.
        advice: What to do instead.
    """
    smallest = float(np.min(dim))
    if smallest < _SMALLEST_SCALED_DIM:
        warn_outside_regime(
            f"`dim` = {smallest:g}: scaled laws are derived for large dimensions and are 5 to 18 "
            f"per cent off below {_SMALLEST_SCALED_DIM}. {advice}"
        )


def _inside(module: str) -> bool:
    return module == _PACKAGE or module.startswith(_PACKAGE + ".")
