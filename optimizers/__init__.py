"""The formal optimizer core: update rules, gates, policies, and the three functions that run them.

>>> import jax, optimizers
>>> strategy = optimizers.directed(optimizers.momentum(decay=0.8))
>>> run = optimizers.init(strategy, jax.numpy.zeros(3), jax.random.key(0), steps=10)
>>> expansion, run = optimizers.ask(strategy, run)
>>> optimizers.Operator(int(expansion.operator)).name
'DRAFT'
"""

from optimizers import gates as gates, search as search, selectors as selectors
from optimizers._adaptive import scale_by_slot_adam as scale_by_slot_adam
from optimizers._success_memory import scale_by_success_memory as scale_by_success_memory
from optimizers.base import (
    Decision as Decision,
    Expansion as Expansion,
    Gate as Gate,
    History as History,
    Observation as Observation,
    Operator as Operator,
    Policy as Policy,
    Proposal as Proposal,
    Run as Run,
    Selector as Selector,
    Strategy as Strategy,
    UpdateRule as UpdateRule,
    ask as ask,
    init as init,
    learns_from_rejections as learns_from_rejections,
    observe as observe,
    parent_params as parent_params,
    propose as propose,
    settle as settle,
)
from optimizers.recipes import (
    GATES as GATES,
    POLICIES as POLICIES,
    RULES as RULES,
    SELECTORS as SELECTORS,
    STRATEGIES as STRATEGIES,
    adam as adam,
    directed as directed,
    gome as gome,
    hill_climb as hill_climb,
    momentum as momentum,
    nesterov as nesterov,
    sgd as sgd,
    undirected as undirected,
)
from optimizers.textual import (
    Directive as Directive,
    Lexicon as Lexicon,
    Suggestion as Suggestion,
    decode as decode,
    encode as encode,
    mask as mask,
)
