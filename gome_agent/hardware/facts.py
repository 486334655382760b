"""What a doctor looks at: facts about a machine, found by `host`, `nvidia` and `probing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gome_agent.hardware.probing import Probed


@dataclass(frozen=True)
class Card:
    """One GPU, as the driver tells of it; `None`: it does not."""

    index: int
    name: str
    driver: str
    total_mib: int
    used_mib: int
    capability: tuple[int, int] | None = None
    ecc_errors: int | None = None
    """Uncorrected ones since the driver was loaded."""
    slowed_by: tuple[str, ...] | None = None
    """Why it runs below its clock now, save for idleness and limits that were set."""
    processes: tuple[str, ...] | None = None
    """Who else computes on it."""


@dataclass(frozen=True)
class Host:
    """The machine around the cards. Sizes in bytes."""

    cards: tuple[Card, ...] = ()
    no_cards: str = ""
    """Why none are known."""
    cores: int = 1
    """Processors that this process may run on."""
    quota: float | None = None
    """Processors that its control group pays for; `None`: no limit."""
    ram: int | None = None
    memory_limit: int | None = None
    """Of the control group; `None`: no limit."""
    disk_free: int = 0
    data: int | None = None
    """Size of the data folder; `None` if none was named."""
    data_problem: str = ""
    clock: float = 0.0
    """Seconds since the epoch, as the machine has it."""
    newest_file: float = 0.0
    """When a file of this program was written: an earlier clock is wrong."""
    keys: tuple[str, ...] = ()
    """Names of the variables with keys of model providers that are set; never values."""
    weights: tuple[str, ...] = ()
    """Pretrained weights that scripts see."""


@dataclass(frozen=True)
class Asked:
    """What the run to come wants of the machine."""

    gpus: tuple[int, ...] = ()
    seconds: float = 43200.0
    seconds_per_run: float = 4500.0
    model: str = ""


@dataclass(frozen=True)
class Facts:
    """Everything that checks read."""

    host: Host
    asked: Asked = Asked()
    probed: Mapping[str, Probed] = field(default_factory=lambda: MappingProxyType({}))
    """Parts of the probe, by name; empty if it did not run."""
    sandbox: str = ""
    """Name of the backend; empty if none works with that interpreter."""
    not_covered: tuple[str, ...] = ()
    no_sandbox: str = ""
    """Why none works."""
    model_problem: str | None = None
    """What is wrong with the model's name or keys; `None`: it was not looked at."""
    endpoints: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Addresses that were tried, and why they cannot be reached; empty: they can."""
