"""Hostile and broken programs against every sandbox that works on this machine.

What a backend does not cover is tested like what it covers: an attack must succeed exactly where
`not_covered` says so, so that the sentences can neither promise nor confess too much.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import pytest

from gome_agent.sandbox import (
    BubblewrapSandbox,
    Execution,
    Limits,
    NamespaceSandbox,
    Outcome,
    ProcessSandbox,
    Sandbox,
    SandboxUnavailable,
    _gaps,
    describe,
    detect,
    read_output,
)
from gome_agent.sandbox._outcome import classify

LIMITS = Limits(
    wall_seconds=20.0,
    cpu_seconds=20.0,
    memory_bytes=2**30,
    file_bytes=2**20,
    output_bytes=2**16,
    processes=16,
)
BACKENDS: dict[str, Sandbox] = {
    "bubblewrap": BubblewrapSandbox(),
    "namespaces": NamespaceSandbox(),
    "process": ProcessSandbox(),
}
SECRET = "planted-key-2718281828"


@dataclass(frozen=True)
class World:
    """One sandbox, a task with a secret in it, and something outside the task."""

    sandbox: Sandbox
    root: Path

    @property
    def workdir(self) -> Path:
        return self.root / "run"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def diary(self) -> Path:
        return self.root / "outside" / "diary.txt"

    @property
    def sealed(self) -> tuple[Path, ...]:
        return (self.data / "answers.csv", self.data / "private")

    def run(self, script: str, **limits: float) -> Execution:
        allowed = replace(LIMITS, **limits)  # type: ignore[arg-type]
        return self.sandbox.run(script, self.workdir, self.data, allowed, self.sealed)


@pytest.fixture(scope="module", params=BACKENDS)
def working(request: pytest.FixtureRequest) -> Sandbox:
    try:
        return detect(request.param)
    except SandboxUnavailable as refusal:
        if request.param == "process":
            raise  # this one must work wherever the project is tested
        pytest.skip(f"{request.param} does not work on this machine: {refusal}")


@pytest.fixture
def world(working: Sandbox, tmp_path: Path) -> World:
    made = World(working, tmp_path)
    (made.data / "private").mkdir(parents=True)
    (made.data / "train.csv").write_text("x,y\n1,2\n")
    (made.data / "answers.csv").write_text(SECRET)
    (made.data / "private" / "grades.csv").write_text(SECRET)
    made.diary.parent.mkdir()
    made.diary.write_text(SECRET)
    return made


# --- Programs that end in every way a program can ------------------------------------------------

PROGRAMS: dict[str, tuple[str, dict[str, float], Outcome, str]] = {
    # name: (script, limits, outcome, what the reason says)
    "prints": ("print('fine')", {}, "ok", ""),
    "raises": ("raise KeyError('lost column')", {}, "error", "lost column"),
    "syntax": ("def f(:", {}, "error", "SyntaxError"),
    "surrogate": ("x = '\ud800'", {}, "error", "exit code 1"),
    "exits": ("import sys; sys.exit(3)", {}, "error", "exit code 3"),
    "reads input": ("input()", {}, "error", "EOFError"),
    "crashes": ("import ctypes; ctypes.string_at(0)", {}, "error", "SIGSEGV"),
    "loops": ("while True: pass", {"wall_seconds": 0.5}, "timeout", "0.5 s"),
    "burns": ("while True: pass", {"cpu_seconds": 1.0}, "timeout", "CPU"),
    "ignores terms": (
        "import signal\nfor s in set(signal.Signals) - {9, 19}: signal.signal(s, signal.SIG_IGN)\n"
        "while True: pass",
        {"wall_seconds": 0.5},
        "timeout",
        "0.5 s",
    ),
    "allocates": (
        "kept = []\nwhile True: kept.append(bytearray(10**7))",
        {"memory_bytes": 150 * 2**20},
        "memory",
        "MemoryError",
    ),
    "stops itself": (
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        {},
        "interrupted",
        "SIGTERM",
    ),
    "floods": ("while True: print('again and again')", {}, "output", "65536 bytes"),
    "floods stderr": (
        "import sys\nwhile True: sys.stderr.write('no ' * 999)",
        {},
        "output",
        "65536 bytes",
    ),
    "one long line": ("print('a' * 10**6, end='')", {}, "output", "65536 bytes"),
    "just fits": ("print('a' * 2**16, end='')", {}, "ok", ""),
    "big file": (
        "open('big', 'wb').write(bytes(2**21))",
        {},
        "error",
        "File too large",
    ),
    "stops its supervisor": (
        "import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(60)",
        {"wall_seconds": 0.5},
        "timeout",
        "0.5 s",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_outcome(world: World, name: str) -> None:
    script, limits, outcome, words = PROGRAMS[name]
    result = world.run(script, **limits)
    assert (result.outcome, words in result.reason) == (outcome, True), result
    assert (result.reason == "") == (outcome == "ok")
    assert result.seconds < limits.get("wall_seconds", 10.0) + 2.5
    assert max(len(result.stdout), len(result.stderr)) <= LIMITS.output_bytes


def test_table_meets_every_outcome() -> None:
    assert {row[2] for row in PROGRAMS.values()} == set(get_args(Outcome))


def test_killed_by_the_kernel_reads_as_memory() -> None:
    assert classify(-signal.SIGKILL, 0.1, "", LIMITS)[0] == "memory"
    assert classify(-signal.SIGKILL, 25.0, "", LIMITS)[0] == "timeout"
    assert classify(-signal.SIGABRT, 0.1, "what():  std::bad_alloc", LIMITS)[0] == "memory"
    assert classify(1, 0.1, "MemoryError: seen\n" + "later\n" * 9, LIMITS)[0] == "error"


def test_file_limit_holds_and_partial_work_stays(world: World) -> None:
    world.run("open('early.txt', 'w').write('kept')\nopen('big', 'wb').write(bytes(2**21))")
    assert read_output(world.workdir, "early.txt", 100) == b"kept"
    assert (world.workdir / "big").stat().st_size <= LIMITS.file_bytes


def test_output_need_not_be_text(world: World) -> None:
    result = world.run("import sys; sys.stdout.buffer.write(bytes([0xff, 0xfe, 0x41]))")
    assert (result.outcome, result.stdout) == ("ok", "��A")


def test_too_many_processes(world: World) -> None:
    forks = """
        import os, time
        for _ in range(200):
            if os.fork() == 0:
                time.sleep(4); os._exit(0)
        time.sleep(4)
    """
    result = world.run(_dedent(forks))
    assert result.outcome == "error"
    assert "processes" in result.reason or "Resource temporarily unavailable" in result.reason
    assert result.seconds < 3.5


# --- What a script is given ----------------------------------------------------------------------


def test_environment_is_built_from_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_API_KEY", SECRET)
    monkeypatch.setenv("PYTHONPATH", str(world.diary.parent))
    result = world.run(
        "import os, subprocess\nprint(dict(os.environ), open('/proc/self/environ').read())\n"
        "print(subprocess.run(['/usr/bin/env'], capture_output=True).stdout)\n"
        "print('threads', os.environ['OMP_NUM_THREADS'], 'home', os.environ['HOME'] == os.getcwd())"
    )
    assert result.outcome == "ok", result
    assert SECRET not in result.stdout
    assert "PYTHONPATH" not in result.stdout
    assert "threads 1 home True" in result.stdout


def test_data_temporary_files_and_cleaning(world: World) -> None:
    result = world.run(
        "import os, tempfile\n"
        "left = tempfile.NamedTemporaryFile(delete=False)\n"
        "print(open('input/train.csv').read(), os.getcwd() in left.name or left.name[:5])\n"
        "open('submission.csv', 'w').write('id,y')"
    )
    assert result.outcome == "ok", result
    assert result.stdout.startswith("x,y\n1,2\n")
    assert sorted(os.listdir(world.workdir)) == ["solution.py", "submission.csv"]
    assert read_output(world.workdir, "submission.csv", 100) == b"id,y"
    assert (world.data / "train.csv").read_text() == "x,y\n1,2\n"


def test_left_files_do_not_shadow_modules(world: World) -> None:
    left = "print('I was imported'); raise SystemExit(7)"
    names = ("numpy", "json", "sitecustomize")
    first = world.run(f"for name in {names}: open(name + '.py', 'w').write({left!r})")
    assert first.outcome == "ok", first
    result = world.run(
        "import subprocess, sys, json, numpy\n"
        "print(numpy.array([1, 2]).sum())\n"
        "print(subprocess.run([sys.executable, '-c', 'import json'], capture_output=True))"
    )
    assert result.outcome == "ok", result
    assert "I was imported" not in result.stdout
    assert result.stdout.startswith("3\n")


def test_workers_of_a_parallel_library_run(world: World) -> None:
    script = """
        import multiprocessing
        def double(x):
            return 2 * x
        if __name__ == "__main__":
            for how in ("fork", "spawn"):
                with multiprocessing.get_context(how).Pool(2) as pool:
                    print(pool.map(double, [1, 2, 3]))
    """
    result = world.run(_dedent(script))
    assert (result.outcome, result.stdout) == ("ok", "[2, 4, 6]\n" * 2), result


# --- Nothing outlives a run ----------------------------------------------------------------------

DAEMON = """
import os, time
print('said before the end')
def daemon():
    if os.fork(): return
    os.setsid()
    if os.fork(): os._exit(0)
    for fd in range(3): os.close(fd)
    for _ in range(100):
        open('heart', 'a').write('.')
        time.sleep(0.02)
    os._exit(0)
daemon()
while not os.path.exists('heart'): time.sleep(0.01)
"""


@pytest.mark.parametrize("end", ["pass", "raise ValueError", "os.abort()", "time.sleep(60)"])
def test_daemons_die(world: World, end: str) -> None:
    result = world.run(DAEMON + end, wall_seconds=1.5 if "sleep" in end else 20.0)
    beats = _beats(world)
    assert beats > 0, result
    assert result.stdout == "said before the end\n"
    time.sleep(0.15)
    assert _beats(world) == beats


HEARTBEAT = """
import time
while True:
    open('heart', 'a').write('.')
    time.sleep(0.02)
"""


def _beats(world: World) -> int:
    heart = world.workdir / "heart"
    return heart.stat().st_size if heart.exists() else 0


def _wait_for_beats(world: World) -> None:
    deadline = time.monotonic() + 15.0
    while _beats(world) == 0:
        assert time.monotonic() < deadline, "the script never started"
        time.sleep(0.01)


def test_keyboard_interrupt_kills_the_script(world: World) -> None:
    def press() -> None:
        _wait_for_beats(world)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        world.run(HEARTBEAT)
    presser.join()
    beats = _beats(world)
    time.sleep(0.2)
    assert 0 < beats == _beats(world)
    assert not os.path.lexists(world.workdir / "input")


def test_script_dies_with_the_agent(world: World) -> None:
    agent = (
        "from pathlib import Path\nfrom gome_agent.sandbox import *\n"
        f"detect({world.sandbox.name!r}).run({HEARTBEAT!r}, Path({str(world.workdir)!r}),"
        f" Path({str(world.data)!r}), Limits(wall_seconds=20))"
    )
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, "-c", agent], env={**os.environ, **paths})
    try:
        _wait_for_beats(world)
    finally:
        process.kill()
        process.wait()
    time.sleep(0.3)
    beats = _beats(world)
    time.sleep(0.2)
    assert beats == _beats(world)


# --- Attacks: they succeed exactly where `not_covered` says so -----------------------------------


def _network(world: World) -> bool:
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = f"import socket; socket.create_connection({server.getsockname()!r}, timeout=5)"
        return world.run(script).outcome == "ok"


def _reads(world: World) -> bool:
    return SECRET in world.run(f"print(open({str(world.diary)!r}).read())").stdout


def _sealed(world: World) -> bool:
    script = f"""
        import contextlib, os
        for root in ('input', {str(world.data)!r}):
            for name in ('answers.csv', 'private/grades.csv'):
                with contextlib.suppress(OSError):
                    os.chmod(f'{{root}}/{{name}}', 0o777)
                with contextlib.suppress(OSError):
                    print(open(f'{{root}}/{{name}}').read())
        print('tried', open('input/train.csv').read())
    """
    result = world.run(_dedent(script))
    assert "tried x,y" in result.stdout, result
    return SECRET in result.stdout


def _writes(world: World) -> bool:
    target = world.diary.with_name("planted")
    roots = [str(target), "/usr/planted-by-a-test", "/planted-by-a-test"]
    roots = roots if os.geteuid() else roots[:1]  # root must not litter the machine
    world.run(f"for name in {roots!r}:\n  try: open(name, 'w')\n  except OSError: pass")
    return target.exists()


def _data(world: World) -> bool:
    world.run("open('input/train.csv', 'a').write('3,4\\n')")
    return "3,4" in (world.data / "train.csv").read_text()


def _processes(world: World) -> bool:
    victim = subprocess.Popen(["sleep", "60"])
    try:
        world.run(f"import os; os.kill({victim.pid}, 9)")
        time.sleep(0.1)
        killed = victim.poll() == -signal.SIGKILL
    finally:
        victim.kill()
        victim.wait()
    end = "import signal; os.kill(os.getppid(), signal.SIGKILL); time.sleep(0.5)"
    world.run(DAEMON + end)  # kills its supervisor, or tries to
    beats = _beats(world)
    time.sleep(0.3)
    assert killed == (_beats(world) > beats)
    return killed


def _keys(world: World) -> bool:
    agent = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "KEY": SECRET})
    try:
        return SECRET in world.run(f"print(open('/proc/{agent.pid}/environ').read())").stdout
    finally:
        agent.kill()
        agent.wait()


def _sums(world: World) -> bool:
    script = """
        import os
        children = []
        for _ in range(2):
            child = os.fork()
            if child == 0:
                kept = bytearray(100 * 2**20)
                os._exit(0)
            children.append(child)
        kept = bytearray(100 * 2**20)
        assert not any(os.waitpid(child, 0)[1] for child in children)
    """
    return world.run(_dedent(script), memory_bytes=200 * 2**20).outcome == "ok"


def _disk(world: World) -> bool:
    script = "for name in 'abc': open(name, 'wb').write(bytes(900_000))"
    return world.run(script).outcome == "ok"


def _kernel(world: World) -> bool:
    def filters(status: str) -> list[str]:
        return [line for line in status.splitlines() if line.startswith("Seccomp_filters")]

    seen = world.run("print(open('/proc/self/status').read())").stdout
    return "CapEff" in seen and filters(seen) == filters(Path("/proc/self/status").read_text())


ATTACKS: dict[str, Callable[[World], bool]] = {
    _gaps.NETWORK: _network,
    _gaps.READS: _reads,
    _gaps.SEALED: _sealed,
    _gaps.WRITES: _writes,
    _gaps.DATA: _data,
    _gaps.PROCESSES: _processes,
    _gaps.KEYS: _keys,
    _gaps.SUMS: _sums,
    _gaps.DISK: _disk,
    _gaps.KERNEL: _kernel,
}


@pytest.mark.parametrize("gap", ATTACKS, ids=lambda gap: ATTACKS[gap].__name__.strip("_"))
def test_attack_succeeds_only_where_not_covered(world: World, gap: str) -> None:
    if sys.platform != "linux" and gap in (_gaps.KEYS, _gaps.KERNEL):
        pytest.skip("the attack goes through /proc, which only Linux has")
    assert ATTACKS[gap](world) == (gap in world.sandbox.not_covered)


def test_every_sentence_is_attacked() -> None:
    confessed = {sentence for backend in BACKENDS.values() for sentence in backend.not_covered}
    assert confessed - {_gaps.NOT_LINUX} <= set(ATTACKS)


def test_a_script_has_no_privileges(world: World) -> None:
    result = world.run("print(open('/proc/self/status').read())")
    privileges = dict(line.split(":\t") for line in result.stdout.splitlines() if ":\t" in line)
    assert int(privileges["CapEff"], 16) == int(privileges["CapPrm"], 16) == 0
    assert privileges["NoNewPrivs"] == "1"


def test_walls_cannot_be_taken_down(world: World) -> None:
    if _gaps.SEALED in world.sandbox.not_covered:
        pytest.skip("this backend has no walls")
    script = """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000
        print('unshare', libc.unshare(CLONE_NEWUSER | CLONE_NEWNS))
        print('umount', libc.umount2(b'input/answers.csv', 2), libc.umount2(b'input', 2))
        print('remount', libc.mount(b'', b'input', None, 32 | 4096, None))
        print('chroot', libc.chroot(b'.'))
        print('trace', libc.ptrace(16, os.getppid(), 0, 0))
        for name in ('/x', '/usr/x', '/dev/x', '/etc/x', '/job/../x'):
            try: open(name, 'w').write('x')
            except OSError: pass
            else: print('wrote', name)
        # Kernel settings belong to the host: only ask, never write.
        for folder in ('/proc/sys', '/proc/irq', '/proc/bus'):
            for parent, _, files in os.walk(folder):
                for path in (os.path.join(parent, name) for name in files):
                    if os.access(path, os.W_OK): print('may write', path)
        print('may write sysrq' if os.access('/proc/sysrq-trigger', os.W_OK) else 'walked')
    """
    lines = world.run(_dedent(script)).stdout.splitlines()
    tried = ["unshare -1", "umount -1 -1", "remount -1", "chroot -1", "trace -1"]
    assert lines == [*tried, "walked"]


# --- Traps that a script leaves for the next run or for the reader --------------------------------


def test_saving_the_script_does_not_follow_a_link(world: World) -> None:
    world.run(
        "import os\nos.remove('solution.py')\n"
        f"os.symlink({str(world.diary)!r}, 'solution.py')\n"
        "os.path.islink('input') and os.remove('input')\n"
        "try: os.makedirs('input/deep/er'); os.chmod('input/deep', 0)\nexcept OSError: pass"
    )
    assert world.run("print('second')").stdout == "second\n"
    assert world.diary.read_text() == SECRET
    assert not os.path.lexists(world.workdir / "input")
    assert (world.data / "train.csv").exists()


def test_submission_that_is_a_link(world: World) -> None:
    result = world.run(f"import os; os.symlink({str(world.diary)!r}, 'submission.csv')")
    assert result.outcome == "ok"
    assert (world.workdir / "submission.csv").read_text() == SECRET
    assert read_output(world.workdir, "submission.csv", 1000) is None


def test_read_output_refuses_what_is_no_plain_file(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "good").write_bytes(b"12345")
    (tmp_path / "linked").symlink_to("inner")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "twice").write_text("x")
    os.link(tmp_path / "twice", tmp_path / "again")
    assert read_output(tmp_path, "inner/good", 5) == b"12345"
    for name in ("inner/good", "linked/good", "pipe", "twice", "inner", "missing", "inner/good/x"):
        assert read_output(tmp_path, name, 4) is None, name
    for name in ("../x", "/etc/hostname", "", "a/../../b"):
        with pytest.raises(ValueError, match="inside the work folder"):
            read_output(tmp_path, name, 4)


# --- The agent's own mistakes, and machines where a backend does not work ------------------------


def test_data_in_the_work_folder_are_never_deleted(world: World) -> None:
    own = world.workdir / "input"
    own.mkdir(parents=True)
    (own / "train.csv").touch()
    with pytest.raises(ValueError, match="inside the work folder"):
        world.sandbox.run("pass", world.workdir, own, LIMITS)
    assert (own / "train.csv").exists()


def test_a_misspelt_seal_is_an_error(world: World) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        world.sandbox.run("pass", world.workdir, world.data, LIMITS, [world.data / "anwsers.csv"])


def test_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(SandboxUnavailable, match="did you mean `bubblewrap`"):
        detect("bublewrap")


def test_backend_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("bubblewrap", "namespaces"):
        with pytest.raises(SandboxUnavailable, match="install the package"):
            detect(name)
    assert detect().name == "process"


def test_launcher_that_fails_is_not_a_failed_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'No permission to create a namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match="No permission to create a namespace"):
        detect("bubblewrap")


def test_description_says_everything(working: Sandbox) -> None:
    text = describe(working)
    assert working.name in text
    assert "\n" not in text
    assert all(sentence in text for sentence in working.not_covered)


def _dedent(script: str) -> str:
    lines = script.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[indent:] for line in lines)
