"""What `nvidia-smi` tells of the cards: one short call a group of fields.

A field that a driver does not know spoils its call, so that what not every driver or card can
answer is asked for apart.
"""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace

from gome_agent.hardware.facts import Card

Ask = Callable[[str], str]
"""From one option to what `nvidia-smi` prints; raises `NoAnswer`."""
_SECONDS = 30.0
# <https://docs.nvidia.com/deploy/nvml-api>, `nvmlClocksEventReasons`: those that mean trouble.
_SLOWED = {
    0x8: "hardware slowdown",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}


class NoAnswer(Exception):
    """`nvidia-smi` is not there, or does not answer this."""


def ask(option: str) -> str:
    """Call `nvidia-smi` once.

    Raises:
      NoAnswer: says why.
    """
    line = ["nvidia-smi", option, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError:
        raise NoAnswer("`nvidia-smi` is not on this machine's PATH") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer(f"`nvidia-smi` does not answer: {error}") from None
    if done.returncode:
        words = " ".join((done.stdout + done.stderr).split())[:300]
        raise NoAnswer(f"`nvidia-smi` failed: {words}")
    return done.stdout


def cards(ask: Ask = ask) -> tuple[Card, ...]:
    """All cards of the machine, by number.

    Raises:
      NoAnswer: nothing is known of any.
    """
    found: dict[str, Card] = {}
    fields = "index,uuid,name,driver_version,memory.total,memory.used"
    for row in _rows(ask(f"--query-gpu={fields}"), 6):
        index, uuid, name, driver, total, used = row
        if not (index.isdigit() and total.isdigit() and used.isdigit()):
            raise NoAnswer(f"`nvidia-smi` tells of a card in an unknown way: {', '.join(row)}")
        found[uuid] = Card(int(index), name, driver, int(total), int(used))
    for uuid, told in _each(ask, "compute_cap"):
        major, dot, minor = told.partition(".")
        if uuid in found and dot and major.isdigit() and minor.isdigit():
            found[uuid] = replace(found[uuid], capability=(int(major), int(minor)))
    for uuid, told in _each(ask, "ecc.errors.uncorrected.volatile.total"):
        if uuid in found and told.isdigit():
            found[uuid] = replace(found[uuid], ecc_errors=int(told))
    # The second is what drivers before 535 call it.
    for uuid, told in _each(ask, "clocks_event_reasons.active", "clocks_throttle_reasons.active"):
        if uuid in found and told.startswith("0x"):
            bits = int(told, 16)
            reasons = tuple(words for bit, words in _SLOWED.items() if bits & bit)
            found[uuid] = replace(found[uuid], slowed_by=reasons)
    found = _with_processes(ask, found)
    return tuple(sorted(found.values(), key=lambda card: card.index))


def _with_processes(ask: Ask, found: dict[str, Card]) -> dict[str, Card]:
    try:
        rows = _rows(ask("--query-compute-apps=gpu_uuid,pid,process_name,used_memory"), 4)
    except NoAnswer:
        return found
    told = [(uuid, f"{name} ({pid}), {used} MiB") for uuid, pid, name, used in rows]
    return {
        uuid: replace(card, processes=tuple(what for where, what in told if where == uuid))
        for uuid, card in found.items()
    }


def _each(ask: Ask, *names: str) -> Iterator[tuple[str, str]]:
    """One field of each card, by the first of several names that the driver knows."""
    for name in names:
        try:
            yield from ((row[0], row[1]) for row in _rows(ask(f"--query-gpu=uuid,{name}"), 2))
        except NoAnswer:
            continue
        return


def _rows(text: str, width: int) -> list[list[str]]:
    rows = ([cell.strip() for cell in row] for row in csv.reader(text.splitlines()))
    return [row for row in rows if len(row) == width]
