"""Reasoners: what reads feedback, says what to change, and changes it.

`Expert` needs no key and no network. `Unreliable` corrupts any reasoner by a known amount.
`Scripted` replays given replies.
"""

from gome_agent.reasoners.base import (
    Attempt as Attempt,
    Brief as Brief,
    Compares as Compares,
    HasUsage as HasUsage,
    HasVocabulary as HasVocabulary,
    Judges as Judges,
    MalformedReply as MalformedReply,
    NoEdit as NoEdit,
    NoReply as NoReply,
    Ranked as Ranked,
    Reasoner as Reasoner,
    Refines as Refines,
    Solution as Solution,
    script_digest as script_digest,
)
from gome_agent.reasoners.expert import Expert as Expert
from gome_agent.reasoners.scripted import OutOfScript as OutOfScript, Scripted as Scripted
from gome_agent.reasoners.unreliable import Unreliable as Unreliable
