"""What a script may use on a machine of a profile."""

from __future__ import annotations

from gome_agent.hardware.profiles import Profile
from gome_agent.sandbox.base import Limits

_SHARE_OF_RAM = 0.9
_FILE_GIB, _DISK_GIB = 16, 128


def script_limits(hardware: Profile, wall_seconds: float) -> Limits:
    """Limits for a script that may have the whole machine.

    Files, `/tmp` and `/dev/shm` may have 16 GiB each (weights, workers that load data), the work
    folder 128 GiB. Time on all processors counts as time on one of each.
    """
    return Limits(
        wall_seconds=wall_seconds,
        cpu_seconds=wall_seconds * hardware.cores,
        memory_bytes=int(_SHARE_OF_RAM * hardware.ram_gib * 2**30),
        file_bytes=_FILE_GIB * 2**30,
        disk_bytes=_DISK_GIB * 2**30,
        processes=64 + 2 * hardware.cores,
        threads=hardware.cores,
    )
