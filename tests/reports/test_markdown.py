"""Reports as Markdown, rendered by an implementation of CommonMark with GitHub's tables."""

# ruff: noqa: E501 - the report stands here as it is written

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.wording import one_line
from reports.markdown import LIMIT, render
from reports.markdown_text import cell, code, prose
from reports.summary import Summary

DESK = """\
## desk: two runs compared

**Not distinguishable with 5 cases; the gate of desk is not met.**

> [!WARNING]
> - runs/after.jsonl: the run did not finish.

| spec | before | after | 95 % interval | needed | commonest tool | bag of words | gate | comparison |
| --- | --: | --: | --: | --: | --: | --: | --- | --- |
| `desk` | 4 of 10, 40 % | **6 of 9, 67 %** | 35–88 % | 5 | 50 % | 70 % | NOT MET → error | not distinguishable |

### `desk`

Rooms are found.

- difference: +0 percentage points (95 % interval -50 to +50)
- gate not met: 1 case is an error
- misses before: 6 no_call
- misses after: 3 no_call, 1 error
- tool accuracy 40 % (n 10) → 67 % (n 9), valid calls 100 % (n 8) → 100 % (n 7), TC-CER 0.250 (n 10) → 0.250 (n 9)
- commonest tool and bag of words: simple rules, learned from 16 train cases and asked for the tools alone; a model that does not beat them has learned nothing
- clauses without a case that expects a call: hours
- clauses without a case that expects no call: rooms
- tools that no case expects: cancel
- split dev: 5 of 10, 50 % (24–76 %) → 8 of 10, 80 % (49–94 %)

**1 case broken: passed before, misses now**

| case | where | prompt | expected | before | after |
| --- | --- | --- | --- | --- | --- |
| `b` **critical** | `specs/desk.spec.yaml:8` | `Question b?` | `find` | `find()` | `wrong_tool`: `expected find, got book` |

**1 case without a usable reply**

| case | where | prompt | expected | before | after |
| --- | --- | --- | --- | --- | --- |
| `e` | `specs/desk.spec.yaml:11` | `Question e?` | `find` | `find()` | `error`: `no reply` |

**1 case still missing, as before**

| case | where | prompt | expected | before | after |
| --- | --- | --- | --- | --- | --- |
| `c` | `specs/desk.spec.yaml:9` | `Question c?` | `find` | `no_call`: `expected find, got text` | `no_call`: `expected find, got text` |

**1 case still missing, in another way**

| case | where | prompt | expected | before | after |
| --- | --- | --- | --- | --- | --- |
| `d` | `specs/desk.spec.yaml:10` | `Question d?` | `find` | `no_call`: `expected find, got text` | `wrong_tool`: `expected find, got book` |

**1 case fixed: missed before, passes now**

| case | where | prompt | expected | before | after |
| --- | --- | --- | --- | --- | --- |
| `a` | `specs/desk.spec.yaml:7` | `Question a?` | `find` | `no_call`: `expected find, got text` | `find()` |

**By clause**

| clause | before | after | 95 % interval | fixed | broken | commonest tool | bag of words | sentence |
| --- | --: | --: | --: | --: | --: | --: | --: | --- |
| `rooms` | 4 of 10, 40 % | 6 of 9, 67 % | 35–88 % | 1 | 1 | 50 % | 70 % | Rooms are \\*booked\\*. |

**By tag**

| tag | before | after | 95 % interval | fixed | broken | commonest tool | bag of words |
| --- | --: | --: | --: | --: | --: | --: | --: |
| `urgent` | 4 of 10, 40 % | 6 of 9, 67 % | 35–88 % | 1 | 1 | 50 % | 70 % |

**By tool**

| tool | before | after | 95 % interval | fixed | broken | commonest tool | bag of words |
| --- | --: | --: | --: | --: | --: | --: | --: |
| `find` | 4 of 10, 40 % | 6 of 9, 67 % | 35–88 % | 1 | 1 | 50 % | 70 % |

<details><summary>Tools expected and called, before</summary>

| expected ↓ called → | `find` | `book` | `(no call)` |
| --- | --: | --: | --: |
| `find` | 5 | 1 | 2 |
| `(no call)` | · | · | 2 |

</details>

<details><summary>Tools expected and called, after</summary>

| expected ↓ called → | `find` | `book` | `(no call)` |
| --- | --: | --: | --: |
| `find` | 5 | 1 | 2 |
| `(no call)` | · | · | 2 |

</details>

![Loss and dev rate by round](curves.svg)

### Training

- rows: 16
- seed: 40
- until the dev rate is 0.8
- left out as leaks: 1
- train cases that became dev cases: 8 of desk
- ended: the gates' rates hold on dev

**2 rounds**

| round | epoch | validation loss | dev |
| --- | --: | --: | --: |
| 1 | 1 | 0.5000 | 5 of 10, 50 % |
| 2 (kept) | 2 | – | 8 of 10, 80 % |

### Seeds

| seed | before | after | gates |
| --- | --: | --: | --- |
| 40 | 4 of 10, 40 % | 6 of 9, 67 % | NOT MET |
| 41 | 4 of 10, 40 % | 9 of 10, 90 % | met |

<details><summary>The runs</summary>

|  | before | after |
| --- | --- | --- |
| model | `model before` | `model after` |
| log | `runs/before.jsonl` | `runs/after.jsonl` |
| start | `2026-11-20T12:00:00Z` | `2026-11-20T12:00:00Z` |
| finished | `yes` | `NO` |
| fingerprint | `f00` | `f00` |
| seconds | `2.5` | `2.5` |
| generation | `do_sample: false` | `do_sample: false` |
| versions | `callgate 0.1.0` | `callgate 0.1.0` |

</details>
"""

ALONE = """\
## desk: one run

**Gate met: 7 of 9 on test.**

| spec | passed | 95 % interval | needed | gate |
| --- | --: | --: | --: | --- |
| `desk` | **7 of 9, 78 %** | 45–94 % | 5 | met |

### `desk`

Rooms are found.

- misses: 2 no_call
- tool accuracy 78 % (n 9), valid calls 100 % (n 7), TC-CER 0.250 (n 9)

**2 cases missing**

| case | where | prompt | expected | called |
| --- | --- | --- | --- | --- |
| `b` **critical** | `specs/desk.spec.yaml:8` | `Question b?` | `find` | `wrong_tool`: `expected find, got book` |
| `c` | `specs/desk.spec.yaml:9` | `Question c?` | `find` | `no_call`: `expected find, got text` |

<details><summary>Tools expected and called</summary>

| expected ↓ called → | `find` | `book` | `(no call)` |
| --- | --: | --: | --: |
| `find` | 5 | 1 | 2 |
| `(no call)` | · | · | 2 |

</details>

<details><summary>The run</summary>

|  | run |
| --- | --- |
| model | `model after` |
| log | `runs/after.jsonl` |
| start | `2026-11-20T12:00:00Z` |
| finished | `yes` |
| fingerprint | `f00` |
| seconds | `2.5` |
| generation | `do_sample: false` |
| versions | `callgate 0.1.0` |

</details>
"""

OURS = {
    "h2", "h3", "p", "strong", "blockquote", "ul", "li", "table", "thead", "tbody", "tr", "th", "td",
    "code", "details", "summary",
}  # fmt: skip
"""The elements that a report is made of."""
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</code></td></table><iframe src=//x>",
    "![x](https://x.example/y.png)",
    "[x](javascript:alert(1))",
    "[x]: https://x.example",
    "<https://x.example>",
    "https://x.example www.x.example a@x.example",
    "@octocat @github/staff",
    "octocat/repo#1 #12",
    "`",
    "``` a\n```",
    "a`` | `b|c``",
    "a\\|b\\\\|c\\",
    "|---|---|",
    "| a | b |\n|---|---|",
    "**a** _b_ ~~c~~ ***",
    "# a",
    "- a\n- b",
    "1. a",
    "> a",
    "---",
    "===",
    "    code",
    "<!-- a",
    "-->",
    "</details></summary>",
    "&lt;b&gt; &amp; &#64;x",
    "$x$ $$y$$",
    "::error::x",
    "##[error]x",
    "\x1b[2J\x07",
    "\u202eevil",
    "\ud800",
    "",
    " ",
    "\n\n\n",
    "\t",
    "x" * 1_000_000,
    "|" * 100_000,
    "`" * 100_000,
]


class Elements(HTMLParser):
    """The elements of a page, its attributes, and the text outside of code."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.plain = ""
        self.coded: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102
        self.names.add(tag)
        self.attributes |= set(attrs)
        if tag == "code":
            self._depth += 1
            self.coded.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: D102
        self._depth -= tag == "code"

    def handle_data(self, data: str) -> None:  # noqa: D102
        if self._depth:
            self.coded[-1] += data
        else:
            self.plain += data


def rendered(text: str, *, html: bool = True) -> Elements:
    """What a browser gets to see."""
    renderer = MarkdownIt("commonmark", {"html": html}).enable(["table", "strikethrough"])
    found = Elements()
    found.feed(renderer.render(text))
    found.close()
    return found


def test_a_comparison_whole(desk: Summary) -> None:
    """Verdict, notices, before and after, then what is behind them; long things are folded."""
    assert render(desk, "curves.svg") == DESK


def test_one_run_whole(alone: Summary) -> None:
    """Without a run to compare with nothing is said of a before."""
    assert render(alone) == ALONE


def test_the_report_renders(desk: Summary) -> None:
    """Nothing but the elements meant, and the picture only where there is one."""
    found = rendered(render(desk))
    assert found.names == OURS
    assert found.attributes <= {("style", "text-align:right")}
    page = rendered(render(desk, "a folder/curves.svg"))
    assert page.names == OURS | {"img"}
    assert ("src", "a%20folder/curves.svg") in page.attributes


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:30]))
def test_hostile_text_is_text(text: str, filled: Callable[[str], Summary]) -> None:
    """In every field at once: no element, link or attribute that is not the report's own."""
    written = render(filled(text))
    for html in (True, False):
        found = rendered(written, html=html)
        assert found.names <= OURS
        assert found.attributes <= {("style", "text-align:right")}
    assert len(written) <= LIMIT
    assert "##[" not in written
    assert not [line for line in written.splitlines() if line.lstrip().startswith("::")]
    assert all(c.isprintable() or c in "\n\u200b" for c in written)


@pytest.mark.parametrize("text", HOSTILE[:30], ids=lambda text: ascii(text[:30]))
def test_nobody_is_mentioned_and_nothing_is_linked(
    text: str, filled: Callable[[str], Summary]
) -> None:
    """Outside of code, where GitHub looks for them, stand no @name, no #number and no address."""
    plain = rendered(render(filled(text))).plain
    assert not re.search(r"@\w|#\d|://|www\.", plain)


TEXTS = st.text(st.sampled_from("|\\`<>*_[]()!@#$&~- .:/ab1\n") | st.characters(), max_size=20)


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_code_shows_the_text_and_nothing_else(text: str) -> None:
    """In a sentence and in a table's cell: one code span, of the very text, on one line."""
    expected = re.sub(r"\s+", " ", one_line(text)).strip().replace("##[", "#\\x23[")
    for written in (f"a {code(text)} b\n", f"| a | b |\n| --- | --- |\n| {cell(text)} | end |\n"):
        found = rendered(written)
        assert [re.sub(r"\s+", " ", one).strip() for one in found.coded] == [expected] * bool(
            expected
        )
        assert found.names <= {"p", "code", "table", "thead", "tbody", "tr", "th", "td"}
    assert found.plain.split()[-1] == "end"


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_prose_shows_the_text_and_nothing_else(text: str) -> None:
    """At the start of a line, of a list's item and in a cell: paragraphs of the very text."""
    expected = re.sub(r"\s+", "", one_line(text)).replace("##[", "#\\x23[") or "–"
    for written, before, after in (
        (f"{prose(text)}\n", "", ""),
        (f"> - {prose(text)}\n", "", ""),
        (f"**{prose(text)}.**\n", "", "."),
        (f"| a | b |\n| --- | --- |\n| {prose(text)} | end |\n", "ab", "end"),
    ):
        found = rendered(written)
        shown = re.sub(r"\s+", "", found.plain).replace("\u200b", "")
        assert shown == f"{before}{expected}{after}".replace("\u200b", "")
        assert not found.names & {"a", "img", "code", "h1", "h2", "h3", "hr", "del", "em", "ol"}


def test_a_report_of_many_cases_says_what_it_left_out(desk: Summary) -> None:
    """10,000 cases fit into a comment: each kind is shown in part, and its number told."""
    rows = [replace(row, id=f"{row.id}-{n}") for row in desk.cases for n in range(2000)]
    written = render(replace(desk, cases=tuple(rows)))
    assert len(written) <= LIMIT
    shown = written.count("| `b-")
    assert shown > 50
    assert (
        f"… and {2000 - shown} more cases. `--format html` and `--format json` have all of it."
        in written
    )
    assert "<summary>2000 cases fixed: missed before, pass now</summary>" in written
    assert rendered(written).names == OURS


def test_a_report_of_many_specs_says_what_it_left_out(desk: Summary) -> None:
    """Specs that find no room are counted."""
    written = render(replace(desk, specs=desk.specs * 500))
    assert len(written) <= LIMIT
    assert re.search(
        r"^\d+ sections left out, to keep within a comment\. `--format html` and `--format json` have all of it\.$",
        written,
        re.M,
    )


def test_a_wide_confusion_matrix_is_cut(desk: Summary) -> None:
    """A model that makes up tools does not make up columns without end."""
    names = tuple(f"tool{n}" for n in range(40))
    whole = desk.overall
    side = replace(
        whole.after,
        confusion=replace(
            whole.after.confusion, rows=names[:1], columns=names, counts=(tuple(range(40)),)
        ),
    )
    spec = replace(desk.specs[0], whole=replace(whole, before=None, after=side))
    written = render(replace(desk, specs=(spec,)))
    assert "| `tool11` | 28 others, not shown |" in written
    assert "| `tool0` | · | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | … |" in written
