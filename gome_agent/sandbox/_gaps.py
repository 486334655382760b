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
GPUS = "GPUs are given by environment variables only: the script can use others by changing them."
CPU = "CPU time is limited for each process, not for all of a script's processes together."
SAMPLED = (
    "The memory of all processes together, their number and the size of the work folder are"
    " measured ten times a second: a fast script passes these limits for a moment."
)
SAMPLED_DISK = (
    "The size of the work folder is measured ten times a second: a fast script passes its limit for"
    " a moment."
)
HIDDEN = (
    "Memory that no process maps is not counted if the script hides it: files without a name that"
    " a process has open which may not be inspected, or that wait in a socket."
)
KERNEL = "The kernel is shared and no seccomp filter is set: a kernel bug is a way out."
SHARED_KERNEL = "The kernel is shared: a kernel bug is a way out."
DAEMON = (
    "Whoever may talk to the container daemon is root on its machine, and the agent may: run it"
    " where nothing else is at stake."
)
NOT_LINUX = (
    "This is not Linux: processes that leave the script's group survive, the system may ignore the"
    " memory limit, and nothing limits all processes together."
)

WALLS = (CPU, SAMPLED, HIDDEN, KERNEL)
PLAIN_PROCESS = (NETWORK, READS, SEALED, WRITES, DATA, PROCESSES, GPUS, *WALLS)
