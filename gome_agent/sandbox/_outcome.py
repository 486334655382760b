"""From the way a process ended to an outcome and one sentence.

How "memory" is told: the kernel gives no certain sign. A script that fails is out of memory when
one of the last lines of its standard error says so (`MemoryError`, `std::bad_alloc`, "Cannot
allocate memory", `RESOURCE_EXHAUSTED`), or when something that is not this sandbox killed it with
SIGKILL although it had CPU time left, which is what the kernel's out-of-memory killer does. That
a GPU's memory ran out is told by what its libraries say (`_gpu_memory`). A
script can fake both; it gains nothing by it, since every outcome but `ok` is a failure.

"disk" likewise: a file that would pass its limit ("File too large", SIGXFSZ) or a full file system.
What the warden itself has measured (`exceeded`) needs no guess.
"""

from __future__ import annotations

import re
import signal

from gome_agent.sandbox._gpu_memory import gpu_out_of_memory
from gome_agent.sandbox.base import Limits, Outcome

_OUT_OF_MEMORY = re.compile(
    r"^(\w+\.)*_?\w*MemoryError\b|std::bad_alloc|Cannot allocate memory|RESOURCE_EXHAUSTED",
    re.MULTILINE,
)
_OUT_OF_SPACE = re.compile(r"File too large|No space left on device|Disk quota exceeded")
_LAST_LINES = 5
_FROM_OUTSIDE = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def classify(
    returncode: int, cpu_seconds: float, stderr: str, limits: Limits
) -> tuple[Outcome, str]:
    """Return the outcome and the reason of a process that ended by itself or by a signal.

    Args:
      returncode: exit code, or minus the number of the signal that ended the process.
      cpu_seconds: user and system time of the process and the children it waited for.
      stderr: what it wrote to standard error.
      limits: what it was allowed.

    >>> classify(3, 0.1, "", Limits())
    ('error', 'exit code 3')
    >>> classify(1, 0.1, "MemoryError", Limits())[0]
    'memory'
    """
    if returncode == 0:
        return "ok", ""
    on_gpu = gpu_out_of_memory(stderr) if returncode > 0 and limits.gpus else None
    if on_gpu is not None:
        return "memory", on_gpu
    last = "\n".join(stderr.rstrip().splitlines()[-_LAST_LINES:])
    starved = _OUT_OF_MEMORY.search(last) is not None
    if returncode > 0:
        final_line = last.rpartition("\n")[2].strip()[:300]
        reason = f"exit code {returncode}" + (f": {final_line}" if final_line else "")
        full = _OUT_OF_SPACE.search(last) is not None
        return ("memory" if starved else "disk" if full else "error"), reason

    number = -returncode
    name = _signal_name(number)
    spent = cpu_seconds >= limits.cpu_seconds
    if number == signal.SIGXCPU or (number == signal.SIGKILL and spent):
        return "timeout", f"used its {limits.cpu_seconds:g} s of CPU time ({name})"
    if number == signal.SIGXFSZ:
        return "disk", f"wrote a file of more than {limits.file_bytes} bytes ({name})"
    if starved:
        return "memory", f"ended by {name} after an allocation failed"
    if number == signal.SIGKILL:
        return "memory", f"ended by {name} from outside: most likely the kernel ran out of memory"
    if number in _FROM_OUTSIDE:
        return "interrupted", f"ended by {name}"
    return "error", f"ended by {name}"


def exceeded(what: str, detail: str, limits: Limits) -> tuple[Outcome, str]:
    """Return the outcome and the reason of a program that the warden stopped.

    >>> exceeded("processes", "", Limits(processes=8))
    ('processes', 'had more than 8 processes at once')
    """
    match what:
        case "processes":
            return "processes", f"had more than {limits.processes} processes at once"
        case "memory":
            reason = (
                f"its processes together passed the memory limit of {limits.memory_bytes} bytes"
            )
            return "memory", reason
        case "disk":
            reason = f"filled more than {limits.disk_bytes} bytes of its work folder"
            return "disk", f"left {detail}" if detail else reason
        case _:
            raise ValueError(f"the warden reports an unknown limit `{what}`")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
