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


class Worker:
    """A process of the benchmark's Python with one capability. Safe for threads.

    Use as a context manager, or call `close`. One that died is started anew by the next question.
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
        self._data_dir, self._source, self._seconds = data_dir, source, seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._replies = -1
        self._scratch: Path | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove its scratch folder; may be called again."""
        with self._lock:
            self._end()

    def ask(self, operation: str, **arguments: Any) -> Any:
        """The value of an operation.

        Raises:
          BenchmarkError: it has none, the process could not start, died, or took too long.
        """
        request = json.dumps({"operation": operation, **arguments}).encode() + b"\n"
        with self._lock:
            if self._process is None:
                self._start()
            try:
                reply = json.loads(self._exchange(operation, request))
            except BaseException:
                self._end()  # Ctrl-C, too: else its answer would be taken for the next question's
                raise
        if "error" not in reply:
            return reply["value"]
        kind, message = reply["error"]["kind"], reply["error"]["message"]
        if kind == "Refused":
            raise BenchmarkError(message)
        raise BenchmarkError(f"MLE-bench failed at `{operation}`: {kind}: {message}")

    def _start(self) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="gome-mlebench-"))
        self._replies, theirs = os.pipe()
        command = [self._python, "-P", WORKER, "--capability", self._capability]
        command += ["--data-dir", self._data_dir.absolute(), "--replies", str(theirs)]
        try:
            with (self._scratch / "stderr").open("wb") as stderr:
                # A session of its own: Ctrl-C in the terminal is the run's to handle.
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=stderr,
                    stderr=stderr,
                    cwd=self._scratch,
                    env=environment(self._source),
                    pass_fds=(theirs,),
                    start_new_session=True,
                )
        except OSError as error:
            self._end()
            raise BenchmarkError(
                f"the benchmark's Python `{self._python}` cannot be started: {error}; install the "
                "benchmark again by `gome mlebench install`, or name another by --python"
            ) from error
        finally:
            os.close(theirs)

    def _exchange(self, operation: str, request: bytes) -> bytes:
        assert self._process is not None
        assert self._process.stdin is not None
        deadline, reply = time.monotonic() + self._seconds, b""
        with contextlib.suppress(BrokenPipeError):  # it died: said below
            self._process.stdin.write(request)
            self._process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            while not reply.endswith(b"\n"):
                if not selector.select(deadline - time.monotonic()):
                    raise BenchmarkError(
                        f"MLE-bench gave no answer to `{operation}` in {self._seconds:g} s: the "
                        "submission may be far too large"
                    )
                part = os.read(self._replies, 2**20)
                if not part:
                    raise BenchmarkError(self._last_words(operation))
                reply += part
                if len(reply) > REPLY_BYTES:
                    raise BenchmarkError(f"MLE-bench's answer to `{operation}` is endless")
        return reply

    def _last_words(self, operation: str) -> str:
        assert self._process is not None
        assert self._scratch is not None
        code = self._process.wait(10)
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        said = (self._scratch / "stderr").read_text(encoding="utf-8", errors="replace").strip()
        tail = said[-_TAIL_CHARACTERS:] or "it said nothing"
        return f"the benchmark's process ended {how} at `{operation}`: {tail}"

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(BrokenPipeError):
                process.communicate()
        if self._replies >= 0:
            os.close(self._replies)
            self._replies = -1
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None
