"""Checks of the cards and their driver, from what `nvidia-smi` tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gome_agent.hardware.facts import Card, Facts
from gome_agent.hardware.findings import Finding, failure, ok, unknown
from gome_agent.hardware.profiles import Profile, is_of

_BUSY_MIB = 500
"""A card with more in use is somebody's; a display or a daemon takes less."""
_LEAST_SHARE = 0.85
"""Of the size that a card is sold with, what its driver must tell: some is kept for ECC."""


def present(facts: Facts, hardware: Profile) -> Finding | None:
    """The cards that are asked for are there, and are of the profile's kind."""
    if not hardware.gpu:
        return None
    cards = _chosen(facts)
    if not facts.host.cards:
        fix = "run on a machine with the card, install its driver, or use --profile cpu"
        return failure("gpu", f"no card: {facts.host.no_cards or 'the driver tells of none'}", fix)
    missing = sorted(set(facts.asked.gpus) - {card.index for card in cards})
    if missing:
        have = ", ".join(str(card.index) for card in facts.host.cards)
        return failure("gpu", f"there is no GPU {missing[0]}", f"choose among {have} in --gpus")
    names = ", ".join(f"{card.index}: {card.name}" for card in cards)
    others = [card.name for card in cards if not is_of(hardware, card.name)]
    if others:
        fix = "name the profile of this card, or leave --profile out"
        return failure("gpu", f"{others[0]} is no {hardware.gpu}", fix)
    return ok("gpu", names)


def capability(facts: Facts, hardware: Profile) -> Finding | None:
    """The compute capability is the profile's."""

    def look(cards: list[Card]) -> Finding:
        told = {card.capability for card in cards}
        if None in told:
            return unknown("compute capability", "the driver does not tell it")
        wanted = "{}.{}".format(*hardware.capability)
        wrong = [card for card in cards if card.capability != hardware.capability]
        if wrong:
            says = f"GPU {wrong[0].index} has {wrong[0].capability}, not {wanted}"
            return failure("compute capability", says, "name the profile of this card")
        return ok("compute capability", wanted)

    return _of_cards("compute capability", facts, hardware, look)


def driver(facts: Facts, hardware: Profile) -> Finding | None:
    """The driver's branch still supports the card."""

    def look(cards: list[Card]) -> Finding:
        version = cards[0].driver
        branch = version.partition(".")[0]
        newest = hardware.newest_driver
        if not branch.isdigit():
            return unknown("driver", f"its version reads {version!r}")
        if newest is not None and int(branch) > newest:
            fix = f"install a driver of branch {newest} or before; wheels for CUDA 12 run on it"
            says = f"{version} is of a branch after {newest}, the last for {hardware.gpu}"
            return failure("driver", says, fix)
        return ok("driver", version)

    return _of_cards("driver", facts, hardware, look)


def memory(facts: Facts, hardware: Profile) -> Finding | None:
    """The card has the memory that it is sold with, and nobody else has taken it."""

    def look(cards: list[Card]) -> Finding:
        least = min(hardware.memory_gib)
        for card in cards:
            if card.total_mib < _LEAST_SHARE * least * 1000**3 / 2**20:
                says = f"GPU {card.index} has {card.total_mib} MiB, a {hardware.name} {least} GB"
                return failure(
                    "gpu memory", says, "a part of the card (MIG, vGPU)? Use a whole one"
                )
            if card.used_mib > _BUSY_MIB:
                says = f"of GPU {card.index} {card.used_mib} of {card.total_mib} MiB are in use"
                return failure("gpu memory", says, "end what uses it, or choose another (--gpus)")
        return ok("gpu memory", ", ".join(f"{card.total_mib} MiB" for card in cards))

    return _of_cards("gpu memory", facts, hardware, look)


def processes(facts: Facts, hardware: Profile) -> Finding | None:
    """Nobody else computes on the cards."""

    def look(cards: list[Card]) -> Finding:
        if any(card.processes is None for card in cards):
            return unknown("gpu processes", "the driver does not tell them")
        others = [what for card in cards for what in card.processes or ()]
        if others:
            fix = "end them, choose another card (--gpus), or expect slower scripts"
            return failure("gpu processes", "; ".join(others), fix, needed=False)
        return ok("gpu processes", "none but ours")

    return _of_cards("gpu processes", facts, hardware, look)


def errors(facts: Facts, hardware: Profile) -> Finding | None:
    """No memory error that ECC could not correct."""

    def look(cards: list[Card]) -> Finding:
        told = [card.ecc_errors for card in cards]
        if None in told:
            return unknown("ecc", "off, or the card does not tell")
        worst = max(cards, key=lambda card: card.ecc_errors or 0)
        if worst.ecc_errors:
            says = f"{worst.ecc_errors} uncorrected memory errors on GPU {worst.index}"
            return failure("ecc", says, "reset the GPU; if they come again, use another card")
        return ok("ecc", "no uncorrected error")

    return _of_cards("ecc", facts, hardware, look)


def clocks(facts: Facts, hardware: Profile) -> Finding | None:
    """The card is not slowed down by heat or power."""

    def look(cards: list[Card]) -> Finding:
        if any(card.slowed_by is None for card in cards):
            return unknown("gpu clocks", "the driver does not tell them")
        slow = sorted({reason for card in cards for reason in card.slowed_by or ()})
        if slow:
            fix = "see to cooling and power; times of this machine cannot be compared"
            return failure("gpu clocks", f"slowed by {', '.join(slow)}", fix, needed=False)
        return ok("gpu clocks", "not slowed down")

    return _of_cards("gpu clocks", facts, hardware, look)


CHECKS = (present, capability, driver, memory, processes, errors, clocks)


def _of_cards(
    name: str, facts: Facts, hardware: Profile, look: Callable[[list[Card]], Finding]
) -> Finding | None:
    """A check of the chosen cards, where the profile has any and the machine too."""
    if not hardware.gpu:
        return None
    cards = _chosen(facts)
    return look(cards) if cards else unknown(name, "no card")


def _chosen(facts: Facts) -> list[Card]:
    wanted: Iterable[int] = facts.asked.gpus
    return [card for card in facts.host.cards if not wanted or card.index in wanted]
