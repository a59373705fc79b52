"""BFCL's files → cases, and BFCL's own verdicts by way of a spec, a replay file and the judge."""

# ruff: noqa: E501 - tables of rows read best with one row to a line

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.backends.replay import Replay
from harness.bfcl.rules import answers_from_bfcl, compile_answers
from harness.cases import DEVELOPER, Call, Location, Outcome, Spec
from harness.errors import SpecError
from harness.functiongemma import CALL_STOP, TEXT_STOP, render_prompt, write_calls
from harness.judging import judge
from harness.loading import load_spec, load_specs
from harness.run import verdicts
from harness.sources import bfcl
from harness.sources.bfcl_rows import CATEGORIES, category_of
from harness.sources.rows import Drop, Node, Raw

DATA = Path(__file__).parents[2] / "data" / "bfcl"
FILES = sorted(DATA.glob("BFCL_v4_*.json"))


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON lines file."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def answers() -> Iterator[dict[str, list[Any]]]:
    """Every call's accepted values in BFCL's own form."""
    for path in DATA.glob("possible_answer/*.json"):
        for row in rows(path):
            for call in row["ground_truth"]:
                yield from call.values()


@pytest.fixture(scope="module")
def bfcl_spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    """The spec whose source is the folder with all of BFCL's files."""
    file = tmp_path_factory.mktemp("bfcl") / "bfcl.spec.yaml"
    file.write_text(f"source: {{format: bfcl, path: {DATA}}}\n", encoding="utf-8")
    return load_specs([file])[0]


# BFCL's own verdicts


def test_all_official_verdicts_end_to_end(bfcl_spec: Spec, tmp_path: Path) -> None:
    """A spec reads BFCL's files, a replay file answers as BFCL was answered, the verdicts agree.

    The k-th answers of all cases make one replay file.
    """
    rounds: dict[int, list[dict[str, Any]]] = defaultdict(list)
    seen: Counter[str] = Counter()
    for official in rows(DATA / "official_verdicts.jsonl"):
        rounds[seen[official["id"]]].append(official)
        seen[official["id"]] += 1
    differ = []
    for number, officials in rounds.items():
        file = tmp_path / f"{number}.jsonl"
        lines = [
            {"case": f"bfcl::{one['id']}", "reply": reply_of(one["calls"])} for one in officials
        ]
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        by_id = {one["id"]: one for one in officials}
        cases = [case for case in bfcl_spec.cases if case.id in by_id]
        assert len(cases) == len(officials)
        for verdict in verdicts(cases, Replay.read(str(file))):
            one = by_id[verdict.case.id]
            outcome = Outcome.PASS if one["valid"] else Outcome.FAIL
            if verdict.outcome is not outcome:
                differ.append((one["id"], one["mutation"], one["error"], verdict.reason))
    assert differ == []
    assert sum(seen.values()) == 445


def reply_of(calls: list[dict[str, Any]]) -> str:
    """The reply that makes these calls."""
    written = [Call(call["name"], call["arguments"]) for call in calls]
    return f"{write_calls(written)}{CALL_STOP}" if written else f"None.{TEXT_STOP}"


def test_every_row_is_a_case(bfcl_spec: Spec) -> None:
    """No row of BFCL's is dropped; each has its category and its half of the board as tags."""
    assert bfcl_spec.source is not None
    assert bfcl_spec.source.dropped == ()
    assert len(bfcl_spec.cases) == sum(len(list(rows(path))) for path in FILES) == 118
    for case in bfcl_spec.cases:
        category, half = case.tags
        assert case.id.startswith(f"{category}_")
        assert half == ("live" if category.startswith("live_") else "non_live")
        assert case.rules == "bfcl"
    order = list(dict.fromkeys(case.tags[0] for case in bfcl_spec.cases))
    assert order == [name for name in CATEGORIES if name in order]


def test_gold_replies_pass(bfcl_spec: Spec, damage: ModuleType) -> None:
    """A model that knows the answers passes every case, of every file."""
    for case in bfcl_spec.cases:
        verdict = judge(case, damage.gold_reply(case))
        assert verdict.outcome is Outcome.PASS, (case.id, verdict.reason)


def test_damage_is_named(bfcl_spec: Spec, damage: ModuleType) -> None:
    """Each way to break a gold reply is the miss that it is; BFCL's loose rules let none pass."""
    kinds: Counter[str] = Counter()
    for case in bfcl_spec.cases:
        for one in damage.damages(case):
            verdict = judge(case, one.reply)
            kinds[one.kind] += 1
            assert verdict.miss is one.miss, (case.id, one.kind, verdict.reason)
    assert kinds.keys() >= {
        "answered in words", "end token dropped", "cut at the limit", "brace dropped",
        "call repeated", "call added", "call dropped", "calls reordered", "tool renamed",
        "tool swapped", "argument added", "argument dropped", "argument renamed",
        "argument retyped", "value changed", "call made", "call broken",
    }  # fmt: skip


# The answers


def test_answers_are_carried_over_exactly() -> None:
    """What a spec writes for an answer reads back as BFCL's own values, "" at their end."""
    for possible in answers():
        written = {name: bfcl.accepted(values) for name, values in possible.items()}
        assert compile_answers(json.loads(json.dumps(written))) == answers_from_bfcl(
            {name: last(values) for name, values in possible.items()}
        )


def last(values: Any) -> Any:
    """Accepted values with "" once and at the end, at both levels."""
    if isinstance(values, dict):
        return {key: last(held) for key, held in values.items()}
    if isinstance(values, list):
        kept = [last(value) if isinstance(value, dict | list) else value for value in values]
        return [one for one in kept if one != ""] + [""] * ("" in kept)
    return values


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (["cm"], "cm"),
        (["cm", "m"], {"$one_of": ["cm", "m"]}),
        (["", "cm"], {"$one_of": ["cm"], "$optional": True}),
        ([""], {"$one_of": [""]}),
        ([["a", "b"]], ["a", "b"]),
        (5, 5),
        (
            [{"w": [20], "unit": ["cm", "", "m"]}],
            {"w": 20, "unit": {"$one_of": ["cm", "m"], "$optional": True}},
        ),
        ([[{"n": ["A", "B"]}, 1]], [{"n": {"$one_of": ["A", "B"]}}, 1]),
        ([{"w": [{"x": [1]}]}], {"w": {"x": [1]}}),
    ],
)
def test_accepted_values(values: Any, written: Any) -> None:
    """One value is itself, several are `$one_of`, "" is `$optional`; so for each key of a dict."""
    assert bfcl.accepted(values) == written
    bare = values if isinstance(values, list) else [values]
    assert compile_answers({"a": written}) == answers_from_bfcl({"a": last(bare)})


# Rows


def question(name: str = "simple_python_0", **changes: Any) -> dict[str, Any]:
    """A row that makes a case, changed."""
    row: dict[str, Any] = {
        "id": name,
        "question": [[{"role": "user", "content": "How high is the tide?"}]],
        "function": [
            {
                "name": "tide.height",
                "description": "The tide.",
                "parameters": {
                    "type": "dict",
                    "properties": {"harbour": {"type": "string"}},
                    "required": ["harbour"],
                },
            }
        ],
        "ground_truth": [{"tide.height": {"harbour": ["Whitby", "whitby harbour"]}}],
    }
    return {key: value for key, value in {**row, **changes}.items() if value is not ...}


def converted(row: Any, file: str = "BFCL_v4_simple_python.json") -> Node | Drop:
    """What becomes of a row."""
    return bfcl.FORMAT.convert(Raw(Location(f"data/{file}", 1), row))


def test_a_row_becomes_a_case() -> None:
    """Prompt, tools in JSON Schema's types, a name with its dot, the accepted values, tags."""
    assert converted(question()) == {
        "id": "simple_python_0",
        "prompt": "How high is the tide?",
        "tools": [
            {
                "name": "tide.height",
                "description": "The tide.",
                "parameters": {
                    "type": "object",
                    "properties": {"harbour": {"type": "string"}},
                    "required": ["harbour"],
                },
            }
        ],
        "expect": {"tide.height": {"harbour": {"$one_of": ["Whitby", "whitby harbour"]}}},
        "tags": ["simple_python", "non_live"],
    }


@pytest.mark.parametrize(
    ("row", "drop"),
    [
        ([1], Drop("no mapping", "[1]")),
        (question("java_3"), Drop("a category of other rules", "'simple_java': judged are calls in answer to one turn, by the rules for Python")),
        (question("multi_turn_base_3"), Drop("a category of other rules", "'multi_turn_base': judged are calls in answer to one turn, by the rules for Python")),
        (question(question=[[], []]), Drop("no question of one turn", "2 turns")),
        (question(question=...), Drop("no question of one turn", "null")),
        (question(question=[[{"role": "user", "content": " "}]]), Drop("no question of one turn", "{role: 'user', content: ' '}")),
        (question(question=[[{"role": "assistant", "content": "Hm."}]]), Drop("no question of one turn", "[[{role: 'assistant', content: 'Hm.'}]]")),
        (question(function="none"), Drop("no tools", "'none'")),
        (question(function=[{"description": "d"}]), Drop("a tool that cannot be declared", "{description: 'd'}")),
        (question(ground_truth=...), Drop("no possible answer")),
        (question(ground_truth=["f(a=1)"]), Drop("no possible answer", "'f(a=1)'")),
        (question(ground_truth=[{"tide.height": ["Whitby"]}]), Drop("no possible answer", "{tide.height: ['Whitby']}")),
        (question(ground_truth=[{"tide": {}}]), Drop("gold tool not declared", "'tide'")),
        (question(ground_truth=[{"tide.height": {"harbour": []}}]), Drop("an argument without an accepted value")),
        (question(function=[{"name": "a b"}], ground_truth=[{"a b": {}}]), Drop("gold tool cannot be called", "'a b'")),
    ],
)  # fmt: skip
def test_rows_that_make_no_case(row: Any, drop: Drop) -> None:
    """Each is dropped, with the reason and what was found."""
    assert converted(row) == drop


def test_relevance_and_irrelevance() -> None:
    """Questions that some call answers, and that none does, need no answer; nor tools the latter."""
    relevant = converted(question("live_relevance_0-0-0", ground_truth=...))
    assert isinstance(relevant, dict)
    assert (relevant["expect"], relevant["tags"]) == ("any_call", ["live_relevance", "live"])
    for name in ("irrelevance_0", "live_irrelevance_1-0-0"):
        node = converted(question(name, ground_truth=..., function=[]))
        assert isinstance(node, dict)
        assert (node["expect"], node["tools"]) == ("no_call", [])


def test_the_category_is_the_ids_else_the_files() -> None:
    """v3's names are v4's; a row without an id belongs to the category of its file."""
    assert category_of("simple_12") == category_of("BFCL_v3_simple.json") == "simple_python"
    assert category_of("live_parallel_multiple_3-2-0") == "live_parallel_multiple"
    node = converted(question(id=...), "BFCL_v3_parallel.json")
    assert isinstance(node, dict)
    assert node["tags"] == ["parallel", "non_live"]
    assert converted(question(id=...), "rows.json") == Drop(
        "a category of other rules",
        "'': judged are calls in answer to one turn, by the rules for Python",
    )


def test_conversations() -> None:
    """A system text comes behind FunctionGemma's sentence; several messages are `messages`."""
    system = {"role": "system", "content": "Be brief."}
    asked = {"role": "user", "content": "How high?"}
    said = {"role": "assistant", "content": "Where?"}
    node = converted(question(question=[[system, asked]]))
    assert isinstance(node, dict)
    assert node["developer"] == f"{DEVELOPER}\n\nBe brief."
    assert node["prompt"] == "How high?"
    node = converted(question(question=[[asked, said, asked]]))
    assert isinstance(node, dict)
    assert node["messages"] == [asked, said, asked]
    assert "developer" not in node
    assert "prompt" not in node


def test_types_are_those_that_the_template_shows() -> None:
    """BFCL's types in JSON Schema's words, at any depth; what is nested is in the prompt."""
    schema = bfcl.as_json_schema(
        {
            "type": "dict",
            "properties": {
                "area": {"type": "dict", "properties": {"width": {"type": "float"}}},
                "options": {"type": "dict", "description": "more", "default": {}},
                "point": {"type": "tuple", "items": {"type": "float"}},
                "boxes": {
                    "type": "array",
                    "items": {"type": "dict", "properties": {"label": {"type": "any"}}},
                },
                "value": {"type": "any", "optional": True, "default": None},
            },
            "required": ["area", "unknown"],
        }
    )
    number = {"type": "number"}
    assert schema == {
        "type": "object",
        "properties": {
            "area": {"type": "object", "properties": {"width": number}},
            "options": {"type": "object", "description": "more", "properties": {}},
            "point": {"type": "array", "items": number},
            "boxes": {
                "type": "array",
                "items": {"type": "object", "properties": {"label": {"type": "string"}}},
            },
            "value": {"type": "string"},
        },
        "required": ["area", "unknown"],
    }


def test_no_type_of_bfcl_reaches_the_prompt(bfcl_spec: Spec) -> None:
    """No prompt shows a type that JSON Schema has not, nor a keyword as if it were a parameter."""
    for case in bfcl_spec.cases:
        prompt = render_prompt(case.request.messages, case.tools)
        for kind in ("DICT", "FLOAT", "TUPLE", "ANY", ""):
            assert f"type:<escape>{kind}<escape>" not in prompt, (case.id, kind)
        assert prompt.count(DEVELOPER) == 1


# Files


def test_a_folder_holds_whatever_bfcl_calls_its_files(tmp_path: Path) -> None:
    """All files by BFCL's names are read, in the leaderboard's order, other rules' rows dropped."""
    (tmp_path / "possible_answer").mkdir()
    truth = question()["ground_truth"]
    for category, name in (
        ("live_simple", "live_simple_0-0-0"),
        ("simple", "simple_0"),
        ("multi_turn_base", "multi_turn_base_0"),
        ("irrelevance", "irrelevance_0"),
    ):
        file = f"BFCL_v3_{category}.json"
        (tmp_path / file).write_text(json.dumps(question(name, ground_truth=...)))
        if not category.startswith(("multi", "irr")):
            answer = json.dumps({"id": name, "ground_truth": truth})
            (tmp_path / "possible_answer" / file).write_text(answer)
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "s.spec.yaml").write_text("source: {format: bfcl, path: .}")
    spec = load_specs([tmp_path / "s.spec.yaml"])[0]
    assert [case.id for case in spec.cases] == ["simple_0", "live_simple_0-0-0", "irrelevance_0"]
    assert spec.source is not None
    assert spec.source.drops == {"a category of other rules": 1}


def test_the_digest_covers_the_answers(tmp_path: Path) -> None:
    """A spec's digest changes with BFCL's answers, not only with its questions."""
    shutil.copytree(DATA, tmp_path / "bfcl")
    file = tmp_path / "s.spec.yaml"
    file.write_text("source: {format: bfcl, path: bfcl/BFCL_v4_simple_python.json}")
    before = load_specs([file])[0].digest
    changed = tmp_path / "bfcl" / "possible_answer" / "BFCL_v4_simple_python.json"
    changed.write_text(changed.read_text().replace("Germany", "France"))
    assert load_specs([file])[0].digest != before


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """Without its answers a file of questions is refused, as is a folder without any file."""
    questions = tmp_path / "BFCL_v4_multiple.json"
    questions.write_text(json.dumps(question("multiple_0")))
    (tmp_path / "empty").mkdir()
    said = []
    for path in (questions.name, "empty"):
        file = tmp_path / "s.spec.yaml"
        file.write_text(f"source: {{format: bfcl, path: {path}}}")
        with pytest.raises(SpecError) as caught:
            load_specs([file])
        said += [f"{one.what} ({one.hint})" for one in caught.value.problems]
    assert said == [
        "the file 'BFCL_v4_multiple.json' has no answers: there is no "
        "possible_answer/BFCL_v4_multiple.json beside it "
        "(both are in the leaderboard's folder `data`)",
        "the file 'empty' is a folder without any BFCL_v…_….json "
        "(name one file, or the folder of BFCL_v4_simple_python.json and the like)",
    ]


def test_answers_listed_beside_their_questions() -> None:
    """Where both are opened, as files of one data set of the Hub, the answers are no rows."""
    name = "BFCL_v4_multiple.json"
    assert len(bfcl.FORMAT.open(DATA / name)) == 13
    assert len(bfcl.FORMAT.open(DATA / "possible_answer" / name)) == 0


def test_answers_that_cannot_be_told(tmp_path: Path) -> None:
    """Of two answers of one id none is taken; a row whose answer is missing is dropped."""
    (tmp_path / "possible_answer").mkdir()
    name = "BFCL_v4_simple_python.json"
    asked = [question(f"simple_python_{n}", ground_truth=...) for n in range(3)]
    truth = question()["ground_truth"]
    answered = [{"id": f"simple_python_{n}", "ground_truth": truth} for n in (0, 1, 1)]
    for path, lines in (
        (tmp_path / name, asked),
        (tmp_path / "possible_answer" / name, [*answered, "broken"]),
    ):
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    file = tmp_path / "s.spec.yaml"
    file.write_text(f"source: {{format: bfcl, path: {name}}}")
    spec = load_specs([file])[0]
    assert [case.id for case in spec.cases] == ["simple_python_0"]
    assert spec.source is not None
    assert spec.source.drops == {"two answers of one id": 1, "no possible answer": 1}


def test_import_knows_what_is_lost() -> None:
    """What a row says and its case has not: other keys, tools that cannot be called."""
    functions = [
        *question()["function"],
        {"name": "a b", "response": {}},
        {"name": "tide.height"},
    ]
    row = question(function=functions, initial_config={})
    assert bfcl.FORMAT.lost(Raw(Location("f", 1), row)) == [
        "`initial_config` of the row",
        "`response` of a tool",
        "a tool whose name cannot be called",
        "the second tool of a name",
    ]
    node = converted(row)
    assert isinstance(node, dict)
    assert [tool["name"] for tool in node["tools"]] == ["tide.height"]


# Hostile rows

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.sampled_from(["type", "properties", "items", "required", "$one_of", "name", "a"])
JSON = st.recursive(
    SCALARS | st.sampled_from(["dict", "any", "tuple", "simple_python_0", "user"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["id", "question", "function", "ground_truth"]),
    JSON,
    st.sampled_from(["simple_python_0", "live_relevance_0-0-0", "irrelevance_0"]),
)
def test_any_row_is_a_case_or_a_drop(key: str, value: Any, name: str) -> None:
    """Whatever stands in a row, it is converted or dropped, and never raises."""
    for row in (value, question(name, **{key: value})):
        assert isinstance(converted(row), dict | Drop)


@settings(max_examples=60, deadline=None)
@given(parameters=JSON, truth=JSON)
def test_hostile_rows_never_end_a_run(
    tmp_path_factory: pytest.TempPathFactory, parameters: Any, truth: Any
) -> None:
    """A file of hostile rows is read to its end; every row is a case or counted."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "possible_answer").mkdir()
    functions = [{"name": "tide.height", "parameters": parameters}]
    lines = [
        question("simple_python_0", function=functions, ground_truth=...),
        question("simple_python_1", ground_truth=...),
        parameters,
    ]
    told = [
        {"id": "simple_python_0", "ground_truth": [{"tide.height": {}}]},
        {"id": "simple_python_1", "ground_truth": [{"tide.height": truth}]},
    ]
    name = "BFCL_v4_simple_python.json"
    for path, written in ((folder / name, lines), (folder / "possible_answer" / name, told)):
        path.write_text("".join(f"{json.dumps(line)}\n" for line in written), encoding="utf-8")
    file = folder / "s.spec.yaml"
    file.write_text(f"source: {{format: bfcl, path: {name}}}")
    loaded = load_spec(file)
    assert loaded.spec is not None, loaded.problems
    read = loaded.spec.source
    assert read is not None
    assert read.rows == 3 == read.cases + sum(read.drops.values())
    for case in loaded.spec.cases:
        render_prompt(case.request.messages, case.tools)
