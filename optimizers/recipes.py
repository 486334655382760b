"""Named rules and strategies: each one a chain or a combination of the ingredients.

`RULES`, `WRAPPERS`, `POLICIES`, `GATES` and `SELECTORS` are the tables that the command line, the
conformance tests and the documentation read. To add a name, add a line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import optax

from optimizers import gates, search, selectors
from optimizers.base import (
    Gate,
    Operator,
    Policy,
    Selector,
    Strategy,
    UpdateRule,
    learns_from_rejections,
)
from optimizers.rules.accumulate import accumulated
from optimizers.rules.adam import adam, adamw
from optimizers.rules.amsgrad import amsgrad
from optimizers.rules.clip import clipped
from optimizers.rules.consensus import consensus
from optimizers.rules.ema import ema
from optimizers.rules.gome import gome
from optimizers.rules.lion import lion
from optimizers.rules.lookahead import lookahead
from optimizers.rules.momentum import momentum
from optimizers.rules.nesterov import nesterov
from optimizers.rules.reuse import reused
from optimizers.rules.rms import rms
from optimizers.rules.schedule import scheduled
from optimizers.rules.sgd import sgd
from optimizers.rules.sign import sign


def directed(
    rule: optax.GradientTransformation,
    *,
    policy: Policy | None = None,
    gate: Gate | None = None,
    selector: Selector | None = None,
) -> Strategy:
    """A gradient-style strategy: a real rule, one trace, accept what improves.

    Args:
      rule: any optax transformation.
      policy: `sequential()` if not given.
      gate: `improved()` if not given.
      selector: `best()` if not given.
    """
    return Strategy(
        policy or search.sequential(),
        optax.with_extra_args_support(rule),
        gate or gates.improved(),
        selector or selectors.best(),
    )


def undirected(
    policy: Policy,
    *,
    rule: optax.GradientTransformation | None = None,
    gate: Gate | None = None,
    selector: Selector | None = None,
) -> Strategy:
    """A search strategy: a real policy, a rule that never acts, every node kept.

    Args:
      policy: chooses nodes and operators.
      rule: acts on DESCEND only; `sgd()` if not given.
      gate: `always()` if not given.
      selector: `best()` if not given.
    """
    return Strategy(
        policy,
        optax.with_extra_args_support(rule or sgd()),
        gate or gates.always(),
        selector or selectors.best(),
    )


def hill_climb(gate: Gate | None = None, selector: Selector | None = None) -> Strategy:
    """Random hill climbing, the (1+1) search: undirected changes of the incumbent, gated."""
    return undirected(
        search.sequential(Operator.IMPROVE), gate=gate or gates.improved(), selector=selector
    )


RULES: Mapping[str, Callable[..., UpdateRule]] = MappingProxyType(
    {
        "sgd": sgd,
        "momentum": momentum,
        "nesterov": nesterov,
        "ema": ema,
        "adam": adam,
        "adamw": adamw,
        "amsgrad": amsgrad,
        "rms": rms,
        "sign": sign,
        "lion": lion,
        "gome": gome,
    }
)
WRAPPERS: Mapping[str, Callable[..., UpdateRule]] = MappingProxyType(
    {
        "clipped": clipped,
        "scheduled": scheduled,
        "accumulated": accumulated,
        "lookahead": lookahead,
        "reused": reused,
        "consensus": consensus,
        "learns_from_rejections": learns_from_rejections,
    }
)
"""Rules made of a rule: the first argument."""
POLICIES: Mapping[str, Callable[..., Policy]] = MappingProxyType(
    {
        "sequential": search.sequential,
        "best_of_n": search.best_of_n,
        "random_tree": search.random_tree,
        "beam": search.beam,
        "aide": search.aide,
        "aide_mlebench": search.aide_mlebench,
        "aira_greedy": search.aira_greedy,
        "aira_mcts": search.aira_mcts,
        "ml_master": search.ml_master,
        "mlevolve": search.mlevolve,
        "traces": search.traces,
        "puct_traces": search.puct_traces,
        "ab_mcts_a": search.ab_mcts_a,
        "aira_evo": search.aira_evo,
        "map_elites": search.map_elites,
        "gepa_pareto": search.gepa_pareto,
        "hand_over": search.hand_over,
        "bandit": search.bandit,
        "auto": search.auto,
    }
)
GATES: Mapping[str, Callable[..., Gate]] = MappingProxyType(
    {
        "always": gates.always,
        "improved": gates.improved,
        "improved_beyond_noise": gates.improved_beyond_noise,
        "sequential_test": gates.sequential_test,
        "bayes": gates.bayes,
        "hierarchical": gates.hierarchical,
    }
)
SELECTORS: Mapping[str, Callable[..., Selector]] = MappingProxyType(
    {
        "best": selectors.best,
        "lower_bound": selectors.lower_bound,
        "maximin": selectors.maximin,
        "maximin_of_elite": selectors.maximin_of_elite,
        "revalidated": selectors.revalidated,
        "ensemble": selectors.ensemble,
        "oracle_on_test": selectors.oracle_on_test,
    }
)
STRATEGIES: Mapping[str, Callable[..., Strategy]] = MappingProxyType({"hill_climb": hill_climb})
