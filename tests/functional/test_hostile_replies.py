"""Hostile replies and hostile expectations: the verdict that the table of misses asks for."""

from __future__ import annotations

import json
from typing import Any

HEAD = """\
spec: desk
tools:
  - {name: find, parameters: {query: {type: string}}}
  - {name: book, parameters: {room: {type: integer}}}
"""
FIND = "<start_function_call>call:find{query:<escape>x<escape>}<end_function_call>"


def call(name: str, arguments: str = "") -> str:
    """A call block."""
    return f"<start_function_call>call:{name}{{{arguments}}}<end_function_call>"


def judged(project: Any, head: str, rows: dict[str, tuple[str, str, str]]) -> tuple[Any, Any]:
    """The process, and case → miss or outcome; rows: case → expectation, reply, verdict."""
    cases = [f"  - {{id: {n}, prompt: Q {n}, expect: {row[0]}}}\n" for n, row in rows.items()]
    project.write("specs/desk.spec.yaml", f"{head}cases:\n{''.join(cases)}")
    lines = [json.dumps({"case": f"desk::{n}", "reply": row[1]}) for n, row in rows.items()]
    project.write("replies.jsonl", "\n".join([*lines, ""]))
    ran = project.python("-m", "harness", "run")
    assert ran.err == ""
    verdicts = [line for line in project.log() if line["kind"] == "verdict"]
    return ran, {v["case"].partition("::")[2]: v["miss"] or v["outcome"] for v in verdicts}


CORNERS = """\
spec: desk
tools:
  - name: find
    parameters:
      type: object
      properties:
        query: {type: string}
        n: {type: integer, default: 5}
        free: {description: anything}
        list: {type: array, items: {type: number}}
      required: [query]
  - name: open
    parameters: {type: object, properties: {}, additionalProperties: true}
  - {name: no_call, parameters: {calls: {type: string}}}
  - {name: Find, parameters: {query: {type: string}}}
  - {name: a.b-c, parameters: {$filter: {type: string}, __proto__: {type: integer}}}
  - {name: café, parameters: {type: {type: integer}}}
"""
Q = "query:<escape>x<escape>"
JUDGED = [
    # numbers, null and defaults
    ("{find: {query: x, n: 5}}", call("find", f"{Q},n:5.0"), "pass"),
    ("{find: {query: x}}", call("find", f"{Q},n:5"), "pass"),
    ("{find: {query: x, n: 5}}", call("find", Q), "pass"),
    ("{find: {query: x, n: {$absent: true}}}", call("find", f"{Q},n:5"), "wrong_arguments"),
    ("{find: {query: x, n: {$optional: true, $min: 7}}}", call("find", Q), "pass"),
    ("{find: {query: x, n: {$min: 6}}}", call("find", Q), "wrong_arguments"),
    ("{find: {query: x, free: 1}}", call("find", f"{Q},free:true"), "wrong_arguments"),
    ("{find: {query: x, free: -0.0}}", call("find", f"{Q},free:0"), "pass"),
    ("{find: {query: x, free: null}}", call("find", f"{Q},free:null"), "pass"),
    ("{find: {query: x, free: null}}", call("find", Q), "wrong_arguments"),
    ("{find: {query: x}}", call("find", f"{Q},free:null"), "wrong_arguments"),
    ("{find: {query: x}}", call("find", f"{Q},n:null"), "invalid_arguments"),
    ("{find: {query: x, free: 1e22}}", call("find", f"{Q},free:1{'0' * 22}"), "pass"),
    (
        "{find: {query: x, free: 12345678901234567890123}}",
        call("find", f"{Q},free:12345678901234567890124"),
        "wrong_arguments",
    ),
    ("{find: {query: x, free: 1}}", call("find", f"{Q},free:1e400"), "malformed_call"),
    ("{find: {query: x, list: [1, 2]}}", call("find", f"{Q},list:[2,1]"), "wrong_arguments"),
    ("{find: {query: x, free: {a: 1}}}", call("find", f"{Q},free:{{a:1,b:2}}"), "wrong_arguments"),
    # texts that look the same
    (
        '{find: {query: "caf\\u00e9"}}',
        call("find", "query:<escape>cafe\u0301<escape>"),
        "wrong_arguments",
    ),
    ("{café: {type: 1}}", call("cafe\u0301", "type:1"), "unknown_tool"),
    ("{café: {type: 1}}", call("café", "type:1"), "pass"),
    ("Find", call("find", Q), "wrong_tool"),
    ("find", call("FIND", Q), "unknown_tool"),
    # names that mean something elsewhere
    (
        "{a.b-c: {$filter: y, __proto__: 1}}",
        call("a.b-c", "$filter:<escape>y<escape>,__proto__:1"),
        "pass",
    ),
    ("{calls: [no_call]}", call("no_call", "calls:<escape>u<escape>"), "pass"),
    ("no_call", call("no_call", "calls:<escape>u<escape>"), "unexpected_call"),
    ("{open: {}}", call("open", "z:1"), "wrong_arguments"),
    ("open", call("open", "z:1"), "pass"),
    # what is a call, and how many
    ("find", f"call:find{{{Q}}}", "no_call"),
    ("find", f"Sure: ```{call('find', Q)}```", "pass"),
    ("find", f"<end_of_turn>{call('find', Q)}", "no_call"),
    ("find", f"{call('find', Q)}<end_of_turn>{call('open')}", "pass"),
    ("find", f"{call('find', Q)}<end_function_call>", "malformed_call"),
    ("find", call("find", Q) * 2, "extra_call"),
    ("[find, find]", call("find", Q), "missing_call"),
    ("[find, open]", call("find", Q) * 2, "wrong_tool"),
    ("[find, open]", call("open") + call("find", Q), "pass"),
    ("{calls: [find, open], order: strict}", call("open") + call("find", Q), "wrong_order"),
    ("{one_of: [no_call, {find: {query: y}}]}", call("find", Q), "wrong_arguments"),
    ("{one_of: [find, no_call]}", "hello", "pass"),
    ("no_call", "<start_function_call>call:find{", "malformed_call"),
    ("any_call", call("nonsense"), "pass"),
]


def test_huge_replies_get_verdicts_and_short_messages(project: Any) -> None:
    """Each of these is one miss; none fills the screen."""
    mega = "z" * 1_000_000
    replies = {
        "text": (mega, "no_call"),
        "value": (call("find", f"query:<escape>{mega}<escape>"), "wrong_arguments"),
        "tool": (call(mega), "unknown_tool"),
        "name": (call("find", f"{mega}:1"), "invalid_arguments"),
        "brackets": (call("find", f"query:{'[' * 100_000}"), "malformed_call"),
        "starts": ("<start_function_call>" * 20_000, "malformed_call"),
        "calls": (FIND * 2_000, "extra_call"),
        "digits": (call("find", f"query:{'9' * 10_000}"), "malformed_call"),
    }
    rows = {name: ("{find: {query: a}}", *row) for name, row in replies.items()}
    ran, found = judged(project, HEAD, rows)
    assert len(ran.out) < 10_000
    assert ran.code == 1
    assert found == {name: verdict for name, (_, _, verdict) in rows.items()}


def test_the_corners_of_the_table_of_misses(project: Any) -> None:
    """Forty expectations with the reply that comes closest to another verdict."""
    rows = {f"c{number}": row for number, row in enumerate(JUDGED)}
    ran, found = judged(project, CORNERS, rows)
    assert ran.code == 1
    assert found == {name: verdict for name, (_, _, verdict) in rows.items()}


def test_exact_bytes_in_either_order_and_wrapped(project: Any) -> None:
    """`compare: exact` asks for the target's bytes, in any order unless it is strict."""
    one, two = (call("book", f'args:<escape>{{"room": {n}}}<escape>') for n in (1, 2))
    calls = "[{book: {room: 1}}, {book: {room: 2}}]"
    rows = {
        "swapped": (calls, two + one, "pass"),
        "strict": (f"{{calls: {calls}, order: strict}}", two + one, "wrong_order"),
        "mixed": (calls, one + call("book", "room:2"), "not_exact"),
        "spaced": ("{book: {room: 1}}", one.replace(": 1", ":1"), "not_exact"),
        "twice": ("{book: {room: 1}}", one.replace("}<esc", ', "room": 2}<esc'), "not_exact"),
        "list": ("{book: {room: 1}}", call("book", "args:<escape>[1]<escape>"), "malformed_call"),
        "nan": ("{book: {room: 1}}", one.replace(" 1", " NaN"), "malformed_call"),
    }
    _, found = judged(project, f"{HEAD}compare: exact\ntarget: args_json\n", rows)
    assert found == {name: verdict for name, (_, _, verdict) in rows.items()}
