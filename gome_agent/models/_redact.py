"""No key in a message: what looks like one, or stands in the environment as one, is blotted out."""

from __future__ import annotations

import os
import re

from gome_agent.secrets import secrets_of

_SHAPED = re.compile(
    r"\bBearer\s+[^\s'\"]+|\b(?:sk|pk|rk|gsk|xai|hf|key|AIza)[-_]?[\w*-]{12,}|(?<=://)[^/@\s]+@"
)
BLOT = "[key]"


def redacted(text: str) -> str:
    """The text without values of environment variables that are named like keys, and without
    anything of a key's usual shape.

    >>> redacted("Incorrect API key provided: sk-abcdefghijklmnop.")
    'Incorrect API key provided: [key].'
    """
    for secret in secrets_of(os.environ):
        text = text.replace(secret, BLOT)
    return _SHAPED.sub(BLOT, text)
