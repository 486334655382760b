"""Synthetic worlds with a known optimum, in which any strategy runs in microseconds a step.

Landscapes are smooth (`sphere`, `quadratic`, `rosenbrock`), hard to see through (`rugged`,
`plateau`) or discrete (`plans`, `nk`, `pipeline`). In discrete ones an edit is made at a time;
oracles that name one are `naming_oracle` and `screening_oracle`. `sphere`, `plateau` and `plans`
also come by their sufficient statistic (`lumped_...`), at a cost that does not grow with the
dimension.
"""

from simulators.batches import log_progress as log_progress, simulate as simulate
from simulators.checkpoints import Checkpoint as Checkpoint
from simulators.costs import (
    Prices as Prices,
    calls as calls,
    cost as cost,
    loss_within as loss_within,
    spending as spending,
    spent as spent,
)
from simulators.discrete_oracles import (
    naming_oracle as naming_oracle,
    screening_oracle as screening_oracle,
)
from simulators.evaluators import (
    Evaluator as Evaluator,
    Measurement as Measurement,
    erring_judge as erring_judge,
    noisy_evaluator as noisy_evaluator,
)
from simulators.frames import Frame as Frame, moving_frame as moving_frame
from simulators.landscapes import (
    Landscape as Landscape,
    nk as nk,
    nk_fitness as nk_fitness,
    pipeline as pipeline,
    plans as plans,
    plateau as plateau,
    quadratic as quadratic,
    rosenbrock as rosenbrock,
    rugged as rugged,
    sphere as sphere,
)
from simulators.lumped import (
    lumped_naming_oracle as lumped_naming_oracle,
    lumped_oracle as lumped_oracle,
    lumped_plans as lumped_plans,
    lumped_plateau as lumped_plateau,
    lumped_sphere as lumped_sphere,
)
from simulators.oracles import (
    Diagnosis as Diagnosis,
    Oracle as Oracle,
    Situation as Situation,
    component_oracle as component_oracle,
    noisy_oracle as noisy_oracle,
)
from simulators.rollout import (
    Recording as Recording,
    Situated as Situated,
    Trace as Trace,
    World as World,
    advance as advance,
    rollout as rollout,
    situate as situate,
    world_key as world_key,
    world_keys as world_keys,
)
from simulators.selection import submitted as submitted
from simulators.summaries import (
    Summary as Summary,
    acceptance_rate as acceptance_rate,
    best_loss_within_summary as best_loss_within_summary,
    combined as combined,
    log_progress_summary as log_progress_summary,
    loss_within_summary as loss_within_summary,
    mean_summary as mean_summary,
)
from simulators.sweep import summarize as summarize, sweep as sweep
