"""`run: {search: FOLDER}`: what a call to a search tool finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.functiongemma import CONTROL_TOKENS
from harness.retrieval.folder import Folder
from harness.retrieval.found import MOST_PAGES, RESULTS, Found
from harness.retrieval.index import index_of


@dataclass(frozen=True, slots=True)
class Search:
    """A search: the folder, the argument that holds the query, how many results are given."""

    folder: Folder
    query: str
    results: int = RESULTS

    @property
    def pages(self) -> tuple[str, ...]:
        """The names of all pages, sorted."""
        return self.folder.names

    def run(self, tool: str, arguments: Mapping[str, Any]) -> Found:
        """The pages that the query finds, and the passages of the first `results` of them.

        A query that is no text finds what its spelling finds; one that is left out, nothing.
        """
        query = arguments.get(self.query, "")
        text = query if isinstance(query, str) else str(query)
        hits = index_of(self.folder).search(text, MOST_PAGES)
        given = [
            {"page": _harmless(hit.page), "text": _harmless(hit.passage)}
            for hit in hits[: self.results]
        ]
        return Found(tool, tuple(hit.page for hit in hits), {"results": given})


def _harmless(text: str) -> str:
    """The text with its control tokens broken: a page must not end a turn, nor call a tool."""
    for token in CONTROL_TOKENS:
        text = text.replace(token, f"< {token[1:]}")
    return text
