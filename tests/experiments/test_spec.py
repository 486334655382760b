"""Names with arguments: what is understood, and what bad input is told."""

import jax
import optax
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose

import optimizers
from experiments import spec

MY_RULE = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1))


def my_strategy(decay=0.5):
    return optimizers.directed(optimizers.momentum(decay=decay))


@given(
    st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
        lambda name: name not in __import__("keyword").kwlist
    ),
    st.dictionaries(
        st.sampled_from(["rho", "decay", "n", "name"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
    ),
)
def test_what_is_written_is_read(name, kwargs):
    text = f"{name}({', '.join(f'{key}={value!r}' for key, value in kwargs.items())})"
    assert spec.parse(text) == spec.Spec(name, (), kwargs)


@given(st.text(max_size=40))
def test_any_text_is_a_spec_or_a_spec_error(text):
    try:
        parsed = spec.parse(text)
    except spec.SpecError:
        return
    assert isinstance(parsed, spec.Spec)


@pytest.mark.parametrize(
    "text",
    [
        *optimizers.RULES,
        *optimizers.POLICIES,
        *optimizers.STRATEGIES,
        "momentum(decay=0.8)",
        "aide(drafts=2, operator=descend)",
        "auto(cost=3)",
        "bandit(base=aira_mcts(children=3, operator=descend), cost=3)",
        "gome(policy=hand_over(base=sequential, after=4))",
        "adam(learning_rate=0.1, gate=improved_beyond_noise(z=2))",
        "hill_climb(gate=always)",
        "gome(policy=aide(drafts=1), selector=best)",
        "optax:lion(learning_rate=0.1)",
        *(f"{wrapper}(sgd)" for wrapper in optimizers.WRAPPERS),
        "clipped(adam(learning_rate=0.1), max_norm=1)",
        "clipped(rule=adam(learning_rate=0.1), max_norm=1, gate=always)",
        "accumulated(scheduled(momentum(0.1, decay=0.8), 'linear', steps=30), every=3)",
        "aide(operator=descend, rule=consensus(clipped(ema), how='median'))",
        "consensus(sgd, how=median, gate=always)",
        "scheduled(sgd, linear, steps=30)",
        "clipped('tests.experiments.test_spec:MY_RULE')",
        "tests.experiments.test_spec:MY_RULE",
        "tests.experiments.test_spec:my_strategy(decay=0.9)",
    ],
)
def test_strategies_that_can_be_named(text):
    assert isinstance(spec.build_strategy(text), optimizers.Strategy)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("momentun", "Did you mean `momentum`?"),
        ("nonsense", "There are: ab_mcts_a, accumulated, adam, adamw, aide"),
        ("momentum(deccay=0.8)", "Did you mean `decay`?"),
        ("aide(drafts=0)", "refuses its arguments"),
        ("adam(b1=1.5)", "must lie in [0, 1)"),
        ("momentum(decay=0.8", "cannot read"),
        ("momentum(decay=1 + x)", "arguments are numbers"),
        ("momentum(decay=__import__('os'))", "is a name"),
        ("1 + 1", "cannot read"),
        ("", "cannot read"),
        ("sgd(gate=improvd)", "Did you mean `improved`?"),
        ("no.such.module:thing", "cannot import"),
        ("math:pi", "a strategy is made from"),
        ("clipped", "is given none"),
        ("clipped(max_norm=1)", "is given none"),
        ("clipped(0.1, sgd)", "is given none"),
        ("clipped(sgd, momentum)", "`momentum` in `clipped(...)` is a name"),
        ("clipped(adm)", "Did you mean `adam`?"),
        ("clipped(adam(b1=2))", "must lie in [0, 1)"),
        ("clipped(sgd, max_norm=0)", "must be positive"),
        ("clipped(clippd(sgd))", "Did you mean `clipped`?"),
        ("clipped('math:pi')", "not an optax transformation"),
        ("scheduled(sgd, 'cosin')", "Did you mean 'cosine'?"),
        ("consensus(sgd, how='mode')", "There are: mean, median"),
        ("auto(base=aidde)", "Did you mean `aide`?"),
        ("auto(base=aide(drafts=0))", "refuses its arguments"),
        ("bandit(cost=0)", "must be positive"),
        ("sgd(momentum)", "`momentum` in `sgd(...)` is a name"),
        ("aide(operator=crossover)", "needs two parents"),
    ],
)
def test_bad_strategies_are_told_what_exists(text, told):
    with pytest.raises(spec.SpecError) as error:
        spec.build_strategy(text)
    assert told in str(error.value)


def test_a_wrapper_gets_the_rule_and_the_arguments_that_were_written():
    strategy = spec.build_strategy("clipped(sgd(learning_rate=3), max_norm=2)")
    gradient = jax.numpy.array([0.6, 0.8])
    update, _ = strategy.rule.update(gradient, strategy.rule.init(gradient), gradient)
    assert_allclose(update, -2 * gradient, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("experrt", "Did you mean `expert`?"),
        ("unreliable(expert, roh=0.3)", "Did you mean `rho`?"),
        ("unreliable(expert, rho=3)", "refuses its arguments"),
        ("unreliable(exprt, rho=0.3)", "Did you mean `expert`?"),
    ],
)
def test_bad_reasoners_are_told_what_exists(text, told):
    with pytest.raises(spec.SpecError) as error:
        spec.build_reasoner(text)
    assert told in str(error.value)


def test_reasoners_nest():
    assert "0.3" in spec.build_reasoner("unreliable(expert, rho=0.3)").name
