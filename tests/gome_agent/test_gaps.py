"""Each sentence of `not_covered` against every sandbox that works on this machine.

An attack must succeed exactly where `not_covered` says so, so that the sentences can neither
promise nor confess too much.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gome_agent.sandbox import Execution, _gaps, _gpus as _gpus_module
from tests.gome_agent.sandbox_world import BACKENDS, DAEMON, SECRET, World


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
    result = world.run(script)
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
    beats = len(world.file("heart"))
    time.sleep(0.3)
    assert killed == (len(world.file("heart")) > beats)
    return killed


def _keys(world: World) -> bool:
    agent = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "KEY": SECRET})
    try:
        return SECRET in world.run(f"print(open('/proc/{agent.pid}/environ').read())").stdout
    finally:
        agent.kill()
        agent.wait()


def _cpu(world: World) -> bool:
    script = """
        import os, time
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                while time.process_time() < 0.5: pass
                os._exit(0)
            children.append(child)
        assert not any(os.waitpid(child, 0)[1] for child in children)
    """
    return world.run(script, cpu_seconds=1.0).outcome == "ok"


def _for_a_moment(attempt: Callable[[], Execution]) -> bool:
    """Whether one of some attempts falls between two measurements."""
    return any(attempt().outcome == "ok" for _ in range(8))


def _sampled(world: World) -> bool:
    script = """
        import os, signal
        told, tell = os.pipe()
        for _ in range(2):
            if os.fork() == 0:
                kept = b'x' * (65 * 2**20)
                os.write(tell, b'.')
                signal.pause()
        for _ in range(2): assert os.read(told, 1) == b'.'
    """
    return _for_a_moment(lambda: world.run(script, memory_bytes=100 * 2**20))


def _sampled_disk(world: World) -> bool:
    script = """
        import os
        for name in 'abc': open(name, 'wb').write(bytes(1_000_000))
        for name in 'abc': os.remove(name)
    """
    return _for_a_moment(lambda: world.run(script, disk_bytes=2**21))


def _hidden(world: World) -> bool:
    script = """
        import os, socket, time
        one, other = socket.socketpair()
        for _ in range(5):
            file = os.memfd_create('m')
            for _ in range(30): os.write(file, b'x' * 2**20)
            socket.send_fds(one, [b'.'], [file])
            os.close(file)
        time.sleep(0.5)
    """
    return world.run(script, memory_bytes=100 * 2**20, file_bytes=2**25).outcome == "ok"


def _gpus(world: World) -> bool:
    fake = world.root / "dev"
    fake.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (fake / name).write_text(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_gpus_module, "DEVICES", fake)
        script = f"""
            import os
            assert os.environ['CUDA_VISIBLE_DEVICES'] in ('0', '1')
            for folder in ('/dev', {str(fake)!r}):
                print(os.path.exists(folder + '/nvidia0'))
        """
        result = world.run(script, gpus=(1,))
    assert result.outcome == "ok", result
    return "True" in result.stdout


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
    _gaps.GPUS: _gpus,
    _gaps.CPU: _cpu,
    _gaps.SAMPLED: _sampled,
    _gaps.SAMPLED_DISK: _sampled_disk,
    _gaps.HIDDEN: _hidden,
    _gaps.KERNEL: _kernel,
}
# Sentences that no program can try: they say that something else would have to be broken.
NOT_TRIED = {_gaps.NOT_LINUX, _gaps.SHARED_KERNEL, _gaps.DAEMON}
# What the real daemon adds to the stand-in's walls.
BY_THE_DAEMON = {_gaps.SAMPLED, _gaps.HIDDEN, _gaps.KERNEL}


@pytest.mark.parametrize("gap", ATTACKS, ids=lambda gap: ATTACKS[gap].__name__.strip("_"))
def test_attack_succeeds_only_where_not_covered(world: World, gap: str) -> None:
    if sys.platform != "linux" and gap in (_gaps.KEYS, _gaps.KERNEL):
        pytest.skip("the attack goes through /proc, which only Linux has")
    if world.kind == "docker, stand-in" and gap in BY_THE_DAEMON:
        pytest.skip("only a real daemon can keep this promise")
    if gap == _gaps.SAMPLED_DISK and _gaps.SAMPLED in world.sandbox.not_covered:
        confessed = True
    else:
        confessed = gap in world.sandbox.not_covered
    assert ATTACKS[gap](world) == confessed


def test_every_sentence_is_attacked() -> None:
    confessed = {sentence for backend in BACKENDS.values() for sentence in backend.not_covered}
    assert confessed - NOT_TRIED <= set(ATTACKS)
