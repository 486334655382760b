"""Which GPUs a script may see: device nodes and environment variables.

No NVIDIA program reaches a GPU without its device node. Where a sandbox builds `/dev`, a GPU that
was not given does not exist, and CUDA numbers the others from 0. Elsewhere the variables only ask.
The driver's libraries lie under `/usr`, which every script sees.
"""

from __future__ import annotations

from pathlib import Path

from gome_agent.sandbox.base import SandboxUnavailable

DEVICES = Path("/dev")
_CONTROL = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")


def gpu_nodes(gpus: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """Return where the device nodes of some GPUs are and where a script expects them.

    Raises:
      SandboxUnavailable: a GPU is not there.
    """
    if not gpus:
        return ()
    for number in gpus:
        if not (DEVICES / f"nvidia{number}").exists():
            raise SandboxUnavailable(
                f"there is no GPU {number} here (`{DEVICES}/nvidia{number}` is missing); choose"
                " others in `Limits.gpus`, or none"
            )
    names = [f"nvidia{number}" for number in gpus]
    names += [name for name in _CONTROL if (DEVICES / name).exists()]
    return tuple((str(DEVICES / name), f"/dev/{name}") for name in names)


def gpu_environment(gpus: tuple[int, ...], own_devices: bool) -> dict[str, str]:
    """Return the variables by which CUDA and container tools choose GPUs.

    Args:
      gpus: numbers of the device nodes.
      own_devices: the script sees the nodes of these GPUs only.

    >>> gpu_environment((2, 3), own_devices=True)["CUDA_VISIBLE_DEVICES"]
    '0,1'
    """
    if not gpus:
        return {"CUDA_VISIBLE_DEVICES": "", "NVIDIA_VISIBLE_DEVICES": "void"}
    visible = ",".join(str(number) for number in (range(len(gpus)) if own_devices else gpus))
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": visible,
        "NVIDIA_VISIBLE_DEVICES": ",".join(map(str, gpus)),
    }
