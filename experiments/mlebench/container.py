"""A competition inside the benchmark's own container: folders, and a server that validates.

There are no answers here: the server says whether a submission could be graded, never how well.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from gome_agent.tasks.mlebench.base import BenchmarkError, Competition, Validity

PRIVATE = Path("/private")
"""Where the container has the answers, readable for root only."""
_VALID = "Submission is valid."
_SECONDS = 600.0
"""Large submissions are graded by the server before it says that they are valid."""
_HEADING = "Rules of the benchmark"
_OURS = (
    "Where these rules name files, folders or a server, what was said about them elsewhere holds: "
    "the submission is put in place and validated for you."
)


@dataclass(frozen=True)
class ContainerRollout:
    """What an open run may ask within the container, for one competition."""

    id: str
    data: Path
    """Folder of the public data, read-only."""
    instructions: Path
    """The benchmark's rules; may be missing."""
    server: str
    """Address of the grading server."""

    def competitions(self, split: str = "all") -> tuple[str, ...]:
        return (self.id,)

    def info(self, competition: str) -> Competition:
        self._require(competition)
        description = self.data / "description.md"
        if not description.is_file():
            raise BenchmarkError(
                f"there is no `{description}`: is this the container of a competition, with its "
                "public data mounted?"
            )
        text = description.read_text(encoding="utf-8")
        if self.instructions.is_file():
            rules = self.instructions.read_text(encoding="utf-8")
            text = f"{text}\n\n# {_HEADING}\n\n{_OURS}\n\n{rules}"
        return Competition(
            id=self.id,
            name=self.id,
            description=text,
            public=self.data,
            sample=_sample(self.id, self.data),
            sealed=(PRIVATE,) if PRIVATE.exists() else (),
            teams=0,
            lower_is_better=None,
        )

    def validate(self, competition: str, submission: Path) -> Validity:
        """Ask the server.

        Raises:
          BenchmarkError: it cannot be reached, or failed.
        """
        import httpx

        self._require(competition)
        try:
            with submission.open("rb") as file:
                files = {"file": ("submission.csv", file, "text/csv")}
                reply = httpx.post(f"{self.server}/validate", files=files, timeout=_SECONDS)
            message = reply.raise_for_status().json()["result"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise BenchmarkError(
                f"the grading server at {self.server} gave no answer: {error}"
            ) from error
        return Validity(message == _VALID, str(message))

    def _require(self, competition: str) -> None:
        if competition != self.id:
            raise BenchmarkError(f"this container is for `{self.id}`, not `{competition}`")


def _sample(competition: str, data: Path) -> Path | None:
    """The sample submission, by what is known of the competition or by its name."""
    from gome_agent.tasks.mlebench import facts

    known = facts.load(competition)
    if known is not None:
        path = data / known.sample
        return path if path.is_file() else None
    names = sorted(path for path in data.iterdir() if path.is_file())
    like = [path for path in names if _squeezed(path.name).startswith("samplesubmission")]
    return next((path for path in like if path.suffix == ".csv"), next(iter(like), None))


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def put(source: Path, target: Path) -> None:
    """Copy a file so that whoever looks sees the old one or the new one, whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, draft)
    os.replace(draft, target)
