"""Policies: which node to leave from, and with which operator."""

from optimizers.search._ab_mcts import ab_mcts_a as ab_mcts_a
from optimizers.search._aide import (
    aide as aide,
    aide_mlebench as aide_mlebench,
    aira_greedy as aira_greedy,
)
from optimizers.search._aira_evo import aira_evo as aira_evo
from optimizers.search._aira_mcts import aira_mcts as aira_mcts
from optimizers.search._auto import auto as auto
from optimizers.search._bandit import bandit as bandit
from optimizers.search._beam import beam as beam
from optimizers.search._best_of_n import best_of_n as best_of_n
from optimizers.search._gepa_pareto import gepa_pareto as gepa_pareto
from optimizers.search._hand_over import hand_over as hand_over
from optimizers.search._map_elites import map_elites as map_elites
from optimizers.search._ml_master import ml_master as ml_master
from optimizers.search._mlevolve import mlevolve as mlevolve
from optimizers.search._puct_traces import puct_traces as puct_traces
from optimizers.search._random_tree import random_tree as random_tree
from optimizers.search._sequential import sequential as sequential
from optimizers.search._traces import traces as traces
