"""Progress laws of unreliable reasoning and of search, and where the two cross.

Pure functions of numbers and NumPy arrays; every argument broadcasts, scalars in give floats out.
The README of this package maps the symbols of the theory to the names used here.
"""

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
from gome_theory.gradient_rate import (
    BestStep as BestStep,
    gated_acceptance as gated_acceptance,
    gated_gain as gated_gain,
    gated_log_rate as gated_log_rate,
    optimal_gated_gain as optimal_gated_gain,
    optimal_gated_log_rate as optimal_gated_log_rate,
    optimal_ungated_gain as optimal_ungated_gain,
    optimal_ungated_log_rate as optimal_ungated_log_rate,
    ungated_gain as ungated_gain,
    ungated_log_rate as ungated_log_rate,
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
from gome_theory.scaled_rate import (
    BayesGate as BayesGate,
    acceptance as acceptance,
    bayes_gate as bayes_gate,
    bayes_gated_psi as bayes_gated_psi,
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
