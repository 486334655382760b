"""The sentences with which backends say what they do not cover.

They are constants so that a test can try each one: an attack succeeds on a backend exactly when
the backend's `not_covered` says that it does.
"""

from __future__ import annotations

NETWORK = "The network is open: the script can send anything it can read to anyone."
READS = "The script can read every file that the user who runs the agent can read."
SEALED = "Sealed paths are not hidden: the script can read them if that user can."
WRITES = "The script can write and delete outside its work folder wherever that user can."
DATA = "The data at ./input are a link, not a read-only mount: the script can change them."
PROCESSES = (
    "Other processes of that user are visible and can be signalled: a script can kill the agent,"
    " or kill its own supervisor and leave processes behind."
)
KEYS = (
    "The environment variables with which the agent was started, its API keys among them, can be"
    " read in /proc."
)
SUMS = (
    "Memory and CPU time are limited for each process, not for all of a script's processes"
    " together; their number is checked four times a second, so a fast fork bomb passes the limit"
    " for a moment."
)
DISK = "The size of one file is limited, not the sum of all files in the work folder."
KERNEL = "The kernel is shared and no seccomp filter is set: a kernel bug is a way out."
NOT_LINUX = (
    "This is not Linux: processes that leave the script's group survive, and the system may ignore"
    " the memory limit."
)

EVERYWHERE = (SUMS, DISK, KERNEL)
PLAIN_PROCESS = (NETWORK, READS, SEALED, WRITES, DATA, PROCESSES, *EVERYWHERE)
