"""Two valid settings of every law, inside its regime: what the tests over all laws start from."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

import gome_theory as gt

RHO, DIM, COST = (0.2, 0.4), (40.0, 90.0), (2.0, 3.0)
R, ALPHA, NOISE = (0.3, 0.8), (1.2, 0.9), (0.7, 1.6)
SHARE, TRACES, GAMMA = (0.1, 0.3), (3, 5), (0.5, 0.8)
MIXTURE = {"hallucination": SHARE, "hallucination_alignment": (-0.1, 0.1)}
GATE = {"false_accept": (0.05, 0.1), "false_reject": (0.1, 0.2)}
SIGNAL = {"signal": ([1.0, 2.0, 0.5], [0.3, 1.0, 1.0]), "noise": ([1.0, 0.2, 3.0], [0.5, 0.5, 2.0])}
COMPONENTS = {**SIGNAL, "curvature": ([1.0, 1.0, 2.0], [1.0, 0.5, 0.5])}
POINT = (
    gt.curvature_of(np.linspace(0.2, 1.0, 60), np.ones(60)),
    gt.curvature_of(np.linspace(0.5, 3.0, 60), np.linspace(0.0, 1.0, 60)),
)
BLOCKS = {"curvatures": ([1.0, 0.1], [1.0, 0.4]), "shares": ([0.5, 0.5], [0.2, 0.8])}
MEMORY = {"persistence": GAMMA, "traces": TRACES}
BASE = {"base_alignment": (0.0, 0.05)}
SEARCH = {**BASE, "efficiency": (1.0, 0.6)}

Pairs = dict[str, tuple[Any, Any]]

# Laws of arrays: two values of every argument that broadcasts.
SAMPLES: dict[str, Pairs] = {
    "acceptance": {"r": R, "alpha": ALPHA},
    "adam_gain": COMPONENTS,
    "adam_versus_sgd": COMPONENTS,
    "advantage": {"r": R, "cost": COST, "base_r": (0.0, 0.2), "efficiency": (1.0, 0.5)},
    "alignment_ceiling": {"alignment": RHO, "bias_share": SHARE},
    "alignment_of_odds": {"evidence": (0.5, np.inf)},
    "anisotropic_gated_gain": {"alignment": RHO, "curvature": POINT},
    "anisotropic_ungated_gain": {"alignment": RHO, "curvature": POINT},
    "anisotropic_vs_hill_climb": {"cost": COST, "curvature": POINT},
    "basin_advantage": {"basins": (50, 80), "traces": TRACES, "spread": (1.0, 0.5)},
    "basin_choice": {
        "traces": TRACES,
        "basins": (50, 80),
        "foresight": RHO,
        "shared_error": SHARE,
    },
    "bayes_gate": {"r": R, "varsigma": NOISE, "alpha": ALPHA},
    "bayes_gate_tail": {"varsigma": (20.0, 30.0)},
    "bayes_gated_psi": {"r": R, "varsigma": NOISE},
    "bayes_gated_vs_bayes_gated": {"dim": DIM, "cost": COST, "varsigma": NOISE, **BASE},
    "bayes_gated_vs_noisy_search": {
        "dim": DIM,
        "cost": COST,
        "varsigma": NOISE,
        **BASE,
        "n": (5, 9),
        "rescoring": (1.0, 0.5),
    },
    "best_decay": {"alignment": RHO, "persistence": GAMMA, "bias_share": SHARE},
    "best_of_n_efficiency": {"n": (5, 9), "dim": DIM, **BASE},
    "best_of_n_gain": {"n": (5, 9), "dim": DIM, **BASE, "step": RHO},
    "best_of_n_log_rate": {"n": (5, 9), "dim": DIM, **BASE, "step": RHO},
    "best_quadratic_momentum": {"alignment": RHO},
    "best_quadratic_step": {"alignment": RHO, "decay": GAMMA},
    "best_reuse": {"persistence": GAMMA, "cost": COST},
    "best_trace": {
        "traces": TRACES,
        "totals": (gt.TraceTotals(0.2, 0.1, 0.0), gt.TraceTotals(0.1, 0.3, 0.4)),
        "score_noise": (0.0, 0.2),
    },
    "bias_threshold": {"bias_share": SHARE, "traces": TRACES, "shared_bias": SHARE},
    "bias_trap": {
        "alignment": RHO,
        "bias_share": SHARE,
        "step": (0.1, 0.2),
        "traces": TRACES,
        "shared_bias": (0.2, 0.6),
    },
    "biased_progress": {
        "r": R,
        "omega": SHARE,
        "varsigma": NOISE,
        "validity": (1.0, 0.8),
    },
    "biased_vs_hill_climb": {
        "dim": DIM,
        "cost": COST,
        "bias_share": (0.02, 0.1),
        "traces": (1, 3),
        "shared_bias": (1.0, 0.3),
        **SEARCH,
    },
    "check_decorrelated": {"step_length": (0.5, 0.9), "period": (0.02, 0.05), "dim": DIM},
    "combine_alignments": {"first": RHO, "second": (-0.3, 0.5)},
    "consensus_alignment": {
        "alignment": RHO,
        "traces": TRACES,
        "bias_share": SHARE,
        "shared_bias": SHARE,
    },
    "consensus_vs_hill_climb": {
        "dim": DIM,
        "cost": COST,
        "traces": TRACES,
        "bias_share": SHARE,
        "shared_bias": SHARE,
        **SEARCH,
    },
    "continuous_best_k": {"persistence": GAMMA, "cost": COST},
    "correlated_odds": {
        "alignments": ([0.1, 0.2], [0.3, -0.1]),
        "error_correlation": ([[1.0, 0.5], [0.5, 1.0]], [[1.0, -0.2], [-0.2, 1.0]]),
    },
    "cost_elasticity": {"r": R},
    "coupled_gated_vs_gated": {"dim": DIM, "cost": COST, "coupling": (0.0, 0.4)},
    "curvature_of": {
        "eigenvalues": ([1.0, 0.1, 2.0], [3.0, 1.0, 1.0]),
        "gradient": ([1.0, 0.0, -2.0], [1.0, 1.0, 1.0]),
    },
    "directed_vs_random_flips": {"improving_share": (0.4, 0.2), "cost": (1.5, 2.0), **GATE},
    "directed_vs_random_run": {"initial_wrong": (30, 10), "dim": (60, 90), "cost": COST},
    "distinct_basins": {
        "traces": TRACES,
        "basins": (50, 80),
        "foresight": RHO,
        "shared_error": SHARE,
    },
    "diversity_value": {
        "steps": (4, 9),
        "traces": TRACES,
        "alpha": ALPHA,
        "bias_share": SHARE,
        "shared_bias": SHARE,
    },
    "effective_cost": {"persistence": GAMMA, "cost": COST},
    "effective_dimension": {"curvature": POINT},
    "effective_traces": {"traces": TRACES, "bias_share": SHARE, "shared_bias": SHARE},
    "ema_alignment": {
        "alignment": RHO,
        "persistence": GAMMA,
        "decay": (0.3, 0.9),
        "bias_share": SHARE,
    },
    "ema_slope": {"alignment": RHO, "persistence": GAMMA, "bias_share": SHARE},
    "equivalent_candidates": {"alignment": RHO, "dim": DIM},
    "equivalent_candidates_estimate": {"alignment": RHO, "dim": DIM},
    "expected_max_normal": {"n": (5, 9)},
    "expected_max_projection": {"n": (5, 9), "dim": DIM},
    "expected_max_squared_projection": {"n": (5, 9), "dim": DIM},
    "expected_runtime": {"initial_wrong": (30, 10), "dim": (60, 90), "alignment": (0.0, 0.3)},
    "expected_wrong_bits": {
        "step": (0, 50),
        "initial_wrong": (30, 10),
        "dim": (60, 90),
        "alignment": (0.0, 0.3),
        **GATE,
    },
    "flip_rate": {"alignment": RHO, "improving_share": (0.4, 0.2), **GATE},
    "gap_gain": {"alignment": RHO, "step": RHO, "dim": DIM, "gap": (0.0, 0.1)},
    "gap_psi": {"r": R, "alpha": ALPHA, "gap": (0.0, 2.0)},
    "gate_strictness": GATE,
    "gate_worth": {"r": R, "hallucination": SHARE, "hallucinated_r": (0.0, -0.2)},
    "gated_acceptance": {"alignment": RHO, "step": RHO, "dim": DIM, **MIXTURE},
    "gated_bias_trap": {
        "alignment": RHO,
        "bias_share": (0.02, 0.05),
        "step": (0.1, 0.2),
        "dim": DIM,
    },
    "gated_gain": {"alignment": RHO, "step": RHO, "dim": DIM, **MIXTURE},
    "gated_log_rate": {"alignment": RHO, "step": RHO, "dim": DIM, **MIXTURE},
    "gated_vs_gated": {"dim": DIM, "cost": COST, **SEARCH, "hallucination": SHARE},
    "hallucinated_psi_g": {"r": R, "hallucination": SHARE, "hallucinated_r": (0.0, -0.2)},
    "hill_climb_rate": {"dim": DIM, **BASE},
    "improving_probability": {"alignment": RHO, "improving_share": (0.4, 0.2)},
    "incumbent_error": {"r": R, "varsigma": NOISE, "alpha": ALPHA, "threshold": (0.0, 0.5)},
    "inverse_psi_g": {"progress": (0.1, 3.0)},
    "lead_lost_after": {
        "r": (1.2, 2.0),
        "alpha": ALPHA,
        "cost": (1.0, 2.0),
        "bias_share": (0.0, 0.1),
    },
    "longest_diverse_run": {"traces": TRACES, "alpha": (0.3, 0.5), "bias_share": SHARE},
    "mean_alignment": {
        "reliability": (gt.Reliability(0.2, 0.1, -0.1, 0.0), gt.Reliability(0.4, 0.3, 0.0, 0.1))
    },
    "medal_gap": {
        "budget": (10.0, 40.0),
        "rate": (0.1, 0.2),
        "search_rate": (0.05, 0.0),
        "hurdle": (1.6, 2.0),
        "spread": (1.0, 2.0),
    },
    "medal_rate": {"progress": (0.5, 2.0), "hurdle": (1.6, 2.0), "spread": (1.0, 2.0)},
    "momentum_value": {
        "alignment": RHO,
        "lagged_alignment": (0.1, 0.3),
        "lagged_overlap": (0.1, -0.1),
    },
    "momentum_vs_hill_climb": {
        "dim": DIM,
        "cost": COST,
        "persistence": GAMMA,
        "bias_share": SHARE,
        **SEARCH,
    },
    "most_efficient_n": {"dim": DIM, "base_alignment": (0.0, 0.3)},
    "most_efficient_noisy_n": {"varsigma": (0.0, 2.0), "r": (0.0, 0.2)},
    "naive_gate": {"r": R, "varsigma": NOISE},
    "naive_gate_can_progress": {"r": (-0.1, 0.1), "varsigma": (3.0, 5.0)},
    "neighbour_correlation": {"loci": (24, 40), "epistasis": (2, 4)},
    "neighbour_spread": {"loci": (24, 40), "epistasis": (2, 4)},
    "nk_improvement_probability": {"fitness": (0.5, 2.0), "loci": (24, 40), "epistasis": (2, 4)},
    "noisy_best_of_n": {"n": (5, 9), "r": R, "varsigma": NOISE, "alpha": ALPHA},
    "noisy_gate": {"r": R, "alpha": ALPHA, "varsigma": NOISE, "threshold": (0.0, 0.5)},
    "noisy_search_rate": {"r": R, "varsigma": NOISE, "n": (5, 9), "rescoring": (1.0, 0.5)},
    "odds": {"alignment": (0.2, 1.0)},
    "optimal_alpha": {"r": R},
    "optimal_gated_gain": {"alignment": RHO, "dim": DIM, **MIXTURE},
    "optimal_gated_log_rate": {"alignment": RHO, "dim": DIM, **MIXTURE},
    "optimal_ungated_gain": {"alignment": RHO, **MIXTURE},
    "optimal_ungated_log_rate": {"alignment": RHO, "dim": DIM, **MIXTURE},
    "persistent_share": {"bias_share": SHARE, "traces": TRACES, "shared_bias": (0.2, 0.6)},
    "progress_per_cost": {"alignment": RHO, "dim": DIM, "cost": COST, "n": (5, 9), **BASE},
    "psi": {"r": R, "alpha": ALPHA},
    "psi_g": {"r": R},
    "quadratic_momentum_rate": {"alignment": RHO, "step": RHO, "decay": GAMMA, **BLOCKS},
    "reuse_rate": {"k": (1, 4), "persistence": (0.5, 1.0), "cost": COST},
    "reusing_vs_hill_climb": {"dim": DIM, "cost": COST, "persistence": GAMMA},
    "rugged_correlation": {"step_length": (0.1, 0.2), "period": (0.1, 0.2), "dim": DIM},
    "rugged_noise": {"amplitude": (0.1, 0.2), "dim": DIM},
    "rugged_search": {
        "r": R,
        "amplitude": (0.002, 0.001),
        "dim": DIM,
        "suboptimality": (1.0, 0.7),
        "alpha": ALPHA,
    },
    "scaled": {"alignment": RHO, "dim": DIM},
    "scaled_noise": {"score_noise": (0.01, 0.1), "dim": DIM, "noisy_scores": (1, 2)},
    "screened_gain": {
        "fitness": (0.5, 2.0),
        "loci": (24, 40),
        "epistasis": (2, 4),
        "screened": (5, 20),
        "prediction": (0.5, 0.9),
    },
    "screening_equivalent": {"screened": (5, 20), "prediction": (0.5, 0.9), "fidelity": (1.0, 0.8)},
    "screening_vs_sampling": {
        "fitness": (0.5, 1.0),
        "loci": (24, 40),
        "epistasis": (2, 4),
        "screened": (20, 24),
        "sampled": (4, 5),
        "cost": COST,
    },
    "second_moment_map": {"alignment": RHO, "step": RHO, "decay": GAMMA, **BLOCKS},
    "select_best": {"n": (5, 9), "spread": (1.0, 2.0), "score_noise": (0.0, 1.0)},
    "sgd_gain": COMPONENTS,
    "sign_gain": COMPONENTS,
    "small_bias_rate": {"alignment": RHO, "bias_share": (0.001, 0.003)},
    "smallest_useful_n": {"varsigma": (0.0, 6.0)},
    "stall_suboptimality": {"difference_noise": (0.01, 0.1), "dim": DIM},
    "stored_incumbent": {"r": R, "varsigma": NOISE, "alpha": ALPHA, "threshold": (0.0, 0.5)},
    "success_memory": {
        "r": R,
        **MEMORY,
        "varsigma": NOISE,
        "bias_share": SHARE,
        "shared_bias": SHARE,
        "decay": (0.5, 0.7),
        "dim": (100.0, np.inf),
    },
    "success_memory_vs_hill_climb": {
        "dim": DIM,
        "cost": COST,
        **MEMORY,
        "varsigma": NOISE,
        **SEARCH,
    },
    "trace_totals": {
        "steps": (2, 4),
        "r": R,
        "alpha": (0.4, 0.6),
        "dim": (200.0, 400.0),
        "bias_share": SHARE,
        "shared_bias": SHARE,
    },
    "trap_time": {
        "alignment": RHO,
        "step": RHO,
        "bias_share": (0.0, 0.1),
        "traces": TRACES,
        "shared_bias": SHARE,
    },
    "tree_progress": {
        "r": R,
        "gaps": ([0.0, 1.0, 4.0], [0.0, 0.0, 2.0]),
        "shares": ([1.0, 1.0, 1.0], [0.6, 0.2, 0.2]),
        "alpha": ALPHA,
    },
    "ucb1_pull_bound": {"gap": (0.5, 1.0), "horizon": (100, 1000), "noise": (0.5, 1.0)},
    "ungated_gain": {"alignment": RHO, "step": RHO, **MIXTURE},
    "ungated_log_rate": {"alignment": RHO, "step": RHO, "dim": DIM, **MIXTURE},
    "ungated_vs_best_line_search": {"dim": DIM, "cost": COST, "n": (5, 9)},
    "ungated_vs_best_of_n": {
        "dim": DIM,
        "cost": COST,
        "n": (5, 9),
        **BASE,
        "hallucination": SHARE,
    },
    "ungated_vs_hill_climb": {"dim": DIM, "cost": COST, **SEARCH, "hallucination": SHARE},
    "ungated_vs_noisy_search": {
        "dim": DIM,
        "cost": COST,
        "varsigma": NOISE,
        **BASE,
        "hallucination": SHARE,
        "n": (5, 9),
        "rescoring": (1.0, 0.5),
    },
    "unscaled": {"scaled_alignment": R, "dim": DIM},
    "widest_gap_budget": {
        "rate": (0.1, 0.2),
        "search_rate": (0.05, 0.0),
        "hurdle": (1.6, 2.0),
        "spread": (1.0, 2.0),
    },
    "wiener_gain": COMPONENTS,
}

# Arguments of those laws that are the same for all settings.
FIXED: dict[str, dict[str, Any]] = {
    "best_quadratic_momentum": {"curvatures": [1.0, 0.1], "shares": [0.5, 0.5]},
    "best_quadratic_step": {"curvatures": [1.0, 0.1], "shares": [0.5, 0.5]},
    "bayes_gated_vs_noisy_search": {"search": "best_of_n"},
    "biased_progress": {"steps": 5},
    "noisy_search_rate": {"search": "best_of_n"},
    "ungated_vs_noisy_search": {"search": "best_of_n"},
}

# What a run left behind, for the functions of observations.
OBSERVED = gt.simulate_steps(
    gt.StepModel(1.5, omega=0.1), np.random.default_rng(0), traces=4, steps=10
)
ARMS = gt.simulate_steps(
    gt.StepModel(1.0), np.random.default_rng(1), traces=4, steps=40, lengths=(1.0, 2.0)
)

# Laws that answer with a sentence, or by Monte Carlo, and estimates from observations take one
# setting.
SCALAR: dict[str, dict[str, Any]] = {
    "agreement": {"within": [0.4, 0.5, 0.45], "across": [0.2, 0.3], "level": 0.9, "draws": 50},
    "anisotropic_case": {"cost": 2.0, "curvature": POINT[0]},
    "basin_case": {"basins": 50, "traces": 4, "spread": 1.0, "smooth_gain": 1.0},
    "biased_case": {"dim": 100.0, "cost": 2.0, "bias_share": 0.05, "largest_alignment": 0.5},
    "budget_case": {"r": 1.2, "alpha": 1.0, "cost": 2.0, "bias_share": 0.1},
    "calibrate": {"seen": OBSERVED, "level": 0.9, "draws": 50},
    "coupled_search_case": {"cost": 2.0, "coupling": 0.4},
    "fixed_search_case": {"dim": 30.0, "cost": 2.0, "base_alignment": 0.0, "efficiency": 1.0},
    "foresight_case": {"level": 1.3, "basins": 50, "traces": 4, "shared_error": 0.5},
    "gate_errors": {
        "accepted": [True, True, False, False],
        "valid": [True] * 4,
        "fresh_gain": [1.0, -1.0, -1.0, np.nan],
        "level": 0.9,
        "rng": np.random.default_rng(0),
        "draws": 50,
    },
    "hallucination_bounds": {
        "labelled": 20,
        "improved": 30,
        "steps": 90,
        "undirected_rate": 0.25,
        "level": 0.9,
    },
    "noisy_search_case": {"dim": 100.0, "cost": 2.0, "varsigma": 2.0},
    "pool": {"quantities": [gt.calibrate(OBSERVED, draws=50).r] * 2},
    "pool_omega": {"tasks": [OBSERVED] * 3, "level": 0.9},
    "random_effects": {"values": [0.4, 0.6, np.nan], "stderrs": [0.1, 0.2, 0.1], "level": 0.9},
    "random_flips_case": {
        "improving_share": 0.4,
        "cost": 2.0,
        "false_accept": 0.0,
        "false_reject": 0.1,
    },
    "rising_cost_case": {
        "cost": lambda r: 1.5 + 0.0 * r,
        "largest_r": 5.0,
        "base_r": 0.0,
        "efficiency": 1.0,
    },
    "simulate_sphere": {
        "model": gt.StepModel(omega=0.1),
        "rng": np.random.default_rng(0),
        "dim": 20,
        "traces": 2,
        "steps": 3,
    },
    "simulate_steps": {
        "model": gt.StepModel(omega=0.1),
        "rng": np.random.default_rng(0),
        "traces": 2,
        "steps": 3,
        "replicates": 2,
        "lengths": [1.0, 2.0],
    },
    "simulate_success_memory": {
        "r": 0.5,
        "persistence": 0.5,
        "traces": 2,
        "varsigma": 0.5,
        "alpha": 1.0,
        "weight": 1.0,
        "steps": 4,
        "chains": 5,
    },
    "step_size_test": {
        "gain": ARMS.gain,
        "multiplier": ARMS.multiplier,
        "trace": ARMS.trace,
        "noise_variance": 0.0,
        "noise_dof": 8.0,
        "level": 0.9,
        "rng": np.random.default_rng(0),
        "draws": 50,
    },
    "validate": {"reliability": gt.Reliability(0.2, 0.1, -0.1, 0.0)},
    "verdict": {
        "directed": gt.calibrate(OBSERVED, draws=50),
        "search": 0.0,
        "cost": 2.0,
        "budget": 8.0,
        "efficiency": 1.0,
        "level": 0.9,
    },
}


def laws() -> dict[str, Callable[..., Any]]:
    """Every public function of the package, by name."""
    return {name: law for name, law in vars(gt).items() if inspect.isfunction(law)}


def valid_arguments(name: str) -> dict[str, Any]:
    """One valid setting of a law."""
    if name in SCALAR:
        return dict(SCALAR[name])
    return {key: pair[0] for key, pair in SAMPLES[name].items()} | FIXED.get(name, {})
