"""The tables of the documentation: made from the code that reads what they list.

`python tests/functional/test_docs_tables.py --update` writes them anew, each between
`<!-- table: NAME -->` and `<!-- end of table -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from harness.cases import Gate
from harness.options import OPTIONS, flag
from harness.retrieval.keys import FINDS_KEYS, RUN_KEYS, THEN_KEYS
from harness.spec_files.keys import (
    CASE_KEYS,
    EXPECT_KEYS,
    FILE_KEYS,
    GATE_KEYS,
    MADE_CALL_KEYS,
    MESSAGE_KEYS,
    SPLIT_KEYS,
    TOOL_KEYS,
    Table,
)
from harness.statistics import needed, wilson
from harness.values.operators import OPERATORS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
REFERENCE = ROOT / "docs" / "writing-specs.md"

TABLE = re.compile(
    r"(?P<head><!-- table: (?P<name>[\w ]+) -->\n\n)(?P<text>.*?)\n?<!-- end of table -->", re.S
)
YAML_BLOCK = re.compile(r"^(?!<!-- broken)[^\n]*\n```yaml\n(?P<text>.*?)^```$", re.M | re.S)


def row(*cells: str) -> str:
    """One line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def table(*rows: tuple[str, ...]) -> str:
    """A table; the first row is its head."""
    head, *body = rows
    return row(*head) + row(*("---" for _ in head)) + "".join(row(*cells) for cells in body)


def keys(found: Table) -> str:
    """A table of keys."""
    rows = [(f"`{name}`", key.doc, key.expected) for name, key in found.items()]
    return table(("key", "meaning", "expected"), *rows)


def flow(value: Any) -> str:
    """A value as a spec's author writes it on one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=999, allow_unicode=True
    )
    return "`" + text.removesuffix("\n").removesuffix("\n...") + "`"


def operators() -> str:
    """The table of operators."""
    rows = [
        (
            f"`{name}`",
            one.summary,
            flow(dict(one.example)),
            ", ".join(map(flow, one.matches)) or "–",
            ", ".join(map(flow, one.misses)) or "–",
        )
        for name, one in OPERATORS.items()
    ]
    return table(("operator", "holds when the value", "example", "holds for", "not for"), *rows)


def options() -> str:
    """The table of options."""
    rows = []
    for option in OPTIONS:
        metavar = f" {option.metavar}" if option.metavar else ""
        rows.append((f"`{flag(option)}{metavar}`", option.help, option.wanted))
    return table(("option", "meaning", "expected"), *rows)


def intervals() -> str:
    """What a rate of 80 % is worth, and what a gate at 0.8 asks for."""
    rows = []
    for n in (10, 20, 50, 100, 200, 500):
        low, high = wilson(4 * n // 5, n)
        at_rate, at_bound = needed(Gate(0.8), n), needed(Gate(0.8, "lower"), n)
        interval = f"{100 * low:.0f}–{100 * high:.0f} %"
        bound = "cannot be met" if at_bound is None else str(at_bound)
        rows.append((str(n), str(4 * n // 5), interval, str(at_rate), bound))
    asked = ("needed for 0.8, `bound: point`", "needed for 0.8, `bound: lower`")
    return table(("cases", "passed", "95 % interval", *asked), *rows)


TABLES = {
    "intervals": intervals(),
    "operators": operators(),
    "options": options(),
    "file keys": keys(FILE_KEYS),
    "case keys": keys(CASE_KEYS),
    "tool keys": keys(TOOL_KEYS),
    "run keys": keys(RUN_KEYS),
    "finds keys": keys(FINDS_KEYS),
    "then keys": keys(THEN_KEYS),
    "gate keys": keys(GATE_KEYS),
    "split keys": keys(SPLIT_KEYS),
    "message keys": keys(MESSAGE_KEYS),
    "call keys": keys(MADE_CALL_KEYS),
    "expectation keys": keys({name: key for t in EXPECT_KEYS.values() for name, key in t.items()}),
}


def test_every_table_is_in_the_documents_and_says_what_the_code_says() -> None:
    """Options, keys and operators are documented in the words of the code that reads them."""
    pages = [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    found = {m["name"]: m["text"] for page in pages for m in TABLE.finditer(page)}
    assert found == TABLES


def test_every_key_and_operator_is_shown_in_use() -> None:
    """No key or operator of a spec is known from a table alone: a block that runs uses it."""
    known = {*OPERATORS}
    for found in (FILE_KEYS, CASE_KEYS, TOOL_KEYS, GATE_KEYS, SPLIT_KEYS, MESSAGE_KEYS):
        known.update(found)
    known.update(RUN_KEYS, FINDS_KEYS, THEN_KEYS)
    known.update(*EXPECT_KEYS.values(), MADE_CALL_KEYS)
    used: set[str] = set()
    for block in YAML_BLOCK.finditer(REFERENCE.read_text(encoding="utf-8")):
        used.update(keys_in(yaml.load(block["text"], yaml.BaseLoader)))
    assert known - used == set()


def keys_in(node: Any) -> Iterator[str]:
    """Every key of every mapping in a value."""
    if isinstance(node, dict):
        yield from node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from keys_in(item)


if __name__ == "__main__":
    assert sys.argv[1:] == ["--update"], __doc__
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        fresh = TABLE.sub(lambda m: f"{m['head']}{TABLES[m['name']]}\n<!-- end of table -->", text)
        path.write_text(fresh, encoding="utf-8")
