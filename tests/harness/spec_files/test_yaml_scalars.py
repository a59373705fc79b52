"""What scalars stand for."""

from __future__ import annotations

import math

import pytest

from harness.cases import Json
from harness.spec_files.strict_yaml import read_yaml
from harness.spec_files.yaml_scalars import plain_value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-0", 0),
        ("+3", 3),
        ("010", 10),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        *[
            (text, text)
            for text in (
                *("True", "FALSE", "on", "off", "yes", "No", "y", "n", "0x1F", "0o17", "1_000"),
                *("190:20:30", "2001-12-14", ".inf", "-.INF", ".nan", "nULL", "1e", "+", ".", "<<"),
            )
        ],
        ("!!str 12", "12"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("|-\n  12", "12"),
    ],
)
def test_scalars_of_the_core_schema(written: str, value: Json) -> None:
    """A plain scalar is what YAML 1.2's core schema says, less octals and the like; type kept."""
    got = read_yaml(f"a: {written}\n", "f.yaml").value["a"]
    assert got == value
    assert type(got) is type(value)


def test_floats_keep_their_sign() -> None:
    """Minus zero stays minus zero."""
    assert math.copysign(1, plain_value("-0.0")) == -1


@pytest.mark.parametrize("written", ["1e-400", "-0.1e-999", ".001E-330"])
def test_a_number_that_would_become_zero_is_refused(written: str) -> None:
    """A number too small for Python is no silent 0; zeros themselves are taken."""
    with pytest.raises(ValueError, match=f"^the number {written} is too close to 0$"):
        plain_value(written)
    assert [plain_value(zero) for zero in ("0e-5", "0.00", "-0.0", "5e-324")] == [0, 0, 0, 5e-324]
