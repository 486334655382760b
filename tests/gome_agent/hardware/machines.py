"""Made-up facts: a V100 machine on which everything is right, to be spoilt one fact at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gome_agent.hardware.checks import examine
from gome_agent.hardware.facts import Asked, Card, Facts, Host
from gome_agent.hardware.findings import Finding
from gome_agent.hardware.probing import Probed
from gome_agent.hardware.profiles import profile
from gome_agent.hardware.solutions import pins

V100 = profile("v100-16")
CARD = Card(
    index=0,
    name="Tesla V100-SXM2-16GB",
    driver="535.183.01",
    total_mib=16384,
    used_mib=3,
    capability=(7, 0),
    ecc_errors=0,
    slowed_by=(),
    processes=(),
)
HOST = Host(
    cards=(CARD,),
    cores=12,
    ram=220 * 2**30,
    disk_free=500 * 2**30,
    clock=1.8e9,
    newest_file=1.7e9,
    keys=("OPENAI_API_KEY",),
    weights=("timm/resnet50.a1_in1k",),
)
ARCHITECTURES = ["sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]
VALUES: dict[str, dict[str, Any]] = {
    "machine": {"python": "3.11.7", "prefix": "/env", "shared_bytes": 16 * 2**30},
    "packages": {name: pins(V100)[name] for name in ("torch", "timm", "xgboost")},
    "torch": {
        "version": "2.10.0+cu128",
        "cuda": "12.8",
        "cudnn": 91002,
        "architectures": ARCHITECTURES,
        "gpus": 1,
    },
    "card": {"name": CARD.name, "capability": [7, 0], "free": 16e9, "total": 16.9e9},
    "matmul": {"error": 1e-4},
    "training": {"losses": [0.7, 0.6]},
    "bf16": {"native": False, "claimed": False},
    "xgboost": {"version": "3.2.0", "cuda": True},
}
PROBED = {part: Probed(part=part, state="done", values=told) for part, told in VALUES.items()}
for _part in ("flash_attention", "tensorflow", "jax"):
    PROBED[_part] = Probed(part=_part, state="absent", reason=f"{_part} is not installed")
FACTS = Facts(HOST, Asked(), PROBED, sandbox="bubblewrap", not_covered=("CPU.",))


def host(**changed: Any) -> Facts:
    return replace(FACTS, host=replace(HOST, **changed))


def card(**changed: Any) -> Facts:
    return host(cards=(replace(CARD, **changed),))


def told(part: str, **changed: Any) -> Facts:
    """The probe tells other values."""
    values = {**VALUES.get(part, {}), **changed}
    return replace(FACTS, probed={**PROBED, part: Probed(part=part, state="done", values=values)})


def ended(part: str, state: Any, reason: str) -> Facts:
    """A part of the probe comes to another end."""
    return replace(FACTS, probed={**PROBED, part: Probed(part=part, state=state, reason=reason)})


def finding(facts: Facts, check: str, name: str = "v100-16") -> Finding:
    (found,) = [one for one in examine(facts, profile(name)) if one.check == check]
    return found
