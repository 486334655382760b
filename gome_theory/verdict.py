"""Which side of the crossover a reasoner is on, with which probability, and what would settle it.

For every draw of the parameters from a `Calibration` both sides spend the same budget N (one unit
is an undirected proposal with its evaluation; a directed step costs c):

    search     N eta v_0 psi(r_0; varsigma)
    gradient   sum over N / c steps of v x the gain of a gated step of alignment r_t

with v the validities and psi the law of a Bayes-gated noisy step (`bayes_gated_psi`). A trace whose
error persists turns its own bias against itself (`biased_progress`), so that the lead of the
gradient side can be lost in a longer run. The probability is the share of draws in
which it makes more progress.

Not covered: noise that grows relative to f along a run (which favours directed steps: `crossover_
noise`), traces that pool diagnoses, memory.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._one_dimensional import solve_increasing
from gome_theory._ranges import Range, domain, in_range
from gome_theory.biased_run import biased_progress
from gome_theory.calibration import Calibration
from gome_theory.estimates import Estimate, NotIdentified, from_draws
from gome_theory.gradient_rate import Values
from gome_theory.scaled_rate import bayes_gated_psi

_MOST_DRAWS = 1000
_DRAWS_OF_RUNS = 500
_LONGEST = 200
"""Steps that are followed; longer runs go on at the rate of their last step."""
_SURE = 0.95


class Verdict(NamedTuple):
    """Who is ahead, and how sure that is.

    Attributes:
        side: "gradient" if directed steps are more likely ahead, else "search".
        probability: Of that side, at least 1/2.
        lead: Progress of the gradient side over that of the search, for the same budget.
        crossover: r* of level progress at the median of everything else, before bias tells.
        cost: c.
        budget: N, None for the rate at the start.
        text: The verdict in a sentence or two.
        advice: What would make it more certain.
    """

    side: Literal["gradient", "search"]
    probability: float
    lead: Estimate
    crossover: float
    cost: float
    budget: float | None
    text: str
    advice: str

    @property
    def gradient_probability(self) -> float:
        """Probability that directed steps are ahead."""
        return self.probability if self.side == "gradient" else 1.0 - self.probability


@domain(efficiency=Range(0.0, np.inf, "a factor", "low"))
def verdict(
    directed: Calibration,
    search: Calibration | float = 0.0,
    *,
    cost: float = 2.0,
    budget: float | None = None,
    efficiency: float = 1.0,
    level: float = 0.95,
) -> Verdict | NotIdentified:
    """Say which side of the crossover a reasoner is on [asymptotic].

    Args:
        directed: Calibration of the directed steps.
        search: Calibration of undirected steps on the same task, or their scaled alignment r_0
            (0: proposals that point anywhere; they are then as valid as the directed ones).
        cost: c > 0, price of a directed step in undirected ones, all included.
        budget: N in undirected steps; None compares the rates of the first steps.
        efficiency: eta of the search, 1 for a greedy one.
        level: Of the interval of the lead.

    Returns:
        The verdict, or why there is none.

    Raises:
        ValueError: If an argument is out of its range, or a calibration is of another type.

    Example:
        >>> from gome_theory.calibration import calibrate
        >>> from gome_theory.simulated_steps import StepModel, simulate_steps
        >>> seen = simulate_steps(StepModel(1.5), np.random.default_rng(0), traces=20, steps=20)
        >>> verdict(calibrate(seen)).side
        'gradient'
    """
    if not isinstance(directed, Calibration):
        raise ValueError(f"`directed` is {directed!r}: give what `calibrate` found.")
    if not isinstance(search, Calibration):
        in_range("search", search, -np.inf, np.inf, "a calibration or a scaled alignment")
    if isinstance(directed.r, NotIdentified) or "r" not in directed.draws:
        return directed.r if isinstance(directed.r, NotIdentified) else _UNDRAWN
    if isinstance(search, Calibration) and "r" not in search.draws:
        why = search.r.why if isinstance(search.r, NotIdentified) else _UNDRAWN.why
        return NotIdentified(f"of the undirected steps: {why}", "more undirected steps")
    sides = _sides(directed, search)
    steps = None
    if budget is not None:
        in_range("budget", budget, cost, np.inf, "at least the cost of one directed step")
        steps = int(budget / cost)
        sides = {name: values[:_DRAWS_OF_RUNS] for name, values in sides.items()}
    lead = _lead(sides, cost, efficiency, steps)
    ahead = float(np.mean(lead > 0.0))
    middle = {name: np.full(1, np.median(values)) for name, values in sides.items()}
    point = float(_lead(middle, cost, efficiency, steps)[0])
    # Where the search stalls, the ratio has no bound.
    ratio = from_draws(np.exp(min(point, 700.0)), np.exp(np.minimum(lead, 700.0)), level, "draws")
    side = "gradient" if ahead >= 0.5 else "search"
    probability = max(ahead, 1.0 - ahead)
    crossover = _crossover(middle, cost, efficiency)
    text = _text(side, probability, directed, crossover, ratio, cost, budget, sides, search)
    advice = _advice(sides, lead, cost, efficiency, steps, directed, search, probability)
    return Verdict(side, probability, ratio, crossover, cost, budget, text, advice)


_Sides = dict[str, np.ndarray]


def _sides(directed: Calibration, search: Calibration | float) -> _Sides:
    """Draws of everything that the comparison depends on, of one length."""
    of = directed.draws
    n = min(len(of["r"]), _MOST_DRAWS)
    sides = {
        "r": of["r"][:n],
        "varsigma": of["varsigma"][:n],
        "omega": of.get("omega", np.zeros(n))[:n],
        "validity": of["validity"][:n],
    }
    if isinstance(search, Calibration):
        # Another seed order: the two sets of draws must not go up and down together.
        sides["r_0"] = search.draws["r"][::-1][:n]
        sides["validity_0"] = search.draws["validity"][::-1][:n]
        n = min(n, len(sides["r_0"]))
    else:
        sides["r_0"], sides["validity_0"] = np.full(n, float(search)), sides["validity"]
    return {name: values[:n] for name, values in sides.items()}


def _lead(sides: _Sides, cost: float, efficiency: float, steps: int | None) -> np.ndarray:
    """Log ratio of the progress of the two sides."""
    rival = efficiency * sides["validity_0"] * bayes_gated_psi(sides["r_0"], sides["varsigma"])
    if steps is None:
        own = sides["validity"] * bayes_gated_psi(sides["r"], sides["varsigma"])
        return _log(own) - _log(cost * rival)
    noise, valid = sides["varsigma"], sides["validity"]
    followed = min(steps, _LONGEST)

    def progress(length: int) -> Values:
        return biased_progress(sides["r"], sides["omega"], length, varsigma=noise, validity=valid)

    own = progress(followed)
    if steps > followed:
        own = own + (steps - followed) * (own - progress(followed - 1))
    return _log(own) - _log(cost * steps * rival)


def _log(values: npt.ArrayLike) -> np.ndarray:
    return np.log(np.maximum(values, 1e-300))


def _crossover(middle: _Sides, cost: float, efficiency: float) -> float:
    """r* with v psi(r*) = c eta v_0 psi(r_0), at the medians."""
    level = (
        cost
        * efficiency
        * middle["validity_0"]
        * bayes_gated_psi(middle["r_0"], middle["varsigma"])
    )

    def excess(r, goal, noise, valid):
        return valid * bayes_gated_psi(r, noise) - goal

    high = 1.0 + np.sqrt(level / middle["validity"]) + np.abs(middle["r_0"])
    low = np.full(1, -20.0)
    return float(
        solve_increasing(excess, low, high, (level, middle["varsigma"], middle["validity"]))[0]
    )


def _text(side, probability, directed, crossover, ratio, cost, budget, sides, search) -> str:
    when = f"over a budget of {budget:g}" if budget is not None else "at the start"
    base = "estimated" if isinstance(search, Calibration) else "given"
    r = directed.r
    text = (
        f"At cost ratio {cost:g} {when} this reasoner is on the {side} side of the crossover, with "
        f"probability {probability:.0%}: r = {r.value:.2f} [{r.low:.2f}, {r.high:.2f}] against "
        f"r* = {crossover:.2f} (r_0 = {np.median(sides['r_0']):.2f}, {base}); progress per cost "
        f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] times that of the search."
    )
    if "omega" not in directed.draws:
        text += (
            " Persistent bias is not known and taken as zero; it would favour search in long runs."
        )
    return text


def _advice(sides, lead, cost, efficiency, steps, directed, search, probability) -> str:
    """Which unknown matters most, and how much more of it would bring 95 per cent."""
    if probability >= _SURE:
        return "More data would hardly change it; other costs or budgets might."
    of_search = {"r_0", "validity_0"}

    def spread(names: set[str]) -> float:
        """Half the width of the lead's middle 68 per cent if only these are uncertain."""
        fixed = {k: v if k in names else np.full_like(v, np.median(v)) for k, v in sides.items()}
        moved = _lead(fixed, cost, efficiency, steps)
        return float(np.subtract(*np.quantile(moved, [0.84, 0.16])) / 2.0)

    own = spread(sides.keys() - of_search)
    rival = spread(of_search) if isinstance(search, Calibration) else 0.0
    worst = f"directed steps ({directed.steps} so far)"
    if isinstance(search, Calibration) and rival > own:
        worst = f"undirected steps ({search.steps} so far)"
    margin = max(abs(float(np.median(lead))), 1e-9)
    factor = (float(special.ndtri(_SURE)) * np.hypot(own, rival) / margin) ** 2
    if factor > 30.0:
        return (
            f"It is close to the crossover: even many more {worst} would not tell the sides apart; "
            "the choice hardly matters here."
        )
    return f"About {max(factor, 1.1):.1f} times as many {worst}, in more traces, would settle it."


_UNDRAWN = NotIdentified("there are no draws of r", "steps with known noise")
