"""The laws tell rules apart: known rules, rules that break one law, and the numbers they quote."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optimizers
from optimizers import UpdateRule, check
from optimizers.laws import LAWS, WANTED

# --- optax's transformations ---------------------------------------------------------------------

CHARACTER = (
    "rotation-equivariant",
    "odd",
    "homogeneous",
    "linear",
    "silence",
    "birth at 10",
    "birth at 1000",
)
SPOKEN, SILENT = 20, 50
YES, NO = True, False


def debiased(decay, age):
    """Weight of the latest gradient in a debiased moving average of some age."""
    return (1 - decay) / (1 - decay**age)


def adam_birth(born):
    return debiased(0.9, born + 1) / np.sqrt(debiased(0.999, born + 1))


EMA_SILENCE = 0.9**SILENT * (1 - 0.9**SPOKEN) / (1 - 0.9 ** (SPOKEN + SILENT))
HEAVY = (1 - 0.9**SPOKEN) / (1 - 0.9)
NESTEROV_SILENCE = 0.9 ** (SILENT + 1) * HEAVY / (1 + 0.9 * HEAVY)
ADAM = (0.48, 2.5)

# Rotation, odd, degree (None: not homogeneous), linear; births rounded as they are quoted.
OPTAX = {
    "sgd": (optax.sgd(1.0), YES, YES, 1, YES, (1, 1)),
    "trace": (optax.trace(0.9), YES, YES, 1, YES, (1, 1)),
    "nesterov": (optax.trace(0.9, nesterov=True), YES, YES, 1, YES, (1, 1)),
    "ema": (optax.ema(0.9), YES, YES, 1, YES, (0.15, 0.10)),
    "clip beyond its threshold": (optax.clip_by_global_norm(0.01), YES, YES, 0, NO, (1, 1)),
    "clip": (optax.clip_by_global_norm(1.0), YES, YES, None, NO, (1, 1)),
    "normalize": (optax.normalize_by_update_norm(), YES, YES, 0, NO, (1, 1)),
    "novograd": (optax.scale_by_novograd(), YES, YES, 0, NO, (1.02, 1.02)),
    "adam": (optax.scale_by_adam(), NO, YES, 0, NO, ADAM),
    "amsgrad": (optax.scale_by_amsgrad(), NO, YES, 0, NO, ADAM),
    "belief": (optax.scale_by_belief(), NO, YES, 0, NO, ADAM),
    "ademamix": (optax.contrib.scale_by_ademamix(), NO, YES, 0, NO, ADAM),
    "rms": (optax.scale_by_rms(), NO, YES, 0, NO, (1, 1)),
    "adagrad": (optax.scale_by_rss(0.0), NO, YES, 0, NO, (1, 1)),
    "radam": (optax.scale_by_radam(), NO, YES, None, NO, (0.03, 1.6)),
    "adan": (optax.scale_by_adan(), NO, YES, 0, NO, (0.33, 0.24)),
    "lion": (optax.scale_by_lion(), NO, YES, 0, NO, (1, 1)),
    "yogi": (optax.scale_by_yogi(), NO, NO, None, NO, ADAM),
    "sign": (optax.scale_by_sign(), NO, YES, 0, NO, (1, 1)),
    "clip elementwise": (optax.clip(1.0), NO, YES, None, NO, (1, 1)),
    "rprop": (optax.scale_by_rprop(1.0), NO, YES, 0, NO, None),
}


@pytest.mark.parametrize("name", OPTAX)
def test_the_characters_of_optax_transformations(name):
    rule, rotation, odd, degree, linear, births = OPTAX[name]
    character = check(rule, laws=CHARACTER)
    assert character["rotation-equivariant"].holds is rotation
    assert character["odd"].holds is odd
    assert character["linear"].holds is linear
    homogeneous = character["homogeneous"]
    assert (homogeneous.value if homogeneous.holds else None) == degree
    measured = [character[f"birth at {born}"].value for born in (10, 1000)]
    if births is None:  # optax's rprop emits the previous step, so a first step is always zero
        assert measured == [None, None]
        return
    for value, quoted in zip(measured, births, strict=True):
        digits = max(len(str(quoted).partition(".")[2]), 1)
        assert round(value, digits) == quoted


def test_births_and_silences_have_closed_forms():
    heavy, nesterov = optax.trace(0.9), optax.trace(0.9, nesterov=True)
    assert check(heavy, laws=["silence"])["silence"].value == pytest.approx(0.9**SILENT)
    assert check(nesterov, laws=["silence"])["silence"].value == pytest.approx(NESTEROV_SILENCE)
    ema = check(optax.ema(0.9), laws=CHARACTER)
    adam = check(optax.scale_by_adam(eps=0.0), laws=["birth at 10", "birth at 1000"])
    assert ema["silence"].value == pytest.approx(EMA_SILENCE)
    for born in (10, 1000):
        assert ema[f"birth at {born}"].value == pytest.approx(debiased(0.9, born + 1))
        assert adam[f"birth at {born}"].value == pytest.approx(adam_birth(born))


def test_what_lives_on_after_silence():
    loud = {"lion": optax.scale_by_lion(), "sum": optax.trace(1.0), "adan": optax.scale_by_adan()}
    found = {name: check(rule, laws=["silence", "falls silent"]) for name, rule in loud.items()}
    assert found["lion"]["falls silent"].value == found["sum"]["falls silent"].value == 1.0
    assert 0.2 < found["adan"]["silence"].value < 0.4
    assert found["adan"]["falls silent"].holds
    assert "then 50 times 0: |u| from" in found["lion"]["silence"].counterexample


def test_trust_ratio_follows_the_parameters():
    """It turns with them, and is not odd: the two opposite paths lead to different lengths."""
    rule = optax.chain(optax.scale_by_trust_ratio(), optax.scale(-0.01))
    character = check(rule, laws=(*CHARACTER, "uses params"))
    assert character["rotation-equivariant"].holds
    assert character["homogeneous"].value == 0
    assert not character["odd"].holds
    assert character["uses params"].holds
    assert "params" in character["uses params"].meaning


def test_yogi_moves_slots_that_nobody_mentioned():
    """Its first moment starts at 1e-6, not at 0."""
    character = check(optax.scale_by_yogi(), laws=["padding", "zero fixpoint", "odd"])
    assert [law.holds for law in character.laws] == [False, False, False]


# --- rules made to break a law -------------------------------------------------------------------


def stateless(function):
    """A rule whose update is `function(gradient, params, **extra)`."""

    def update(updates, state, params=None, **extra):
        return function(updates, params, **extra), state

    return UpdateRule(lambda params: (), update)


def jitter(g, params, **_):
    return g + np.random.default_rng().random()


BROKEN = {
    "linear": stateless(lambda g, p, **_: g * jnp.abs(g)),
    "odd": stateless(lambda g, p, **_: jnp.abs(g)),
    "permutation-equivariant": stateless(lambda g, p, **_: g * jnp.arange(1, 7)),
    "rotation-equivariant": stateless(lambda g, p, **_: g * jnp.arange(1, 7)),
    "merges": stateless(lambda g, p, **_: g - g.mean()),
    "padding": stateless(lambda g, p, **_: g / jnp.sqrt((g**2).mean() + 1)),
    "zero fixpoint": stateless(lambda g, p, **_: g - 0.125 * p),
    "finite": stateless(lambda g, p, **_: g / jnp.linalg.norm(g)),
    "deterministic": stateless(jitter),
    "jit equals eager": stateless(lambda g, p, **_: 2 * g if isinstance(g, jax.core.Tracer) else g),
}


@pytest.mark.parametrize("law", BROKEN)
def test_a_rule_that_breaks_a_law_is_caught_with_an_example(law):
    broken = check(BROKEN[law], laws=[law])[law]
    assert broken.holds is False
    assert broken.counterexample.startswith("g1=(")
    assert check(optimizers.sgd(), laws=[law])[law].holds


def test_degrees_other_than_0_and_1():
    square = check(BROKEN["linear"], laws=["homogeneous"])["homogeneous"]
    inverse = stateless(lambda g, p, **_: g / (g @ g + 1e-30))
    assert (square.holds, square.value) == (True, 2.0)
    assert check(inverse, laws=["homogeneous"])["homogeneous"].value == -1.0


def test_what_a_rule_reads():
    def read(rule):
        names = ("uses params", "uses value", "uses key")
        return {law.name.split()[1] for law in check(rule, laws=names).laws if law.holds}

    assert read(optimizers.sgd()) == set()
    assert read(optax.add_decayed_weights(0.1)) == {"params"}
    assert read(stateless(lambda g, p, *, value, **_: value * g)) == {"value"}
    noise = stateless(lambda g, p, *, key, **_: g + jax.random.normal(key, g.shape))
    assert read(noise) == {"key"}


def test_bounds_are_found_and_their_absence_is_shown():
    clip = check(optax.clip(0.25), laws=["bounded step"])["bounded step"]
    assert (clip.holds, clip.value) == (True, 0.25)
    # after long quiet Adam's largest step is (1 - b1) / sqrt(1 - b2), not 1
    adam = check(optax.scale_by_adam(), laws=["bounded step"])["bounded step"]
    assert adam.value == pytest.approx(adam_birth(1000), rel=0.01)
    sgd = check(optax.sgd(1.0), laws=["bounded step"])["bounded step"]
    assert sgd.counterexample == "g1=(1e+06, 0): update (-1e+06, 0)"


def test_nans_at_silence_do_not_hide_the_other_laws():
    normalized = check(BROKEN["finite"], laws=["homogeneous", "rotation-equivariant"])
    assert normalized["homogeneous"].value == 0
    assert normalized["rotation-equivariant"].holds


def test_a_rule_in_single_precision_is_compared_in_single_precision():
    rule = optax.MultiSteps(optax.sgd(0.1), 2).gradient_transformation()
    character = check(rule, laws=["linear", "rotation-equivariant", "birth at 10"])
    assert character["linear"].holds
    assert character["rotation-equivariant"].holds
    assert character["birth at 10"].holds is None


def test_a_rule_that_cannot_run_is_a_finding_not_an_exception():
    character = check(optax.lbfgs(), laws=["linear", "deterministic", "uses value"])
    assert [law.holds for law in character.laws] == [None, None, None]
    assert "cannot be tested: TypeError" in character["linear"].meaning
    assert "not tested: linear" in character.summary
    still = check(optax.set_to_zero(), laws=["homogeneous", "silence"])
    assert [law.holds for law in still.laws] == [None, None]


# --- counter-examples ----------------------------------------------------------------------------


def test_counterexamples_are_small_and_true():
    sign = check(optax.scale_by_sign(), laws=["linear", "merges", "rotation-equivariant"])
    assert sign["linear"].counterexample == "g1=(1, 0), h1=(1, 0): u(g+h)=(1, 0), u(g)+u(h)=(2, 0)"
    assert sign["merges"].counterexample == (
        "g1=(1, 1): slots 1 and 2 as one: update (1, 0), sum of theirs (2, 0)"
    )
    assert sign["rotation-equivariant"].counterexample == (
        "g1=(1, 0): R turns (1, 0) into (0.6, 0.8): u(Rg)=(1, 1), R u(g)=(0.6, 0.8)"
    )


def test_a_failure_that_needs_three_steps_shows_three_steps():
    late = stateless(lambda g, p, *, step, **_: jnp.where(step < 2, g, jnp.sign(g)))
    example = check(late, laws=["linear"])["linear"].counterexample
    history, _, updates = example.partition(": ")
    assert history.count("g") == history.count("h") == 3
    assert "g3=" in history
    assert updates.startswith("u(g+h)=(")


# --- our own rules -------------------------------------------------------------------------------

KNOWN = {"lion": {"silence"}, "adamw": {"zero fixpoint"}}


@pytest.mark.parametrize("name", optimizers.RULES)
def test_our_rules_have_the_laws_that_directives_need(name):
    laws = WANTED["directives"] - {"falls silent", "deterministic", "jit equals eager"}
    character = check(optimizers.RULES[name](), laws=sorted(laws))
    assert all(law.holds is not None for law in character.laws)
    assert {law.name for law in character.concerns} == KNOWN.get(name, set())


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_every_law_can_be_decided(name):
    character = check(optimizers.RULES[name](0.1))
    assert [law.name for law in character.laws] == list(LAWS)
    assert all(law.holds is not None for law in character.laws)
    assert not character.concerns


# --- presentation and refusals -------------------------------------------------------------------


def test_the_table_is_aligned_and_reproducible():
    laws = ["linear", "odd", "birth at 10"]
    character = check(optax.ema(0.9), laws=laws)
    assert check(optax.ema(0.9), laws=laws) == character
    head, *rows, summary = str(character).splitlines()
    columns = [head.index(title) for title in ("holds", "value", "because")]
    for line, row in zip(rows, character.table(), strict=True):
        assert [line[a:].split("  ")[0].strip() for a in columns[:2]] == list(row[1:3])
        assert line[columns[2] :] == row[3]
    assert summary == "in a basis of directives, mind: birth at 10"


def test_what_matters_depends_on_the_basis():
    laws = ["rotation-equivariant", "birth at 10"]
    rule = optax.scale_by_adam()
    assert [x.name for x in check(rule, laws=laws).concerns] == ["birth at 10"]
    embedded = check(rule, laws=laws, basis="embedding")
    assert [x.name for x in embedded.concerns] == ["rotation-equivariant"]


@pytest.mark.parametrize("thing", [optimizers.sgd, 0.1, None, "adam"])
def test_what_is_no_rule_is_refused(thing):
    with pytest.raises(TypeError, match=r"init\(params\)"):
        check(thing)


def test_unknown_names_and_small_dimensions_are_refused():
    with pytest.raises(ValueError, match="Did you mean `linear`"):
        check(optimizers.sgd(), laws=["linaer"])
    with pytest.raises(ValueError, match="`directives` or an `embedding`"):
        check(optimizers.sgd(), basis="words")
    with pytest.raises(ValueError, match="dimension=2"):
        check(optimizers.sgd(), dimension=2)
    with pytest.raises(KeyError, match="there are: linear"):
        check(optimizers.sgd(), laws=["linear"])["odd"]
