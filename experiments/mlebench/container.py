"""A competition inside the benchmark's own container: folders, and a server that validates.

There are no answers here: the server says whether a submission could be graded, never how well.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from gome_agent.tasks.mlebench.base import BenchmarkError, Competition, Validity
from gome_agent.tasks.mlebench.samples import published

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
        rules = ""
        if self.instructions.is_file():
            told = self.instructions.read_text(encoding="utf-8")
            rules = f"# {_HEADING}\n\n{_OURS}\n\n{told}"
        return Competition(
            id=self.id,
            name=self.id,
            description=description.read_text(encoding="utf-8"),
            public=self.data,
            sample=published(self.id, self.data),
            sealed=(PRIVATE,) if PRIVATE.exists() else (),
            teams=0,
            lower_is_better=None,
            rules=rules,
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


def put(source: Path, target: Path) -> None:
    """Copy a file so that whoever looks sees the old one or the new one, whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, draft)
    os.replace(draft, target)
