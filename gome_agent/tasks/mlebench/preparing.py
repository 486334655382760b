"""The benchmark's own `prepare`, one competition at a time: one that fails stops no other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gome_agent.tasks.mlebench.base import BenchmarkError
from gome_agent.tasks.mlebench.benchmark import Benchmark
from gome_agent.tasks.mlebench.client import environment
from gome_agent.tasks.mlebench.environment import KAGGLE, add
from gome_agent.tasks.mlebench.preflight import disk, free_gigabytes
from gome_agent.tasks.mlebench.sizes import download, gigabytes

Outcome = Literal["already", "prepared", "failed"]
_RULES = "You must accept"


@dataclass(frozen=True)
class Prepared:
    """How it went with one competition."""

    competition: str
    outcome: Outcome
    message: str = ""
    """Why it failed."""
    log: Path | None = None
    """All that the benchmark printed."""


def prepare(
    benchmark: Benchmark,
    competitions: Sequence[str],
    *,
    keep_raw: bool = False,
    anyway: bool = False,
    told: Callable[[str], None] = lambda line: None,
) -> list[Prepared]:
    """Download and prepare what is not prepared yet; may be called again after a failure.

    Args:
      benchmark: the installation; Kaggle's client is added to its environment.
      competitions: ids.
      keep_raw: keep the extracted raw data.
      anyway: begin even if the disk seems too small.
      told: hears what is being done, a line at a time.

    Raises:
      BenchmarkError: before anything is begun: no such competition, no room, no client.
    """
    lacking = _lacking(benchmark, competitions)
    todo = [name for name in competitions if lacking[name]]
    done = [Prepared(name, "already") for name in competitions if not lacking[name]]
    if not todo:
        return done
    room = disk(todo, free_gigabytes(benchmark.data_dir))
    told(f"{len(todo)} to prepare, {download(todo):.2f} GB to download; {room.message}")
    if not room.ok and not anyway:
        raise BenchmarkError(f"too little room: {room.message}; {room.fix}, or give --anyway")
    add(benchmark, [KAGGLE], told)
    for number, name in enumerate(todo, start=1):
        told(f"{number}/{len(todo)} {name} ({gigabytes(name) or '?'} GB)")
        result = _prepare_one(benchmark, name, keep_raw)
        if result.outcome == "failed":
            told(f"  failed: {result.message} (`{result.log}`)")
        done.append(result)
    return sorted(done, key=lambda result: competitions.index(result.competition))


def _prepare_one(benchmark: Benchmark, competition: str, keep_raw: bool) -> Prepared:
    # One folder for all: the benchmark keeps the checksums of large archives in it.
    folder = benchmark.home / "prepare"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{competition}.log"
    command = [str(benchmark.python), "-m", "mlebench.cli", "prepare", "-c", competition]
    command += ["--data-dir", str(benchmark.data_dir), *(["--keep-raw"] if keep_raw else [])]
    with log.open("wb") as file:
        code = subprocess.run(
            command,
            cwd=folder,
            env={**_credentials(), **environment(benchmark.source)},
            stdin=subprocess.DEVNULL,  # it asks whether to open a browser
            stdout=file,
            stderr=subprocess.STDOUT,
        ).returncode
    said = log.read_text(encoding="utf-8", errors="replace")
    if code:
        return Prepared(competition, "failed", _why(competition, said, code), log)
    lacking = _lacking(benchmark, [competition])[competition]
    if lacking:
        return Prepared(competition, "failed", f"it ended well, but {' and '.join(lacking)}", log)
    return Prepared(competition, "prepared", log=log)


def _why(competition: str, said: str, code: int) -> str:
    if _RULES in said:
        rules = f"https://www.kaggle.com/c/{competition}/rules"
        return f"accept the competition's rules at {rules} first, then prepare again"
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"it ended with status {code} and said nothing"


def _credentials() -> dict[str, str]:
    """Variables of Kaggle's client, and of proxies that downloads may need."""
    wanted = ("KAGGLE_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT", "REQUESTS_CA")
    return {name: os.environ[name] for name in os.environ if name.upper().startswith(wanted)}


def _lacking(benchmark: Benchmark, competitions: Sequence[str]) -> dict[str, list[str]]:
    with benchmark.doctor() as doctor:
        inventory = doctor.ask("inventory", competitions=list(competitions))
    return {name: told["lacking"] for name, told in inventory.items()}
