"""Checks of the environment of solutions, from what the probe told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gome_agent.hardware.facts import Facts
from gome_agent.hardware.findings import Finding, failure, gibibytes, ok, unknown
from gome_agent.hardware.profiles import Profile
from gome_agent.hardware.solutions import pins

_SHARED_BYTES = 8 * 2**30
_INSTALL = "gome solutions install --profile {} --to DIR, then --python DIR/bin/python"


def architectures(facts: Facts, hardware: Profile) -> Finding | None:
    """PyTorch carries code for the card."""

    def look(values: Mapping[str, Any]) -> Finding:
        carried = [str(name) for name in values["architectures"]]
        says = f"torch {values['version']}, CUDA {values['cuda'] or 'none'}"
        if values["cuda"] and not carried:
            return unknown("torch", f"{says}; it does not tell for which cards")
        if not runs_on(carried, hardware.capability):
            end = f"carries no code for {hardware.arch}: {' '.join(carried) or 'none for GPUs'}"
            fix = f"torch=={pins(hardware)['torch']}: {_INSTALL.format(hardware.name)}"
            return failure("torch", f"{says}, {end}", fix)
        return ok("torch", f"{says}, code for {hardware.arch}")

    told = facts.probed.get("torch")
    if hardware.gpu and told is not None and told.state == "absent":
        return failure("torch", told.reason, _INSTALL.format(hardware.name))
    return _of_part("torch", "torch", facts, hardware, look)


def cudnn(facts: Facts, hardware: Profile) -> Finding | None:
    """cuDNN still supports the card."""

    def look(values: Mapping[str, Any]) -> Finding:
        number = int(values["cudnn"])
        if not number:
            return unknown("cudnn", "torch has none")
        version = cudnn_version(number)
        told = ".".join(map(str, version))
        first = hardware.cudnn_before
        if first is not None and version[:2] >= first:
            least = "{}.{}".format(*first)
            pinned = pins(hardware)["nvidia-cudnn-cu12"]
            fix = f"pip install nvidia-cudnn-cu12=={pinned} in that environment"
            return failure("cudnn", f"{told}: {least} gave up {hardware.gpu}", fix)
        return ok("cudnn", told)

    return _of_part("cudnn", "torch", facts, hardware, look)


def sees_card(facts: Facts, hardware: Profile) -> Finding | None:
    """A script sees the card, and the card is what it should be."""

    def look(values: Mapping[str, Any]) -> Finding:
        major, minor = values["capability"]
        says = f"{values['name']}, {gibibytes(values['free'])} of {gibibytes(values['total'])} free"
        if (major, minor) != hardware.capability:
            return failure("card in scripts", says, "name the profile of this card")
        return ok("card in scripts", says)

    told = facts.probed.get("card")
    if hardware.gpu and facts.host.cards and told is not None and told.state == "absent":
        fix = "the driver's libraries must lie below /usr, where scripts see them; see docs"
        return failure("card in scripts", f"{told.reason}, the machine does", fix)
    return _of_part("card in scripts", "card", facts, hardware, look)


def matmul(facts: Facts, hardware: Profile) -> Finding | None:
    """fp16 products come out right."""
    return _works("fp16 product", "matmul", facts, hardware)


def training(facts: Facts, hardware: Profile) -> Finding | None:
    """A convolutional network learns under autocast with scaled gradients."""
    return _works("fp16 training", "training", facts, hardware)


def bf16(facts: Facts, hardware: Profile) -> Finding | None:
    """bfloat16 is what the profile says."""

    def look(values: Mapping[str, Any]) -> Finding:
        native = bool(values["native"])
        if hardware.bf16 and not native:
            return failure("bf16", "not supported", "name the profile of this card")
        if not hardware.bf16 and values["claimed"]:
            says = "emulated: torch says that it is supported, and it is slow"
            fix = "in scripts, ask torch.cuda.is_bf16_supported(including_emulation=False)"
            return failure("bf16", says, fix, needed=False)
        return ok("bf16", "native" if native else "not supported, as expected")

    return _of_part("bf16", "bf16", facts, hardware, look)


def flash_attention(facts: Facts, hardware: Profile) -> Finding | None:
    """FlashAttention is not installed where it cannot run."""
    told = facts.probed.get("flash_attention")
    if not hardware.gpu or hardware.flash_attention or told is None:
        return None
    if told.state == "absent":
        return ok("flash attention", "not installed, as it should be")
    fix = 'uninstall flash_attn; models use attn_implementation="sdpa"'
    says = f"installed, and does not run on {hardware.gpu}"
    return failure("flash attention", says, fix, needed=False)


def xgboost(facts: Facts, hardware: Profile) -> Finding | None:
    """XGBoost computes on the card."""

    def look(values: Mapping[str, Any]) -> Finding:
        if not values["cuda"]:
            says = f"{values['version']} does not compute on the card"
            return failure("xgboost", says, _INSTALL.format(hardware.name), needed=False)
        return ok("xgboost", f"{values['version']}, on the card")

    return _of_part("xgboost", "xgboost", facts, hardware, look)


def tensorflow(facts: Facts, hardware: Profile) -> Finding | None:
    """A convolution in TensorFlow, if it is installed."""
    return _if_installed("tensorflow", facts, hardware)


def jax(facts: Facts, hardware: Profile) -> Finding | None:
    """A convolution in JAX, if it is installed."""
    return _if_installed("jax", facts, hardware)


def packages(facts: Facts, hardware: Profile) -> Finding | None:
    """What the profile pins is installed in these versions."""
    told = facts.probed.get("packages")
    if told is None or told.state != "done":
        return unknown("packages", told.reason if told else _no_probe(facts))
    wanted = pins(hardware)
    wrong = [
        f"{name} {version or 'missing'} (pinned: {wanted[name]})"
        for name, version in told.values.items()
        if name in wanted and version.partition("+")[0] != wanted[name]
    ]
    if wrong:
        says = ", ".join(wrong)
        return failure("packages", says, _INSTALL.format(hardware.name), needed=False)
    return ok("packages", "as the profile pins them")


def shared_memory(facts: Facts, hardware: Profile) -> Finding | None:
    """Workers that load data can hand it over."""
    told = facts.probed.get("machine")
    if told is None or told.state != "done":
        return unknown("/dev/shm", told.reason if told else _no_probe(facts))
    size = int(told.values["shared_bytes"])
    if hardware.gpu and size < _SHARED_BYTES:
        says = f"{gibibytes(size)} for a script, {gibibytes(_SHARED_BYTES)} are wanted"
        fix = "mount -o remount,size=16G /dev/shm, or docker run --shm-size 16g"
        return failure("/dev/shm", says, fix)
    return ok("/dev/shm", f"{gibibytes(size)} for a script")


CHECKS = (
    *(packages, architectures, cudnn, sees_card, matmul, training, bf16),
    *(flash_attention, xgboost, tensorflow, jax, shared_memory),
)


def runs_on(carried: list[str], capability: tuple[int, int]) -> bool:
    """Whether code in a library runs on a card.

    `sm_75` is for capability 7.5 and later ones of the same generation; `compute_75` is translated
    for 7.5 and everything after it. A letter (`sm_90a`) ties code to that very capability.

    >>> runs_on(["sm_80", "sm_90"], (8, 6)), runs_on(["sm_75", "sm_80"], (7, 0))
    (True, False)
    """
    for name in carried:
        kind, _, number = name.partition("_")
        digits = number.rstrip("af")
        if not digits.isdigit() or len(digits) < 2:
            continue
        built = int(digits[:-1]), int(digits[-1])
        if built == capability or (kind == "compute" and built <= capability):
            return True
        if kind == "sm" and digits == number and built[0] == capability[0] and built <= capability:
            return True
    return False


def cudnn_version(number: int) -> tuple[int, int, int]:
    """From the number by which cuDNN tells its version; from 9 on it has two digits more.

    >>> cudnn_version(91002), cudnn_version(8907)
    ((9, 10, 2), (8, 9, 7))
    """
    scale = 10_000 if number >= 90_000 else 1000
    return number // scale, number % scale // 100, number % 100


def _of_part(
    name: str,
    part: str,
    facts: Facts,
    hardware: Profile,
    look: Callable[[Mapping[str, Any]], Finding],
) -> Finding | None:
    """A check of one part of the probe, for profiles with a card."""
    if not hardware.gpu:
        return None
    told = facts.probed.get(part)
    if told is None:
        return unknown(name, _no_probe(facts))
    if told.state == "absent":
        return unknown(name, told.reason)
    if told.state != "done":
        return failure(name, told.reason, _INSTALL.format(hardware.name))
    try:
        return look(told.values)
    except (KeyError, TypeError, ValueError) as error:
        return unknown(name, f"the probe told something unknown: {error!r}")


def _works(name: str, part: str, facts: Facts, hardware: Profile) -> Finding | None:
    return _of_part(name, part, facts, hardware, lambda values: ok(name, "right"))


def _if_installed(package: str, facts: Facts, hardware: Profile) -> Finding | None:
    told = facts.probed.get(package)
    if told is None or told.state == "absent":
        return None

    def look(values: Mapping[str, Any]) -> Finding:
        if not values["gpus"]:
            says = f"{values['version']} sees no card"
            return failure(package, says, f"uninstall {package}, or its build for CUDA 12", False)
        return ok(package, f"{values['version']}, a convolution on the card")

    return _of_part(package, package, facts, hardware, look)


def _no_probe(facts: Facts) -> str:
    return f"no script ran: {facts.no_sandbox or 'the probe was not run'}"
