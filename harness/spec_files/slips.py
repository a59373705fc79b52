"""Slips of the pen in an expectation, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from harness.cases import Json
from harness.json_values import is_number
from harness.spec_files.yaml_scalars import plain_value
from harness.values.operators import OPERATORS
from harness.wording import expectation_text

NO_CALL_HINT: Final = "for no call write `no_call`"
_NO_CALLS: Final = frozenset(
    ("none", "null", "no call", "no calls", "nocall", "nothing", "refuse", "refusal", "no tool")
)
_CALL: Final = re.compile(r"\s*([\w.-]+)\s*\((.{0,300})\)\s*", re.DOTALL)
_ARGUMENT: Final = re.compile(r"""(\w+)\s*[=:]\s*("[^"]*"|'[^']*'|[^,]*)""")


def tool_slip(word: str, tools: Collection[str]) -> str:
    """What to write for a word that is no tool's name: `none`, or a call as programs have it."""
    if word[:40].strip().lower().replace("_", " ").replace("-", " ") in _NO_CALLS:
        return NO_CALL_HINT
    call = _CALL.fullmatch(word)
    if not call or call[1] not in tools:
        return ""
    values = {name: _read(text.strip()) for name, text in _ARGUMENT.findall(call[2])}
    if call[2].strip() and not values:
        return f"write {{{call[1]}: {{argument: value}}}}"
    return f"write {expectation_text({call[1]: values})}"


def _read(text: str) -> Json:
    """A value of a call as programs have it, where it is a scalar."""
    if text[:1] in ("'", '"'):
        return text[1:-1]
    try:
        return plain_value(text)
    except ValueError:
        return text


def operator_slip(node: Json) -> str:
    """What is meant by a mapping whose keys are operators without their `$`."""
    if not isinstance(node, Mapping) or not node or any(f"${key}" not in OPERATORS for key in node):
        return ""
    return f"did you mean {' and '.join(f'`${key}`' for key in node)}?"


def value_slip(value: Json, what: str) -> str:
    """What to do about a value of another type than a schema wants, as `what` says it."""
    wanted = what.partition(", got ")[0]
    if wanted == "expected a text" and (isinstance(value, bool) or is_number(value)):
        return "put it in quotes"
    if isinstance(value, str) and len(value) < 40:
        plain = _read(value)
        good = {
            "expected true or false": isinstance(plain, bool),
            "expected an integer": isinstance(plain, int) and is_number(plain),
            "expected a number": is_number(plain),
        }
        return "remove the quotes" if good.get(wanted) else ""
    return "" if wanted == "expected an object" else operator_slip(value)


def list_slip(node: Mapping[str, Json], operator: str) -> str:
    """What is meant by `{$one_of: Lind, Wu}`, which YAML reads as two keys."""
    rest = [key for key in node if key != operator]
    takes_lists = operator in ("$one_of", "$contains", "$contains_any", "$approx", "$cer")
    if not takes_lists or not rest or any(node[key] is not None for key in rest):
        return ""
    return f"write {expectation_text({operator: [node[operator], *map(_read, rest)]})}"
