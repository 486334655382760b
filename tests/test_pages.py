"""The guides say what is measured, and name tests that exist."""

import re
from pathlib import Path

import pytest

from experiments import pages

DOCS = Path(__file__).parents[1] / "docs"
SHOWN = {
    match[2]: match[3].rstrip("\n")
    for page in pages.PAGES
    for match in pages.MARKED.finditer(page.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("name", pages.TABLES)
def test_tables_are_what_is_computed(name):
    assert SHOWN[name] == pages.TABLES[name](), "renew it: python -m experiments.pages"


def test_every_law_names_tests_that_exist():
    page = (DOCS / "algebra.md").read_text(encoding="utf-8")
    tests = (path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    defined = {
        name for text in tests for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    }
    named = re.findall(r"`(test_\w+)`", page)
    assert len(named) > 60
    assert set(named) <= defined
    laws = [int(number) for number in re.findall(r"^\| (\d+) ", page, re.MULTILINE)]
    assert laws == list(range(1, 37))
