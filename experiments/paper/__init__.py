"""The paper from the committed results: `python -m experiments.paper`."""
