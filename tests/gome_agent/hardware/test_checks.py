"""Every check on made-up facts: what is right, and what is wrong in one place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gome_agent.hardware.checks import examine, likely_profile, passes
from gome_agent.hardware.facts import Asked, Facts, Host
from gome_agent.hardware.profiles import PROFILES, profile
from tests.gome_agent.hardware.machines import (
    CARD,
    FACTS,
    V100,
    card,
    ended,
    finding,
    host,
    told,
)

GIB = 2**30


def test_a_v100_as_it_should_be() -> None:
    findings = examine(FACTS, V100)
    assert {one.state for one in findings} == {"ok"}
    assert passes(findings)
    assert len(findings) > 20


WRONG = {
    # check: (facts, what it says, what its fix says, whether the profile needs it)
    "gpu": (host(cards=(), no_cards="`nvidia-smi` is not there"), "nvidia-smi", "cpu", True),
    "compute capability": (card(capability=(7, 5)), "(7, 5), not 7.0", "profile", True),
    "driver": (card(driver="590.48.01"), "branch after 580", "branch 580 or before", True),
    "gpu memory": (card(used_mib=9000), "9000 of 16384", "--gpus", True),
    "gpu processes": (card(processes=("python (71), 9000 MiB",)), "python (71)", "end", False),
    "ecc": (card(ecc_errors=4), "4 uncorrected", "another card", True),
    "gpu clocks": (card(slowed_by=("heat (hardware)",)), "heat", "cooling", False),
    "packages": (told("packages", torch="2.13.0"), "torch 2.13.0 (pinned: 2.10.0)", "gome", False),
    "torch": (
        told("torch", architectures=["sm_75", "sm_80", "sm_90"], version="2.11.0+cu130"),
        "torch 2.11.0+cu130, CUDA 12.8, carries no code for sm_70: sm_75",
        "torch==2.10.0",
        True,
    ),
    "cudnn": (told("torch", cudnn=92800), "9.28.0: 9.11 gave up", "9.10.2.21", True),
    "card in scripts": (
        ended("card", "absent", "torch sees no GPU"),
        "sees no GPU, the machine does",
        "/usr",
        True,
    ),
    "fp16 product": (
        ended("matmul", "failed", "its process ended: SIGSEGV"),
        "SIGSEGV",
        "install",
        True,
    ),
    "fp16 training": (
        ended("training", "failed", "RuntimeError: CUDNN_STATUS_NOT_SUPPORTED"),
        "CUDNN",
        "install",
        True,
    ),
    "bf16": (told("bf16", claimed=True), "emulated", "including_emulation=False", False),
    "flash attention": (told("flash_attention", version="2.8"), "does not run", "sdpa", False),
    "xgboost": (told("xgboost", cuda=False), "does not compute on the card", "install", False),
    "tensorflow": (told("tensorflow", version="2.21", gpus=0), "sees no card", "CUDA 12", False),
    "jax": (ended("jax", "failed", "its process ended: SIGABRT"), "SIGABRT", "install", True),
    "/dev/shm": (told("machine", shared_bytes=64 * 2**20), "0.0625 GiB", "--shm-size", True),
    "processors": (host(quota=2.0), "12 processors are seen, the control group pays for 2", "", 1),
    "memory": (host(memory_limit=16 * GIB), "16 GiB, of 220 GiB", "--memory", False),
    "disk": (host(data=400 * GIB), "500 GiB free, 800 GiB are wanted", "space", True),
    "data": (host(data_problem="`/d` is not a folder"), "not a folder", "prepared", True),
    "clock": (host(clock=1.6e9), "days before", "timedatectl", True),
    "weights": (host(weights=()), "no network", "DIR/weights", False),
    "sandbox": (replace(FACTS, sandbox="", no_sandbox="no Python"), "no Python", "--python", True),
    "model keys": (
        replace(FACTS, model_problem="`openai/x` needs OPENAI_API_KEY in the environment"),
        "needs OPENAI_API_KEY",
        "export",
        True,
    ),
    "endpoint": (
        replace(FACTS, endpoints={"http://h:1": "refused"}),
        "http://h:1: refused",
        "start",
        True,
    ),
    "time": (replace(FACTS, asked=Asked(seconds=60.0)), "0.0167 h", "--seconds-per-run", True),
}


@pytest.mark.parametrize("check", WRONG)
def test_what_is_wrong_is_told_with_its_fix(check: str) -> None:
    facts, says, fix, needed = WRONG[check]
    found = finding(facts, check)
    assert found.state == "failure"
    assert says in found.says
    assert fix in found.fix
    assert found.fix
    assert "\n" not in found.fix
    assert found.needed == bool(needed)
    assert passes(examine(facts, V100)) != bool(needed)


def test_every_check_is_tried() -> None:
    everything = {one.check for facts, *_ in WRONG.values() for one in examine(facts, V100)}
    assert everything == set(WRONG)


UNKNOWN = {
    "compute capability": card(capability=None),
    "driver": card(driver="unknown"),
    "gpu processes": card(processes=None),
    "ecc": card(ecc_errors=None),
    "gpu clocks": card(slowed_by=None),
    "gpu memory": host(cards=()),
    "cudnn": told("torch", cudnn=0),
    "torch": told("torch", architectures=[]),
    "fp16 product": replace(FACTS, probed={}, no_sandbox="no Python"),
    "packages": replace(FACTS, probed={}),
    "/dev/shm": ended("machine", "failed", "FileNotFoundError"),
    "xgboost": ended("xgboost", "absent", "xgboost is not installed"),
    "bf16": ended("bf16", "absent", "torch sees no GPU"),
    "memory": host(ram=None),
    "data": host(data_problem="`/d` has more than 500000 files: not added up"),
}


@pytest.mark.parametrize("check", UNKNOWN)
def test_what_cannot_be_told_says_why(check: str) -> None:
    found = finding(UNKNOWN[check], check)
    assert found.state == "unknown"
    assert found.says


def test_values_that_nobody_expects_are_not_taken_for_facts() -> None:
    facts = told("card", capability="seven")
    assert finding(facts, "card in scripts").state == "unknown"


def test_a_quota_of_as_many_processors_as_the_profile_needs_is_advice() -> None:
    assert not finding(host(cores=24, quota=12.0), "processors").needed
    assert finding(host(cores=12, quota=12.0), "processors").state == "ok"


def test_part_of_a_card_is_no_card() -> None:
    assert "(MIG, vGPU)" in finding(card(total_mib=8192), "gpu memory").fix


def test_cards_are_those_that_are_asked_for() -> None:
    two = host(cards=(replace(CARD, index=1, used_mib=9000), CARD))
    assert finding(two, "gpu memory").state == "failure"
    assert finding(replace(two, asked=Asked(gpus=(0,))), "gpu memory").state == "ok"
    missing = finding(replace(two, asked=Asked(gpus=(0, 5))), "gpu")
    assert "no GPU 5" in missing.says
    other = finding(card(name="NVIDIA A100-SXM4-40GB"), "gpu")
    assert "is no Tesla V100" in other.says


def test_without_walls_is_advice() -> None:
    facts = replace(FACTS, sandbox="process", not_covered=("The network is open.",))
    found = finding(facts, "sandbox")
    assert "The network is open." in found.says
    assert not found.needed


@pytest.mark.parametrize("name", PROFILES)
def test_no_profile_stumbles_over_a_machine_of_which_nothing_is_known(name: str) -> None:
    findings = examine(Facts(Host()), profile(name))
    assert not passes(findings)
    assert all(one.says for one in findings)


def test_a_machine_without_a_card_is_fine_for_the_profile_without_one() -> None:
    facts = replace(FACTS, host=replace(FACTS.host, cards=()))
    assert passes(examine(facts, profile("cpu")))
    assert likely_profile(facts) == PROFILES["cpu"]
    assert likely_profile(FACTS) == PROFILES["v100"]


def test_newer_cards_have_bf16_of_their_own() -> None:
    assert finding(told("bf16", native=True), "bf16", "h100").state == "ok"
    assert finding(told("bf16", native=False), "bf16", "h100").needed
    assert finding(card(driver="590.1"), "driver", "h100").state == "ok"
