"""Rollouts on data that were prepared before, without the benchmark: nothing can be graded."""

from __future__ import annotations

from pathlib import Path

from gome_agent.tasks.mlebench.base import BenchmarkError, Competition, Validity
from gome_agent.tasks.mlebench.benchmark import shipped_split

SAMPLES = {
    "denoising-dirty-documents": "sampleSubmission.csv",
    "detecting-insults-in-social-commentary": "sample_submission_null.csv",
    "random-acts-of-pizza": "sampleSubmission.csv",
    "text-normalization-challenge-english-language": "en_sample_submission_2.csv.zip",
    "text-normalization-challenge-russian-language": "ru_sample_submission_2.csv.zip",
    "the-icml-2013-whale-challenge-right-whale-redux": "sampleSubmission.csv",
}
"""Public samples of MLE-bench Lite that are not called `sample_submission.csv`."""
NOT_CHECKED = (
    "Not checked by the benchmark, which is not installed: only the sample can be compared."
)


class DataOnly:
    """A `Rollout` that knows what the prepared data tell, for MLE-bench Lite.

    There is no `Final` to it. Use as a context manager or not; it holds nothing.
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
        sample = public / SAMPLES.get(competition, "sample_submission.csv")
        hidden = (folder / "prepared" / "private", folder / "raw", *sorted(folder.glob("*.zip")))
        return Competition(
            id=competition,
            name=competition,
            description=(public / "description.md").read_text(encoding="utf-8"),
            public=public,
            sample=sample if sample.is_file() else None,
            sealed=tuple(path for path in hidden if path.exists()),
            teams=0,
            lower_is_better=None,
        )

    def validate(self, competition: str, submission: Path) -> Validity:
        """Whether the file exists; the message says that nothing else was checked."""
        if submission.is_symlink() or not submission.is_file():
            return Validity(False, f"There is no file `{submission}`.")
        return Validity(True, NOT_CHECKED)

    def final(self) -> None:
        """
        Raises:
          BenchmarkError: always; nothing can be graded without the benchmark.
        """
        raise BenchmarkError(
            "nothing can be graded without MLE-bench: run `gome mlebench install SOURCE`"
        )
