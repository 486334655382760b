"""The paper says only what the repository holds: numbers, names, references, lines that fit."""

import re
import shutil
from collections import defaultdict

import pytest

from experiments.paper import build, figures, sources, tables
from experiments.paper.values import values


@pytest.fixture(scope="module")
def known():
    return values()


def test_every_number_of_the_text_has_a_source_and_none_is_left_over(known):
    assert sources.used_values() == set(known)
    assert all(value.source for value in known.values())


@pytest.mark.parametrize("name", sorted(sources.sections()))
def test_no_measured_digit_is_typed(name):
    """Decimals, intervals and errors are macros; lengths of figures and tables are not text."""
    text = re.sub(
        r"\\includegraphics\[[^\]]*\]|\\val{[^}]*}|\d+ ?\\,\\%|\d*\.\d+\\linewidth",
        "",
        sources.sections()[name],
    )
    assert not re.findall(r"\d*\.\d+", text)
    assert not re.findall(r"\\pm|\[-?\d[\d.]*, ", text)


def test_statements_are_behind_tests_that_exist():
    statements = sources.statements()
    assert len(statements) >= 14
    assert all(found.laws and found.tests for found in statements)
    places = sources.places()
    for found in statements:
        assert all(places[name].startswith("tests/") for name in found.tests), found.label
        assert not any(places[name].startswith("tests/") for name in found.laws), found.label
    assert set(figures.used()) <= set(sources.studies())


def test_a_name_that_does_not_exist_is_told(monkeypatch):
    text = defaultdict(str, model=r"\place{nobody_is_called_this} \study{no_such_study}")
    monkeypatch.setattr(sources, "sections", lambda: text)
    with pytest.raises(LookupError, match="nobody_is_called_this"):
        sources.places()
    with pytest.raises(LookupError, match="no_such_study"):
        sources.studies()


def test_a_number_that_does_not_exist_stops_the_build(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "values", dict)
    with pytest.raises(LookupError, match=r"no number .*psi\.0"):
        build.generate(tmp_path)


def test_what_is_cited_is_in_the_bibliography():
    text = "\n".join(sources.sections().values())
    cited = {
        key.strip()
        for keys in re.findall(r"\\cite[pt]?(?:\[[^\]]*\])*{([^}]*)}", text)
        for key in keys.split(",")
    }
    entries = re.findall(r"^@\w+{(\w+),", (sources.PAPER / "references.bib").read_text(), re.M)
    assert len(entries) == len(set(entries))
    assert cited <= set(entries)
    assert len(cited) > 30


@pytest.mark.parametrize("name", tables.TABLES)
def test_tables_have_equal_rows(name):
    rows = [line for line in tables.TABLES[name]().splitlines() if line.endswith(r"\\")]
    assert len(rows) > 2
    assert len({line.count(" & ") for line in rows}) == 1


def test_what_is_wrong_is_read_from_the_log():
    log = (
        "LaTeX Warning: Reference `thm:x' on page 3 undefined on input line 5.\n"
        "Package natbib Warning: Citation `nobody' on page 1 undefined on input line 9.\n"
        "Overfull \\hbox (1.5pt too wide) in paragraph at lines 1--2\n"
        "Overfull \\hbox (12.25pt too wide) in paragraph at lines 3--4\n"
    )
    found = build.problems_of(log)
    assert [
        word in problem for word, problem in zip(("thm:x", "nobody", "12.25"), found, strict=True)
    ]
    assert build.problems_of(log + "! Undefined control sequence.\n") == [
        "! Undefined control sequence."
    ]
    assert not build.problems_of("Overfull \\hbox (1.5pt too wide) in paragraph at lines 1--2\n")


@pytest.mark.slow
def test_the_paper_is_typeset():
    if shutil.which("latexmk") is None:
        pytest.skip("no LaTeX here: `make tex` installs it")
    build.generate()
    assert build.typeset() == []
    assert build.PDF.stat().st_size > 100_000
