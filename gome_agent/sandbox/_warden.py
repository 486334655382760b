"""The small program that stands between the agent and a script: it limits, watches and kills.

Every backend starts the texts of this file and of `_tree` with `python -I -S -c` and runs nothing
else. It reads one line of JSON on its standard input, takes the standard input's end as the order
to stop (so the script also dies with the agent, even by SIGKILL), starts the script in a session
of its own and writes what happened as lines of JSON to a pipe that the script never holds. Where
no descriptor can be handed over (docker), the pipe has a name in the work folder, and that name is
gone before the script starts.

It is the reaper of everything the script leaves behind (`PR_SET_CHILD_SUBREAPER`, Linux), so a
daemon that forks twice and calls `setsid` is still found. Self-contained on purpose: inside a
sandbox no file of this package is visible.

Not covered: without a process namespace a script of the same user can kill this program first,
and then leave processes behind. Outside Linux only the script's own process group is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time

from gome_agent.sandbox._tree import CHECK_SECONDS, Meter, kill_descendants

TYPE_CHECKING = False  # the name is enough for type checkers; importing `typing` costs 7 ms a run
if TYPE_CHECKING:
    from typing import Any, NoReturn

CONTROL = 0
LINUX = sys.platform == "linux"

# <linux/prctl.h>
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_READ, PR_CAPBSET_DROP = 1, 4, 23, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
# <linux/mount.h>
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC = 32, 4096, 16384
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000
# <linux/keyctl.h>; the number of the system call by machine
SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING = {"x86_64": 250, "aarch64": 219}, 1


def check(result: int, what: str) -> int:
    """Return a C function's result, or raise the `OSError` it stands for."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def build_root(libc: Any, root: str, mounts: list[dict[str, Any]]) -> None:
    """Build a new root folder from a list of mounts and change into it for good.

    Plain `chroot` is enough here because the script has no capabilities, no open folder and no
    view of a process outside; the kernel also forbids new user namespaces below a `chroot`.
    """

    def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
        arguments = (source.encode(), target.encode(), kind.encode() if kind else None)
        check(libc.mount(*arguments, ctypes.c_ulong(flags), data.encode()), f"mount `{target}`")

    def restrict(target: str, flags: int) -> None:
        attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
        check(
            libc.syscall(
                ctypes.c_long(SYS_MOUNT_SETATTR),
                ctypes.c_int(AT_FDCWD),
                ctypes.c_char_p(target.encode()),
                ctypes.c_uint(AT_RECURSIVE),
                ctypes.byref(attributes),
                ctypes.c_size_t(ctypes.sizeof(attributes)),
            ),
            f"restrict `{target}`",
        )

    def bind(source: str, target: str, flags: int) -> None:
        if os.path.isdir(source):
            os.makedirs(target, exist_ok=True)
        elif not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            open(target, "xb").close()
        mount(source, target, None, MS_BIND | MS_REC)
        restrict(target, flags)

    def tmpfs(target: str, options: str, flags: int = 0) -> None:
        os.makedirs(target, exist_ok=True)
        mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV | flags, options)

    def devices(target: str) -> None:
        tmpfs(target, "mode=755,size=64k", MS_NOEXEC)
        for name in ("null", "zero", "full", "random", "urandom"):
            bind(f"/dev/{name}", f"{target}/{name}", MS_NOSUID | MS_NOEXEC)
        os.symlink("/proc/self/fd", f"{target}/fd")
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            os.symlink(f"/proc/self/fd/{number}", f"{target}/{name}")
        os.mkdir(f"{target}/shm")

    def processes(target: str) -> None:
        os.makedirs(target)
        flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        mount("proc", target, "proc", flags)
        # The host's root owns /proc/sys even without capabilities; `core_pattern` is a way out.
        mount("", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags)

    tmpfs(root, "mode=755,size=1m")
    for step in mounts:
        source, target = step["source"], root + step["target"]
        kind = step["kind"]
        if kind == "read":
            bind(source, target, MS_RDONLY | MS_NOSUID | MS_NODEV)
        elif kind == "write":
            bind(source, target, MS_NOSUID | MS_NODEV)
        elif kind == "device":
            bind(source, target, MS_NOSUID | MS_NOEXEC)
        elif kind == "link":
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(source, target)
        elif kind == "scratch":
            tmpfs(target, f"mode=1777,size={step['size']}")
        elif kind == "devices":
            devices(target)
        elif kind == "processes":
            processes(target)
        elif kind == "hide_folder":
            tmpfs(target, "mode=000,size=4k", MS_RDONLY)
        elif kind == "hide_file":
            bind("/dev/null", target, MS_RDONLY | MS_NODEV)  # no device here: opening it fails
        else:
            raise ValueError(f"unknown mount `{kind}`")
    locked = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID
    mount("", f"{root}/dev", None, locked | MS_NOEXEC)
    mount("", root, None, locked | MS_NODEV)
    os.chroot(root)
    os.chdir("/")


def raise_loopback() -> None:
    """Bring up `lo` of a new network namespace, for programs that talk to themselves."""
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def drop_privileges(libc: Any, must: bool) -> None:
    """Give up setuid programs and, where we may, every capability that a root user would get."""

    def prctl(*arguments: int) -> int:
        return int(libc.prctl(*(ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0)[:5])))

    check(prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "PR_SET_PDEATHSIG")
    capability = 0
    while prctl(PR_CAPBSET_READ, capability) >= 0:
        if prctl(PR_CAPBSET_DROP, capability) < 0 and must:
            check(-1, f"drop capability {capability}")
        capability += 1
    check(prctl(PR_SET_NO_NEW_PRIVS, 1), "PR_SET_NO_NEW_PRIVS")


def leave_keyring(libc: Any) -> None:
    """Take a new, empty session keyring, so that keys of the agent's session are not ours."""
    number = SYS_KEYCTL.get(os.uname().machine)
    if number is not None:  # fails only where the kernel has no keyrings or a filter forbids them
        libc.syscall(ctypes.c_long(number), ctypes.c_long(KEYCTL_JOIN_SESSION_KEYRING), None)


def set_limits(limits: dict[str, list[int]]) -> None:
    """Set resource limits by name, never above the limit that is already there."""
    for name, (soft, hard) in limits.items():
        which: int = getattr(resource, name)
        ceiling = resource.getrlimit(which)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(which, (soft, hard))
        except (ValueError, OSError):
            if LINUX:  # other systems refuse some of them; that backend says so
                raise


def start_program(config: dict[str, Any], libc: Any) -> NoReturn:
    """Become the script: own session, no input, no privileges, limits, then `exec`."""
    try:
        os.setsid()
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(config["folder"])
        if LINUX:
            leave_keyring(libc)
            drop_privileges(libc, must=config["drop_all"])
        set_limits(config["limits"])
        os.execv(sys.executable, [sys.executable, config["script"]])
    except BaseException as error:
        os.write(config["status"], json.dumps({"failed": repr(error)}).encode() + b"\n")
        os._exit(127)


def reap(child: int) -> dict[str, Any] | None:
    """Collect every ended process; return the script's own status when it is among them."""
    ended = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                ended = {"status": status, "cpu": usage.ru_utime + usage.ru_stime}
    return ended


def watch(child: int, wake: int, meter: Meter) -> dict[str, Any]:
    """Wait for the script's end, the agent's order to stop, or more in use than allowed."""
    next_check = time.monotonic() + CHECK_SECONDS
    while True:
        ready = select.select([CONTROL, wake], [], [], CHECK_SECONDS)[0]
        ended = reap(child)
        if ended is not None:
            return ended
        if CONTROL in ready:
            return {"stopped": True}
        if wake in ready:
            os.read(wake, 4096)
        if time.monotonic() >= next_check:
            exceeded = meter.check(os.getpid())
            if exceeded is not None:
                return exceeded
            next_check = time.monotonic() + CHECK_SECONDS


def kill_everything(child: int, reaped: bool) -> None:
    """Kill and collect until no descendant is left."""
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        kill_descendants(os.getpid())
        if not LINUX and not reaped:
            with contextlib.suppress(OSError):
                os.killpg(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def open_status(status: int | str) -> int:
    """The pipe for reports: a descriptor, or a name that is removed before the script starts."""
    if isinstance(status, str):
        descriptor = os.open(status, os.O_WRONLY)
        os.unlink(status)
        return descriptor
    os.set_inheritable(status, False)
    return status


def main() -> None:
    """Read the order, run it, report."""
    text = b""
    while not text.endswith(b"\n"):
        chunk = os.read(CONTROL, 65536)
        if not chunk:
            return
        text += chunk
    config = json.loads(text)
    status = open_status(config["status"])
    libc = ctypes.CDLL(None, use_errno=True)
    if config["root"]:
        raise_loopback()
        build_root(libc, config["root"], config["mounts"])
    if LINUX:
        check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER")
        # Nobody of the same user may trace us or open our pipes; `exec` resets it for the script.
        check(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE")
    meter = Meter(config)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    os.write(status, b'{"started": true}\n')
    child = os.fork()
    if child == 0:
        start_program(config, libc)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    ended = watch(child, wake, meter)
    kill_everything(child, reaped="status" in ended)
    if "stopped" not in ended:
        ended.update(meter.last_check() or {})
    os.write(status, json.dumps(ended).encode() + b"\n")
