"""The formal optimizer core: update rules, gates, policies, and the three functions that run them.

>>> import jax, optimizers
>>> strategy = optimizers.directed(optimizers.momentum(decay=0.8))
>>> run = optimizers.init(strategy, jax.numpy.zeros(3), jax.random.key(0), steps=10)
>>> expansion, run = optimizers.ask(strategy, run)
>>> optimizers.Operator(int(expansion.operator)).name
'DRAFT'
"""

from optimizers import (
    claims as claims,
    gates as gates,
    search as search,
    selectors as selectors,
)
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
from optimizers.budget import (
    Budget as Budget,
    BudgetError as BudgetError,
    Spent as Spent,
    parse_budget as parse_budget,
)
from optimizers.claims import Claim as Claim
from optimizers.laws import (
    Basis as Basis,
    Character as Character,
    Law as Law,
    check as check,
)
from optimizers.recipes import (
    GATES as GATES,
    POLICIES as POLICIES,
    RULES as RULES,
    SELECTORS as SELECTORS,
    STRATEGIES as STRATEGIES,
    WRAPPERS as WRAPPERS,
    accumulated as accumulated,
    adam as adam,
    adamw as adamw,
    amsgrad as amsgrad,
    clipped as clipped,
    consensus as consensus,
    directed as directed,
    ema as ema,
    gome as gome,
    hill_climb as hill_climb,
    lion as lion,
    lookahead as lookahead,
    momentum as momentum,
    nesterov as nesterov,
    reused as reused,
    rms as rms,
    scheduled as scheduled,
    sgd as sgd,
    sign as sign,
    undirected as undirected,
)
from optimizers.recycling import recycle as recycle, recycle_run as recycle_run
from optimizers.rules._basis import (
    BasisError as BasisError,
    DiagnosesError as DiagnosesError,
    Embedded as Embedded,
    require_directive_basis as require_directive_basis,
)
from optimizers.rules.adam import scale_by_slot_adam as scale_by_slot_adam
from optimizers.rules.amsgrad import scale_by_slot_amsgrad as scale_by_slot_amsgrad
from optimizers.rules.ema import scale_by_slot_ema as scale_by_slot_ema
from optimizers.rules.success_memory import scale_by_success_memory as scale_by_success_memory
from optimizers.selectors import choose as choose, ranking as ranking
from optimizers.serialization import (
    dumps as dumps,
    loads as loads,
    restore as restore,
    save as save,
)
from optimizers.steps import (
    InertSchedule as InertSchedule,
    ask as ask,
    init as init,
    needs_diagnosis as needs_diagnosis,
    observe as observe,
    other_params as other_params,
    parent_params as parent_params,
    pool as pool,
    propose as propose,
    require_in_flight as require_in_flight,
    settle as settle,
    stay as stay,
    unchanged as unchanged,
    withholds as withholds,
)
from optimizers.textual import (
    Admitted as Admitted,
    Directive as Directive,
    Embedder as Embedder,
    Encoding as Encoding,
    Entry as Entry,
    Event as Event,
    Evicted as Evicted,
    Lexicon as Lexicon,
    Mentioned as Mentioned,
    Merged as Merged,
    Suggestion as Suggestion,
    assert_rotation_equivariant as assert_rotation_equivariant,
    cached as cached,
    decode as decode,
    embed_gradient as embed_gradient,
    encode as encode,
    event_from_dict as event_from_dict,
    evicted_slots as evicted_slots,
    hashed_ngrams as hashed_ngrams,
    mask as mask,
    rank as rank,
    replay as replay,
    unit_rows as unit_rows,
)
