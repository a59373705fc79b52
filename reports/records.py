"""The verdicts of any log, made whole: every key is there, of its type, whoever wrote the log.

Logs come from elsewhere: replays by hand hold a case and its outcome and no more, older ones lack
keys, and a number may be none. What a log does not say is said to be missing, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from harness.run_log import Record

UNSAID: Final = "(not said)"
"""A tool, or a kind of miss, that the log does not name; no tool can be called so."""
NO_TOOL: Final = "(no call)"
JUDGED: Final = frozenset({"pass", "fail"})


def whole(records: Iterable[Mapping[str, Any]]) -> tuple[Record, ...]:
    """The records made whole, the first of each case; the ones of one name come once."""
    found: dict[str, Record] = {}
    for record in records:
        if record["case"] not in found:
            found[record["case"]] = _whole(record)
    return tuple(found.values())


def _whole(record: Mapping[str, Any]) -> Record:
    case, failed = text(record["case"]), record["outcome"] == "fail"
    name, divider, ident = case.partition("::")
    gold, length = _text_or_none(record.get("gold")), whole_number(record.get("gold_characters"))
    length = length or len(gold or "")
    return {
        "case": case,
        "id": ident if divider else case,
        "spec": text(record.get("spec")) or (name if divider else ""),
        "split": text(record.get("split")) or "test",
        "tags": [text(tag) for tag in _list(record.get("tags")) if isinstance(tag, str)],
        "clause": _text_or_none(record.get("clause")),
        "critical": record.get("critical") is True,
        "compare": _text_or_none(record.get("compare")),
        "location": text(record.get("location")),
        "prompt": text(record.get("prompt")),
        "request": _text_or_none(record.get("request")),
        "expected": _calls(record.get("expected")),
        "written": record.get("written"),
        "reply": _text_or_none(record.get("reply")),
        "calls": _calls(record.get("calls")),
        "outcome": record["outcome"],
        "miss": (text(record.get("miss")) or UNSAID) if failed else None,
        "reason": text(record.get("reason")),
        "tool_match": _bool(record.get("tool_match")),
        "schema_valid": _bool(record.get("schema_valid")),
        "gold": gold,
        "gold_characters": length,
        "cer": number(record.get("cer")) if length else None,
        "note": text(record.get("note")),
        "finds": _finds(record.get("finds")),
        "then": record.get("then"),
        "found": _found(record.get("found")),
        "answered": text(mapping(record.get("answer")).get("reply")),
        "seconds": number(record.get("seconds")),
    }


def judged(record: Mapping[str, Any]) -> bool:
    """Whether the model passed or failed the case."""
    return record["outcome"] in JUDGED


def tools(record: Mapping[str, Any], which: str = "expected") -> str:
    """The tools that a case expects, or that were called (`calls`): `a + b`, or "(no call)"."""
    return " + ".join(sorted(call["name"] for call in record[which])) or NO_TOOL


def text(value: Any) -> str:
    """A text that can be written in UTF-8; empty where the value is none."""
    if not isinstance(value, str):
        return ""
    if value.isascii():
        return value
    return value.encode("utf-8", "replace").decode("utf-8")


def number(value: Any) -> float | None:
    """A finite number from 0; None for anything else, of whatever size."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def whole_number(value: Any) -> int | None:
    """A whole number from 0; None for anything else."""
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    return value if fits else None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where JSON had an object there, else an empty one."""
    return value if isinstance(value, dict) else {}


def _text_or_none(value: Any) -> str | None:
    return text(value) if isinstance(value, str) else None


def _bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _calls(value: Any) -> list[Record]:
    """Calls with a name and arguments each; one call named "(not said)" where there is no list."""
    if not isinstance(value, list):
        return [{"name": UNSAID, "arguments": {}}]
    return [_call(mapping(call)) for call in value]


def _finds(value: Any) -> Record | None:
    """The pages by tool, and `within`; None where the case asks for none."""
    wanted = mapping(value)
    pages = {text(tool): _texts(some) for tool, some in mapping(wanted.get("pages")).items()}
    return {"pages": pages, "within": whole_number(wanted.get("within"))} if pages else None


def _found(value: Any) -> list[Record]:
    """What calls found: a tool and its pages each."""
    some = [mapping(one) for one in _list(value)]
    return [{"tool": text(one.get("tool")), "pages": _texts(one.get("pages"))} for one in some]


def _texts(value: Any) -> list[str]:
    return [text(one) for one in _list(value) if isinstance(one, str)]


def _call(call: Mapping[str, Any]) -> Record:
    name, arguments = text(call.get("name")), mapping(call.get("arguments"))
    return {"name": name or UNSAID, "arguments": arguments}
