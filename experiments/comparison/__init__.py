"""Strategies compared at one budget: paired runs, progress curves, and what can be said of them."""

from experiments.comparison.compare import Comparison as Comparison, comparison as comparison
from experiments.comparison.summary import Analysis as Analysis, analyse as analyse
