"""Cards by name: what each can and cannot do, as data, and how a coding model is told.

Sources: NVIDIA's lists of compute capabilities and of drivers by architecture; what wheels contain
was read out of the wheels themselves. `docs/hardware.md` shows the table.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


class UnknownProfile(ValueError):
    """There is no profile of that name; the message lists those there are."""


@dataclass(frozen=True)
class Profile:
    """One kind of machine."""

    name: str
    gpu: str = ""
    """As the driver names the card, without its size; empty: no GPU."""
    capability: tuple[int, int] = (0, 0)
    """Compute capability."""
    memory_gib: tuple[int, ...] = ()
    """Sizes in which the card is sold."""
    cores: int = 8
    """Processors that a run may use."""
    ram_gib: int = 32
    hours: float = 12.0
    """Wall clock of a run."""
    script_minutes: float = 75.0
    """Wall clock of one script that leaves a run enough of them."""
    bf16: bool = False
    tf32: bool = False
    fp16_needs_scaler: bool = False
    """fp16 is the only fast precision, so that gradients must be scaled."""
    flash_attention: bool = False
    compiles: bool = False
    """Whether `torch.compile` pays: Triton supports the card's matrix units."""
    newest_driver: int | None = None
    """Last driver branch that supports the card; `None`: still supported."""
    cudnn_before: tuple[int, int] | None = None
    """First cuDNN that does not work on it."""
    requirements: str = "cuda12"
    """Name of the pins of `gome_agent/hardware/requirements`."""
    notes: tuple[str, ...] = ()
    """Sentences for the coding model."""

    @property
    def arch(self) -> str:
        """How libraries call the code they carry for the card, e.g. `sm_70`; empty without one."""
        return "sm_{}{}".format(*self.capability) if self.gpu else ""


_V100 = Profile(
    "v100",
    gpu="Tesla V100",
    capability=(7, 0),
    memory_gib=(16, 32),
    cores=12,
    ram_gib=220,
    fp16_needs_scaler=True,
    newest_driver=580,
    cudnn_before=(9, 11),
    notes=(
        "Train under fp16 autocast with a GradScaler.",
        "Not on this card: bfloat16 (emulated and slow where it seems to work), TF32, "
        "FlashAttention (use sdpa), torch.compile, int8 and fp8 kernels.",
        "DeBERTa-v3 and T5 tend to overflow in fp16: keep such layers in fp32.",
        "Stay below about 90 M parameters and 384 pixels, with channels_last.",
    ),
)
_A10 = Profile(
    "a10",
    gpu="NVIDIA A10",
    capability=(8, 6),
    memory_gib=(24,),
    cores=36,
    ram_gib=440,
    hours=24.0,
    bf16=True,
    tf32=True,
    flash_attention=True,
    compiles=True,
    notes=("Train under bf16 autocast; no GradScaler is needed. TF32 may be on.",),
)
_A100 = replace(
    _A10,
    name="a100",
    gpu="NVIDIA A100",
    capability=(8, 0),
    memory_gib=(40, 80),
    cores=12,
    ram_gib=220,
    hours=12.0,
)
_H100 = replace(
    _A100, name="h100", gpu="NVIDIA H100", capability=(9, 0), memory_gib=(80,), cores=16
)
_H200 = replace(_H100, name="h200", gpu="NVIDIA H200", memory_gib=(141,))
_CPU = Profile(
    "cpu",
    requirements="cpu",
    notes=("There is no GPU: prefer gradient boosting, linear models and small networks.",),
)
PROFILES = {known.name: known for known in (_V100, _A10, _A100, _H100, _H200, _CPU)}


def profile(name: str) -> Profile:
    """A profile by its name; `v100-16` is the card with 16 GB, where several sizes are sold.

    Raises:
      UnknownProfile: there is none, or the card is not sold in that size.

    >>> profile("v100").arch, profile("v100-16").memory_gib
    ('sm_70', (16,))
    """
    base, dash, size = name.partition("-")
    found = PROFILES.get(base)
    if found is not None and dash and size in map(str, found.memory_gib):
        return replace(found, name=name, memory_gib=(int(size),))
    if found is None or dash:
        near = difflib.get_close_matches(name, PROFILES, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise UnknownProfile(
            f"there is no hardware profile `{name}`.{hint} Known: {', '.join(PROFILES)}."
        )
    return found


def profile_of(card: str) -> Profile | None:
    """The profile of a card by the driver's name for it, if there is one.

    >>> profile_of("NVIDIA A100-SXM4-40GB").name, profile_of("Tesla T4")
    ('a100', None)
    """
    return next((known for known in PROFILES.values() if is_of(known, card)), None)


def is_of(hardware: Profile, card: str) -> bool:
    """Whether the driver's name is that of the profile's card."""
    model = hardware.gpu.rpartition(" ")[2]
    return bool(model) and model in card.replace("-", " ").split()


def prompt_block(
    hardware: Profile,
    seconds_left: float,
    seconds_per_script: float,
    weights: Sequence[str] = (),
) -> str:
    """What a coding model is told of the machine: a short paragraph.

    Args:
      hardware: the machine.
      seconds_left: wall clock of the run; infinite: nothing is said.
      seconds_per_script: wall clock that one script may take.
      weights: names of pretrained weights that lie on the machine; there is no network.
    """
    card = "no GPU"
    if hardware.gpu:
        sizes = " or ".join(map(str, hardware.memory_gib))
        major, minor = hardware.capability
        card = f"one {hardware.gpu}, {sizes} GB, compute capability {major}.{minor}"
    clock = ""
    if not math.isinf(seconds_left):
        clock = f"{max(seconds_left, 0.0) / 3600:.1f} h of the run are left. "
    sentences = [
        f"Machine: {card}; {hardware.cores} processors, {hardware.ram_gib} GB RAM.",
        *hardware.notes,
        *(_ON_A_GPU if hardware.gpu else ()),
        f"{clock}One script may take {seconds_per_script / 60:.3g} min: print its progress, save "
        "what each fold predicts, and write the submission early.",
        f"Pretrained weights on this machine: {', '.join(weights) or 'none'}.",
        "Do not install or upgrade packages.",
    ]
    return " ".join(sentences)


_ON_A_GPU = (
    "When memory runs out, halve the batch and accumulate gradients; checkpoint activations above "
    "80 % of it.",
)
