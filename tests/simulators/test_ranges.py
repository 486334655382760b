"""What is out of its range is refused by name, with the range."""

import math

import jax
import jax.numpy as jnp
import pytest

from gome_theory import Reliability
from simulators import (
    component_oracle,
    erring_judge,
    lumped_plans,
    moving_frame,
    naming_oracle,
    nk,
    noisy_evaluator,
    noisy_oracle,
    pipeline,
    plans,
    plateau,
    quadratic,
    rosenbrock,
    rugged,
    screening_oracle,
    sphere,
)

# (what is built, with which argument, what the message must hold)
REFUSED = [
    (sphere, {"dim": 1}, ("`dim`", "at least 2")),
    (sphere, {"dim": 2.5}, ("`dim`", "whole")),
    (quadratic, {"curvatures": [1.0, 0.0]}, ("`curvatures`", "positive")),
    (rosenbrock, {"dim": 1}, ("`dim`", "at least 2")),
    (rugged, {"dim": 3, "amplitude": -0.1, "period": 1.0}, ("`amplitude`", "[0, inf)")),
    (rugged, {"dim": 3, "amplitude": 0.1, "period": 0.0}, ("`period`", "(0, inf)")),
    (rugged, {"dim": 3, "amplitude": 0.1, "period": math.inf}, ("`period`", "(0, inf)")),
    (rugged, {"dim": 3, "amplitude": 0, "period": 1, "sees": "all"}, ("`sees`", "trend", "slope")),
    (rugged, {"dim": 3, "amplitude": 0, "period": 1, "counts": "x"}, ("`counts`", "whole")),
    (
        rugged,
        {"dim": 3, "amplitude": 0.1, "period": 1.0, "curvatures": [1.0, 1.0]},
        ("`curvatures`", "`dim` 3"),
    ),
    (plateau, {"dim": 3, "levels": 0}, ("`levels`", "at least 1")),
    (plateau, {"dim": 3, "levels": 2, "sees": "nothing"}, ("`sees`", "trend")),
    (plans, {"dim": 1}, ("`dim`", "at least 2")),
    (plans, {"dim": 5, "wrong_share": 1.1}, ("`wrong_share`", "[0, 1]")),
    (plans, {"dim": 5, "wrong_share": 0.0}, ("`wrong_share` is 0",)),
    (lumped_plans, {"dim": 5, "wrong_share": -1}, ("`wrong_share`", "[0, 1]")),
    (nk, {"loci": 1, "epistasis": 0, "seed": 0}, ("`loci`", "at least 2")),
    (nk, {"loci": 5, "epistasis": 5, "seed": 0}, ("`epistasis`", "[0, 4]")),
    (nk, {"loci": 5, "epistasis": -1, "seed": 0}, ("`epistasis`", "[0, 4]")),
    (nk, {"loci": 30, "epistasis": 9, "seed": 0}, ("`loci` is 30", "at most 20", "at most 8")),
    (
        nk,
        {"loci": 21, "epistasis": 2, "seed": 0, "neighbourhood": "random"},
        ("`loci` is 21", "at most 20"),
    ),
    (nk, {"loci": 5, "epistasis": 1, "seed": 0, "neighbourhood": "far"}, ("`neighbourhood`",)),
    (pipeline, {"components": 1, "options": 3, "seed": 0}, ("`components`", "at least 2")),
    (pipeline, {"components": 3, "options": 1, "seed": 0}, ("`options`", "at least 2")),
    (pipeline, {"components": 10, "options": 4, "seed": 0}, ("4^10", "262144")),
    (
        pipeline,
        {"components": 3, "options": 3, "seed": 0, "interactions": 1.5},
        ("`interactions`", "[0, 1]"),
    ),
    (
        pipeline,
        {"components": 3, "options": 3, "seed": 0, "crash_share": -0.5},
        ("`crash_share`", "[0, 1]"),
    ),
    (noisy_oracle, {"reliability": Reliability(1.2)}, ("`alignment`", "[-1, 1]")),
    (noisy_oracle, {"reliability": Reliability(0.5, malformed=2)}, ("`malformed`", "[0, 1]")),
    (naming_oracle, {"reliability": Reliability(-0.2)}, ("`alignment`", "[0, 1]")),
    (
        naming_oracle,
        {"reliability": Reliability(0.2, hallucination_alignment=-1)},
        ("`hallucination_alignment`", "[0, 1]"),
    ),
    (naming_oracle, {"reliability": Reliability(0.2, bias_share=3)}, ("`bias_share`", "[0, 1]")),
    (screening_oracle, {"prediction": 1.5, "screened": 2}, ("`prediction`", "[0, 1]")),
    (screening_oracle, {"prediction": 0.5, "screened": 0}, ("`screened`", "[1, inf)")),
    (component_oracle, {"noise": [0.1, -0.1]}, ("`noise`", "[0, inf)")),
    (moving_frame, {"persistence": 1.1}, ("`persistence`", "[0, 1]")),
    (noisy_evaluator, {"score_noise": -1.0}, ("`score_noise`", "[0, inf)")),
    (noisy_evaluator, {"crash_rate": 1.5}, ("`crash_rate`", "[0, 1]")),
    (noisy_evaluator, {"repair_rate": -0.1}, ("`repair_rate`", "[0, 1]")),
    (noisy_evaluator, {"optimism": 2.0}, ("`optimism`", "[0, 1]")),
    (noisy_evaluator, {"leak_rate": float("nan")}, ("`leak_rate`", "[0, 1]")),
    (noisy_evaluator, {"leak": -1.0}, ("`leak`", "[0, inf)")),
    (erring_judge, {"false_accept": 1.5}, ("`false_accept`", "[0, 1]")),
    (erring_judge, {"false_reject": -1}, ("`false_reject`", "[0, 1]")),
]


@pytest.mark.parametrize(
    ("build", "arguments", "said"),
    REFUSED,
    ids=[f"{build.__name__} {'-'.join(said)}" for build, _, said in REFUSED],
)
def test_arguments_out_of_range_are_refused_by_name(build, arguments, said):
    with pytest.raises(ValueError, match=r"Pass|pass|must") as refusal:
        build(**arguments)
    assert all(part in str(refusal.value) for part in said), str(refusal.value)


def test_numbers_that_are_traced_are_passed_over():
    def built(rate):
        noisy_evaluator(rate, crash_rate=rate)
        erring_judge(rate, rate)
        moving_frame(rate)
        screening_oracle(rate, rate)
        naming_oracle(Reliability(rate))
        return rate

    assert jax.jit(built)(jnp.array(7.0)) == 7.0
