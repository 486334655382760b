"""What `nvidia-smi` prints is read. The texts are made up, in the format that it has."""

from __future__ import annotations

import pytest

from gome_agent.hardware.nvidia import NoAnswer, ask, cards

ESSENTIAL = """\
0, GPU-5a1e9f0c-33f7-9d1d-b0a7-0a4f3ffde921, Tesla V100-SXM2-16GB, 535.183.01, 16384, 11021
1, GPU-c1b2a3d4-0000-1111-2222-333344445555, Tesla V100-SXM2-16GB, 535.183.01, 16384, 3
"""
FIRST, SECOND = (line.split(", ")[1] for line in ESSENTIAL.splitlines())
REFUSED = 'Field "{}" is not a valid field to query.'
ANSWERS = {
    "--query-gpu=index,uuid,name,driver_version,memory.total,memory.used": ESSENTIAL,
    "--query-gpu=uuid,compute_cap": f"{FIRST}, 7.0\n{SECOND}, 7.0\n",
    "--query-gpu=uuid,ecc.errors.uncorrected.volatile.total": f"{FIRST}, 0\n{SECOND}, [N/A]\n",
    "--query-gpu=uuid,clocks_throttle_reasons.active": (
        f"{FIRST}, 0x0000000000000064\n{SECOND}, 0x0000000000000001\n"
    ),
    "--query-compute-apps=gpu_uuid,pid,process_name,used_memory": (
        f"{FIRST}, 4242, /usr/bin/python3, 11018\n"
    ),
}


def answer(option: str) -> str:
    if option not in ANSWERS:
        raise NoAnswer(REFUSED.format(option))
    return ANSWERS[option]


def test_two_cards() -> None:
    first, second = cards(answer)
    assert (first.index, first.name, first.driver) == (0, "Tesla V100-SXM2-16GB", "535.183.01")
    assert (first.total_mib, first.used_mib, first.capability) == (16384, 11021, (7, 0))
    assert first.slowed_by == ("heat (software)", "heat (hardware)")
    assert first.processes == ("/usr/bin/python3 (4242), 11018 MiB",)
    assert (first.ecc_errors, second.ecc_errors) == (0, None)
    assert (second.slowed_by, second.processes) == ((), ())


def test_what_a_driver_does_not_know_is_unknown() -> None:
    def old(option: str) -> str:
        if "index" not in option:
            raise NoAnswer(REFUSED)
        return ESSENTIAL

    for card in cards(old):
        assert (card.capability, card.ecc_errors, card.slowed_by, card.processes) == (None,) * 4


@pytest.mark.parametrize("text", ["0, GPU-1, Tesla V100, 535.1, [N/A], 3\n"])
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(NoAnswer, match="unknown way"):
        cards(lambda option: text)


def test_without_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoAnswer, match="not on this machine's PATH"):
        ask("--query-gpu=index")
    broken = tmp_path / "nvidia-smi"
    broken.write_text("#!/bin/sh\necho couldn\\'t communicate with the NVIDIA driver\nexit 9\n")
    broken.chmod(0o755)
    with pytest.raises(NoAnswer, match="couldn't communicate with the NVIDIA driver"):
        ask("--query-gpu=index")
