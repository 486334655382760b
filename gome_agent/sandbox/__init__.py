"""Sandboxes: how programs nobody trusts are run, and what each way does not cover.

`detect()` gives the strongest backend that works on this machine: `bubblewrap`, then
`namespaces`, then `process`. Docker needs an image, so it is used where it is asked for
(`docker:IMAGE`). Every backend lists what it leaves open in `not_covered`; a run
should say it at its start (`describe`).
"""

from __future__ import annotations

import difflib
from pathlib import Path

from gome_agent.sandbox._bubblewrap import BubblewrapSandbox as BubblewrapSandbox
from gome_agent.sandbox._docker import DockerSandbox as DockerSandbox
from gome_agent.sandbox._gpus import gpu_nodes as gpu_nodes
from gome_agent.sandbox._namespaces import NamespaceSandbox as NamespaceSandbox
from gome_agent.sandbox._process import ProcessSandbox as ProcessSandbox
from gome_agent.sandbox._workdir import remove_tree as remove_tree
from gome_agent.sandbox.base import (
    Execution as Execution,
    Limits as Limits,
    Outcome as Outcome,
    Sandbox as Sandbox,
    SandboxUnavailable as SandboxUnavailable,
)
from gome_agent.sandbox.interpreter import Interpreter as Interpreter, interpreter as interpreter
from gome_agent.sandbox.outputs import read_output as read_output

_Backend = BubblewrapSandbox | NamespaceSandbox | ProcessSandbox
_DOCKER = "docker:"


def detect(preferred: str | None = None, python: Path | str | None = None) -> Sandbox:
    """Return the strongest sandbox that works here, or the one that is asked for by name.

    Each candidate runs one trivial script first, so the answer is about this machine and not
    about what is installed on it. Nothing is remembered between calls.

    Args:
      preferred: `bubblewrap`, `namespaces`, `process` or `docker:` and the name of an image; None
        takes the first of the three that works.
      python: interpreter of the scripts, ours if `None`. With docker, of the image.

    Raises:
      SandboxUnavailable: the named one is unknown or does not work here, or none works; or the
        interpreter does not run. A named sandbox is never replaced by a weaker one.
    """
    if preferred is not None and preferred.startswith(_DOCKER) and preferred != _DOCKER:
        image = preferred.removeprefix(_DOCKER)
        container = DockerSandbox(image) if python is None else DockerSandbox(image, str(python))
        container.probe()
        return container
    runs = interpreter(python)
    backends: dict[str, _Backend] = {
        backend.name: backend
        for backend in (BubblewrapSandbox(runs), NamespaceSandbox(runs), ProcessSandbox(runs))
    }
    if preferred is not None:
        if preferred not in backends:
            raise SandboxUnavailable(_unknown(preferred, list(backends)))
        backends[preferred].probe()
        return backends[preferred]
    refusals = []
    for backend in backends.values():
        try:
            backend.probe()
        except SandboxUnavailable as refusal:
            refusals.append(f"{backend.name}: {refusal}")
        else:
            return backend
    raise SandboxUnavailable("no sandbox works on this machine. " + "; ".join(refusals))


def describe(sandbox: Sandbox) -> str:
    """Return one paragraph that names a sandbox and all it does not cover.

    >>> describe(ProcessSandbox()).startswith("Scripts run in the sandbox `process`.")
    True
    """
    return f"Scripts run in the sandbox `{sandbox.name}`. Not covered: " + " ".join(
        f"({number}) {sentence}" for number, sentence in enumerate(sandbox.not_covered, start=1)
    )


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else "."
    return f"there is no sandbox `{name}`{hint} Known: {', '.join(known)}, docker:IMAGE."
