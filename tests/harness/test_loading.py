"""Spec files: what they become, what is wrong with them, and where."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import DEVELOPER, Gate, Location, Spec
from harness.errors import SpecError, UsageError
from harness.loading import LoadedSpec, find_spec_files, load_spec, load_specs
from harness.spec_files.expansion import hex_digits
from harness.spec_files.strict_yaml import read_yaml_file

SAMPLES = Path(__file__).parents[1] / "samples"
BROKEN = sorted((SAMPLES / "broken").glob("*.spec.yaml"))


def sample(name: str) -> Spec:
    """A good sample, loaded."""
    (spec,) = load_specs([SAMPLES / f"{name}.spec.yaml"])
    return spec


def load_text(tmp_path: Path, text: str, name: str = "a.spec.yaml") -> LoadedSpec:
    """What becomes of a file with this text."""
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return load_spec(file, name)


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.name.split(".")[0])
def test_every_problem_of_a_broken_file_is_shown_in_full(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All problems come at once, with place, line, caret and hint, as `NAME.txt` has them."""
    monkeypatch.chdir(file.parent)
    loaded = load_spec(Path(file.name))
    shown = "".join(f"{problem}\n" for problem in loaded.problems)
    assert loaded.spec is None
    assert shown == file.with_name(file.name.replace(".spec.yaml", ".txt")).read_text()


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("*.spec.yaml")), ids=lambda file: file.name)
def test_good_samples_have_no_problems(file: Path) -> None:
    """Every sample outside `broken/` loads."""
    assert load_spec(file).problems == ()


def test_the_example_of_the_readme_becomes_five_cases() -> None:
    """Ids, splits, tools in both forms, clauses and the gate of a whole file."""
    spec = sample("search-policy")
    assert [case.ref for case in spec.cases] == [
        "search-policy::travel-meals",
        "search-policy::apple-stock",
        "search-policy::internal.floor-plan",
        "search-policy::internal.reports",
        "search-policy::small-talk",
    ]
    assert [case.split for case in spec.cases] == ["train", "test", "test", "test", "test"]
    assert {case.compare for case in spec.cases} == {"tool"}
    assert spec.gate == Gate(pass_rate=0.8)
    assert list(spec.clauses) == ["internal-first", "public", "one-search"]
    assert spec.cases[0].clause == "internal-first"
    knowledge_base, google = spec.cases[0].tools
    assert google.parameters["properties"] == knowledge_base.parameters["properties"]
    assert google.parameters["required"] == knowledge_base.parameters["required"] == ["query"]
    assert google.parameters["type"] == knowledge_base.parameters["type"] == "object"


def test_a_request_is_the_developer_turn_and_the_prompt() -> None:
    """The template does not add the trigger sentence, so the loader does."""
    case = sample("search-policy").cases[0]
    assert case.request.messages == (
        {"role": "developer", "content": DEVELOPER},
        {"role": "user", "content": "What is the reimbursement limit for travel meals?"},
    )
    assert case.prompt == "What is the reimbursement limit for travel meals?"
    assert case.request.case == case.ref


def test_what_cases_share_is_held_once() -> None:
    """Thousands of cases have one tuple of tools and one developer turn between them."""
    first, *others = sample("search-policy").cases
    for other in others:
        assert other.tools is first.tools
        assert other.request.messages[0] is first.request.messages[0]


def test_a_case_is_where_its_author_finds_it() -> None:
    """A case's place is its own line; one of several `prompts` has the line of its prompt."""
    lines = (SAMPLES / "search-policy.spec.yaml").read_text().splitlines()
    places = [case.location for case in sample("search-policy").cases]
    assert [lines[place.line - 1].split(": ")[-1] for place in places] == [
        "travel-meals",
        "apple-stock",
        "Where can I find the floor plan for Building B?",
        "Who are the direct reports for the VP of Engineering?",
        "small-talk",
    ]


def test_a_case_may_differ_from_its_file() -> None:
    """Tools by name, of its own or from a file, no tools, `developer` and `compare`."""
    subset, own, from_file, developer, without = sample("case-settings").cases
    assert [tool.name for tool in subset.tools] == ["get_time"]
    assert [tool.name for tool in own.tools] == ["add"]
    assert [tool.name for tool in from_file.tools] == ["get_weather", "get_time", "any_call"]
    assert (from_file.compare, developer.compare) == ("exact", "tool")
    assert developer.request.messages[0] == {"role": "developer", "content": "Be brief."}
    assert without.tools == ()


def test_conversations_come_as_chat_templates_take_them() -> None:
    """Calls are wrapped; a developer turn of its own replaces the file's."""
    result, own = sample("messages").cases
    call = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
    assert result.request.messages == (
        {"role": "developer", "content": f"Current date: 2026-01-01\n{DEVELOPER}\n"},
        {"role": "user", "content": "What is the weather in Paris?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "name": "get_weather", "content": {"temperature": 15}},
    )
    assert result.prompt == "What is the weather in Paris?"
    assert [turn["role"] for turn in own.request.messages] == [
        "developer",
        "user",
        "assistant",
        "user",
    ]
    assert own.prompt == "The time?"


def test_settings_of_cases_arrive() -> None:
    """Tags, groups, critical, skip, reply and the gate's bound."""
    spec = sample("splits")
    cases = {case.id: case for case in spec.cases}
    assert spec.gate == Gate(0.5, "lower")
    assert cases["cities." + hex_digits("Paris?")].tags == ("smoke", "geography")
    assert cases["two"].critical
    assert not cases["one"].critical
    assert cases["out"].skip == "not decided yet"
    assert cases["one"].split == cases["two"].split
    assert sample("expectations").cases[6].reply == "Hello to you."


def test_a_spec_is_named_after_its_file(tmp_path: Path) -> None:
    """Without `spec`, the name is the file's without `.spec.yaml`."""
    text = "cases: [{prompt: Hello?, expect: no_call}]"
    loaded = load_text(tmp_path, text, "small.talk.spec.yaml")
    assert loaded.spec is not None
    assert loaded.spec.name == "small.talk"
    odd = load_text(tmp_path, text, "small talk.spec.yaml")
    assert [str(problem) for problem in odd.problems] == [
        "small talk.spec.yaml:1:1: spec: the file's name gives 'small talk', expected an "
        "identifier: letters, digits, `.`, `_` and `-`, a letter or digit first (rename the file, "
        f"or name the spec with `spec:`)\n    {text}\n    ^"
    ]


def test_the_digest_covers_the_tool_lists(tmp_path: Path) -> None:
    """It is that of the file's bytes, and changes when a named list does."""
    tools = tmp_path / "tools.yaml"
    tools.write_text("- name: search\n")
    text = "tools: tools.yaml\ncases: [{prompt: Hello?, expect: no_call}]\n"
    before = load_text(tmp_path, text).spec
    tools.write_text("- name: find\n")
    after = load_text(tmp_path, text).spec
    assert before is not None
    assert after is not None
    assert before.digest != after.digest
    alone = text.replace("tools: tools.yaml\n", "")
    spec = load_text(tmp_path, alone).spec
    assert spec is not None
    assert spec.digest == hashlib.sha256(alone.encode()).hexdigest()[:16]


def test_tools_may_come_from_json(tmp_path: Path) -> None:
    """A JSON list of tools as chat APIs write them is a list of tools."""
    (tmp_path / "tools.json").write_text(
        '[{"type": "function", "function": {"name": "search", "parameters": '
        '{"type": "object", "properties": {"query": {"type": "string"}}}}}]'
    )
    loaded = load_text(
        tmp_path, "tools: tools.json\ncases: [{prompt: Hello?, expect: {search: {query: hello}}}]"
    )
    assert loaded.problems == ()


def test_a_list_of_tools_is_a_list(tmp_path: Path) -> None:
    """A file that names itself as its tools is a problem, no recursion."""
    loaded = load_text(tmp_path, "tools: a.spec.yaml\ncases: [{prompt: Hello?, expect: no_call}]")
    assert [problem.what for problem in loaded.problems] == [
        "found {tools: 'a.spec.yaml', cases: [{prompt: 'Hello?', expect: 'no_call'}]}, "
        "expected a list of tools"
    ]


def test_problems_never_drive_a_terminal(tmp_path: Path) -> None:
    """Control characters in names come out escaped, wherever a message repeats them."""
    text = 'cases: [{id: "\\e[2J", prompt: Hello?, expect: {"\\a": {}}}]'
    for problem in load_text(tmp_path, text).problems:
        assert str(problem).replace("\n", "").isprintable()


def test_a_thousand_problems_are_found_in_one_reading(tmp_path: Path) -> None:
    """No problem hides another."""
    text = "cases:\n" + "  - {promt: Hello?, expect: no_call}\n" * 1000
    assert len(load_text(tmp_path, text).problems) == 1000


def test_broken_tools_cause_no_further_problems(tmp_path: Path) -> None:
    """An expected tool that could not be read is not called unknown as well."""
    text = "tools: [{name: search, params: {}}]\ncases: [{prompt: Hello?, expect: search}]"
    assert [problem.what for problem in load_text(tmp_path, text).problems] == [
        "unknown key 'params'"
    ]


def test_names_are_unique_among_files(tmp_path: Path) -> None:
    """Two specs of one name are a problem that shows both files."""
    for name in ("a", "b"):
        text = "spec: same\ncases: [{prompt: Hello?, expect: no_call}]"
        (tmp_path / f"{name}.spec.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        load_specs([tmp_path / "a.spec.yaml", tmp_path / "b.spec.yaml"])
    assert str(caught.value) == (
        f"{tmp_path}/b.spec.yaml:1:1: spec: {tmp_path}/a.spec.yaml is called 'same' too "
        "(names are unique among the files of a run: give one of them another `spec`)"
    )


def test_problems_of_all_files_come_at_once() -> None:
    """One SpecError tells of every file."""
    with pytest.raises(SpecError) as caught:
        load_specs(BROKEN[:3])
    assert {Path(problem.location.path).name for problem in caught.value.problems} >= {
        file.name for file in BROKEN[:3]
    }


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A missing file and a folder are problems, not exceptions."""
    for path in (tmp_path / "missing.spec.yaml", tmp_path):
        loaded = load_spec(path, "shown")
        assert loaded.spec is None
        assert [problem.location for problem in loaded.problems] == [Location("shown", 1)]


def test_paths_are_shown_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative below the current folder, absolute elsewhere."""
    folder = tmp_path / "specs"
    folder.mkdir()
    file = folder / "a.spec.yaml"
    file.write_text("cases: [{prompt: Hello?, expect: no_call}]")
    monkeypatch.chdir(tmp_path)
    assert load_specs([file])[0].path == "specs/a.spec.yaml"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_specs([Path("../specs/a.spec.yaml")])[0].path == str(file)


def test_folders_are_searched_for_spec_files(tmp_path: Path) -> None:
    """Sorted, below too, hidden folders left out; a file is taken as given, once."""
    for name in ("b.spec.yaml", "sub/a.spec.yaml", ".hidden/c.spec.yaml", "other.yaml"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    found = find_spec_files([str(tmp_path / "other.yaml"), str(tmp_path), str(tmp_path / "sub")])
    assert found == [tmp_path / name for name in ("other.yaml", "b.spec.yaml", "sub/a.spec.yaml")]


def test_paths_without_spec_files_are_usage_errors(tmp_path: Path) -> None:
    """A path that is not there, and one without spec files, say so."""
    with pytest.raises(UsageError) as caught:
        find_spec_files([f"{tmp_path}/nowhere"])
    assert str(caught.value) == f"There is no file or folder '{tmp_path}/nowhere'."
    with pytest.raises(UsageError) as caught:
        find_spec_files([str(tmp_path)])
    assert str(caught.value) == (f"No spec files in '{tmp_path}': their names end in '.spec.yaml'.")


def test_one_case_is_for_pytest_and_show(tmp_path: Path) -> None:
    """A path with the id of a case is told who takes one."""
    file = tmp_path / "a.spec.yaml"
    file.write_text("")
    with pytest.raises(UsageError) as caught:
        find_spec_files([f"{file}::one"])
    assert str(caught.value) == (
        f"There is no file or folder '{file}::one'. For one case of {file} use "
        f"`pytest {file}::one`, or `callgate show {file}::one`."
    )


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
WORDS = st.sampled_from(
    ["no_call", "any_call", "one_of", "calls", "$gold", "$any", "$(what)", "get_time", "object", ""]
)
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(node: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The paths of all values below a node."""
    inner = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    return [path, *(found for step, held in inner for found in places(held, (*path, step)))]


@st.composite
def mutated(draw: st.DrawFn) -> object:
    """A good sample with a few values replaced, deleted or renamed."""
    name = draw(st.sampled_from(sorted(path.name for path in SAMPLES.glob("*.spec.yaml"))))
    root = copy.deepcopy(read_yaml_file(SAMPLES / name, name).value)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(root)[1:] or [()]))
        node = root
        for step in path[:-1]:
            node = node[step]
        how = draw(st.sampled_from(["replace", "delete", "rename"]))
        if not path:
            return draw(VALUES)
        if how == "replace":
            node[path[-1]] = draw(VALUES)
        elif how == "delete":
            del node[path[-1]]
        elif isinstance(node, dict):
            node[draw(WORDS | st.text())] = node.pop(path[-1])
    return root


@settings(max_examples=150, deadline=None)
@given(root=mutated())
def test_no_content_makes_the_loader_raise(
    tmp_path_factory: pytest.TempPathFactory, root: object
) -> None:
    """Whatever stands in a file, it becomes a spec or problems that can be shown."""
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    (folder / "shared-tools.yaml").write_text((SAMPLES / "shared-tools.yaml").read_text())
    file = folder / "a.spec.yaml"
    file.write_text(json.dumps(root), encoding="utf-8")
    loaded = load_spec(file, "a.spec.yaml")
    assert (loaded.spec is None) == bool(loaded.problems)
    assert all(str(problem) for problem in loaded.problems + loaded.warnings)


CASES = "cases: [{id: a, prompt: Hello?, expect: no_call}]"


def only(loaded: LoadedSpec) -> str:
    """The one problem of a file."""
    (problem,) = loaded.problems
    return str(problem)


def test_a_list_of_tools_is_read_from_a_regular_file(tmp_path: Path) -> None:
    """A pipe, a device, a folder, a file that is not there: a sentence at `tools:`, no hang."""
    os.mkfifo(tmp_path / "pipe.json")
    hint = "(a path to a list of tools, relative to the spec file)"
    for name, what in (
        ("pipe.json", "is not a regular file"),
        ("/dev/zero", "is not a regular file"),
        (".", "is a folder, expected a YAML file"),
        ("gone.json", "cannot be read: No such file or directory"),
    ):
        said = only(load_text(tmp_path, f"tools: {name}\n{CASES}"))
        assert said == (
            f"a.spec.yaml:1:8: tools: the file '{name}' {what} {hint}\n"
            f"    tools: {name}\n           ^"
        )


def test_a_pipe_is_no_spec(tmp_path: Path) -> None:
    """A pipe in a spec's place is answered, not waited for."""
    os.mkfifo(tmp_path / "a.spec.yaml")
    loaded = load_spec(tmp_path / "a.spec.yaml", "a.spec.yaml")
    assert only(loaded) == "a.spec.yaml:1:1: is not a regular file"


@pytest.mark.parametrize(
    ("parameters", "column"),
    [
        ("{args: {type: string}}", 55),
        ("{type: object, properties: {args: {type: string}}}", 82),
    ],
)
def test_args_is_taken_under_args_json(tmp_path: Path, parameters: str, column: int) -> None:
    """A tool that declares `args` cannot be told from one that is wrapped: refused, once."""
    tools = f"tools: [{{name: stop}}, {{name: find, parameters: {parameters}}}]"
    assert load_text(tmp_path, f"{tools}\n{CASES}").problems == ()
    said = only(load_text(tmp_path, f"{tools}\ntarget: args_json\n{CASES}")).splitlines()[0]
    assert said == (
        f"a.spec.yaml:1:{column}: tool find, parameters"
        f"{'.properties' if 'object' in parameters else ''}.args: declares 'args', the argument "
        "into which `target: args_json` writes all others (rename it, or leave `target` out)"
    )
    (tmp_path / "t.yaml").write_text(f"[{{name: find, parameters: {parameters}}}]")
    case = "cases: [{id: a, prompt: Hello?, expect: no_call, tools: t.yaml}]"
    said = only(load_text(tmp_path, f"target: args_json\n{case}"))
    assert "t.yaml:1:" in said
    assert "declares 'args'" in said


def test_an_id_has_at_most_200_characters(tmp_path: Path) -> None:
    """Written or put together, an id fits into file names, node ids and reports."""
    long = "x" * 200
    good = f"cases: [{{id: {long}, prompt: Hello?, expect: no_call}}]"
    assert load_text(tmp_path, good).problems == ()
    said = only(load_text(tmp_path, good.replace(long, f"{long}y"))).splitlines()[0]
    assert said.startswith("a.spec.yaml:1:14: case xxx")
    assert said.endswith(", id: its id has 201 characters, expected at most 200")
    said = only(load_text(tmp_path, f"cases: [{{prompts: {{{long}y: Hello?}}, expect: no_call}}]"))
    assert ": its id has 201 characters, expected at most 200" in said


def test_a_pass_rate_is_no_silent_zero(tmp_path: Path) -> None:
    """A rate that Python would read as 0 is refused where it stands."""
    said = only(load_text(tmp_path, f"gate: {{pass_rate: 1e-400}}\n{CASES}"))
    assert said.splitlines()[0] == (
        "a.spec.yaml:1:19: the number 1e-400 is too close to 0 (put it in quotes if it is a text)"
    )
    assert load_text(tmp_path, f"gate: 1e400%\n{CASES}").spec is None
