"""The report of one run: a single HTML page that reads from a file, without a network.

Everything on the page comes from the journal, so a report can be made of a run that is still on,
was interrupted, or never got a program to work. Not covered: comparing runs (studies do that), and
what a program reported beyond its scores.
"""

from __future__ import annotations

from experiments.report.data import read_run as read_run
from experiments.report.page import render as render, write_report as write_report
from experiments.report.records import Run as Run, Step as Step

__all__ = ["Run", "Step", "read_run", "render", "write_report"]
