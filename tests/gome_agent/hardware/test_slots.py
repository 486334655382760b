"""Cards are shared among threads and processes: one at a time, in the order of asking."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gome_agent.hardware.slots import GpuSlots, NoSlot, SlotsError, parse_gpus

HOLDER = """
import sys, time
from pathlib import Path
from gome_agent.hardware.slots import GpuSlots
with GpuSlots((0,), folder=Path(sys.argv[1])).hold():
    print("held", flush=True)
    time.sleep(60)
"""


def test_nobody_shares_a_card_and_all_are_used(tmp_path: Path) -> None:
    slots = GpuSlots((0, 3), folder=tmp_path / "locks")
    lock, on, most, used = threading.Lock(), dict.fromkeys((0, 3), 0), 0, set()

    def work() -> None:
        nonlocal most
        with slots.hold() as card:
            with lock:
                on[card] += 1
                most = max(most, on[card])
                used.add(card)
            time.sleep(0.02)
            with lock:
                on[card] -= 1

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert (most, used) == (1, {0, 3})
    assert not list((tmp_path / "locks").glob("ticket-*"))


def test_the_emptier_card_comes_first(tmp_path: Path) -> None:
    slots = GpuSlots((0, 1), per_card=2, folder=tmp_path)
    with contextlib.ExitStack() as held:
        cards = [held.enter_context(slots.hold()) for _ in range(4)]
        assert cards == [0, 1, 0, 1]
        with pytest.raises(NoSlot, match="no GPU became free"), slots.hold(seconds_left=lambda: 0):
            pass


def test_first_come_first_served(tmp_path: Path) -> None:
    slots, served = GpuSlots((0,), folder=tmp_path), []

    def work(number: int) -> None:
        with slots.hold():
            served.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    with slots.hold():
        for number, thread in enumerate(threads, start=1):
            thread.start()
            while len(list(tmp_path.glob("ticket-*"))) < number:
                time.sleep(0.005)
    for thread in threads:
        thread.join(30)
    assert served == [0, 1, 2, 3]


def test_waiting_ends_at_once_when_told(tmp_path: Path) -> None:
    slots, stopped, ended = GpuSlots((0,), folder=tmp_path), threading.Event(), []

    def work() -> None:
        try:
            with slots.hold(stopped.is_set):
                ended.append("served")
        except KeyboardInterrupt:
            ended.append("stopped")

    with slots.hold():
        thread = threading.Thread(target=work)
        thread.start()
        while not list(tmp_path.glob("ticket-*")):
            time.sleep(0.005)
        told = time.monotonic()
        stopped.set()
        thread.join(30)
        assert ended == ["stopped"]
        assert time.monotonic() - told < 5.0
    assert not list(tmp_path.glob("ticket-*"))


def test_another_process_has_it_until_it_is_killed(tmp_path: Path) -> None:
    slots = GpuSlots((0,), folder=tmp_path)
    line = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with (
        subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as holder,
        subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as second,
    ):
        try:
            while len(list(tmp_path.glob("ticket-*"))) != 1:  # one holds it, one waits
                time.sleep(0.01)
            with pytest.raises(NoSlot), slots.hold(seconds_left=lambda: 0):
                pass
            holder.send_signal(signal.SIGKILL)
            second.send_signal(signal.SIGKILL)
            holder.wait(30)
            second.wait(30)
            # The ticket of the one that waited is still there; nobody waits for the dead.
            with slots.hold(seconds_left=lambda: 0) as card:
                assert card == 0
        finally:
            holder.kill()
            second.kill()


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for gpus in ((), (0, 0), (-1,)):
        with pytest.raises(SlotsError, match="numbers from 0 on"):
            GpuSlots(gpus, folder=tmp_path)
    with pytest.raises(SlotsError, match="at least one slot"):
        GpuSlots((0,), per_card=0)
    with pytest.raises(SlotsError, match="'zero'"):
        parse_gpus("zero")
    (tmp_path / "file").touch()
    with (
        pytest.raises(SlotsError, match="need the folder"),
        GpuSlots((0,), folder=tmp_path / "file" / "locks").hold(),
    ):
        pass
