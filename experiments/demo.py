"""`make demo`: one real optimisation and the crossover study, small, and where to look."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from experiments import display
from experiments.runs import RunConfig

TASK = "digits"


def main() -> None:
    """Optimise a bundled task for real, grade and report it, then run the quick crossover study."""
    parser = argparse.ArgumentParser(description="Run the demonstration.")
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    out: Path = parser.parse_args().out
    # Only what an earlier demonstration left is removed: finished cells of the study are kept.
    shutil.rmtree(out / TASK, ignore_errors=True)

    display.CONSOLE.rule("a real run: scripts are written, trained and improved in a sandbox")
    display.run(RunConfig(TASK, strategy="gome", reasoner="expert", steps=8), out / TASK)
    display.grade(out / TASK)
    display.report(out / TASK, None)

    display.CONSOLE.rule("the crossover study, quick version: predicted, simulated and real")
    display.study("crossover", out / "crossover", quick=True, settings=[])

    display.CONSOLE.rule("where to look")
    for path, what in (
        (out / TASK / "report.html", "every step of the run, in a browser"),
        (out / TASK / "best_solution.py", "the script it ended with"),
        (out / "crossover" / "figure.png", "when directed updates beat search"),
    ):
        display.CONSOLE.print(f"{path}  [dim]{what}[/]", soft_wrap=True)


if __name__ == "__main__":
    main()
