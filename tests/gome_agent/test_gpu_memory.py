"""What libraries print when a card is full, as they print it, becomes one sentence."""

from __future__ import annotations

import pytest

from gome_agent.sandbox import Limits
from gome_agent.sandbox._gpu_memory import gpu_out_of_memory
from gome_agent.sandbox._outcome import classify

HEAD = 'Traceback (most recent call last):\n  File "/job/solution.py", line 9, in <module>\n'
SAID = {
    "torch": (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
        "capacity of 15.77 GiB of which 1.10 GiB is free. Process 71 has 14.67 GiB memory in use. "
        "Of the allocated memory 14.00 GiB is allocated by PyTorch, and 300.00 MiB is reserved.",
        "tried to allocate 2.00 GiB, the card has 15.77 GiB, 1.10 GiB were free",
    ),
    "torch 2.2": (
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a "
        "total capacty of 31.74 GiB of which 12.00 MiB is free. Including non-PyTorch memory",
        "tried to allocate 20.00 MiB, the card has 31.74 GiB, 12.00 MiB were free",
    ),
    "torch 1": (
        "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 15.78 GiB total "
        "capacity; 14.12 GiB already allocated; 12.75 MiB free; 14.30 GiB reserved in total)",
        "tried to allocate 20.00 MiB, the card has 15.78 GiB, 12.75 MiB were free",
    ),
    "xgboost": (
        "xgboost.core.XGBoostError: [10:00:00] /workspace/src/common/device_vector.cu:23: Memory "
        "allocation error on worker 0: std::bad_alloc: cudaErrorMemoryAllocation: out of memory\n"
        "- Free memory: 1.2GB\n- Requested memory: 14.5GB\n\nStack trace:\n  [bt] (0) libxgboost\n",
        "tried to allocate 14.5GB, 1.2GB were free",
    ),
    "cupy": (
        "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 8,000,000,000 bytes "
        "(allocated so far: 0 bytes).",
        "tried to allocate 8,000,000,000 bytes",
    ),
    "jax": (
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to "
        "allocate 17179869184 bytes.",
        "tried to allocate 17179869184 bytes",
    ),
    "tensorflow": (
        "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating "
        "tensor with shape[64,512,512] and type float on /job:localhost/device:GPU:0",
        "tried to allocate shape[64,512,512]",
    ),
}


@pytest.mark.parametrize("library", SAID)
def test_the_numbers_are_the_reason(library: str) -> None:
    said, numbers = SAID[library]
    outcome, reason = classify(1, 1.0, HEAD + said, Limits(gpus=(0,)))
    assert (outcome, reason) == ("memory", f"the GPU ran out of memory: {numbers}")


def test_without_numbers() -> None:
    assert gpu_out_of_memory(HEAD + "RuntimeError: CUDA error: out of memory") == (
        "the GPU ran out of memory"
    )


def test_what_a_program_coped_with_is_not_why_it_ended() -> None:
    text = HEAD + SAID["torch"][0] + "\nhalved the batch" * 5 + "\n" + HEAD + "KeyError: 'fold'"
    assert gpu_out_of_memory(text) is None
    assert classify(1, 1.0, text, Limits(gpus=(0,))) == ("error", "exit code 1: KeyError: 'fold'")


def test_a_program_without_a_card_has_no_such_end() -> None:
    outcome, reason = classify(1, 1.0, HEAD + SAID["torch"][0], Limits())
    assert outcome == "memory"
    assert reason.startswith("exit code 1: torch.OutOfMemoryError")
