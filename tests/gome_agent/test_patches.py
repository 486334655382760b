"""Search/replace blocks: exact, unique, in order, all or nothing."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

import pytest
from hypothesis import assume, given, strategies as st
from pydantic import BaseModel

from gome_agent.reasoners import MalformedReply
from gome_agent.reasoners._patches import (
    DIVIDER,
    REPLACE,
    SEARCH,
    Block,
    apply,
    parse_blocks,
    parse_change,
)

LINES = st.lists(st.sampled_from(["a", "b", "  a", "", "c = 1"]), min_size=1, max_size=6)
BLOCKS = st.lists(st.builds(Block, LINES.map(tuple), LINES.map(tuple) | st.just(())), max_size=3)


class Header(BaseModel):
    note: str = ""


def written(blocks) -> str:
    """Blocks as a model writes them."""
    return "\n".join(
        "\n".join([SEARCH, *search, DIVIDER, *replace, REPLACE]) for search, replace in blocks
    )


def by_text(script: str, blocks) -> str | None:
    """The same by text search between line breaks; `None` where it is refused."""
    text = f"\n{script}\n"
    for search, replace in blocks:
        wanted = "\n" + "\n".join(search) + "\n"
        places = [match.start() for match in re.finditer(f"(?={re.escape(wanted)})", text)]
        if not wanted.strip() or len(places) != 1:
            return None
        end = places[0] + len(wanted)
        text = text[: places[0]] + "\n" + "".join(f"{line}\n" for line in replace) + text[end:]
    return text[1:-1]


@given(script=LINES.map("\n".join), blocks=BLOCKS)
def test_apply_is_text_search_at_line_breaks_all_or_nothing(script, blocks):
    expected = by_text(script, blocks)
    if expected is None:
        with pytest.raises(MalformedReply):
            apply(script, blocks)
    else:
        assert apply(script, blocks) == expected


@given(blocks=BLOCKS.filter(bool))
def test_what_is_written_is_read(blocks):
    assert parse_blocks(written(blocks)) == tuple(blocks)


@given(
    kept=st.lists(st.booleans(), min_size=1, max_size=12),
    added=st.lists(st.integers(0, 12), max_size=6),
)
def test_any_difference_of_scripts_can_be_written_as_blocks(kept, added):
    old = [f"line {i}" for i in range(len(kept))]
    new = [line for line, keep in zip(old, kept, strict=True) if keep]
    for i, place in enumerate(added):
        new.insert(place % (len(new) + 1), f"new {i}")
    assume(new)
    blocks = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "insert" and i == 0:
            blocks.append(Block((old[0],), (*new[k:m], old[0])))
        elif tag == "insert" and old[i - 1] in new:
            blocks.append(Block((old[i - 1],), (old[i - 1], *new[k:m])))
        elif tag != "equal":
            blocks.append(Block(tuple(old[i:j]), tuple(new[k:m])))
    assume(all(any(search) for search, _ in blocks))
    assert apply("\n".join(old), blocks) == "\n".join(new)


@given(script=LINES.map("\n".join), good=BLOCKS, bad=LINES)
def test_one_block_that_does_not_fit_refuses_all(script, good, bad):
    assume(by_text(script, good) is not None)
    with pytest.raises(MalformedReply, match=rf"block {len(good) + 1} .* occur 0 times"):
        apply(script, [*good, Block((*bad, "nowhere"), ())])


def test_a_block_sees_what_the_ones_before_it_left():
    first, second = Block(("a",), ("b",)), Block(("b",), ("c", "d"))
    assert apply("a\nx", [first, second]) == "c\nd\nx"
    with pytest.raises(MalformedReply, match="occur 0 times"):
        apply("a\nx", [second, first])
    with pytest.raises(MalformedReply, match=r"block 2 .* occur 2 times"):
        apply("a\nx\nb", [first, second])


def test_indentation_is_part_of_a_line():
    with pytest.raises(MalformedReply, match="spaces included"):
        apply("if x:\n    y = 1", [Block(("y = 1",), ("y = 2",))])


GOOD = written([Block(("b = 2",), ("b = 3",))])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b = 3",
        GOOD + "\nprose",
        "prose\n" + GOOD,
        GOOD.replace(SEARCH, ""),
        GOOD.replace(DIVIDER, ""),
        GOOD.replace(REPLACE, ""),
        GOOD.replace(DIVIDER, f"{DIVIDER}\n{DIVIDER}"),
        GOOD.replace(DIVIDER, SEARCH),
        GOOD.replace("b = 2", ""),
        GOOD.replace("b = 2\n", ""),
        GOOD.replace("b = 2", "z"),
        GOOD.replace("b = 3", "</solution>"),
        written([Block(("a = 1", "b = 2"), ())]),
    ],
)
def test_what_is_no_change_is_refused_with_one_sentence(text):
    reply = f"<changes>\n{text}\n</changes>\n{{}}"
    with pytest.raises(MalformedReply) as refused:
        parse_change(reply, "a = 1\nb = 2", Header)
    assert 0 < len(str(refused.value)) < 400
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "reply",
    [
        f"<changes>{GOOD}",
        f"</changes>{GOOD}<changes>{{}}",
        f"<changes>\n{GOOD}\n</changes><changes></changes>{{}}",
        f"<changes>\n{GOOD}\n</changes>",
        f'<changes>\n{GOOD}\n</changes>{{"surplus',
        None,
        "",
    ],
)
def test_a_change_stands_between_one_pair_of_tags_beside_one_object(reply):
    with pytest.raises(MalformedReply):
        parse_change(reply, "a = 1\nb = 2", Header)


def test_both_formats_are_read():
    expected = ("a = 1\nb = 3", Header(note="n"))
    for change in (f"<changes>\n{GOOD}\n</changes>", f"<solution>\n{expected[0]}\n</solution>"):
        assert parse_change(f'{change}\n{{"note": "n"}}', "a = 1\nb = 2", Header) == expected
