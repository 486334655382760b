"""Rollouts on data that were prepared before, without the benchmark: nothing can be graded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gome_agent.tasks.mlebench.base import BenchmarkError, Competition, Validity
from gome_agent.tasks.mlebench.benchmark import (
    Benchmark,
    NotInstalled,
    Rollouts,
    shipped_split,
)
from gome_agent.tasks.mlebench.samples import published

NOT_CHECKED = (
    "Not checked by the benchmark, which is not installed: only the sample can be compared."
)


class DataOnly:
    """A `Rollout` that knows what the prepared data tell, for MLE-bench Lite.

    Nothing can be graded with it. Use as a context manager or not; it holds nothing.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()

    def __enter__(self) -> DataOnly:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held."""

    def competitions(self, split: str = "all") -> tuple[str, ...]:
        """Ids of a split, whether their data are there or not."""
        return tuple(shipped_split(split))

    def info(self, competition: str) -> Competition:
        folder = self._data_dir / competition
        public = folder / "prepared" / "public"
        # A name with a separator in it is not one of the data folder's.
        if Path(competition).name != competition or not (public / "description.md").is_file():
            raise BenchmarkError(
                f"no prepared data of `{competition}` in `{self._data_dir}` (no description.md in "
                f"`{public}`): prepare them by `gome mlebench prepare`, or name another folder"
            )
        hidden = (folder / "prepared" / "private", folder / "raw", *sorted(folder.glob("*.zip")))
        return Competition(
            id=competition,
            name=competition,
            description=(public / "description.md").read_text(encoding="utf-8"),
            public=public,
            sample=published(competition, public),
            sealed=tuple(path for path in hidden if path.exists()),
            teams=0,
            lower_is_better=None,
        )

    def validate(self, competition: str, submission: Path) -> Validity:
        """Whether the file exists; the message says that nothing else was checked."""
        if submission.is_symlink() or not submission.is_file():
            return Validity(False, f"There is no file `{submission}`.")
        return Validity(True, NOT_CHECKED)


def rollout(home: Path | None = None, data_dir: Path | None = None) -> Rollouts | DataOnly:
    """What an open run may ask: of an installation, or of prepared data if there is none.

    Args:
      home: folder of the installation; the usual one if not given.
      data_dir: prepared data, if not those of the installation.

    Raises:
      NotInstalled: there is no installation, and no data were named.
      BenchmarkError: its record is damaged.
    """
    try:
        found = Benchmark.load(home)
    except NotInstalled:
        if data_dir is None:
            raise
        return DataOnly(data_dir)
    return (found if data_dir is None else replace(found, data_dir=data_dir.absolute())).rollout()
