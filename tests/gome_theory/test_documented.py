"""Every law says what it is worth, has an example, and takes arrays as well as numbers."""

import inspect
import re
import warnings

import numpy as np
import pytest

import gome_theory as gt
from tests.gome_theory.samples import FIXED, SAMPLES, SCALAR, laws, valid_arguments

LAWS = laws()
TAG = re.compile(r"\[[^\]]*\b(exact|asymptotic|mean-field|theorem|definition|numerical)\b[^\]]*\]")
BY_NAME = pytest.mark.parametrize("name", sorted(LAWS))


@BY_NAME
def test_docstring_has_a_tag_and_every_section(name):
    text = inspect.getdoc(LAWS[name]) or ""
    sections = ["Args:", "Returns:", "Raises:", "Example:"]
    assert TAG.search(text), "no tag such as [exact] or [asymptotic]"
    assert [section for section in sections if section not in text] == []


@BY_NAME
def test_docstring_describes_every_parameter(name):
    text = inspect.getdoc(LAWS[name]) or ""
    described = set(re.findall(r"^    (\w+): ", text.split("Args:")[1], re.MULTILINE))
    assert set(inspect.signature(LAWS[name]).parameters) <= described


def test_every_law_has_a_sample():
    assert sorted(LAWS) == sorted(SAMPLES | SCALAR)


@BY_NAME
def test_samples_lie_in_the_regime(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error", gt.RegimeWarning)
        LAWS[name](**valid_arguments(name))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_an_array_of_settings_is_as_many_scalar_calls(name):
    """The first argument varies along rows, the others along columns: a 2 x 2 table."""
    law, fixed = LAWS[name], FIXED.get(name, {})
    first, *others = SAMPLES[name]
    settings = {first: _column(SAMPLES[name][first])}
    settings |= {other: _stack(SAMPLES[name][other]) for other in others}
    table = _numbers(law(**settings, **fixed))
    for row in range(2):
        for column in range(2 if others else 1):
            one = {first: SAMPLES[name][first][row]}
            one |= {other: SAMPLES[name][other][column] for other in others}
            for whole, single in zip(table, _numbers(law(**one, **fixed)), strict=True):
                _assert_same(_entry(whole, single, row, column), single)


def _entry(whole, single, row, column):
    """The table's entry; what a result does not depend on has left no axis, or one of length 1."""
    axes = whole.shape[: whole.ndim - single.ndim]
    index = (row, column)[2 - len(axes) :]
    return whole[tuple(i if length > 1 else 0 for i, length in zip(index, axes, strict=True))]


def _stack(pair):
    if isinstance(pair[0], tuple):
        return type(pair[0])(*(_stack(fields) for fields in zip(*pair, strict=True)))
    return np.stack([np.asarray(value, float) for value in pair])


def _column(pair):
    if isinstance(pair[0], tuple):
        return type(pair[0])(*(_column(fields) for fields in zip(*pair, strict=True)))
    return _stack(pair)[:, None]


def _numbers(result):
    """The fields of a result as arrays; sentences stay strings."""
    fields = result if isinstance(result, tuple) else (result,)
    return [np.asarray(field) for field in fields]


def _assert_same(picked, single):
    if picked.dtype.kind in "US":
        assert picked == single
    else:
        np.testing.assert_allclose(picked, single, rtol=1e-6, atol=1e-12)
