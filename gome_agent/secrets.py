"""Secrets are never written: what they are, and how they are taken out of a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Redact = Callable[[str], str]

_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_SHORTEST = 8
"""Shorter values are words such as `true`, which stand in any text."""


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Values that are secret, longest first, and the names of their variables."""
    named = {value: name for name, value in sorted(environment.items()) if _NAMES.search(name)}
    longest_first = sorted(named, key=len, reverse=True)
    return {value: named[value] for value in longest_first if len(value) >= _SHORTEST}


def redaction(environment: Mapping[str, str]) -> Redact:
    """A function that takes the secrets of an environment out of texts.

    Secrets are the values of variables whose names say so (`OPENAI_API_KEY`, `HF_TOKEN`, ...) and
    that have at least eight characters.

    >>> redaction({"OPENAI_API_KEY": "sk-123456789"})("refused: sk-123456789")
    'refused: [OPENAI_API_KEY]'
    """
    secrets = secrets_of(environment)
    if not secrets:
        return nothing_to_redact
    pattern = re.compile("|".join(map(re.escape, secrets)))
    return lambda text: pattern.sub(lambda found: f"[{secrets[found.group()]}]", text)


def nothing_to_redact(text: str) -> str:
    """The text as it is."""
    return text
