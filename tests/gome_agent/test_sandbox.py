"""Broken and hostile programs against every sandbox that works on this machine.

What a program can do within its walls and limits is here; attacks that a backend does not cover
are in `test_gaps`, and attempts to get out or to cheat in `test_escapes`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import get_args

import pytest

from gome_agent.sandbox import (
    Outcome,
    Sandbox,
    SandboxUnavailable,
    describe,
    detect,
    read_output,
    remove_tree,
)
from gome_agent.sandbox._outcome import classify
from tests.gome_agent.sandbox_world import DAEMON, LIMITS, SECRET, World

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
        "disk",
        "File too large",
    ),
    "many hold much": (
        "import os, time\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0: break\n"
        "kept = b'x' * (60 * 2**20)\ntime.sleep(10)",
        {"memory_bytes": 200 * 2**20},
        "memory",
        "together passed the memory limit of 209715200 bytes",
    ),
    "holds memory by name": (
        "import os, time\nkept = [os.memfd_create('m') for _ in range(5)]\n"
        "for fd in kept:\n    for _ in range(60): os.write(fd, b'x' * 2**20)\ntime.sleep(10)",
        {"memory_bytes": 200 * 2**20, "file_bytes": 2**26},
        "memory",
        "together passed the memory limit",
    ),
    "many files": (
        "import time\nfor i in range(20): open(f'f{i}', 'wb').write(bytes(1_000_000))\n"
        "time.sleep(10)",
        {},
        "disk",
        "more than 16777216 bytes of its work folder",
    ),
    "many files, at once": (
        "for i in range(20): open(f'f{i}', 'wb').write(bytes(1_000_000))",
        {},
        "disk",
        "more than 16777216 bytes of its work folder",
    ),
    "deleted files": (
        "import os, time\nkept = [open('f', 'wb') or 0]\n"
        "for i in range(20):\n"
        "    kept.append(open('f', 'wb')); kept[-1].write(bytes(1_000_000)); kept[-1].flush()\n"
        "    os.remove('f')\ntime.sleep(10)",
        {},
        "disk",
        "more than 16777216 bytes of its work folder",
    ),
    "forks": (
        "import os, time\nfor _ in range(30):\n    if os.fork() == 0: break\ntime.sleep(10)",
        {"processes": 8},
        "processes",
        "more than 8 processes",
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
    assert classify(-signal.SIGXFSZ, 0.1, "", LIMITS)[0] == "disk"
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
    result = world.run(forks)
    refused = "Resource temporarily unavailable" in result.reason  # by the kernel, unless root
    assert refused or (result.outcome, "16 processes" in result.reason) == ("processes", True)
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
    result = world.run(script)
    assert (result.outcome, result.stdout) == ("ok", "[2, 4, 6]\n" * 2), result


# --- Nothing outlives a run ----------------------------------------------------------------------


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
        f"{world.sandbox!r}.run({HEARTBEAT!r}, Path({str(world.workdir)!r}),"
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


# --- Walls --------------------------------------------------------------------------------------


def test_a_script_has_no_privileges(world: World) -> None:
    result = world.run("print(open('/proc/self/status').read())")
    privileges = dict(line.split(":\t") for line in result.stdout.splitlines() if ":\t" in line)
    assert int(privileges["CapEff"], 16) == int(privileges["CapPrm"], 16) == 0
    assert privileges["NoNewPrivs"] == "1"


def test_walls_cannot_be_taken_down(world: World) -> None:
    if not world.walls:
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
    lines = world.run(script).stdout.splitlines()
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


def test_removing_a_folder_that_is_deep_closed_and_full_of_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    folder = tmp_path / "work"
    folder.mkdir()
    before = os.getcwd()
    try:
        os.chdir(folder)
        for _ in range(1500):  # deeper than Python's stack and than any path may be long
            os.mkdir("d" * 50)
            os.chdir("d" * 50)
        os.symlink(outside, "link")
        os.mkfifo("pipe")
    finally:
        os.chdir(before)
    (folder / "closed" / "inner").mkdir(parents=True)
    (folder / "closed" / "inner").chmod(0)
    (folder / "closed").chmod(0)
    (folder / "link").symlink_to(outside)
    remove_tree(folder)
    assert not folder.exists()
    assert (outside / "kept").exists()


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


def test_description_says_everything(working: tuple[str, Sandbox]) -> None:
    _, sandbox = working
    text = describe(sandbox)
    assert sandbox.name in text
    assert "\n" not in text
    assert all(sentence in text for sentence in sandbox.not_covered)
