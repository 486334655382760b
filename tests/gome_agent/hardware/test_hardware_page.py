"""The page on hardware tells what profiles, pins and checks are."""

from __future__ import annotations

from pathlib import Path

from gome_agent.hardware.checks import examine
from gome_agent.hardware.profiles import PROFILES, Profile
from gome_agent.hardware.solutions import pins
from tests.gome_agent.hardware.test_checks import WRONG

PAGE = (Path(__file__).parents[3] / "docs" / "hardware.md").read_text(encoding="utf-8")


def row(hardware: Profile) -> str:
    def yes(value: bool) -> str:
        return "yes" if value else "no"

    def version(parts: tuple[int, int] | None) -> str:
        return "{}.{}".format(*parts) if parts else "–"

    cells = (
        f"`{hardware.name}`",
        hardware.gpu or "–",
        version(hardware.capability if hardware.gpu else None),
        ", ".join(map(str, hardware.memory_gib)) or "–",
        str(hardware.cores),
        str(hardware.ram_gib),
        f"{hardware.hours:g}",
        yes(hardware.bf16),
        yes(hardware.tf32),
        yes(hardware.flash_attention),
        yes(hardware.compiles),
        yes(hardware.fp16_needs_scaler),
        str(hardware.newest_driver or "–"),
        version(hardware.cudnn_before),
    )
    return f"| {' | '.join(cells)} |"


def test_the_table_of_profiles() -> None:
    told = [line for line in PAGE.splitlines() if line.count("|") == 15][2:]
    assert told == [row(hardware) for hardware in PROFILES.values()]


def test_the_table_of_pins() -> None:
    for name in dict.fromkeys(hardware.requirements for hardware in PROFILES.values()):
        users = [hardware for hardware in PROFILES.values() if hardware.requirements == name]
        versions = pins(users[0])
        boosting = versions.get("xgboost") or versions["xgboost-cpu"]
        cells = (
            f"`{name}`",
            ", ".join(f"`{hardware.name}`" for hardware in users),
            versions.get("torch", "–"),
            versions.get("nvidia-cudnn-cu12", "–"),
            boosting,
            versions["catboost"],
            versions["lightgbm"],
        )
        assert f"| {' | '.join(cells)} |" in PAGE


def test_the_table_of_checks() -> None:
    start = PAGE.index("| check | what it means |")
    lines = PAGE[start:].split("\n\n")[0].splitlines()[2:]
    told = [line.split("|")[1].strip().strip("`") for line in lines]
    everything = {one.check for facts, *_ in WRONG.values() for one in _all(facts)}
    assert set(told) == everything
    assert len(told) == len(everything)


def _all(facts):
    return examine(facts, PROFILES["v100"])
