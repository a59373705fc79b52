"""One judgement: each row of the table of misses, its boundaries, and what may never change it."""

# ruff: noqa: E501 - tables of cases read best with one case to a line

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harness.cases import Call, Calls, Case, ExpectedCall, Miss, Outcome, Reply, Verdict
from harness.functiongemma import wrap_args_json, write_call, write_calls
from harness.gold import gold_block
from harness.judging import judge, skipped
from harness.loading import load_spec
from harness.matchers import compile_value

TOOLS = """\
  - name: search
    parameters: {query: {type: string}}
  - name: send
    parameters:
      type: object
      properties:
        to: {type: string}
        text: {type: [string, "null"]}
        copies: {type: number, default: 1}
        urgent: {type: boolean}
        tags: {type: array, items: {type: string}}
        place: {type: object}
        any: {}
      required: [to]
  - name: stop
"""

Judge = Callable[..., Verdict]


@pytest.fixture
def miniatures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The fake back ends of `tests/miniatures.py`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    return importlib.import_module("miniatures")


_numbers = itertools.count()


def case_of(
    folder: Path, expect: str, *, head: str = "", case: str = "", tools: str = TOOLS
) -> Case:
    """The one case of a spec file that is written, read and checked like any other."""
    text = f"tools:\n{tools}{head}\ncases:\n  - id: it\n    prompt: Do it.\n    expect: {expect}\n{case}"
    file = folder / f"one{next(_numbers)}.spec.yaml"
    file.write_text(text, encoding="utf-8")
    loaded = load_spec(file)
    assert loaded.spec is not None, "\n".join(map(str, loaded.problems))
    return loaded.spec.cases[0]


@pytest.fixture
def verdict(tmp_path: Path) -> Judge:
    """Judges a reply to the one case of a spec."""

    def of(expect: str, reply: str, *, finish: str = "stop", **more: str) -> Verdict:
        return judge(
            case_of(tmp_path, expect, **more),
            Reply(reply, "length" if finish == "length" else "stop"),
        )

    return of


def block(name: str, **arguments: object) -> str:
    """A call block as the template writes it."""
    return write_call(Call(name, arguments))


SEARCH = block("search", query="x")
OTHER = block("search", query="y")
SEND = block("send", to="Ann")
STOP = block("stop")
OPEN = "<start_function_call>call:search{query:<escape>cut of"
UNENDED = "<start_function_call>call:search{query=1}"
BAD = "<start_function_call>call:search{query=1}<end_function_call>"


@pytest.mark.parametrize(
    ("expect", "reply", "finish", "miss", "reason"),
    [
        ("{search: {query: x}}", OPEN, "length", Miss.TRUNCATED, "expected search, got a call that the token limit cut off (a larger max-new-tokens may let it end)"),
        ("no_call", OPEN, "length", Miss.TRUNCATED, "expected no call, got a call that the token limit cut off (a larger max-new-tokens may let it end)"),
        ("search", BAD + OPEN, "length", Miss.TRUNCATED, "expected search, got a call that the token limit cut off (a larger max-new-tokens may let it end)"),
        ("search", OPEN, "stop", Miss.MALFORMED_CALL, "expected search, got a call that cannot be read: at character 39: a text that opens with '<escape>' and is never closed"),
        ("search", BAD, "length", Miss.MALFORMED_CALL, "expected search, got a call that cannot be read: at character 38: expected ':', got '=1'"),
        ("search", UNENDED + SEARCH, "length", Miss.MALFORMED_CALL, "expected search, got a call that cannot be read: at character 38: expected ':', got '=1'"),
        ("no_call", SEARCH + BAD, "stop", Miss.MALFORMED_CALL, "expected no call, got a call that cannot be read: at character 114: expected ':', got '=1'"),
        ("any_call", BAD, "stop", Miss.MALFORMED_CALL, "expected a call, got a call that cannot be read: at character 38: expected ':', got '=1'"),
        ("no_call", "Sure. " + SEARCH, "stop", Miss.UNEXPECTED_CALL, "expected no call, got search(query=\"x\")"),
        ("{no_call: true, says: {$contains: sorry}}", SEARCH, "stop", Miss.UNEXPECTED_CALL, "expected no call, got search(query=\"x\")"),
        ("{no_call: true, says: {$contains: sorry}}", "No.<end_of_turn>", "stop", Miss.WRONG_TEXT, "text: expected a text containing 'sorry', got 'No.'"),
        ("search", "I cannot call search, sorry.<end_of_turn>", "stop", Miss.NO_CALL, "expected search, got text: 'I cannot call search, sorry.'"),
        ("[search, stop]", "", "stop", Miss.NO_CALL, "expected search and stop, got an empty reply"),
        ("any_call", "call:search{query:x}", "length", Miss.NO_CALL, "expected a call, got text: 'call:search{query:x}'"),
        ("search", block("serach", query="x"), "stop", Miss.UNKNOWN_TOOL, "expected search, got 'serach', which is not declared (did you mean 'search'?)"),
        ("search", SEARCH + block("zzz"), "stop", Miss.UNKNOWN_TOOL, "expected search, got 'zzz', which is not declared"),
        ("search", SEARCH + SEND, "stop", Miss.EXTRA_CALL, "expected search, got search and send"),
        ("search", SEARCH + SEARCH, "stop", Miss.EXTRA_CALL, "expected search, got search and search"),
        ("[search, send]", SEARCH, "stop", Miss.MISSING_CALL, "expected search and send, got search"),
        ("[search, search]", SEARCH, "stop", Miss.MISSING_CALL, "expected search and search, got search"),
        ("search", SEND, "stop", Miss.WRONG_TOOL, "expected search, got send"),
        ("[search, send]", SEARCH + STOP, "stop", Miss.WRONG_TOOL, "expected search and send, got search and stop"),
        ("[search, send]", SEARCH + SEARCH, "stop", Miss.WRONG_TOOL, "expected search and send, got search and search"),
        ("[search, search, stop]", SEARCH + SEND + SEND, "stop", Miss.WRONG_TOOL, "expected search and search and stop, got search and send and send"),
        ("search", block("search"), "stop", Miss.INVALID_ARGUMENTS, "search: argument 'query' is missing"),
        ("search", block("search", query=5), "stop", Miss.INVALID_ARGUMENTS, "search: argument 'query': expected a text, got 5"),
        ("{search: {query: x}}", block("search", query="x", page=2), "stop", Miss.INVALID_ARGUMENTS, "search: argument 'page' is not declared"),
        ("[{search: {query: x}}, send]", OTHER + block("send"), "stop", Miss.INVALID_ARGUMENTS, "send: argument 'to' is missing"),
        ("{search: {query: x}}", OTHER, "stop", Miss.WRONG_ARGUMENTS, "search: argument 'query': expected 'x', got 'y'"),
        ("{send: {to: Ann, text: hi}}", SEND, "stop", Miss.WRONG_ARGUMENTS, "send: argument 'text': expected a value, the call leaves it out"),
        ("{send: {to: Ann}}", block("send", to="Ann", urgent=False), "stop", Miss.WRONG_ARGUMENTS, "send: argument 'urgent': not expected, got false"),
        ("{calls: [search, stop], order: strict}", STOP + SEARCH, "stop", Miss.WRONG_ORDER, "call 1: expected search, got stop()"),
        ("{calls: [{search: {query: x}}, {search: {query: y}}], order: strict}", OTHER + SEARCH, "stop", Miss.WRONG_ORDER, "call 1: search: argument 'query': expected 'x', got 'y'"),
    ],
)  # fmt: skip
def test_each_miss_has_its_row_and_its_sentence(
    verdict: Judge, expect: str, reply: str, finish: str, miss: Miss, reason: str
) -> None:
    """The first row of the table that applies is the miss, and its reason is a whole sentence."""
    found = verdict(expect, reply, finish=finish)
    assert (found.outcome, found.miss, found.reason) == (Outcome.FAIL, miss, reason)


@pytest.mark.parametrize(
    ("expect", "reply"),
    [
        ("search", SEARCH),
        ("search", "Let me look. " + SEARCH + "<start_function_response>" + BAD),
        ("no_call", "I would call search{query:x}, if I may.<end_of_turn>"),
        ("no_call", ""),
        ("{no_call: true, says: {$contains: [no, sorry]}}", "No, sorry.<end_of_turn>"),
        ("any_call", block("zzz", a=1)),
        ("any_call", BAD + SEND),
        ("stop", STOP),
        ("{stop: {}}", "<start_function_call>call:stop<end_function_call>"),
        ("[search, send]", SEND + SEARCH),
        ("{calls: [search, send], order: strict}", SEARCH + SEND),
        ("{calls: [{no_call: {}}]}", block("no_call")),
        ("{one_of: [send, no_call]}", "No.<end_of_turn>"),
        ("{one_of: [send, {search: {query: x}}]}", SEARCH),
    ],
)  # fmt: skip
def test_what_passes(verdict: Judge, expect: str, reply: str) -> None:
    """Each form of expectation is met by what the contract says meets it, and nothing is said."""
    tools = TOOLS + "  - name: no_call\n"
    found = verdict(expect, reply, tools=tools)
    assert (found.outcome, found.miss, found.reason) == (Outcome.PASS, None, "")


@pytest.mark.parametrize("reply", [SEARCH, SEARCH + "and then I will"])
def test_the_token_limit_alone_is_no_miss(verdict: Judge, reply: str) -> None:
    """A reply that the limit ended after its calls is judged by its calls."""
    assert verdict("search", reply, finish="length").outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("reply", "miss"),
    [
        ("<start_function_call>", Miss.TRUNCATED),
        ("<start_function_call>ca", Miss.TRUNCATED),
        ("<start_function_call>call:sea", Miss.TRUNCATED),
        ("<start_function_call>call:search{query", Miss.TRUNCATED),
        ("<start_function_call>call:search{query:", Miss.TRUNCATED),
        ("<start_function_call>call:search{query:<esc", Miss.TRUNCATED),
        ("<start_function_call>call:search{query:<escape>on, and on: {a", Miss.TRUNCATED),
        ("<start_function_call>call:search{query:fal", Miss.TRUNCATED),
        ("<start_function_call>call:search{query:-12.", Miss.TRUNCATED),
        ("<start_function_call>call:search{query:12", Miss.TRUNCATED),
        ("<start_function_call>call:search{query:<escape>a<escape>}", Miss.TRUNCATED),
        ("<start_function_call>call:search{query:<escape>a<escape>}<end_func", Miss.TRUNCATED),
        ("<start_function_call>call: turn off\n\nthe lamp, and", Miss.MALFORMED_CALL),
        ("<start_function_call>call:search{query: lunch at no", Miss.MALFORMED_CALL),
        ("<start_function_call>call:search{query:'lunch', li", Miss.MALFORMED_CALL),
        ("<start_function_call>search{query", Miss.MALFORMED_CALL),
    ],
)
def test_the_limit_cuts_what_could_have_become_a_call(
    verdict: Judge, reply: str, miss: Miss
) -> None:
    """A block that left the grammar before the limit is malformed: no more tokens would mend it."""
    assert verdict("search", reply, finish="length").miss is miss
    assert verdict("search", reply).miss is Miss.MALFORMED_CALL


def test_an_args_json_reply_can_be_truncated_too(verdict: Judge) -> None:
    """A call cut off by the limit is truncated, also behind one whose JSON does not parse."""
    broken = write_call(Call("search", {"args": "{"}))
    found = verdict("search", broken + OPEN, finish="length", head="target: args_json")
    assert found.miss is Miss.TRUNCATED


@pytest.mark.parametrize(
    ("expect", "arguments", "met"),
    [
        ("to: Ann", {"to": "Ann", "copies": 1}, True),  # a default written out
        ("to: Ann", {"to": "Ann", "copies": 1.0}, True),
        ("to: Ann", {"to": "Ann", "copies": 2}, False),
        ("to: Ann, copies: 1", {"to": "Ann"}, True),  # … and left out
        ("to: Ann, copies: 2", {"to": "Ann"}, False),
        ("to: Ann, copies: {$min: 1}", {"to": "Ann"}, True),
        ("to: Ann, copies: {$any: true}", {"to": "Ann"}, True),
        ("to: Ann, copies: {$absent: true}", {"to": "Ann"}, True),
        ("to: Ann, copies: {$absent: true}", {"to": "Ann", "copies": 1}, False),
        ("to: Ann, copies: {$optional: true, $equals: 2}", {"to": "Ann"}, True),
        ("to: Ann, copies: {$optional: true, $equals: 2}", {"to": "Ann", "copies": 2}, True),
        ("to: Ann, copies: {$optional: true, $equals: 2}", {"to": "Ann", "copies": 3}, False),
        ("to: Ann, text: null", {"to": "Ann", "text": None}, True),  # null is a value
        ("to: Ann, text: null", {"to": "Ann"}, False),
        ("to: Ann", {"to": "Ann", "text": None}, False),
        ("to: Ann, text: {$absent: true}", {"to": "Ann", "text": None}, False),
        ("to: Ann, any: 1", {"to": "Ann", "any": True}, False),  # true is not 1
        ("to: Ann, any: true", {"to": "Ann", "any": 1}, False),
        ("to: Ann, any: false", {"to": "Ann", "any": 0}, False),
        ("to: Ann, any: 5", {"to": "Ann", "any": 5.0}, True),
        ("to: Ann, any: '5'", {"to": "Ann", "any": 5}, False),
        ("to: Ann, any: [1, {a: true}]", {"to": "Ann", "any": [1, {"a": 1}]}, False),
        ("to: Ann, place: {city: Oslo}", {"to": "Ann", "place": {"city": "Oslo", "x": 1}}, False),
        ("to: Ann, tags: [a, b]", {"to": "Ann", "tags": ["b", "a"]}, False),
        ("to: ann", {"to": "Ann"}, False),
    ],
)  # fmt: skip
def test_values(verdict: Judge, expect: str, arguments: dict[str, object], met: bool) -> None:
    """Defaults, absence, null, booleans and numbers are compared as the contract says."""
    found = verdict(f"{{send: {{{expect}}}}}", block("send", **arguments))
    assert found.miss == (None if met else Miss.WRONG_ARGUMENTS), found.reason


def test_folded_strings(verdict: Judge) -> None:
    """`strings: fold` ignores case and runs of white space in literals."""
    expect, reply = "{send: {to: Ann Lee}}", block("send", to=" ann  LEE")
    assert verdict(expect, reply).miss is Miss.WRONG_ARGUMENTS
    assert verdict(expect, reply, head="strings: fold").outcome is Outcome.PASS


def test_additional_arguments_where_the_schema_allows_them(verdict: Judge) -> None:
    """An undeclared argument is invalid, unless `additionalProperties` allows it; then wrong."""
    tools = "  - name: f\n    parameters: {type: object, properties: {a: {}}, additionalProperties: %s}\n"
    reply = block("f", a=1, b=2)
    assert verdict("{f: {a: 1}}", reply, tools=tools % "false").miss is Miss.INVALID_ARGUMENTS
    assert verdict("{f: {a: 1}}", reply, tools=tools % "true").miss is Miss.WRONG_ARGUMENTS
    assert verdict("{f: {a: 1, b: 2}}", reply, tools=tools % "true").outcome is Outcome.PASS
    assert verdict("f", reply, tools=tools % "true").outcome is Outcome.PASS


def test_calls_are_matched_by_an_optimal_assignment(verdict: Judge) -> None:
    """The open expectation comes first and takes the call that the narrow one leaves over."""
    expect = "[{search: {query: {$contains: paris}}}, {search: {query: paris hotels}}]"
    calls = [block("search", query="paris hotels"), block("search", query="paris weather")]
    for order in itertools.permutations(calls):
        assert verdict(expect, "".join(order)).outcome is Outcome.PASS
    found = verdict(expect, block("search", query="paris hotels") + block("search", query="rome"))
    assert (found.miss, found.reason.count("got")) == (Miss.WRONG_ARGUMENTS, 1)


def test_the_alternative_furthest_down_the_table_is_reported(verdict: Judge) -> None:
    """Of several missed alternatives the one that came closest tells what is wrong."""
    expect = "{one_of: [no_call, {search: {query: z}}, stop, {one_of: [send, any_call]}]}"
    assert verdict(expect, SEARCH).outcome is Outcome.PASS  # any_call
    expect = "{one_of: [no_call, {search: {query: z}}, stop, send]}"
    found = verdict(expect, SEARCH)
    assert found.miss is Miss.WRONG_ARGUMENTS
    assert found.reason == "search: argument 'query': expected 'z', got 'x'"
    assert verdict(expect, block("search")).miss is Miss.INVALID_ARGUMENTS
    assert verdict("{one_of: [stop, send]}", SEARCH).reason == "expected stop, got search"


@pytest.mark.parametrize(
    ("compare", "reply", "miss"),
    [
        ("tool", OTHER, None),
        ("tool", block("search", query=5), Miss.INVALID_ARGUMENTS),
        ("arguments", OTHER, Miss.WRONG_ARGUMENTS),
        ("arguments", "<start_function_call>call:search{ query : <escape>x<escape> }<end_function_call>", None),
        ("exact", SEARCH, None),
        ("exact", "Here: " + SEARCH + "<start_function_response>", None),
        ("exact", "<start_function_call>call:search{ query : <escape>x<escape> }<end_function_call>", Miss.NOT_EXACT),
        ("exact", OTHER, Miss.WRONG_ARGUMENTS),
    ],
)  # fmt: skip
def test_compare(verdict: Judge, compare: str, reply: str, miss: Miss | None) -> None:
    """`tool` checks schemas alone, `arguments` values too, `exact` the block's bytes too."""
    assert verdict("{search: {query: x}}", reply, head=f"compare: {compare}").miss is miss


def test_tool_alone_in_strict_order(verdict: Judge) -> None:
    """Under `compare: tool` the order is that of the tools."""
    expect = "{calls: [{search: {query: x}}, {search: {query: y}}, stop], order: strict}"
    assert verdict(expect, OTHER + SEARCH + STOP, head="compare: tool").outcome is Outcome.PASS
    assert verdict(expect, STOP + OTHER + SEARCH, head="compare: tool").miss is Miss.WRONG_ORDER


def test_exact_says_where_the_bytes_part(verdict: Judge) -> None:
    """The reason of `not_exact` shows the first difference, of the right block."""
    loose = "<start_function_call>call:search{query: <escape>y<escape>}<end_function_call>"
    found = verdict(
        "[{search: {query: x}}, {search: {query: y}}]", loose + SEARCH, head="compare: exact"
    )
    assert found.reason == (
        "at character 39: expected 'l>call:search{query:<escape>y<escape>}<end_function_call>', "
        "got 'l>call:search{query: <escape>y<escape>}<end_function_call>'"
    )
    strict = "{calls: [{search: {query: x}}, {search: {query: y}}], order: strict}"
    found = verdict(strict, SEARCH + loose, head="compare: exact")
    assert found.reason.startswith("at character 39: expected 'l>call:search{query:<escape>y")


def test_exact_with_an_alternative_that_leaves_values_open(verdict: Judge) -> None:
    """An alternative without a whole call is never met byte for byte, and says why."""
    found = verdict("{one_of: [{search: {query: x}}, send]}", SEND, head="compare: exact")
    assert found.miss is Miss.NOT_EXACT
    assert found.reason == "send: this alternative leaves values open, so no bytes are right"


def test_args_json(verdict: Judge) -> None:
    """Under `target: args_json` the JSON text in `args` is read as the call's arguments."""
    wrapped = write_call(wrap_args_json(Call("search", {"query": "x"})))
    found = verdict("{search: {query: x}}", wrapped, head="target: args_json")
    assert (found.outcome, found.gold, found.cer) == (Outcome.PASS, wrapped, 0.0)
    assert found.calls == (Call("search", {"query": "x"}),)
    found = verdict("{search: {query: y}}", wrapped, head="target: args_json")
    assert found.miss is Miss.WRONG_ARGUMENTS
    found = verdict("search", write_call(Call("search", {"args": "[1]"})), head="target: args_json")
    assert found.miss is Miss.MALFORMED_CALL
    found = verdict("search", wrapped)
    assert found.reason == "search: argument 'query' is missing; argument 'args' is not declared"


def test_bfcl_irrelevance(verdict: Judge) -> None:
    """BFCL counts a call that does not parse as no call; the verdict is kept and noted."""
    found = verdict("no_call", BAD, head="rules: bfcl")
    assert found.outcome is Outcome.PASS
    assert found.note == "BFCL counts a call that does not parse as no call"
    assert verdict("no_call", "No.", head="rules: bfcl").note is None
    assert verdict("no_call", SEARCH, head="rules: bfcl").miss is Miss.UNEXPECTED_CALL
    says = "{no_call: true, says: {$contains: sorry}}"
    assert verdict(says, BAD, head="rules: bfcl").miss is Miss.WRONG_TEXT
    assert verdict(says, f"Sorry! {BAD}", head="rules: bfcl").miss is None


def test_bfcl_rules_judge_values(verdict: Judge) -> None:
    """Under `rules: bfcl` strings are loose, defaults count for nothing, types are BFCL's."""
    head = "rules: bfcl"
    assert (
        verdict("{search: {query: new-york}}", block("search", query="New York"), head=head).outcome
        is Outcome.PASS
    )
    assert (
        verdict("{send: {to: Ann}}", block("send", to="Ann", copies=1), head=head).miss
        is Miss.WRONG_ARGUMENTS
    )
    assert (
        verdict("{search: {query: x}}", block("search", query=5), head=head).miss
        is Miss.INVALID_ARGUMENTS
    )
    assert (
        verdict("{search: {query: x}}", OTHER, head=f"{head}\ncompare: tool").outcome
        is Outcome.PASS
    )
    found = verdict("any_call", BAD + SEARCH, head=head)
    assert found.miss is Miss.MALFORMED_CALL
    expect = "{calls: [{search: {query: x-1}}, {search: {query: y}}], order: strict}"
    reply = block("search", query="X 1") + OTHER
    assert verdict(expect, reply, head=head).outcome is Outcome.PASS
    assert verdict(expect, OTHER + reply.removesuffix(OTHER), head=head).miss is Miss.WRONG_ORDER


def test_a_bfcl_quirk_is_not_noted_of_a_reply_that_does_not_parse(verdict: Judge) -> None:
    """The note is about BFCL's rules; a malformed reply fails under anybody's."""
    loose = block("search", query="a.b,c")
    assert verdict("{search: {query: abc}}", loose, head="rules: bfcl").note is not None
    found = verdict("{search: {query: abc}}", loose + BAD, head="rules: bfcl")
    assert (found.miss, found.note) == (Miss.MALFORMED_CALL, None)


def test_a_pattern_that_runs_away_is_an_error(verdict: Judge) -> None:
    """A regex that finds no end is the spec's fault: an error, never a miss."""
    found = verdict(
        "{search: {query: {$regex: '^(a|a)*$'}}}", block("search", query="a" * 40 + "b")
    )
    assert (found.outcome, found.miss) == (Outcome.ERROR, None)
    assert found.reason == (
        "the pattern '^(a|a)*$' runs away: no answer within 1 s on a text of 41 characters; "
        "rewrite it without nested repetitions"
    )


def test_a_bug_while_judging_is_an_error(tmp_path: Path) -> None:
    """What breaks inside of callgate is an error that names itself, not the model's miss."""
    case = replace(case_of(tmp_path, "search"), expect=None)  # type: ignore[arg-type]
    found = judge(case, Reply(SEARCH))
    assert (found.outcome, found.miss) == (Outcome.ERROR, None)
    assert found.reason.startswith("callgate itself broke while judging: AttributeError: ")


def test_errors_and_skips_carry_their_reason(tmp_path: Path) -> None:
    """A back end's error and a spec's skip come out as they went in."""
    case = case_of(tmp_path, "search", case="    skip: not yet\n")
    assert (skipped(case).outcome, skipped(case).reason) == (Outcome.SKIP, "not yet")
    found = judge(case, Reply("", error="no answer"))
    assert (found.outcome, found.reason, found.tool_match) == (Outcome.ERROR, "no answer", None)


@pytest.mark.parametrize(
    ("expect", "reply", "tool_match", "schema_valid", "has_cer"),
    [
        ("{search: {query: x}}", SEARCH, True, True, True),
        ("{search: {query: x}}", SEARCH + STOP, True, True, True),
        ("{search: {query: x}}", STOP + SEARCH, False, True, True),
        ("{search: {query: x}}", "No.", False, None, True),
        ("{search: {query: x}}", BAD, False, False, True),
        ("{search: {query: x}}", block("search", query=5), True, False, True),
        ("search", block("zzz"), False, False, False),
        ("no_call", "No.", True, None, False),
        ("no_call", BAD, False, False, False),
        ("no_call", STOP, False, True, False),
        ("any_call", STOP, True, True, False),
        ("any_call", "No.", False, None, False),
        ("{one_of: [stop, no_call]}", "No.", True, None, True),
        ("{one_of: [stop, no_call]}", SEARCH, False, True, True),
    ],
)  # fmt: skip
def test_what_is_measured(
    verdict: Judge,
    expect: str,
    reply: str,
    tool_match: bool,
    schema_valid: bool | None,
    has_cer: bool,
) -> None:
    """Tool accuracy, schema validity and the presence of an error rate, beside the verdict."""
    found = verdict(expect, reply)
    assert (found.tool_match, found.schema_valid) == (tool_match, schema_valid)
    assert (found.cer is not None) is has_cer is (found.gold is not None)


def test_the_error_rate_is_of_the_first_block(verdict: Judge) -> None:
    """An absent block counts as the empty string, a malformed one as it stands."""
    gold = len(SEARCH)
    assert verdict("{search: {query: x}}", "No.").cer == 1.0
    assert verdict("{search: {query: x}}", OTHER + SEARCH).cer == 1 / gold
    bad = SEARCH.replace("<escape>x<escape>", "x")
    assert verdict("{search: {query: x}}", bad).cer == 16 / gold


def test_a_gold_that_no_block_can_carry_is_no_gold(tmp_path: Path) -> None:
    """A case made without the loader's checks is judged all the same, without an error rate."""
    expect = Calls((ExpectedCall("search", {"query": compile_value("a<escape>b")}),))
    case = replace(case_of(tmp_path, "search"), expect=expect)
    found = judge(case, Reply(SEARCH))
    assert gold_block(case) is None
    assert (found.miss, found.gold, found.cer) == (Miss.WRONG_ARGUMENTS, None, None)


REPLIES = st.lists(
    st.one_of(
        st.sampled_from(
            ["<start_function_call>", "<end_function_call>", "<escape>", "<end_of_turn>", "call:search",
             "{", "}", "[", "]", ":", ",", "query", "1", "null", "true", SEARCH, SEND, OPEN, BAD,
             "<start_function_response>", "<eos>"]
        ),
        st.text(max_size=12),
    ),
    max_size=14,
).map("".join)  # fmt: skip

SHAPES = (
    "search",
    "{send: {to: {$regex: a}, any: {$cer: [a, 0.5], $optional: true}}}",
    "[{search: {query: x}}, {search: {query: {$any: true, $gold: q}}}, stop]",
    "{calls: [{search: {query: x}}, stop], order: strict}",
    "no_call",
    "{no_call: true, says: {$contains: sorry}}",
    "any_call",
    "{one_of: [{send: {to: {$one_of: [Ann, Bo]}, copies: 2}}, no_call]}",
)
HEADS = ("", "compare: tool", "target: args_json", "rules: bfcl")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Every shape of expectation under every setting that allows it."""
    folder = tmp_path_factory.mktemp("specs")
    made = [
        case_of(folder, shape, head=head)
        for shape in SHAPES
        for head in HEADS
        if head != "rules: bfcl"
    ]
    made += [
        case_of(folder, shape, head="compare: exact")
        for shape in SHAPES
        if shape not in ("search", SHAPES[1], "any_call")
    ]
    plain = [shape for shape in SHAPES if "$" not in shape]
    return made + [case_of(folder, shape, head="rules: bfcl") for shape in plain]


@given(reply=REPLIES, finish=st.sampled_from(["stop", "length"]), pick=st.integers(0, 10**6))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_judge_never_raises(cases: list[Case], reply: str, finish: str, pick: int) -> None:
    """Any reply text gets a verdict: a pass, or a fail with a miss and a reason; no error."""
    found = judge(
        cases[pick % len(cases)], Reply(reply, "length" if finish == "length" else "stop")
    )
    assert found.outcome in (Outcome.PASS, Outcome.FAIL), found.reason
    assert (found.miss is not None) == (found.outcome is Outcome.FAIL) == bool(found.reason)


@pytest.mark.parametrize(
    "reply",
    [
        "<start_function_call>" * 50_000,
        "<start_function_call>call:search{query:" + "[" * 100_000,
        "<escape>" * 100_000,
        SEARCH * 5_000,
        block("search", query="x" * 1_000_000),
        "\x1b[2J\x00\ud800" * 50_000,
    ],
    ids=["starts", "brackets", "escapes", "calls", "long", "control"],
)
def test_hostile_replies_are_judged(verdict: Judge, reply: str) -> None:
    """A reply of a million characters is a miss with a reason that fits a line."""
    found = verdict("{search: {query: x}}", reply)
    assert found.outcome is Outcome.FAIL
    assert len(found.reason) < 2000


@pytest.mark.parametrize("head", ["", "compare: tool", "compare: exact", "target: args_json"])
def test_the_gold_reply_passes(tmp_path: Path, miniatures: ModuleType, head: str) -> None:
    """What a case is trained on is what passes it, with an error rate of 0."""
    for shape in SHAPES:
        if (
            shape == "search"
            or shape == "any_call"
            or (head == "compare: exact" and shape == SHAPES[1])
        ):
            continue
        shape = shape.replace("{$regex: a}", "{$regex: a, $gold: cat}")
        says = "    reply: Sorry, no.\n" if "says" in shape else ""
        case = case_of(tmp_path, shape, head=head, case=says)
        found = judge(case, Reply(miniatures.gold_reply(case)))
        assert (found.outcome, found.cer or 0.0) == (Outcome.PASS, 0.0), (shape, found.reason)


TEXTS = st.sampled_from(["x", "y", "xy", "z"])
MATCHES = st.one_of(
    TEXTS, TEXTS.map(lambda t: f"{{$contains_any: [{t}, q]}}"), st.just("{$any: true}")
)


@given(
    wanted=st.lists(MATCHES, min_size=1, max_size=4),
    made=st.lists(TEXTS, min_size=1, max_size=4),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_the_order_of_calls_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory,
    wanted: list[str],
    made: list[str],
    data: st.DataObject,
) -> None:
    """Unless `order: strict` is written: the verdict is that of the set of calls."""
    assume(len(wanted) == len(made))
    expect = f"[{', '.join(f'{{search: {{query: {match}}}}}' for match in wanted)}]"
    case = case_of(tmp_path_factory.getbasetemp(), expect)
    blocks = [block("search", query=text) for text in made]
    shuffled = data.draw(st.permutations(blocks))
    one, other = judge(case, Reply("".join(blocks))), judge(case, Reply("".join(shuffled)))
    assert (one.outcome, one.miss) == (other.outcome, other.miss)
    orders = itertools.permutations(blocks)
    strict = case_of(tmp_path_factory.getbasetemp(), f"{{calls: {expect}, order: strict}}")
    best = any(judge(strict, Reply("".join(order))).outcome is Outcome.PASS for order in orders)
    assert best == (one.outcome is Outcome.PASS)


PROSE = st.text(st.characters(blacklist_characters="<", blacklist_categories=["Cs"]), max_size=30)


@given(
    pick=st.integers(0, 10**6),
    parts=st.lists(st.sampled_from([SEARCH, OTHER, SEND, STOP, BAD]), max_size=3),
    prose=st.lists(PROSE, min_size=4, max_size=4),
)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_prose_around_the_calls_changes_nothing(
    cases: list[Case], pick: int, parts: list[str], prose: list[str]
) -> None:
    """Except for the text that `says` judges, and for the sentence that quotes a refusal."""
    case = cases[pick % len(cases)]
    assume("says" not in str(case.written))
    plain = judge(case, Reply("".join(parts)))
    chatty = judge(
        case, Reply("".join(text + part for text, part in zip(prose, [*parts, ""], strict=False)))
    )
    assert (plain.outcome, plain.miss, plain.cer) == (chatty.outcome, chatty.miss, chatty.cer)
    assert write_calls(plain.calls) == write_calls(chatty.calls)


def test_a_schema_whose_alternatives_multiply_is_an_error(verdict: Judge) -> None:
    """A check that does not end is the spec's fault: an error in a sentence, never a hang."""
    tools = """\
  - name: walk
    parameters:
      type: object
      properties: {x: {$ref: "#/$defs/n"}}
      $defs:
        n:
          oneOf:
            - {properties: {x: {$ref: "#/$defs/n"}, v: {}}, required: [v]}
            - {properties: {x: {$ref: "#/$defs/n"}, w: {}}, required: [w]}
"""
    reply = f"<start_function_call>call:walk{{x:{'{x:' * 40}1{'}' * 40}}}<end_function_call>"
    found = verdict("walk", reply, tools=tools)
    assert (found.outcome, found.miss) == (Outcome.ERROR, None)
    assert found.reason == (
        "the schema takes more than 100,000 steps, as its alternatives multiply with each level of "
        "the value: {x: {x: {x: {x: {x: {x: {x:  … }}}}}}}}}}}}}}}}}}}}}}}}}}}} against "
        "{type: 'object', properties: … additionalProperties: false}"
    )


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        ("5", "send: argument 'copies': expected 5; left out, so its default 1"),
        ("{$min: 2}", "send: argument 'copies': expected a number of at least 2; left out, so its default 1"),
    ],
)  # fmt: skip
def test_a_default_is_no_value_that_the_call_gave(
    verdict: Judge, expected: str, reason: str
) -> None:
    """An argument that the call leaves out is said to be left out, beside its default."""
    found = verdict(f"{{send: {{to: a, copies: {expected}}}}}", block("send", to="a"))
    assert (found.miss, found.reason) == (Miss.WRONG_ARGUMENTS, reason)


def test_spellings_that_look_the_same_are_told_apart(verdict: Judge) -> None:
    """An accent that is composed in one text alone is shown as an escape, and named."""
    found = verdict('{search: {query: "caf\\u00e9"}}', block("search", query="cafe\u0301"))
    assert found.reason == (
        r"search: argument 'query': expected 'caf\xe9', got 'cafe\u0301' "
        "(they differ only in Unicode normal form)"
    )
    tools = "  - {name: caf\u00e9}\n"
    found = verdict("caf\u00e9", block("cafe\u0301"), tools=tools)
    assert found.miss is Miss.UNKNOWN_TOOL
    assert found.reason.endswith(
        r"got 'cafe\u0301', which is not declared "
        r"(declared is caf\xe9: they differ only in Unicode normal form)"
    )


# Rows of data sets whose gold breaks its own tool's schema

GIVE = {
    "type": "object",
    "properties": {
        "who": {"type": "string"},
        "count": {"type": "integer"},
        "place": {"type": "object", "properties": {"row": {"type": "integer"}}},
        **{f"x{n}": {"type": "string"} for n in range(7)},
    },
    "required": ["who", *(f"x{n}" for n in range(7))],
}
WHOLE: dict[str, object] = {"who": "Ann", **{f"x{n}": "y" for n in range(7)}}
"""Arguments that are valid."""


def row_case(folder: Path, *golds: dict[str, object], **setting: str) -> Case:
    """The one case of a data set's row that expects these calls of `give`."""
    calls = [{"function": {"name": "give", "arguments": json.dumps(gold)}} for gold in golds]
    row = {
        "messages": [
            {"role": "user", "content": "Do it."},
            {"role": "assistant", "tool_calls": calls},
        ],
        "tools": [{"type": "function", "function": {"name": "give", "parameters": GIVE}}],
    }
    number = next(_numbers)
    (folder / f"rows{number}.jsonl").write_text(json.dumps(row), encoding="utf-8")
    file = folder / f"rows{number}.spec.yaml"
    source = {"format": "openai", "path": f"rows{number}.jsonl"}
    file.write_text(json.dumps({**setting, "source": source}), encoding="utf-8")
    loaded = load_spec(file)
    assert loaded.spec is not None, "\n".join(map(str, loaded.problems))
    return loaded.spec.cases[0]


def giving(*every: dict[str, object]) -> Reply:
    """The reply that makes these calls of `give`."""
    return Reply(write_calls([Call("give", arguments) for arguments in every]))


BROKEN: list[dict[str, object]] = [
    {},
    {"who": "Ann"},
    {**WHOLE, "count": "5"},
    {**WHOLE, "more": 1},
    {**WHOLE, "place": {"row": "five"}},
    {"who": 5, "x0": "y", "more": None},
]


@pytest.mark.parametrize("compare", ["tool", "arguments", "exact"])
@pytest.mark.parametrize("gold", BROKEN)
def test_a_gold_that_breaks_its_schema_passes(
    tmp_path: Path, gold: dict[str, object], compare: str
) -> None:
    """The row is a case, a reply equal to its gold passes, and the verdict says what is wrong."""
    found = judge(row_case(tmp_path, gold, compare=compare), giving(gold))
    assert found.outcome is Outcome.PASS, found.reason
    assert found.schema_valid is False
    assert (found.note or "").startswith("the expected call itself breaks its tool's schema: give:")


def test_what_else_breaks_the_schema_is_a_miss(tmp_path: Path) -> None:
    """Exactly the gold's own problems are excused, however many; no other argument, no other value."""
    case = row_case(tmp_path, {"who": "Ann", "count": "5"}, compare="tool")
    worse: list[tuple[dict[str, object], str]] = [
        (
            {"who": "Ann", "count": "6"},
            "give: argument 'count': expected an integer, got '6'",
        ),
        (
            {"who": "Ann", "count": "5", "more": 1},
            "give: argument 'more' is not declared",
        ),
        ({"count": "5"}, "give: argument 'who' is missing"),
    ]
    for reply, reason in worse:
        found = judge(case, giving(reply))
        assert (found.miss, found.reason) == (Miss.INVALID_ARGUMENTS, reason)
    better: list[dict[str, object]] = [{"who": "Bob"}, WHOLE, {"who": "Bob", "x3": "y", "count": 5}]
    for reply in better:
        assert judge(case, giving(reply)).outcome is Outcome.PASS


def test_values_are_judged_beside_a_broken_gold(tmp_path: Path) -> None:
    """What the gold leaves out is not expected, though its schema requires it."""
    found = judge(row_case(tmp_path, {"who": "Ann"}), giving(WHOLE))
    assert found.miss is Miss.WRONG_ARGUMENTS
    assert found.reason.startswith("give: argument 'x0': not expected, got 'y'")


def test_several_calls_with_a_broken_gold(tmp_path: Path) -> None:
    """Each call may break what any gold call of its tool breaks; in strict order its own alone."""
    golds = ({**WHOLE, "count": "5"}, {**WHOLE, "more": 1})
    case = row_case(tmp_path, *golds)
    assert judge(case, giving(*reversed(golds))).outcome is Outcome.PASS
    assert judge(case, giving(*golds)).outcome is Outcome.PASS
    both: dict[str, object] = {**WHOLE, "count": "5", "more": 1}
    assert judge(case, giving(both, golds[1])).miss is Miss.WRONG_ARGUMENTS
    assert isinstance(case.expect, Calls)
    ordered = replace(case, expect=replace(case.expect, ordered=True))
    assert judge(ordered, giving(*golds)).outcome is Outcome.PASS
    assert judge(ordered, giving(*reversed(golds))).miss is Miss.WRONG_ORDER


def test_a_broken_gold_in_args_json(tmp_path: Path) -> None:
    """As Hermes' rows are trained: the arguments in one JSON text."""
    case = row_case(tmp_path, {"who": "Ann", "more": [1]}, target="args_json", compare="tool")
    wrapped = wrap_args_json(Call("give", {"who": "Ann", "more": [1]}))
    assert judge(case, Reply(write_call(wrapped))).outcome is Outcome.PASS


def test_a_sound_gold_is_not_noted(tmp_path: Path) -> None:
    """Rows whose gold is valid are judged as ever: nothing is excused, nothing noted."""
    case = row_case(tmp_path, WHOLE, compare="tool")
    found = judge(case, giving(WHOLE))
    assert (found.outcome, found.note, found.schema_valid) == (Outcome.PASS, None, True)
    assert judge(case, giving({"who": "Ann"})).miss is Miss.INVALID_ARGUMENTS


@pytest.mark.parametrize("gold", BROKEN)
def test_a_written_case_is_as_strict_as_ever(tmp_path: Path, gold: dict[str, object]) -> None:
    """The author of a spec is told of a call that breaks its tool's schema, and nothing is judged."""
    written = {
        "tools": [{"name": "give", "parameters": GIVE}],
        "cases": [{"prompt": "Do it.", "expect": {"give": gold}}],
    }
    file = tmp_path / "written.spec.yaml"
    file.write_text(json.dumps(written), encoding="utf-8")
    loaded = load_spec(file)
    assert loaded.spec is None
    assert loaded.problems


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    gold=st.dictionaries(
        st.sampled_from(["who", "count", "place", "x0", "x1", "more"]),
        st.none() | st.integers(0, 3) | st.sampled_from(["Ann", "5"]) | st.lists(st.booleans()),
    ),
    extra=st.sampled_from(["else", "x7"]),
    compare=st.sampled_from(["tool", "arguments"]),
)
def test_any_gold_of_a_row_passes_and_no_addition_to_it(
    tmp_path: Path, gold: dict[str, object], extra: str, compare: str
) -> None:
    """Whatever a row's gold is, the reply equal to it passes; one undeclared argument more never."""
    case = row_case(tmp_path, gold, compare=compare)
    found = judge(case, giving(gold))
    assert found.outcome is Outcome.PASS, found.reason
    assert judge(case, giving({**gold, extra: 1})).miss is Miss.INVALID_ARGUMENTS
