"""The benchmarks' results as tables on a terminal, in Markdown and in JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.bench.core import HostStep, Throughput
from experiments.bench.framework import Overhead
from experiments.bench.overhead import OURS, Row, as_record
from experiments.bench.recall import Point
from experiments.bench.selection import Choice, Runs
from experiments.bench.throughput import Cost, Memory, Scaling


@dataclass(frozen=True)
class Results:
    """Everything that one run of the benchmarks found."""

    quick: bool
    machine: str
    versions: dict[str, str]
    overhead: tuple[Row, ...]
    framework: tuple[Overhead, ...]
    recall: tuple[Point, ...]
    host: tuple[HostStep, ...]
    throughput: tuple[Throughput, ...]
    simulated: tuple[Cost, ...]
    scaling: tuple[Scaling, ...]
    memory: tuple[Memory, ...]
    choices: tuple[Choice, ...]
    runs: tuple[Runs, ...]
    seconds: float

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "overhead": [as_record(row) for row in self.overhead]}


@dataclass(frozen=True)
class Section:
    """One table, with what has to be known to read it."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def machine() -> str:
    """The machine in one line, with its load, since that decides how far to trust times."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            name = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return f"{name}, {cores} cores, {platform.system()}, Python {platform.python_version()}{load}"


def sections(results: Results) -> list[Section]:
    """The tables."""
    return [
        _overhead(results.overhead),
        _framework(results.framework),
        _recall(results.recall),
        _host(results.host),
        _throughput(results.throughput),
        _simulated(results.simulated),
        _scaling(results.scaling),
        _memory(results.memory),
        _choices(results.choices),
        _runs(results.runs),
    ]


def _overhead(rows: Sequence[Row]) -> Section:
    return Section(
        "One step of prompt optimisation, models that answer at once",
        f"Wall clock and CPU time, medians over rounds; `times ours` are medians of the ratios to "
        f"`{OURS}` within rounds. "
        "Calls: task model + optimizer. Tokens: words and punctuation marks of the prompts on the "
        "optimizer's side, per step and at steps 5 and 500 (or the last one).",
        (
            "library",
            "ms a step",
            "times ours",
            "CPU ms",
            "times ours",
            "calls",
            "tokens",
            "step 5",
            "step 500",
        ),
        tuple(
            (row.name, row.missing, *[""] * 7)
            if row.missing
            else (
                row.name,
                _number(row.ms),
                _number(row.ratio),
                _number(row.cpu_ms),
                _number(row.cpu_ratio),
                f"{row.forward_calls:g} + {row.optimizer_calls:g}",
                _whole(row.optimizer_tokens),
                _whole(row.tokens_early),
                _whole(row.tokens_late),
            )
            for row in rows
        ),
    )


def _framework(rows: Sequence[Overhead]) -> Section:
    return Section(
        "One step of the agent, apart from model and script",
        "ms, medians. The model answers at once, through `Prompted`, `Recorded` and `Capped`: a "
        "diagnosis, an edit, a verdict. `python`: the bare start-up of the interpreter, in turns "
        "with a script that does nothing; `framework`: the step less that, within pairs, "
        "and its 5th percentile. `followed`: a step of a run that is resumed.",
        ("evaluator", "step", "python", "framework", "5 %", "followed"),
        tuple(
            (row.evaluator, row.missing, *[""] * 4)
            if row.missing
            else (
                row.evaluator,
                *map(_number, (row.step, row.bare, row.framework, row.least, row.followed)),
            )
            for row in rows
        ),
    )


def _recall(points: Sequence[Point]) -> Section:
    return Section(
        "Success memory against the number of memories",
        "ms, embeddings of 256 dimensions. `optimizers.memory.SuccessMemory`: embed one statement "
        "with the built-in embedder (not part of the others), remember one while filling, replace "
        "one when full, recall 5. Rule: one jitted update with a full memory.",
        ("memories", "embed", "remember", "replace", "recall", "rule update"),
        tuple(
            (
                f"{point.memories:,}",
                _number(point.embed_ms),
                _number(point.remember_ms),
                _number(point.replace_ms),
                _number(point.recall_ms),
                _number(point.rule_ms),
            )
            for point in points
        ),
    )


def _host(steps: Sequence[HostStep]) -> Section:
    return Section(
        "The optimizer core alone, once a step on the host",
        "ask, propose, observe and settle as the agent compiles them, 128 slots.",
        ("rule", "ms a step"),
        tuple((step.rule, _number(step.ms)) for step in steps),
    )


def _throughput(found: Sequence[Throughput]) -> Section:
    return Section(
        "Batched steps",
        "vmap over runs of scan over steps, 64 dimensions. `optax`: update and apply. `core`: a "
        "whole strategy on the same gradients. `rollout`: with oracle, evaluator and trace.",
        ("rule", "body", "steps a second", "ns a step", "times optax"),
        tuple(
            (
                line.rule,
                line.body,
                f"{line.steps_per_second:,.0f}",
                f"{1e9 / line.steps_per_second:.0f}",
                _number(line.ratio),
            )
            for line in found
        ),
    )


def _simulated(costs: Sequence[Cost]) -> Section:
    return Section(
        "Simulated steps beside what they could cost at least",
        "Gated steps along a noisy diagnosis on the sphere. `floor`: the same random numbers from "
        "the same keys and one pass over the parameters. `rollout`: the simulator. `numpy`: the "
        "same loop over all runs at once. `python`: one run after the other, each update a jitted "
        "call of optax. CPU time on a CPU, wall clock on an accelerator; ratios within rounds.",
        ("device", "d", "loop", "ns a step", "times the floor", "s to compile"),
        tuple(
            (
                cost.device,
                f"{cost.dim}",
                cost.loop,
                f"{cost.ns:,.0f}",
                _number(cost.ratio),
                _number(cost.compile_seconds),
            )
            for cost in costs
        ),
    )


def _scaling(found: Sequence[Scaling]) -> Section:
    return Section(
        "Time of a summarised rollout when one size grows",
        "CPU time; a cost that is linear in the size is multiplied by the factor.",
        ("size", "multiplied by", "time multiplied by"),
        tuple((line.size, f"{line.factor}", _number(line.times)) for line in found),
    )


def _memory(found: Sequence[Memory]) -> Section:
    return Section(
        "Memory of a run against its steps",
        "Bytes of temporaries and outputs of the compiled program, 64 dimensions. `summary`: as "
        "`sweep` keeps it. `trace`: one number a step.",
        ("steps", "summary", "trace"),
        tuple((f"{m.steps:,}", f"{m.summary:,.0f}", f"{m.trace:,.0f}") for m in found),
    )


def _choices(found: Sequence[Choice]) -> Section:
    sizes = sorted({choice.nodes for choice in found})
    by = {(choice.search, choice.how, choice.nodes): choice.us for choice in found}
    return Section(
        "Choosing a node against the size of the tree",
        "Microseconds of one ask and one tell, medians. `host`: two compiled calls, as the agent "
        "makes them. `compiled`: inside a loop on the device, as the simulator has them. `python`: "
        "the same rule on lists of objects. `treequest`: its AB-MCTS-A, where it grew a tree of "
        "that size within a minute.",
        ("search", "loop", *(f"{size:,} nodes" for size in sizes)),
        tuple(
            (search, how, *(_number(by.get((search, how, size))) for size in sizes))
            for search, how in dict.fromkeys((c.search, c.how) for c in found)
        ),
    )


def _runs(found: Sequence[Runs]) -> Section:
    return Section(
        "Simulated runs of tree searches",
        "Runs of 100 steps on the sphere in 30 dimensions a second, wall clock; ours in one "
        "compiled batch, the others one after another.",
        ("search", "loop", "runs a second", "ours is so many times faster"),
        tuple((r.search, r.how, _number(r.per_second), _number(r.ratio)) for r in found),
    )


def show(results: Results, console: Console) -> None:
    """Print the tables."""
    for section in sections(results):
        table = Table(*section.head, box=None, pad_edge=False)
        for row in section.rows:
            table.add_row(*map(escape, row))
        console.print(f"[bold]{escape(section.title)}[/]")
        console.print(table)
        console.print(f"[dim]{escape(section.note)}[/]\n")
    console.print(f"[dim]{escape(results.machine)}; {results.seconds:.0f} s[/]")


def markdown(results: Results) -> str:
    """The tables as a Markdown page."""
    lines = ["# Benchmarks", "", f"Measured on {results.machine}.", ""]
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    lines += [f"Versions: {versions}.", ""]
    for section in sections(results):
        lines += [f"## {section.title}", section.note, ""]
        lines += ["| " + " | ".join(section.head) + " |"]
        lines += ["|" + "---|" * len(section.head)]
        lines += [
            "| " + " | ".join(cell.replace("|", "/") for cell in r) + " |" for r in section.rows
        ]
        lines += [""]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
