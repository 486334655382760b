"""Landscapes: losses with a known optimum (value 0), as pure functions of a vector."""

from simulators.landscapes._base import Landscape as Landscape, Vector as Vector
from simulators.landscapes._bits import plans as plans
from simulators.landscapes._nk import nk as nk, nk_fitness as nk_fitness
from simulators.landscapes._pipeline import pipeline as pipeline
from simulators.landscapes._rugged import plateau as plateau, rugged as rugged
from simulators.landscapes._smooth import (
    quadratic as quadratic,
    rosenbrock as rosenbrock,
    sphere as sphere,
)
