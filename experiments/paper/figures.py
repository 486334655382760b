"""The paper's figures: those of the studies, drawn again as vectors from the committed tables."""

from __future__ import annotations

import re
from pathlib import Path

from experiments.paper import sources
from experiments.strategy_tables import load


def used() -> list[str]:
    """Studies whose figure the text includes."""
    text = "\n".join(sources.sections().values())
    return sorted(set(re.findall(r"\\includegraphics\[[^\]]*\]{(\w+)}", text)))


def draw(study: str, to: Path) -> None:
    """Write the figure of a study as PDF."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    from experiments import studies
    from experiments.style import figure_style

    table, config = load(study)
    with mpl.rc_context(), figure_style():
        mpl.use("agg")
        mpl.rcParams["pdf.fonttype"] = 42
        figure = studies.load(study).figure(table, config)
        figure.savefig(to / f"{study}.pdf", metadata={"CreationDate": None})
        plt.close(figure)
