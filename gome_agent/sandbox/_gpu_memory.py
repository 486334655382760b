"""Out of memory on a GPU: what libraries say of it, as one sentence with the numbers."""

from __future__ import annotations

import re

_TRACEBACK = "Traceback (most recent call last):"
_LAST_CHARACTERS = 20_000
_SIZE = r"[\d.,]+ ?(?:[KMGT]i?B|B|bytes)"
# PyTorch (the second form until 2.0), XGBoost, CuPy, XLA (JAX and TensorFlow), TensorFlow.
_FORMS = (
    rf"CUDA out of memory\. Tried to allocate (?P<asked>{_SIZE})"
    rf".{{0,40}}?total capac\w+ of (?P<total>{_SIZE}) of which (?P<free>{_SIZE}) is free",
    rf"CUDA out of memory\. Tried to allocate (?P<asked>{_SIZE})"
    rf" \(GPU \d+; (?P<total>{_SIZE}) total capacity;.{{0,80}}? (?P<free>{_SIZE}) free",
    rf"Memory allocation error on worker.{{0,400}}?Free memory: (?P<free>{_SIZE})"
    rf".{{0,20}}?Requested memory: (?P<asked>{_SIZE})",
    rf"OutOfMemoryError: Out of memory allocating (?P<asked>{_SIZE})",
    rf"RESOURCE_EXHAUSTED: Out of memory while trying to allocate (?P<asked>{_SIZE})",
    r"OOM when allocating tensor with (?P<asked>shape ?\[[\d, ]*\])",
    r"CUDA out of memory|CUDA error(?: \d+)?: out of memory|cudaErrorMemoryAllocation"
    r"|CUDA_ERROR_OUT_OF_MEMORY",
)
_PATTERNS = tuple(re.compile(form, re.DOTALL) for form in _FORMS)


def gpu_out_of_memory(stderr: str) -> str | None:
    """One sentence if the error that ended a program was a GPU's lack of memory.

    Only what follows the last traceback counts: a program may have coped with earlier ones.

    Args:
      stderr: what the program wrote to standard error.

    >>> gpu_out_of_memory("RuntimeError: CUDA error: out of memory")
    'the GPU ran out of memory'
    """
    last = stderr[-_LAST_CHARACTERS:].rpartition(_TRACEBACK)[2]
    for pattern in _PATTERNS:
        found = pattern.search(last)
        if found is not None:
            return _sentence(found.groupdict())
    return None


def _sentence(numbers: dict[str, str | None]) -> str:
    asked, total, free = (numbers.get(name) for name in ("asked", "total", "free"))
    parts = [
        f"tried to allocate {asked}" if asked else "",
        f"the card has {total}" if total else "",
        f"{free} were free" if free else "",
    ]
    told = ", ".join(filter(None, parts))
    return "the GPU ran out of memory" + (f": {told}" if told else "")
