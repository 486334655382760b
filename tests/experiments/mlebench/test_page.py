"""The commands of the guide to MLE-bench exist, with the options that it names."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from experiments.cli import app

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "mle-bench.md").read_text(encoding="utf-8")


def commands():
    """Lines of the page's plain code blocks that call gome."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("gome ")]


@pytest.mark.parametrize("line", commands())
def test_commands_of_the_page_are_understood(line):
    command = typer.main.get_command(app)
    words = shlex.split(line, comments=True)[1:]
    context = None
    while hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands, f"there is no command `{name}`"
        command = command.commands[name]
    context = command.make_context(line, words)
    assert not context.args


def test_the_page_goes_all_the_way():
    steps = [line.split()[2] for line in commands() if line.startswith("gome mlebench")]
    order = ["install", "prepare", "run", "grade", "report", "leaderboard"]
    places = [steps.index(name) for name in order]
    assert places == sorted(places)


def test_strategies_of_the_page_can_be_built():
    from experiments.spec import build_strategy, split

    lines = [shlex.split(line) for line in commands()]
    typed = {words[words.index("--strategy") + 1] for words in lines if "--strategy" in words}
    assert {strategy for each in typed for strategy in split(each)} == {"gome", "aide(drafts=5)"}
    for each in typed:
        assert all(build_strategy(strategy).policy for strategy in split(each))


def test_numbers_of_the_page_are_those_of_the_facts():
    from gome_agent.tasks.mlebench import facts

    lite = [facts.load(name) for name in facts.known()]
    assert len(lite) == 22
    sizes = {each.id: each.raw_gb for each in lite if each is not None}
    large = ("siim-isic", "ranzcr", "aptos2019")
    small = {name: size for name, size in sizes.items() if not name.startswith(large)}
    assert len(small) == 19
    assert sum(sizes.values()) == pytest.approx(158, abs=2)
    assert sum(small.values()) == pytest.approx(19, abs=1)
    assert facts.thresholds("aerial-cactus-identification").bronze == 1


def test_the_page_names_those_that_are_compared_by_position():
    from gome_agent.tasks.mlebench import facts

    rows = [line.split("|") for line in PAGE.splitlines() if "compared by position" in line]
    said = {name for row in rows for name in re.findall(r"`([\w-]+)`", row[1])}
    known = [facts.load(name) for name in facts.known()]
    assert said == {
        one.id for one in known if one and (one.rows_by_position or one.columns_by_position)
    }
