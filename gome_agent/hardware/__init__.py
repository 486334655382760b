"""The machine a run computes on: what its card can do, whether it is ready, who has it now."""
