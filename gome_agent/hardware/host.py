"""What the machine itself tells: processors, memory, disk, clock, keys, weights. Nothing heavy."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from gome_agent.hardware.facts import Host
from gome_agent.hardware.nvidia import NoAnswer, cards
from gome_agent.hardware.weights import weights_of
from gome_agent.sandbox.interpreter import Interpreter

KEYS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "azure": "AZURE_API_KEY",
    "bedrock": "AWS_SECRET_ACCESS_KEY",
    "cohere": "COHERE_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "groq": "GROQ_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "together_ai": "TOGETHERAI_API_KEY",
    "xai": "XAI_API_KEY",
}
"""Variables of the best known providers; litellm knows more."""
CONTROL_GROUPS = Path("/sys/fs/cgroup")
_NO_LIMIT = 2**60
"""Version 1 of control groups writes a number above this where there is no limit."""
_MOST_FILES = 500_000


def look(python: Interpreter, data: Path | None, folder: Path) -> Host:
    """Look around.

    Args:
      python: of the solutions.
      data: folder of a task's data, if one was named.
      folder: where runs are going to be written.
    """
    try:
        found, no_cards = cards(), ""
    except NoAnswer as error:
        found, no_cards = (), str(error)
    groups = list(groups_of(_text(Path("/proc/self/cgroup"))))
    size, problem = (None, "") if data is None else data_size(data)
    return Host(
        cards=found,
        no_cards=no_cards,
        cores=len(os.sched_getaffinity(0)),
        quota=quota(groups),
        ram=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        memory_limit=memory_limit(groups),
        disk_free=shutil.disk_usage(folder).free,
        data=size,
        data_problem=problem,
        clock=time.time(),
        newest_file=max(path.stat().st_mtime for path in Path(__file__).parent.glob("*.py")),
        keys=keys_in(os.environ),
        weights=weights_of(python),
    )


def keys_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Names of variables with keys that are set.

    >>> keys_in({"OPENAI_API_KEY": "sk-1", "XAI_API_KEY": "", "HOME": "/"})
    ('OPENAI_API_KEY',)
    """
    return tuple(name for name in sorted(KEYS.values()) if environment.get(name, "").strip())


def quota(groups: list[Path]) -> float | None:
    """Processors that control groups pay for: the least of all that apply."""
    found: list[float] = []
    for group in groups:
        limit, _, period = _text(group / "cpu.max").strip().partition(" ")
        if not limit:
            limit = _text(group / "cpu.cfs_quota_us").strip()
            period = _text(group / "cpu.cfs_period_us").strip()
        if limit.isdigit() and period.isdigit() and int(period):
            found.append(int(limit) / int(period))
    return min(found, default=None)


def memory_limit(groups: list[Path]) -> int | None:
    """Bytes that control groups allow: the least of all that apply."""
    found: list[int] = []
    for group in groups:
        limit = (_text(group / "memory.max") or _text(group / "memory.limit_in_bytes")).strip()
        if limit.isdigit() and int(limit) < _NO_LIMIT:
            found.append(int(limit))
    return min(found, default=None)


def groups_of(membership: str, root: Path | None = None) -> Iterator[Path]:
    """Folders of the control groups of a process and of those above, of both versions.

    Args:
      membership: the text of `/proc/PID/cgroup`.
      root: where control groups are mounted.
    """
    root = root or CONTROL_GROUPS
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        mounts = (root / controllers, *(root / name for name in controllers.split(",")))
        for mount in {mount for mount in mounts if controllers} or {root}:
            inside = mount / path.lstrip("/")
            yield from (inside, *inside.parents[: len(inside.parts) - len(mount.parts)])


def data_size(folder: Path) -> tuple[int | None, str]:
    """Bytes of the files below a folder, or why they are not known."""
    if not folder.is_dir():
        return None, f"`{folder}` is not a folder"
    total = number = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            number += 1
            if number > _MOST_FILES:
                return None, f"`{folder}` has more than {_MOST_FILES} files: not added up"
            with contextlib.suppress(OSError):  # removed while we look
                total += os.lstat(os.path.join(parent, name)).st_size
    return total, ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
