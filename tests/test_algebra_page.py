"""The algebra page says what is measured and names tests that exist."""

import re
from pathlib import Path

from experiments import characters

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "algebra.md").read_text(encoding="utf-8")


def test_the_table_of_rules_is_what_is_measured():
    shown = re.search(r"<!-- characters:.*?-->\n(.*?)\n<!-- /characters -->", PAGE, re.DOTALL)
    assert shown is not None
    assert shown[1] == characters.table()


def test_every_law_names_tests_that_exist():
    tests = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    defined = {
        name for text in tests for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    }
    named = re.findall(r"`(test_\w+)`", PAGE)
    assert len(named) > 60
    assert set(named) <= defined
    laws = [int(number) for number in re.findall(r"^\| (\d+) ", PAGE, re.MULTILINE)]
    assert laws == list(range(1, 37))
