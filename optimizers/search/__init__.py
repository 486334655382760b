"""Policies: which node to leave from, and with which operator."""

from optimizers.search._aide import aide as aide
from optimizers.search._best_of_n import best_of_n as best_of_n
from optimizers.search._sequential import sequential as sequential
