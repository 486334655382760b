"""Take a file out of a work folder that a hostile script has written.

A script can leave a link to the agent's own keys under the name of its submission, a pipe that
blocks its reader for ever, or a file larger than the memory. All of them read as "no output".
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath


def read_output(workdir: Path, name: str, max_bytes: int) -> bytes | None:
    """Return the content of a regular file in `workdir`, or None when there is none to trust.

    Links are refused at every step of the path, and so are pipes, devices, folders, files with a
    second hard link and files larger than `max_bytes`. Call it after the script has ended.

    Args:
      workdir: the script's work folder.
      name: path of the file relative to it, such as `submission.csv`.
      max_bytes: largest size that is read.

    Raises:
      ValueError: the name leads out of the folder; it never comes from a script.
    """
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/"):
        raise ValueError(f"`{name}` is not the name of a file inside the work folder")
    try:
        folder = os.open(workdir, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # a script without walls around it can remove its own folder
        return None
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        # O_NONBLOCK: opening a pipe must not wait for a writer.
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(file)
        return None
    with os.fdopen(file, "rb") as opened:
        content = opened.read(max_bytes + 1)
    return content if len(content) <= max_bytes else None
