"""The keys of `run`, `finds` and `then`: their part of the table of a spec file's keys."""

from __future__ import annotations

from typing import Final

from harness.retrieval.found import MOST_PAGES, RESULTS
from harness.spec_files.keys import FILLED, FILLED_TEXT, Key, Table

_PAGE_COUNT: Final = {"type": "integer", "minimum": 1, "maximum": MOST_PAGES}
_SOME_PAGES: Final = f"a whole number from 1 to {MOST_PAGES}"

RUN_KEYS: Final[Table] = {
    "search": Key(
        "A folder of Markdown or text files to look through, relative to the file that says so.",
        "the path of a folder",
        FILLED,
    ),
    "query": Key(
        "The argument that holds the query; default `query`, or the only text.",
        "the name of an argument",
        FILLED,
    ),
    "results": Key(
        f"How many pages the model is given a passage of; default {RESULTS}.",
        _SOME_PAGES,
        _PAGE_COUNT,
    ),
}

FINDS_KEYS: Final[Table] = {
    "within": Key(
        f"Among how many pages, the best ones, it must be; default {RESULTS}.",
        _SOME_PAGES,
        _PAGE_COUNT,
    ),
}

FOUND_PAGES: Final = Key(
    "A page or several: paths relative to the folder.",
    "the path of a page, relative to the folder that is searched, or a list of them",
    {"type": ["string", "array"], "minItems": 1, "items": FILLED},
)

THEN_KEYS: Final[Table] = {
    "says": Key("What the answer must match.", "a text or a match", {"$ref": "#/$defs/value"}),
    "reply": Key(
        "The answer to train on; left out: the model is trained on its calls alone.",
        FILLED_TEXT,
        FILLED,
    ),
}
