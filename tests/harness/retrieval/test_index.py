"""Full-text search: what is found, in which order, whatever the query holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.retrieval.folder import Folder, Page
from harness.retrieval.found import MOST_PAGES
from harness.retrieval.index import Index, problem

PAGES = {
    "leave.md": "# Leave\n\nParents have eighteen weeks. Ask the people team.",
    "meals.md": "# Travel\n\nTrains.\n\n## Meals\n\nMeals are refunded up to 46 euros.",
    "spesen.md": "# Spesen\n\nGetränke zahlt niemand. Straße.",
    "kyuka.md": "# 休暇\n\n有給休暇は年に二十日です。",
    "twin-a.md": "walnut",
    "twin-b.md": "walnut",
}


@pytest.fixture(scope="module")
def index() -> Index:
    """The pages above, indexed."""
    return Index(Folder(tuple(Page(name, text) for name, text in sorted(PAGES.items())), "x"))


def found(index: Index, query: str) -> list[str]:
    """The pages that a query finds."""
    return [hit.page for hit in index.search(query, MOST_PAGES)]


def test_this_python_can_search() -> None:
    """Its SQLite has FTS5; a spec says so where it has not."""
    assert problem() is None


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("meal refund", "meals.md"),
        ("MEALS", "meals.md"),
        ("which team gives a parent some weeks?", "leave.md"),
        ("getranke", "spesen.md"),
        ("getra\u0308nke", "spesen.md"),
        ("GETRÄNKE", "spesen.md"),
        ("meals_per_trip", "meals.md"),
        ("有給", "kyuka.md"),
        ("休暇は何日?", "kyuka.md"),
    ],
)
def test_words_are_found_in_other_forms(index: Index, query: str, first: str) -> None:
    """Without case, accents and English endings; scripts without spaces by their characters."""
    assert found(index, query)[0] == first


def test_the_passage_that_was_found_comes_with_its_headings(index: Index) -> None:
    """Not the whole page: what a small model has to read is short."""
    assert (
        index.search("meals", 1)[0].passage == "Travel > Meals\nMeals are refunded up to 46 euros."
    )


def test_a_page_comes_once_and_equals_come_by_name(index: Index) -> None:
    """So that `within` counts pages, and two machines agree."""
    assert found(index, "walnut") == ["twin-a.md", "twin-b.md"]
    assert len(index.search("walnut travel leave", 1)) == 1


@pytest.mark.parametrize("query", ["", "  ", "?!", '"', "_", "zebra", "NEAR(", "x:q*"])
def test_what_is_not_there_finds_nothing(index: Index, query: str) -> None:
    """Also what FTS5 would read as its own syntax."""
    assert found(index, query) == []


@settings(max_examples=150)
@given(st.text(max_size=300))
def test_no_query_breaks_the_search(index: Index, query: str) -> None:
    """Quotes, operators, null characters, lone surrogates: pages of the folder, or none."""
    assert set(found(index, query)) <= set(PAGES)


def test_an_endless_query_ends(index: Index) -> None:
    """A model that repeats itself a hundred thousand times is still searched for."""
    assert found(index, "meals " * 100_000)[0] == "meals.md"
    assert found(index, " ".join(f"w{n}" for n in range(100_000))) == []


def test_threads_share_an_index(index: Index) -> None:
    """Workers that judge at the same time find what one alone finds."""
    queries = ["meals", "leave weeks", "walnut", "休暇"] * 25
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda query: found(index, query), queries)) == [
            found(index, query) for query in queries
        ]
