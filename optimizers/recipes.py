"""Named rules and strategies: each one a chain or a combination of the ingredients.

`RULES`, `POLICIES`, `GATES` and `SELECTORS` are the tables that the command line, the conformance
tests and the documentation read. To add a name, add a line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import optax

from optimizers import gates, search, selectors
from optimizers._adaptive import scale_by_slot_adam
from optimizers._success_memory import scale_by_success_memory
from optimizers.base import Gate, Operator, Policy, Selector, Strategy, UpdateRule


def sgd(learning_rate: float = 1.0) -> UpdateRule:
    """The diagnosis as it is: `u = -learning_rate * g`."""
    return optax.with_extra_args_support(optax.sgd(learning_rate))


def momentum(learning_rate: float = 1.0, decay: float = 0.9) -> UpdateRule:
    """Heavy ball (Polyak 1964): `m = decay * m + g`, `u = -learning_rate * m`.

    Helps if the true direction persists longer than the reasoner's error.
    """
    return optax.with_extra_args_support(optax.sgd(learning_rate, momentum=decay))


def nesterov(learning_rate: float = 1.0, decay: float = 0.9) -> UpdateRule:
    """Nesterov's look-ahead form of momentum (1983): `u = -learning_rate * (g + decay * m)`."""
    return optax.with_extra_args_support(optax.sgd(learning_rate, momentum=decay, nesterov=True))


def adam(
    learning_rate: float = 1.0, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> UpdateRule:
    """Adam (Kingma and Ba 2014) with bias correction per slot; see `scale_by_slot_adam`.

    Right when noise, not signal, differs between directives. Discards the diagnosis's severity.
    """
    return optax.chain(scale_by_slot_adam(b1, b2, eps), optax.scale_by_learning_rate(learning_rate))


def gome(
    learning_rate: float = 1.0,
    decay: float = 0.9,
    weight: float = 0.3,
    *,
    similarity: float = 1.0,
    gain: float = 1.0,
    half_life: float = 30.0,
    clip: float = 2.0,
    capacity: int = 32,
) -> UpdateRule:
    """SGD with success memory, the published agent's momentum; see `scale_by_success_memory`.

    Args:
      learning_rate: step size.
      decay: what a memory keeps per step.
      weight: of the memory against the current direction.
      similarity, gain, half_life, clip, capacity: of the retrieval kernel.
    """
    return optax.chain(
        scale_by_success_memory(
            decay,
            weight,
            similarity=similarity,
            gain=gain,
            half_life=half_life,
            clip=clip,
            capacity=capacity,
        ),
        optax.scale_by_learning_rate(learning_rate),
    )


def directed(
    rule: optax.GradientTransformation,
    *,
    policy: Policy | None = None,
    gate: Gate | None = None,
    selector: Selector = selectors.best,
) -> Strategy:
    """A gradient-style strategy: a real rule, one trace, accept what improves.

    Args:
      rule: any optax transformation.
      policy: `sequential()` if not given.
      gate: `improved()` if not given.
      selector: what to submit.
    """
    return Strategy(
        policy or search.sequential(),
        optax.with_extra_args_support(rule),
        gate or gates.improved(),
        selector,
    )


def undirected(
    policy: Policy,
    *,
    rule: optax.GradientTransformation | None = None,
    gate: Gate | None = None,
    selector: Selector = selectors.best,
) -> Strategy:
    """A search strategy: a real policy, a rule that never acts, every node kept.

    Args:
      policy: chooses nodes and operators.
      rule: acts on DESCEND only; `sgd()` if not given.
      gate: `always()` if not given.
      selector: what to submit.
    """
    return Strategy(
        policy, optax.with_extra_args_support(rule or sgd()), gate or gates.always(), selector
    )


def hill_climb(gate: Gate | None = None, selector: Selector = selectors.best) -> Strategy:
    """Random hill climbing, the (1+1) search: undirected changes of the incumbent, gated."""
    return undirected(
        search.sequential(Operator.IMPROVE), gate=gate or gates.improved(), selector=selector
    )


RULES: Mapping[str, Callable[..., UpdateRule]] = MappingProxyType(
    {"sgd": sgd, "momentum": momentum, "nesterov": nesterov, "adam": adam, "gome": gome}
)
POLICIES: Mapping[str, Callable[..., Policy]] = MappingProxyType(
    {"sequential": search.sequential, "best_of_n": search.best_of_n, "aide": search.aide}
)
GATES: Mapping[str, Callable[..., Gate]] = MappingProxyType(
    {
        "always": gates.always,
        "improved": gates.improved,
        "improved_beyond_noise": gates.improved_beyond_noise,
    }
)
SELECTORS: Mapping[str, Selector] = MappingProxyType({"best": selectors.best})
STRATEGIES: Mapping[str, Callable[..., Strategy]] = MappingProxyType({"hill_climb": hill_climb})
