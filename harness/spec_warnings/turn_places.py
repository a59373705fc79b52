"""Where the turns of a case's conversation are written: in the case, in the file, or nowhere."""

from __future__ import annotations

from typing import Any

from harness.spec_files.case_reading import WrittenCase
from harness.spec_files.expansion import written_path
from harness.spec_files.nodes import Path


def developer_path(one: WrittenCase) -> Path:
    """Where the developer turn of a case is written: in its messages, at the case, in the file."""
    case = _node(one)
    if "messages" in case and not _added(one):
        return (*one.path[:2], "messages", 0, "content")
    return (*one.path[:2], "developer") if "developer" in case else ("developer",)


def turn_path(one: WrittenCase, path: Path) -> Path | None:
    """A path into a request's messages → into the document that holds the case.

    None where its author wrote no turn there: a `prompt`, or the file's developer turn.
    """
    case, place = _node(one), int(path[0]) - _added(one)
    if "messages" not in case or place < 0:
        return None
    inside = path[1:]
    bare = tuple(step for at, step in enumerate(inside) if (at, step) != (2, "function"))
    ways = (written_path(case, ("messages", place, *way)) for way in (inside, bare))
    return (*one.path[:2], *max(ways, key=len))


def _node(one: WrittenCase) -> dict[str, Any]:
    node: dict[str, Any] = one.notes.document.value["cases"][one.path[1]]
    return node


def _added(one: WrittenCase) -> int:
    """Turns of the request that stand before those of `messages`: the developer's, or none."""
    return len(one.case.request.messages) - len(_node(one).get("messages", ()))
