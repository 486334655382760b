"""Docker: a container for each script, for machines where a GPU comes with its container tools.

The image gives Python and all packages; nothing of this machine is seen but the work folder and
the data, at the same places as in the other backends. The warden is the container's first process,
so the container ends with it. Needs a daemon on this machine (Linux, not rootless).

A container is removed in every case: the warden ends when its input does, which also happens when
the agent is killed; the daemon removes what has ended (`--rm`); after each run the container is
removed by name; and `probe` removes those of agents that are no more.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gome_agent.sandbox import _gaps
from gome_agent.sandbox._gpus import gpu_nodes
from gome_agent.sandbox._probe import probe
from gome_agent.sandbox._supervise import Plan, Relay, environment, supervise
from gome_agent.sandbox._view import INPUT, JOB, Mount, hidden, scratch
from gome_agent.sandbox._workdir import SCRIPT, prepared
from gome_agent.sandbox.base import Execution, Limits, SandboxUnavailable
from gome_agent.sandbox.interpreter import Interpreter

LABEL = "gome.agent"
_NOBODY = 65534
_CLIENT_SECONDS = 60.0
# A client may be set up to give its proxies, with their passwords, to every container.
_PROXIES = tuple(f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "FTP", "NO", "ALL"))


@dataclass(frozen=True)
class DockerSandbox:
    """Runs a script in a fresh container of an image that has Python 3.9 or later.

    Covers what `BubblewrapSandbox` covers, and the kernel itself limits memory and the number of
    tasks of all processes together. An agent that is root gives the work folder to user 65534.
    """

    image: str
    """Name of an image that the daemon already has; nothing is pulled."""
    python: str = "python3"
    """The interpreter in the image."""

    @property
    def name(self) -> str:
        return f"docker:{self.image}"

    @property
    def not_covered(self) -> tuple[str, ...]:
        return (_gaps.CPU, _gaps.SAMPLED_DISK, _gaps.SHARED_KERNEL, _gaps.DAEMON)

    def run(
        self,
        script: str,
        workdir: Path,
        data: Path,
        limits: Limits,
        sealed: Sequence[Path] = (),
    ) -> Execution:
        """Run a script; see `Sandbox.run`. A sealed file reads as empty, a folder is closed."""
        client, name = _client(), f"gome-{os.getpid()}-{secrets.token_hex(6)}"
        with prepared(script, workdir, data, sealed, "mount"), _pipe(workdir) as pipe:
            user = _hand_over(workdir)
            plan = Plan(
                script=f"{JOB}/{SCRIPT}",
                folder=JOB,
                python=self.python,
                environment=_script_environment(limits, self.python),
                skip=INPUT,
                scratch=scratch(limits),
            )
            launcher = [
                *(client, "run", "--name", name, "--label", f"{LABEL}={_identity()}"),
                *("--user", user, *_WALLS, *_bounds(limits)),
                *_flags("--mount", _mounts(workdir, data, sealed)),
                *_flags("--env", (f"{key}={value}" for key, value in plan.environment.items())),
                *("--entrypoint=", self.image),
            ]
            relay = Relay(os.environ, pipe)
            try:
                return supervise(launcher, plan, limits, relay)
            finally:
                _ask(client, "rm", "--force", "--volumes", name)

    def probe(self) -> None:
        """Remove containers that dead agents left, then run a trivial script once.

        Raises:
          SandboxUnavailable: no client, no daemon, or not such an image.
        """
        client = _client()
        found = _ask(client, "info", "--format", "{{.ServerVersion}}")
        if found.returncode:
            raise SandboxUnavailable(f"no docker daemon answers: {found.stderr.strip()[-400:]}")
        if _ask(client, "image", "inspect", self.image).returncode:
            raise SandboxUnavailable(
                f"the docker daemon has no image `{self.image}`; pull or build it first"
            )
        remove_orphans(client)
        probe(self)


# `--log-driver none`: what a script prints must not fill the daemon's disk.
_WALLS = (
    *("--rm", "--interactive", "--pull", "never", "--log-driver", "none"),
    *("--network", "none", "--ipc", "private", "--hostname", "sandbox", "--read-only"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--workdir", "/"),
)


def _bounds(limits: Limits) -> Iterator[str]:
    """Limits in the words of `docker run`."""
    memory, size = str(limits.memory_bytes), scratch(limits)
    cpu = int(-(-limits.cpu_seconds // 1))
    yield from ("--memory", memory, "--memory-swap", memory)
    # Counts threads too, and the warden; the warden counts processes.
    yield from ("--pids-limit", str(4 * limits.processes + 1))
    yield from ("--ulimit", f"fsize={limits.file_bytes}", "--ulimit", f"cpu={cpu}:{cpu + 1}")
    yield from ("--ulimit", "core=0", "--shm-size", str(size["/dev/shm"]))
    yield from ("--tmpfs", f"/tmp:rw,nosuid,nodev,exec,mode=1777,size={size['/tmp']}")
    if limits.gpus:
        gpu_nodes(limits.gpus)  # says which one is missing
        # The quotes are docker's: without them the comma would begin another field.
        yield from ("--gpus", f'"device={",".join(map(str, limits.gpus))}"')


def _mounts(workdir: Path, data: Path, sealed: Sequence[Path]) -> Iterator[str]:
    visible = (
        Mount("write", JOB, str(workdir.resolve())),
        Mount("read", INPUT, str(data.resolve())),
    )
    for mount in (*visible, *hidden(visible, sealed)):
        match mount.kind:
            case "hide_folder":
                yield f"type=tmpfs,target={mount.target},tmpfs-size=4096,tmpfs-mode=0000"
            case "hide_file":
                yield f"type=bind,source=/dev/null,target={mount.target},readonly"
            case kind:
                if "," in mount.source:
                    raise ValueError(f"docker cannot mount `{mount.source}`: it has a comma")
                end = ",readonly" if kind == "read" else ""
                yield f"type=bind,source={mount.source},target={mount.target}{end}"


def _script_environment(limits: Limits, python: str) -> dict[str, str]:
    """Return the script's variables; search paths and libraries are the image's own."""
    variables = environment(JOB, "/tmp", limits, Interpreter(python, ()))
    del variables["PATH"]
    if limits.gpus:
        del variables["NVIDIA_VISIBLE_DEVICES"]  # set by `--gpus`
    empty = {name: "" for proxy in _PROXIES for name in (proxy, proxy.lower())}
    return {**variables, **empty}


def _flags(flag: str, values: Iterator[str]) -> Iterator[str]:
    for value in values:
        yield from (flag, value)


@contextlib.contextmanager
def _pipe(workdir: Path) -> Iterator[Path]:
    """Make a named pipe in the work folder; the warden removes it before the script starts."""
    path = workdir / f".report-{secrets.token_hex(8)}"
    os.mkfifo(path, 0o600)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _hand_over(workdir: Path) -> str:
    """Return `user:group` for the script, who can write in the work folder and is not root."""
    if os.geteuid():
        return f"{os.geteuid()}:{os.getegid()}"
    os.chown(workdir, _NOBODY, _NOBODY)
    for parent, folders, files in os.walk(workdir):
        for name in (*folders, *files):
            os.chown(os.path.join(parent, name), _NOBODY, _NOBODY, follow_symlinks=False)
    return f"{_NOBODY}:{_NOBODY}"


def _client() -> str:
    path = shutil.which("docker")
    if path is None:
        raise SandboxUnavailable(
            "`docker` is not on this machine's PATH; install the package `docker.io` or"
            " `docker-ce-cli`, or choose another sandbox"
        )
    return path


def _ask(client: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Give the daemon one short order.

    Raises:
      SandboxUnavailable: it does not answer.
    """
    try:
        return subprocess.run(
            [client, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CLIENT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxUnavailable(f"the docker daemon does not answer: {error}") from error


def remove_orphans(client: str) -> None:
    """Remove containers whose agent lived on this machine and is dead."""
    listed = _ask(
        client,
        *("ps", "--all", "--filter", f"label={LABEL}"),
        *("--format", f'{{{{.Names}}}} {{{{.Label "{LABEL}"}}}}'),
    )
    here, _, _ = _identity().rpartition("/")
    for name, _, owner in (line.partition(" ") for line in listed.stdout.splitlines()):
        place, _, process = owner.rpartition("/")
        if place == here and process != _birth(process.partition("-")[0]):
            _ask(client, "rm", "--force", "--volumes", name)


def _identity() -> str:
    """Machine, process namespace and process of this agent; no other ever has the same."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}/{_birth(str(os.getpid()))}"


def _birth(pid: str) -> str:
    """A process id with the time at which its process started; empty when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{pid}-{fields[19]}"
