"""All checks of a doctor, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Iterable

from gome_agent.hardware import card_checks, host_checks, solution_checks
from gome_agent.hardware.facts import Facts
from gome_agent.hardware.findings import Check, Finding
from gome_agent.hardware.profiles import PROFILES, Profile, profile_of

CHECKS: tuple[Check, ...] = (
    *card_checks.CHECKS,
    *solution_checks.CHECKS,
    *host_checks.CHECKS,
)


def examine(facts: Facts, hardware: Profile) -> tuple[Finding, ...]:
    """What every check that concerns a profile says."""
    found = (check(facts, hardware) for check in CHECKS)
    return tuple(finding for finding in found if finding is not None)


def passes(findings: Iterable[Finding]) -> bool:
    """Whether nothing that the profile needs has failed; what could not be told does not count."""
    return not any(finding.state == "failure" and finding.needed for finding in findings)


def likely_profile(facts: Facts) -> Profile:
    """The profile of the first card, or that of a machine without one."""
    for card in facts.host.cards:
        found = profile_of(card.name)
        if found is not None:
            return found
    return PROFILES["cpu"]
