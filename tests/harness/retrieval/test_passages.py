"""A page → its passages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.retrieval.passages import LONGEST, Passage, passages_of

PAGE = """\
Before any heading.

# Travel

Book early.

## Meals ##

Up to 46 euros.
```
# no heading in a code block
```

# Money
#hashtag is no heading
"""


def test_a_passage_stands_below_its_headings() -> None:
    """Those of its own section and of the ones around it, and no others."""
    assert passages_of("hand_book/on-travel.md", PAGE) == [
        Passage("hand book on travel", "Before any heading."),
        Passage("Travel", "Book early."),
        Passage("Travel > Meals", "Up to 46 euros.\n```\n# no heading in a code block\n```"),
        Passage("Money", "#hashtag is no heading"),
    ]


def test_a_code_block_ends_with_a_fence_as_long_as_its_first() -> None:
    """A shorter fence, or one with a language, is a line of the block."""
    page = "````\n```\n# code\n```python\n# code\n````\n# Heading\ntext"
    assert passages_of("a.md", page)[1] == Passage("Heading", "text")
    assert len(passages_of("a.md", page)) == 2


def test_a_plain_text_has_no_headings() -> None:
    """A `#` there is a comment, or anything else."""
    assert passages_of("a.txt", "# not a heading\ntext") == [Passage("a", "# not a heading\ntext")]


def test_headings_are_cut() -> None:
    """So that what the model is given stays short."""
    assert passages_of("a.md", f"# {'word ' * 1000}\n\ntext")[0].headings == "word " * 20


@pytest.mark.parametrize(
    "line", ["# a" + " " * 1_000_000 + "b", "x" * 4_000_000, "# " * 500_000, "`" * 1_000_000]
)
def test_one_endless_line_ends(line: str) -> None:
    """Lines of megabytes, such as minified data, are cut like any other."""
    assert all(len(one.text) <= LONGEST for one in passages_of("a.md", f"{line}\n\nend"))


def test_a_page_without_text_is_found_by_its_name() -> None:
    """An empty file is a page, too."""
    assert passages_of("floor-plan.md", " \n") == [Passage("floor plan", "")]


def test_long_sections_are_cut_where_paragraphs_end() -> None:
    """A paragraph is cut in two only where it is too long by itself."""
    short, long = "word " * 70, "long " * 200
    pieces = [one.text for one in passages_of("a.md", f"{short}\n\n{short}\n\n{long}")]
    assert pieces[:2] == [short.strip(), short.strip()]
    assert [len(piece) <= LONGEST for piece in pieces] == [True] * len(pieces)
    assert " ".join(pieces).split() == f"{short} {short} {long}".split()


@settings(max_examples=100)
@given(st.text(alphabet=st.sampled_from("ab #\n`~-\t\r\x00é日"), max_size=2000))
def test_no_word_is_lost_and_none_is_made_up(text: str) -> None:
    """Whatever a page holds, its letters are in its passages or in their headings."""
    found = passages_of("page.md", text)
    assert all(len(one.text) <= LONGEST for one in found)
    given_letters = {c for c in text if c.isalnum()}
    kept = {c for one in found for c in one.headings + one.text}
    assert given_letters <= kept
