"""A page → its passages."""

from __future__ import annotations

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
