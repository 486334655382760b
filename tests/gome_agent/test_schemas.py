"""What a reasoner may say: everything that passes can be encoded, everything else is refused."""

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

import optimizers
from gome_agent.schemas import Diagnosis, Edit, Suggestion

ANY_SUGGESTION = st.fixed_dictionaries(
    {
        "statement": st.text(max_size=30),
        "component": st.sampled_from(["data", "model", "nonsense"]),
        "strength": st.floats(),
    },
    optional={"credence": st.floats(-0.5, 1.5), "surplus": st.just(1)},
)


@given(st.lists(ANY_SUGGESTION, max_size=5))
def test_what_validates_can_be_encoded(suggestions):
    try:
        diagnosis = Diagnosis.model_validate({"suggestions": suggestions})
    except ValidationError:
        return
    gradient = optimizers.encode(optimizers.Lexicon(8), diagnosis.to_core()).gradient
    assert (abs(gradient) < 1e8).all()


@pytest.mark.parametrize(
    "change",
    [
        {"statement": "..."},
        {"statement": "   "},
        {"component": "kitchen"},
        {"strength": float("nan")},
        {"strength": float("inf")},
        {"strength": 1e9},
        {"credence": 1.2},
        {"surplus": True},
    ],
)
def test_what_cannot_be_meant_is_refused(change):
    good = {"statement": "scale it", "component": "features", "strength": 0.5}
    Suggestion.model_validate(good)
    with pytest.raises(ValidationError):
        Suggestion.model_validate({**good, **change})


def test_an_edit_has_one_amount_for_each_directive():
    directive = {"statement": "scale it", "component": "features"}
    Edit(script="pass", applied=(directive,), amounts=(0.5,))
    with pytest.raises(ValidationError, match="amounts"):
        Edit(script="pass", applied=(directive,), amounts=(0.5, 1.0))
