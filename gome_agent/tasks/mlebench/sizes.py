"""How much there is to download for each competition of MLE-bench Lite."""

from __future__ import annotations

from collections.abc import Iterable

from gome_agent.tasks.mlebench import facts


def gigabytes(competition: str) -> float | None:
    """GB to download, as the benchmark's README lists them; `None` if that is not known.

    >>> gigabytes("siim-isic-melanoma-classification"), gigabytes("AI4Code")
    (116.0, None)
    """
    known = facts.load(competition)
    return None if known is None else known.raw_gb


def download(competitions: Iterable[str]) -> float:
    """GB to download for those whose size is known."""
    return sum(_known(competitions))


def needed(competitions: Iterable[str]) -> float:
    """GB that preparing takes at most, of those whose size is known.

    Archives and prepared data stay; the extracted raw data are there for one competition at a time.

    >>> round(needed(["leaf-classification", "spooky-author-identification"]), 3)
    0.112
    """
    known = _known(competitions)
    return 2 * sum(known) + max(known, default=0.0)


def _known(competitions: Iterable[str]) -> list[float]:
    sizes = [gigabytes(competition) for competition in competitions]
    return [size for size in sizes if size is not None]
