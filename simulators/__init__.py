"""Synthetic worlds with a known optimum, in which any strategy runs in microseconds a step."""

from simulators.evaluators import (
    Evaluator as Evaluator,
    Measurement as Measurement,
    noisy_evaluator as noisy_evaluator,
)
from simulators.landscapes import (
    Landscape as Landscape,
    quadratic as quadratic,
    sphere as sphere,
)
from simulators.oracles import Oracle as Oracle, noisy_oracle as noisy_oracle
from simulators.rollout import (
    Recording as Recording,
    Trace as Trace,
    World as World,
    advance as advance,
    log_progress as log_progress,
    rollout as rollout,
    simulate as simulate,
    world_keys as world_keys,
)
