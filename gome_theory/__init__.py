"""Progress laws of unreliable reasoning and of search, and where the two cross.

Pure functions of numbers and NumPy arrays; every argument broadcasts, scalars in give floats out.
The README of this package maps the symbols of the theory to the names used here.
"""

from gome_theory.adaptive import (
    AdamComparison as AdamComparison,
    adam_gain as adam_gain,
    adam_versus_sgd as adam_versus_sgd,
    sgd_gain as sgd_gain,
    sign_gain as sign_gain,
    wiener_gain as wiener_gain,
)
from gome_theory.advantage import (
    advantage as advantage,
    cost_elasticity as cost_elasticity,
    coupled_gated_vs_gated as coupled_gated_vs_gated,
)
from gome_theory.agreement import (
    Agreement as Agreement,
    agreement as agreement,
)
from gome_theory.basins import (
    basin_choice as basin_choice,
    distinct_basins as distinct_basins,
)
from gome_theory.best_of_n import (
    NoisyBestOfN as NoisyBestOfN,
    Selection as Selection,
    most_efficient_noisy_n as most_efficient_noisy_n,
    noisy_best_of_n as noisy_best_of_n,
    select_best as select_best,
    smallest_useful_n as smallest_useful_n,
)
from gome_theory.best_step import (
    BestStep as BestStep,
    optimal_gated_gain as optimal_gated_gain,
    optimal_gated_log_rate as optimal_gated_log_rate,
    optimal_ungated_gain as optimal_ungated_gain,
    optimal_ungated_log_rate as optimal_ungated_log_rate,
)
from gome_theory.bias import (
    BiasTrap as BiasTrap,
    bias_threshold as bias_threshold,
    bias_trap as bias_trap,
    gated_bias_trap as gated_bias_trap,
    persistent_share as persistent_share,
    small_bias_rate as small_bias_rate,
    trap_time as trap_time,
)
from gome_theory.biased_run import biased_progress as biased_progress
from gome_theory.calibration import (
    Calibration as Calibration,
    calibrate as calibrate,
)
from gome_theory.consensus import (
    alignment_of_odds as alignment_of_odds,
    combine_alignments as combine_alignments,
    consensus_alignment as consensus_alignment,
    correlated_odds as correlated_odds,
    effective_traces as effective_traces,
    odds as odds,
)
from gome_theory.crossover import (
    Crossover as Crossover,
    ProgressPerCost as ProgressPerCost,
    bayes_gated_vs_bayes_gated as bayes_gated_vs_bayes_gated,
    gated_vs_gated as gated_vs_gated,
    progress_per_cost as progress_per_cost,
    ungated_vs_best_line_search as ungated_vs_best_line_search,
    ungated_vs_best_of_n as ungated_vs_best_of_n,
    ungated_vs_hill_climb as ungated_vs_hill_climb,
)
from gome_theory.crossover_bias_cases import (
    biased_case as biased_case,
    budget_case as budget_case,
    foresight_case as foresight_case,
)
from gome_theory.crossover_cases import (
    CrossoverCase as CrossoverCase,
    coupled_search_case as coupled_search_case,
    fixed_search_case as fixed_search_case,
    rising_cost_case as rising_cost_case,
)
from gome_theory.crossover_noise import (
    bayes_gated_vs_noisy_search as bayes_gated_vs_noisy_search,
    noisy_search_rate as noisy_search_rate,
    ungated_vs_noisy_search as ungated_vs_noisy_search,
)
from gome_theory.crossover_world_cases import (
    anisotropic_case as anisotropic_case,
    basin_case as basin_case,
    noisy_search_case as noisy_search_case,
    random_flips_case as random_flips_case,
)
from gome_theory.crossover_worlds import (
    anisotropic_vs_hill_climb as anisotropic_vs_hill_climb,
    directed_vs_random_flips as directed_vs_random_flips,
    directed_vs_random_run as directed_vs_random_run,
    reusing_vs_hill_climb as reusing_vs_hill_climb,
    screening_vs_sampling as screening_vs_sampling,
)
from gome_theory.effective_dimension import (
    Curvature as Curvature,
    anisotropic_gated_gain as anisotropic_gated_gain,
    anisotropic_ungated_gain as anisotropic_ungated_gain,
    curvature_of as curvature_of,
    effective_dimension as effective_dimension,
)
from gome_theory.estimates import (
    Estimate as Estimate,
    NotIdentified as NotIdentified,
    Quantity as Quantity,
)
from gome_theory.gate_errors import GateErrors as GateErrors, gate_errors as gate_errors
from gome_theory.gradient_rate import (
    gated_acceptance as gated_acceptance,
    gated_gain as gated_gain,
    gated_log_rate as gated_log_rate,
    ungated_gain as ungated_gain,
    ungated_log_rate as ungated_log_rate,
)
from gome_theory.hallucination import (
    HallucinationBounds as HallucinationBounds,
    hallucination_bounds as hallucination_bounds,
)
from gome_theory.hypercube import (
    expected_runtime as expected_runtime,
    expected_wrong_bits as expected_wrong_bits,
    flip_rate as flip_rate,
    gate_strictness as gate_strictness,
    improving_probability as improving_probability,
)
from gome_theory.incumbent import (
    ErrorDistribution as ErrorDistribution,
    StoredIncumbent as StoredIncumbent,
    incumbent_error as incumbent_error,
    stored_incumbent as stored_incumbent,
)
from gome_theory.medals import (
    medal_gap as medal_gap,
    medal_rate as medal_rate,
    widest_gap_budget as widest_gap_budget,
)
from gome_theory.memory_crossover import (
    biased_vs_hill_climb as biased_vs_hill_climb,
    consensus_vs_hill_climb as consensus_vs_hill_climb,
    momentum_vs_hill_climb as momentum_vs_hill_climb,
    success_memory_vs_hill_climb as success_memory_vs_hill_climb,
)
from gome_theory.momentum import (
    BestDecay as BestDecay,
    alignment_ceiling as alignment_ceiling,
    best_decay as best_decay,
    ema_alignment as ema_alignment,
    ema_slope as ema_slope,
    momentum_value as momentum_value,
)
from gome_theory.nk import (
    equivalent_candidates as equivalent_candidates,
    equivalent_candidates_estimate as equivalent_candidates_estimate,
    neighbour_correlation as neighbour_correlation,
    neighbour_spread as neighbour_spread,
    nk_improvement_probability as nk_improvement_probability,
    screened_gain as screened_gain,
    screening_equivalent as screening_equivalent,
)
from gome_theory.noisy_gate import (
    NAIVE_STALL_NOISE as NAIVE_STALL_NOISE,
    SMALL_STEP_STALL_NOISE as SMALL_STEP_STALL_NOISE,
    NaiveGate as NaiveGate,
    NoisyGate as NoisyGate,
    bayes_gate_tail as bayes_gate_tail,
    naive_gate as naive_gate,
    naive_gate_can_progress as naive_gate_can_progress,
    noisy_gate as noisy_gate,
    stall_suboptimality as stall_suboptimality,
)
from gome_theory.observations import Observations as Observations, Selected as Selected
from gome_theory.pooling import (
    Pooled as Pooled,
    pool as pool,
    pool_omega as pool_omega,
    random_effects as random_effects,
)
from gome_theory.quadratic_momentum import (
    BestMomentum as BestMomentum,
    best_quadratic_momentum as best_quadratic_momentum,
    best_quadratic_step as best_quadratic_step,
    quadratic_momentum_rate as quadratic_momentum_rate,
    second_moment_map as second_moment_map,
)
from gome_theory.reliability import (
    RegimeWarning as RegimeWarning,
    Reliability as Reliability,
    mean_alignment as mean_alignment,
    scaled as scaled,
    scaled_noise as scaled_noise,
    unscaled as unscaled,
    validate as validate,
)
from gome_theory.reuse import (
    BestReuse as BestReuse,
    best_reuse as best_reuse,
    continuous_best_k as continuous_best_k,
    effective_cost as effective_cost,
    reuse_rate as reuse_rate,
)
from gome_theory.ruggedness import (
    basin_advantage as basin_advantage,
    check_decorrelated as check_decorrelated,
    rugged_correlation as rugged_correlation,
    rugged_noise as rugged_noise,
    rugged_search as rugged_search,
)
from gome_theory.scaled_rate import (
    BayesGate as BayesGate,
    acceptance as acceptance,
    bayes_gate as bayes_gate,
    bayes_gated_psi as bayes_gated_psi,
    gate_worth as gate_worth,
    hallucinated_psi_g as hallucinated_psi_g,
    inverse_psi_g as inverse_psi_g,
    optimal_alpha as optimal_alpha,
    psi as psi,
    psi_g as psi_g,
)
from gome_theory.search_rate import (
    BestCount as BestCount,
    best_of_n_efficiency as best_of_n_efficiency,
    best_of_n_gain as best_of_n_gain,
    best_of_n_log_rate as best_of_n_log_rate,
    expected_max_normal as expected_max_normal,
    expected_max_projection as expected_max_projection,
    expected_max_squared_projection as expected_max_squared_projection,
    hill_climb_rate as hill_climb_rate,
    most_efficient_n as most_efficient_n,
)
from gome_theory.simulated_steps import (
    SphereRuns as SphereRuns,
    StepModel as StepModel,
    simulate_sphere as simulate_sphere,
    simulate_steps as simulate_steps,
)
from gome_theory.step_size_test import (
    StepSizeTest as StepSizeTest,
    step_size_test as step_size_test,
)
from gome_theory.success_memory import (
    SimulatedMemory as SimulatedMemory,
    SuccessMemory as SuccessMemory,
    simulate_success_memory as simulate_success_memory,
    success_memory as success_memory,
)
from gome_theory.traces import (
    TraceTotals as TraceTotals,
    best_trace as best_trace,
    diversity_value as diversity_value,
    lead_lost_after as lead_lost_after,
    longest_diverse_run as longest_diverse_run,
    trace_totals as trace_totals,
)
from gome_theory.uct import (
    TreeProgress as TreeProgress,
    gap_gain as gap_gain,
    gap_psi as gap_psi,
    tree_progress as tree_progress,
    ucb1_pull_bound as ucb1_pull_bound,
)
from gome_theory.verdict import Verdict as Verdict, verdict as verdict
