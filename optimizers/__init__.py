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
    HeldDiagnosis as HeldDiagnosis,
    History as History,
    LearnsFromRejections as LearnsFromRejections,
    Observation as Observation,
    Operator as Operator,
    Policy as Policy,
    Proposal as Proposal,
    Run as Run,
    Selector as Selector,
    Strategy as Strategy,
    UpdateRule as UpdateRule,
    learns_from_rejections as learns_from_rejections,
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
from optimizers.steps import (
    ask as ask,
    init as init,
    needs_diagnosis as needs_diagnosis,
    observe as observe,
    parent_params as parent_params,
    pool as pool,
    propose as propose,
    settle as settle,
    stay as stay,
    unchanged as unchanged,
    withholds as withholds,
)
from optimizers.textual import (
    Directive as Directive,
    Lexicon as Lexicon,
    Suggestion as Suggestion,
    decode as decode,
    encode as encode,
    mask as mask,
)
