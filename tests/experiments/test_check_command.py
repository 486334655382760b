"""`gome check RULE`: the table on a terminal."""

import optax
import pytest
from typer.testing import CliRunner

from experiments import display, spec
from experiments.cli import app

slow_sign = optax.chain(optax.scale_by_sign(), optax.scale(-0.01))


@pytest.fixture
def shown(monkeypatch):
    """Runs `gome check` and returns what it prints, on a wide terminal."""
    monkeypatch.setattr(display.CONSOLE, "width", 200, raising=False)

    def run(*arguments):
        result = CliRunner().invoke(app, ["check", *arguments])
        if result.exception:
            raise result.exception
        assert result.exit_code == 0
        return result.stdout

    return run


def test_it_shows_every_law_and_a_counterexample(shown):
    from optimizers.laws import LAWS

    text = shown("sgd(learning_rate=0.5)")
    assert all(name in text for name in LAWS)
    assert "g1=(1e+06, 0): update (-5e+05, 0)" in text
    assert "in a basis of directives, mind: nothing" in text


def test_it_takes_objects_of_ones_own_and_a_basis(shown):
    text = shown(f"{__name__}:slow_sign", "--basis", "embedding")
    assert "in an embedding, mind: rotation-equivariant" in text
    assert "R turns (1, 0) into (0.6, 0.8): u(Rg)=(-0.01, -0.01)" in text


def test_wrong_names_are_refused_with_the_nearest(shown):
    with pytest.raises(spec.SpecError, match="Did you mean `adam`"):
        shown("adm")
    with pytest.raises(spec.SpecError, match="Did you mean `embedding`"):
        shown("sgd", "--basis", "embeddings")
