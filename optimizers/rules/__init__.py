"""Update rules, one a file: leaves make a step from a diagnosis, wrappers change a rule.

Each is an optax transformation, so rules chain, mask and take schedules as optax's do. What optax
has is used; ours is what optax lacks: bias correction by the age of a slot, success memory, and
wrappers that know which part of their state a rejected step may change.
"""
