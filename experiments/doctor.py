"""`gome doctor` and `gome solutions`: gather the facts of this machine, show what they mean."""

from __future__ import annotations

import json
import math
import socket
import sys
import urllib.parse
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gome_agent import sandbox
from gome_agent.hardware import checks, solutions
from gome_agent.hardware.facts import Asked, Facts
from gome_agent.hardware.findings import Finding
from gome_agent.hardware.host import look
from gome_agent.hardware.limits import script_limits
from gome_agent.hardware.probing import probe
from gome_agent.hardware.profiles import Profile, profile
from gome_agent.hardware.slots import parse_gpus

_CONSOLE = Console(highlight=False)
_PROBE_SECONDS = 600.0
_CONNECT_SECONDS = 5.0
_STATES = {"ok": "[green]ok", "failure": "[red]failure", "unknown": "[yellow]not checked"}
_ADVICE = "[yellow]advice"


@dataclass(frozen=True)
class Wanted:
    """What was typed."""

    profile: str = ""
    python: str = ""
    data: Path | None = None
    model: str = ""
    gpus: str = ""
    sandbox: str | None = None
    seconds: float | None = None
    seconds_per_run: float | None = None


def show(wanted: Wanted, as_json: bool = False, console: Console = _CONSOLE) -> int:
    """Examine this machine; returns 1 if something fails that the profile needs, else 0.

    Raises:
      UnknownProfile, SlotsError: it was mistyped.
    """
    hardware, facts = examine(wanted)
    findings = checks.examine(facts, hardware)
    passes = checks.passes(findings)
    if as_json:
        told = [asdict(finding) for finding in findings]
        report = {"profile": hardware.name, "passes": passes, "findings": told}
        console.print_json(json.dumps(report))
    else:
        console.print(_table(findings))
        console.print(_conclusion(hardware, findings))
    return 0 if passes else 1


def examine(wanted: Wanted) -> tuple[Profile, Facts]:
    """Gather the facts; what cannot be found out is said in them."""
    named = profile(wanted.profile) if wanted.profile else None
    gpus = parse_gpus(wanted.gpus)
    facts = _with_host(wanted)
    hardware = named or checks.likely_profile(facts)
    asked = Asked(
        gpus=gpus,
        seconds=wanted.seconds or hardware.hours * 3600,
        seconds_per_run=wanted.seconds_per_run or hardware.script_minutes * 60,
        model=wanted.model,
    )
    facts = replace(facts, asked=asked)
    return hardware, _with_model(_with_probe(facts, hardware, wanted), wanted.model)


def install(name: str, folder: Path, python: str, *, dry_run: bool) -> None:
    """Make the environment of a profile, or say what it would hold.

    Raises:
      UnknownProfile, SolutionsError: nothing was made, or half of it.
    """
    hardware, source = profile(name), python or sys.executable
    if dry_run:
        _CONSOLE.print("\n".join(solutions.resolve(hardware, source)))
        return
    with _CONSOLE.status(f"installing what {name} pins into {folder}"):
        made = solutions.install(hardware, folder, source)
    _CONSOLE.print(f"{len(made.packages)} packages; constraints: {folder / solutions.CONSTRAINTS}")
    _CONSOLE.print(f"now: gome doctor --profile {name} --python {made.python}")


def _with_host(wanted: Wanted) -> Facts:
    in_image = (wanted.sandbox or "").startswith("docker:")
    try:
        python = sandbox.interpreter(None if in_image else wanted.python or None)
    except sandbox.SandboxUnavailable as refusal:
        ours = sandbox.interpreter(None)
        return Facts(look(ours, wanted.data, Path.cwd()), no_sandbox=str(refusal))
    return Facts(look(python, wanted.data, Path.cwd()))


def _with_probe(facts: Facts, hardware: Profile, wanted: Wanted) -> Facts:
    """Run the probe as the scripts of a run would be run, on the first card that is asked for."""
    try:
        backend = sandbox.detect(wanted.sandbox, wanted.python or None)
        there = {card.index for card in facts.host.cards}
        chosen = facts.asked.gpus or tuple(sorted(there))
        gpus = tuple(card for card in chosen[:1] if hardware.gpu and card in there)
        limits = replace(script_limits(hardware, _PROBE_SECONDS), gpus=gpus)
        told = probe(backend, limits)
    except sandbox.SandboxUnavailable as refusal:
        return replace(facts, no_sandbox=str(refusal))
    return replace(facts, probed=told, sandbox=backend.name, not_covered=tuple(backend.not_covered))


def _with_model(facts: Facts, model: str) -> Facts:
    """Read the model's name, look for its keys, and connect to servers that it names."""
    if not model:
        return facts
    from gome_agent.models import ModelMisconfigured, build_model

    try:
        built = build_model(model)
        built.warm_up()
    except ModelMisconfigured as error:
        return replace(facts, model_problem=str(error))
    endpoints = {address: reachable(address) for address in built.addresses}
    return replace(facts, model_problem="", endpoints=endpoints)


def reachable(address: str) -> str:
    """Why no connection to a server can be made; empty if one can. Nothing is sent."""
    try:
        told = urllib.parse.urlsplit(address if "//" in address else f"//{address}")
        port = told.port or (80 if told.scheme == "http" else 443)
        with socket.create_connection((told.hostname or "", port), _CONNECT_SECONDS):
            return ""
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__


def _table(findings: tuple[Finding, ...]) -> Table:
    table = Table("check", "", box=None, pad_edge=False)
    for name in ("what was found", "what to do"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        advice = finding.state == "failure" and not finding.needed
        state = _ADVICE if advice else _STATES[finding.state]
        table.add_row(f"[bold]{finding.check}", state, escape(finding.says), escape(finding.fix))
    return table


def _conclusion(hardware: Profile, findings: tuple[Finding, ...]) -> str:
    failed = [one.check for one in findings if one.state == "failure" and one.needed]
    untold = math.fsum(one.state == "unknown" for one in findings)
    end = f"; {untold:.0f} checks could not be made" if untold else ""
    if failed:
        return f"[red]not ready[/] for {hardware.name}: {', '.join(failed)}{end}"
    return f"[green]ready[/] for {hardware.name}{end}"
