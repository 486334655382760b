"""The benchmark's process: started when it is first asked, asked one thing at a time, ended."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gome_agent.tasks.mlebench.base import BenchmarkError

Capability = Literal["rollout", "final", "doctor"]
WORKER = Path(__file__).with_name("_worker.py")
REPLY_BYTES = 64 * 2**20
"""A longer reply is refused."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "XDG_CACHE_HOME", "LD_LIBRARY_PATH")
_TAIL_CHARACTERS = 600


def clone_of(source: str) -> Path | None:
    """The folder that `mlebench` can be imported from, if the source is a clone."""
    folder = Path(source)
    return folder if source and (folder / "mlebench" / "registry.py").is_file() else None


def environment(source: str) -> dict[str, str]:
    """Variables of the benchmark's process: no keys, and the clone to be imported from."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    clone = clone_of(source)
    path = {} if clone is None else {"PYTHONPATH": str(clone)}
    return {**kept, **path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}


@dataclass(frozen=True)
class _Running:
    """A process, where its replies come out, and its scratch folder."""

    process: subprocess.Popen[bytes]
    replies: int
    scratch: Path

    def exchange(self, request: bytes, seconds: float, what: str) -> bytes:
        """One line there and one back."""
        assert self.process.stdin is not None
        deadline, reply = time.monotonic() + seconds, b""
        with contextlib.suppress(BrokenPipeError):  # it died: said below
            self.process.stdin.write(request)
            self.process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self.replies, selectors.EVENT_READ)
            while not reply.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise BenchmarkError(
                        f"MLE-bench gave no answer to `{what}` in {seconds:g} s: the submission "
                        "may be far too large"
                    )
                part = os.read(self.replies, 2**20)
                if not part:
                    raise BenchmarkError(self._last_words(what))
                reply += part
                if len(reply) > REPLY_BYTES:
                    raise BenchmarkError(f"MLE-bench's answer to `{what}` is endless")
        return reply

    def _last_words(self, what: str) -> str:
        code = self.process.wait(10)
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        said = (self.scratch / "stderr").read_text(encoding="utf-8", errors="replace").strip()
        tail = said[-_TAIL_CHARACTERS:] or "it said nothing"
        return f"the benchmark's process ended {how} at `{what}`: {tail}"

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()
        os.close(self.replies)
        shutil.rmtree(self.scratch, ignore_errors=True)


class Worker:
    """A process of the benchmark's Python with one capability. Safe for threads.

    Use as a context manager, or call `close`; at the latest it ends with this object. One that died
    is started anew by the next question.
    """

    def __init__(
        self,
        python: Path,
        capability: Capability,
        data_dir: Path,
        source: str = "",
        seconds: float = 3600.0,
    ) -> None:
        """
        Args:
          python: an interpreter that has the benchmark's packages.
          capability: what may be asked; see `_worker.OPERATIONS`.
          data_dir: the benchmark's data folder.
          source: a clone of the benchmark, or empty if it is installed.
          seconds: the longest that an answer may take.
        """
        self._python, self._capability = python, capability
        self._data_dir, self._source, self._seconds = data_dir.absolute(), source, seconds
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._end: Callable[[], object] = lambda: None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove its scratch folder; may be called again."""
        with self._lock:
            self._stop()

    def ask(self, operation: str, **arguments: Any) -> Any:
        """The value of an operation.

        Raises:
          BenchmarkError: it has none, the process could not start, died, or took too long.
        """
        request = json.dumps({"operation": operation, **arguments}).encode() + b"\n"
        with self._lock:
            if self._running is None:
                self._running = self._start()
                self._end = weakref.finalize(self, self._running.end)
            try:
                reply = json.loads(self._running.exchange(request, self._seconds, operation))
            except BaseException:
                self._stop()  # Ctrl-C, too: else its answer would be taken for the next question's
                raise
        if "error" not in reply:
            return reply["value"]
        kind, message = reply["error"]["kind"], reply["error"]["message"]
        if kind == "Refused":
            raise BenchmarkError(message)
        raise BenchmarkError(f"MLE-bench failed at `{operation}`: {kind}: {message}")

    def _stop(self) -> None:
        self._running = None
        self._end()

    def _start(self) -> _Running:
        scratch = Path(tempfile.mkdtemp(prefix="gome-mlebench-"))
        replies, theirs = os.pipe()
        command = [self._python, "-P", WORKER, "--capability", self._capability]
        command += ["--data-dir", self._data_dir, "--replies", str(theirs)]
        try:
            with (scratch / "stderr").open("wb") as stderr:
                # A session of its own: Ctrl-C in the terminal is the run's to handle.
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=stderr,
                    stderr=stderr,
                    cwd=scratch,
                    env=environment(self._source),
                    pass_fds=(theirs,),
                    start_new_session=True,
                )
        except OSError as error:
            os.close(replies)
            shutil.rmtree(scratch)
            raise BenchmarkError(
                f"the benchmark's Python `{self._python}` cannot be started: {error}; install the "
                "benchmark again by `gome mlebench install`, or name another by --python"
            ) from error
        finally:
            os.close(theirs)
        return _Running(process, replies, scratch)
