"""`make bench`: all benchmarks in one go; tables on the terminal, JSON and Markdown in a folder."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.bench import core, framework, overhead, recall, report, selection, throughput
from experiments.runs import versions, write_json


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rounds: int
    steps: int
    """Steps a round."""
    memories: tuple[int, ...]
    repetitions: int
    runs: int
    scan: int
    batches: int
    dims: tuple[int, ...]
    simulated: dict[str, int]
    """Of the simulated steps: runs, steps and rounds."""
    framework: dict[str, int]
    """Of the agent's steps: without a sandbox, and with each."""
    searched: dict[str, Any]
    """Of the tree searches: sizes, repetitions and runs in a batch."""


FULL = Sizes(
    12,
    50,
    (100, 10_000, 100_000),
    9,
    runs=1024,
    scan=1000,
    batches=3,
    dims=(16, 64, 256, 1024),
    simulated={"runs": 1024, "steps": 100, "rounds": 15},
    framework={"steps": 1000, "runs": 60},
    searched={"sizes": (10, 100, 1000, 10_000, 100_000), "repetitions": 64, "batch": 512},
)
QUICK = Sizes(
    4,
    20,
    (100, 10_000),
    5,
    runs=64,
    scan=200,
    batches=3,
    dims=(16, 64),
    simulated={"runs": 64, "steps": 100, "rounds": 3},
    framework={"steps": 100, "runs": 8},
    searched={"sizes": (10, 100, 1000), "repetitions": 16, "batch": 32},
)


def run(out: Path, *, quick: bool, environments: Path, install: bool, console: Console) -> None:
    """Measure everything and leave `benchmarks.json` and `benchmarks.md` in `out`."""
    sizes = QUICK if quick else FULL
    out.mkdir(parents=True, exist_ok=True)
    where = report.machine()
    console.print("[dim]environments of the peers[/]")
    compared, missing = overhead.contenders(environments, install=install)
    start = time.perf_counter()
    console.print("[dim]one step of prompt optimisation, all libraries in turns[/]")
    rows = overhead.measure(compared, out, rounds=sizes.rounds, steps=sizes.steps)
    console.print("[dim]success memory[/]")
    points = recall.curve(sizes.memories, sizes.repetitions)
    console.print("[dim]the agent's loop without model and script, sandboxes in turns[/]")
    around = framework.measure(**sizes.framework)
    console.print("[dim]the optimizer core[/]")
    host = core.host_steps(("sgd", "adam", "gome"), 20 * sizes.repetitions)
    batched = core.throughput(
        ("sgd", "adam"), runs=sizes.runs, steps=sizes.scan, repetitions=sizes.batches
    )
    console.print("[dim]simulated steps, all loops in turns[/]")
    costs = throughput.costs(sizes.dims, **sizes.simulated)
    scaled = throughput.scaling(4, dim=64, **sizes.simulated)
    remembered = throughput.memory((100, 1000, 10_000), runs=64, dim=64)
    console.print("[dim]tree searches[/]")
    choices, runs = selection.measure(**sizes.searched, environments=environments, install=install)
    results = report.Results(
        quick=quick,
        machine=where,
        versions=versions(),
        overhead=(*rows, *missing),
        framework=tuple(around),
        recall=tuple(points),
        host=tuple(host),
        throughput=tuple(batched),
        simulated=tuple(costs),
        scaling=tuple(scaled),
        memory=tuple(remembered),
        choices=tuple(choices),
        runs=tuple(runs),
        seconds=time.perf_counter() - start,
    )
    write_json(out / "benchmarks.json", results.record())
    (out / "benchmarks.md").write_text(report.markdown(results), encoding="utf-8")
    report.show(results, console)
    console.print(f"{out / 'benchmarks.md'}  [dim]the same as text[/]", soft_wrap=True)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m experiments.bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    parser.add_argument("--quick", action="store_true", help="a small version")
    parser.add_argument(
        "--environments",
        type=Path,
        default=overhead.ROOT / ".venv-bench",
        help="folder of the peers' virtual environments",
    )
    parser.add_argument(
        "--no-install", action="store_true", help="report peers that are not there as missing"
    )
    chosen = parser.parse_args()
    run(
        chosen.out,
        quick=chosen.quick,
        environments=chosen.environments.absolute(),
        install=not chosen.no_install,
        console=Console(highlight=False),
    )


if __name__ == "__main__":
    main()
