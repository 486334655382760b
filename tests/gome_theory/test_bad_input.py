"""No law answers a question outside its domain: it names the parameter and its range."""

import inspect
import warnings

import numpy as np
import pytest

import gome_theory as gt
from tests.gome_theory.samples import OBSERVED, SAMPLES, laws, valid_arguments

# Functions of a confidence level; a level of merit, as in `foresight_case`, may be any number.
INTERVALS = (
    "agreement",
    "calibrate",
    "gate_errors",
    "hallucination_bounds",
    "pool_omega",
    "random_effects",
    "step_size_test",
    "verdict",
)
# Wrong by the meaning of the name, whatever the law. NaN and infinities are added to all of them.
WRONG = {
    "across": [-1.1, 1.1],
    "alignment": [-1.5, 1.1],
    "alignments": [1.0, -1.1],
    "alpha": [-0.1],
    "amplitude": [-0.1],
    "base_alignment": [-1.5, 1.1],
    "base_r": [],
    "basins": [0.5, 0],
    "bias_share": [-0.1, 1.1],
    "budget": [-1.0],
    "chains": [1],
    "cost": [0.0, -1.0],
    "coupling": [-0.1, 1.1],
    "curvature": [0.0, -1.0],
    "curvatures": [0.0, -1.0],
    "decay": [-0.1, 1.1],
    "difference_noise": [-0.1],
    "dim": [0, -3],
    "draws": [0.5, 0],
    "efficiency": [-0.1],
    "eigenvalues": [0.0, -1.0],
    "epistasis": [-1, 100],
    "error_correlation": [1.5, 0.4],
    "evidence": [-0.1],
    "false_accept": [-0.1, 1.1],
    "false_reject": [-0.1, 1.1],
    "fidelity": [0.0, 1.1],
    "first": [-1.1, 1.1],
    "fitness": [],
    "foresight": [-0.1, 1.1],
    "gain": [],
    "gap": [-0.1],
    "gaps": [-0.1],
    "gradient": [],
    "hallucinated_r": [],
    "hallucination": [-0.1, 1.1],
    "hallucination_alignment": [-1.1, 1.1],
    "horizon": [0.5, 0],
    "hurdle": [],
    "improved": [-1, 91],
    "improving_share": [-0.1, 1.1],
    "initial_wrong": [-1, 1000],
    "k": [0.5, 0],
    "labelled": [-1, 91],
    "lagged_alignment": [-1.1, 1.1],
    "lagged_overlap": [-1.1, 1.1],
    "largest": [0],
    "largest_alignment": [0.0, 1.0],
    "largest_r": [0.0, -1.0],
    "lengths": [0.0, -1.0],
    "level": [],
    "loci": [1, 0],
    "multiplier": [0.0, -1.0],
    "n": [0.5, 0, -1],
    "noise": [-0.1],
    "noise_dof": [0.0, -1.0],
    "noise_variance": [-0.1],
    "noisy_scores": [0, 3],
    "omega": [-0.1, 1.1],
    "period": [0.0, -1.0],
    "persistence": [-0.1, 1.1],
    "prediction": [-0.1, 1.1],
    "progress": [],
    "r": [],
    "rate": [0.0, -0.1],
    "replicates": [-1],
    "rescoring": [-0.1],
    "sampled": [0.5, 0, 1000],
    "scaled_alignment": [],
    "score_noise": [-0.1],
    "screened": [0.5, 0],
    "search_rate": [-0.1],
    "second": [-1.1, 1.1],
    "shared_bias": [-0.1, 1.1],
    "shared_error": [-0.1, 1.1],
    "shares": [-0.1],
    "signal": [],
    "smooth_gain": [],
    "spread": [-0.1],
    "step": [-0.1],
    "step_length": [-0.1],
    "steps": [0.5, 0],
    "suboptimality": [0.0, -1.0],
    "threshold": [],
    "traces": [0.5, 0],
    "undirected_rate": [-0.1, 1.0],
    "validity": [-0.1, 1.1],
    "varsigma": [-0.1],
    "weight": [-0.1],
    "within": [-1.1, 1.1],
}
# What is wrong in one law only: open ends, and places where a name has a narrower range.
WRONG_HERE = {
    **{(name, "level"): [0.0, 1.0, 95.0] for name in INTERVALS},
    **{(name, "persistence"): [1.0] for name in ("best_reuse", "effective_cost", "success_memory")},
    **{
        (name, "persistence"): [1.0]
        for name in ("momentum_vs_hill_climb", "success_memory_vs_hill_climb")
    },
    ("reusing_vs_hill_climb", "persistence"): [1.0],
    ("simulate_success_memory", "persistence"): [1.0],
    ("continuous_best_k", "persistence"): [0.0, 1.0],
    **{(name, "cost"): [0.9] for name in ("best_reuse", "reuse_rate", "reusing_vs_hill_climb")},
    **{(name, "r"): [0.0, -0.1] for name in ("success_memory", "cost_elasticity")},
    **{(name, "alignment"): [-0.1] for name in ("flip_rate", "expected_runtime")},
    ("expected_wrong_bits", "alignment"): [1.0],
    ("equivalent_candidates", "alignment"): [-0.1, 1.0],
    ("equivalent_candidates_estimate", "alignment"): [0.0, 1.0],
    ("ema_alignment", "decay"): [1.0],
    ("success_memory", "decay"): [1.0],
    ("gap_gain", "gap"): [1.0],
    ("ucb1_pull_bound", "gap"): [0.0],
    ("gated_bias_trap", "step"): [0.0],
    ("bias_trap", "step"): [0.0],
    ("noisy_gate", "alpha"): [0.0],
    ("bayes_gate", "alpha"): [0.0],
    ("incumbent_error", "varsigma"): [0.0],
    ("smallest_useful_n", "varsigma"): [33.0],
    ("inverse_psi_g", "progress"): [0.0, -1.0],
    ("medal_rate", "spread"): [0.0],
    ("widest_gap_budget", "search_rate"): [0.1],
    ("screened_gain", "screened"): [25],
    ("directed_vs_random_run", "initial_wrong"): [0],
    ("random_flips_case", "improving_share"): [1.0],
    ("verdict", "budget"): [1.9],
    ("verdict", "efficiency"): [0.0],
}
# A dimension is one of directions, below 2 of which there are none, except where it counts bits.
BITS = ("expected_wrong_bits", "expected_runtime", "directed_vs_random_run")
INFINITE = {  # these have limits there
    ("success_memory", "dim"),
    ("alignment_of_odds", "evidence"),
    ("step_size_test", "noise_dof"),
}
CHOICES = ("criterion", "law", "search", "neighbourhood")
FLAGS = ("keep_incumbent", "gated", "normalised", "share", "stored")
NOT_NUMBERS = (*CHOICES, *FLAGS, "seed", "rng")
RECORDS = ("reliability", "totals")
# What was observed. NaN says there that nothing was measured, so these are not asked of the table
# above; RECORD_FIELDS and WRONG_OBSERVATIONS below say what is refused.
OBSERVATIONS = (
    *("seen", "tasks", "quantities", "directed"),
    *("accepted", "valid", "fresh_gain", "trace", "values", "stderrs"),
)


def bad_values(name, parameter):
    values = [*WRONG[parameter], *WRONG_HERE.get((name, parameter), []), np.nan, -np.inf, "three"]
    if (name, parameter) not in INFINITE:
        values.append(np.inf)
    if parameter == "dim" and name not in BITS:
        values += [1, 1.99]
    return values


def cases():
    for name, law in sorted(laws().items()):
        for parameter in inspect.signature(law).parameters:
            if parameter in (*NOT_NUMBERS, *RECORDS, *OBSERVATIONS) or _is_record(name, parameter):
                continue
            for value in bad_values(name, parameter):
                yield pytest.param(name, parameter, value, id=f"{name}-{parameter}-{value}")


def _is_record(name, parameter):
    return isinstance(valid_arguments(name).get(parameter), tuple)


@pytest.mark.parametrize(("name", "parameter", "value"), list(cases()))
def test_a_value_outside_the_domain_is_refused_by_name(name, parameter, value):
    arguments = valid_arguments(name)
    good = arguments.get(parameter)
    if value == "three" or good is None or callable(good) or np.ndim(good) == 0:
        arguments[parameter] = value
    else:  # one bad component among good ones
        components = np.array(good, float)
        components.flat[0 if parameter != "error_correlation" else 1] = value
        arguments[parameter] = components
    with pytest.raises(ValueError, match=f"`{parameter}`"):
        laws()[name](**arguments)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_one_bad_value_in_an_array_is_enough(name):
    for parameter, (good, _) in SAMPLES[name].items():
        if np.ndim(good) == 0 and not isinstance(good, tuple):
            arguments = {**valid_arguments(name), parameter: [good, np.nan]}
            with pytest.raises(ValueError, match=f"`{parameter}` is .*nan"):
                laws()[name](**arguments)


RECORD_FIELDS = {
    ("calibrate", "seen"): {
        "trace": [],
        "gain": [1.0],
        "valid": [True],
        "accepted": [True],
        "improved": [True],
        "multiplier": [1.0] * 39 + [0.0],
        "stderr": [0.1] * 39 + [-0.1],
        "stderr_dof": 0.0,
        "noise": -0.1,
        "selected": [gt.Selected(0.1, 1, 0.1)],
        "fresh_gain": [1.0],
        "repeated": [True],
        "overlap": [1.0],
    },
    **{
        (name, "model"): {
            "r": np.nan,
            "omega": 1.1,
            "sigma": -0.1,
            "scale": 0.0,
            "alpha": 0.0,
            "validity": -0.1,
        }
        for name in ("simulate_steps", "simulate_sphere")
    },
    ("best_trace", "totals"): {"spread": -0.1, "correlation": 1.1, "mean": np.nan},
    **{
        (name, "curvature"): {
            "gradient_norm": -1.0,
            "along_gradient": 0.0,
            "trace": -1.0,
            "dim": 0.5,
            "participation": 0.5,
        }
        for name in (
            "anisotropic_case",
            "anisotropic_gated_gain",
            "anisotropic_ungated_gain",
            "anisotropic_vs_hill_climb",
            "effective_dimension",
        )
    },
    **{
        (name, "reliability"): {
            "alignment": 1.1,
            "hallucination": -0.1,
            "hallucination_alignment": np.nan,
            "score_noise": np.inf,
        }
        for name in ("validate", "mean_alignment")
    },
}


@pytest.mark.parametrize(
    ("name", "parameter", "field", "value"),
    [
        (name, parameter, field, value)
        for (name, parameter), fields in RECORD_FIELDS.items()
        for field, value in fields.items()
    ],
)
def test_a_field_of_a_record_is_checked_too(name, parameter, field, value):
    arguments = valid_arguments(name)
    arguments[parameter] = arguments[parameter]._replace(**{field: value})
    with pytest.raises(ValueError, match=rf"`({parameter}\.)?{field}[.\w]*`"):
        laws()[name](**arguments)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        (name, parameter)
        for name, law in sorted(laws().items())
        for parameter in inspect.signature(law).parameters
        if parameter in CHOICES
    ],
)
def test_an_unknown_choice_is_refused_by_name(name, parameter):
    with pytest.raises(ValueError, match=f"`{parameter}` is 'neither'"):
        laws()[name](**{**valid_arguments(name), parameter: "neither"})


ESTIMATE = gt.Estimate(0.4, 0.3, 0.5, 0.95, "")
WRONG_OBSERVATIONS = [
    ("pool_omega", "tasks", [OBSERVED, OBSERVED._replace(noise=-1.0)], "noise"),
    ("pool", "quantities", [0.3, 0.4], "quantities"),
    ("pool", "quantities", [ESTIMATE, ESTIMATE._replace(level=0.5)], "quantities"),
    ("gate_errors", "accepted", [True], "accepted"),
    ("gate_errors", "valid", [True], "accepted"),
    ("gate_errors", "fresh_gain", [1.0], "fresh_gain"),
    ("step_size_test", "trace", [0], "trace"),
    ("random_effects", "values", [1.0], "values"),
    ("random_effects", "stderrs", [0.1, 0.2, -0.1], "stderrs"),
    ("verdict", "directed", 0.5, "directed"),
    ("verdict", "search", np.nan, "search"),
]


@pytest.mark.parametrize(("name", "parameter", "value", "told"), WRONG_OBSERVATIONS)
def test_observations_that_make_no_sense_are_refused_by_name(name, parameter, value, told):
    with pytest.raises(ValueError, match=f"`{told}`"):
        laws()[name](**{**valid_arguments(name), parameter: value})


def test_conditions_between_parameters_of_a_calibration():
    with pytest.raises(ValueError, match="`quantities` is"):
        gt.pool([ESTIMATE, ESTIMATE._replace(value=1.2)], share=True)
    with pytest.raises(ValueError, match=r"`model.r` is 5"):
        gt.simulate_sphere(gt.StepModel(5.0), np.random.default_rng(0), dim=20, traces=1, steps=1)
    with pytest.raises(ValueError, match="`within` has shape"):
        gt.agreement([0.5], [0.1, 0.2])


def test_functions_of_reliability_are_checked_where_they_are_called():
    with pytest.raises(ValueError, match=r"`cost\(r\)`"):
        gt.rising_cost_case(lambda r: -1.0 + 0.0 * r, 5.0)
    with pytest.raises(ValueError, match=r"`bias_share\(rho\)`"):
        gt.biased_case(100, 2.0, lambda rho: 2.0 + 0.0 * rho, 0.5)
    with pytest.raises(ValueError, match=r"`shared_error\(zeta\)`"):
        gt.foresight_case(1.0, 50, 4, lambda zeta: np.nan * zeta)


def test_a_warning_points_at_the_line_that_asked():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gt.gated_vs_gated(10, 2.0, law="scaled")
        gt.reusing_vs_hill_climb(10, 2.0, 0.5, law="scaled")  # asks another law in turn
        gt.momentum_vs_hill_climb(10, 2.0, 0.5)
    assert [warning.filename for warning in caught] == [__file__] * 3
