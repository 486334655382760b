"""What speaks for and against changes of the model."""

from __future__ import annotations

from gome_agent.reasoners.expert.evidence import Evidence, Weigh, quality
from gome_agent.reasoners.expert.plan import Plan
from gome_agent.reasoners.expert.reading import Reading


def family(name: str) -> Weigh:
    def weigh(plan: Plan, reading: Reading) -> Evidence | None:
        strength = quality(name, reading) - quality(plan.family, reading)
        kind = "columns of one kind" if reading.homogeneous else "mixed columns"
        words = f"{reading.rows} rows with {kind}; now a {plan.family} with gap {reading.gap:.0%}"
        if plan.family == "linear" and reading.clue > 0.03:
            column, share = reading.clues[0]
            strength += 0.2 * min(share, 0.5)
            words += f"; {column} alone still explains {share:.0%} of what is left"
        return Evidence(strength, 0.6, words)

    return weigh


def more_capacity(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"the gap between training and validation is {reading.gap:.0%}"
    if plan.family in ("knn", "forest", "extra_trees"):
        # Their training error is small by construction: the gap tells nothing.
        strength = 0.05 if plan.capacity < 1 else 0.01
        return Evidence(strength, 0.4, "averaging already keeps the variance down")
    return Evidence(0.12 if reading.gap < 0.35 else -0.03, 0.5, words)


def less_capacity(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"the gap between training and validation is {reading.gap:.0%}"
    if plan.family in ("knn", "forest", "extra_trees"):
        return Evidence(0.02, 0.3, "smoother predictions may be safer")
    return Evidence(0.08 if reading.gap > 0.5 else -0.05, 0.5, words)


def more_regularisation(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}; half of the rows cost {reading.hunger:.0%} more error"
    if plan.family in ("forest", "extra_trees"):
        return Evidence(0.03, 0.3, "trees that see fewer columns are more diverse")
    return Evidence(0.08 if reading.gap > 0.4 else -0.03, 0.5, words)


def less_regularisation(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}; half of the rows cost {reading.hunger:.0%} more error"
    if plan.family == "svm":
        return Evidence(0.06, 0.4, "a larger C lets the kernel use its flexibility")
    if plan.family in ("forest", "extra_trees"):
        return Evidence(0.05, 0.3, "trees that see more columns are stronger")
    return Evidence(0.06 if reading.gap < 0.2 else -0.03, 0.5, words)


def more_rounds(plan: Plan, reading: Reading) -> Evidence | None:
    if plan.family in ("forest", "extra_trees"):
        return Evidence(0.03, 0.6, "more trees never hurt, except in time")
    strength = 0.1 if reading.gap < 0.6 else 0.03
    return Evidence(strength, 0.5, f"gap {reading.gap:.0%}: the fit has not converged yet")


def fewer_rounds(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.time_share > 0.5:
        return Evidence(0.05, 0.5, f"the script uses {reading.time_share:.0%} of its time limit")
    if plan.family == "boosting" and reading.gap > 0.8:
        return Evidence(0.02, 0.3, f"gap {reading.gap:.0%}: it goes on after it has converged")
    return Evidence(-0.03, 0.4, "there is time left")


def class_weights(plan: Plan, reading: Reading) -> Evidence | None:
    name = reading.facts.metric.name
    words = f"the largest class has {reading.imbalance:.1f} times its fair share"
    if name in ("balanced_accuracy", "f1_macro"):
        worst = f"the worst class errs {1 + reading.class_spread:.1f} times the mean class"
        strength = 0.2 if reading.imbalance > 1.5 else 0.02
        return Evidence(strength, 0.6, f"{words}; {worst}")
    strength = 0.005 if name == "auc" or reading.imbalance < 1.2 else -0.1
    return Evidence(strength, 0.6, f"{words}, but {name} counts every row alike")


def equal_weights(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.facts.metric.name in ("balanced_accuracy", "f1_macro"):
        return Evidence(-0.1, 0.5, "the metric counts every class alike")
    return Evidence(0.05, 0.5, f"{reading.facts.metric.name} counts every row alike")


def log_target(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.facts.metric.name == "rmsle":
        # A straight line through logarithms of the target needs logarithms of its columns.
        strength = 0.15 if plan.family == "linear" and reading.skew > 2 else 0.3
        return Evidence(strength, 0.7, "the metric compares logarithms")
    words = f"the target has skewness {reading.target_skew:.1f}"
    if reading.spread > 0.3:
        words += f", and errors grow with it (rank correlation {reading.spread:.2f})"
    if reading.target_skew < 1:
        return Evidence(-0.02, 0.4, words)
    return Evidence(0.06, 0.4, f"{words}; relative errors may be more even")


def raw_target(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.facts.metric.name == "rmsle":
        return Evidence(-0.4, 0.9, "the metric compares logarithms")
    words = f"{reading.facts.metric.name} is measured in the target's own units"
    return Evidence(0.05, 0.4, words)


def smaller_steps(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}: smaller steps overfit less, if there are rounds enough"
    return Evidence(0.04 if reading.gap > 0.5 else -0.02, 0.4, words)


def larger_steps(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}: the rounds may not suffice for such small steps"
    return Evidence(0.04 if reading.gap < 0.25 else -0.03, 0.4, words)


def more_shrinkage(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}; half of the rows cost {reading.hunger:.0%} more error"
    return Evidence(0.03 if reading.gap > 0.4 else -0.01, 0.4, words)


def less_shrinkage(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"gap {reading.gap:.0%}; half of the rows cost {reading.hunger:.0%} more error"
    return Evidence(0.02 if reading.gap < 0.2 else -0.01, 0.4, words)


def fewer_columns(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.numeric + reading.categorical < 4:
        return Evidence(-0.05, 0.5, "there are few columns to choose among")
    words = f"gap {reading.gap:.0%}: trees that see fewer columns are more diverse"
    return Evidence(0.05 if reading.gap > 0.3 else 0.02, 0.4, words)


def more_columns(plan: Plan, reading: Reading) -> Evidence | None:
    return Evidence(0.01, 0.3, "splits that see more columns are stronger")


def early_stopping(plan: Plan, reading: Reading) -> Evidence | None:
    if reading.gap > 0.8 and reading.hunger < 0.2:
        return Evidence(0.03, 0.3, f"gap {reading.gap:.0%}: it goes on after it has converged")
    words = f"a tenth of the rows is held back; half of them cost {reading.hunger:.0%} more error"
    return Evidence(-0.02, 0.4, words)


def no_early_stopping(plan: Plan, reading: Reading) -> Evidence | None:
    words = f"half of the rows cost {reading.hunger:.0%} more error: every row helps"
    return Evidence(0.03 if reading.hunger > 0.05 else 0.01, 0.4, words)
