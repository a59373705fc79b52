"""The DataCamp tutorial's printed figures, and its two metrics beside ours."""

# ruff: noqa: E501 - rows and replies are long lines

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import jiwer
import pytest

from harness.cases import Case, Miss, Reply, Spec
from harness.functiongemma import render_prompt
from harness.gold import gold_block
from harness.judging import judge
from harness.loading import load_specs
from harness.metrics import Metrics
from harness.run_log import record_of

DATA = Path(__file__).parents[2] / "data" / "hermes.jsonl"
START, END = "<start_function_call>", "<end_function_call>"


@pytest.fixture(scope="module")
def hermes_spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    """The rows of the data, as a spec reads them."""
    file = tmp_path_factory.mktemp("hermes") / "hermes.spec.yaml"
    file.write_text(json.dumps({"source": {"format": "hermes", "path": str(DATA)}}))
    return load_specs([file])[0]


# The tutorial's own figures, from its printed output (DataCamp, "Fine-tuning FunctionGemma")

CARDIAC = "I'm reviewing the schedule in the surgical unit. Can you fetch the surgical nursing details for patient ID 12345 undergoing a 'Cardiac Bypass' today? If the procedure is handled by Nurse Ratched, let's record a post-operative care task for this evening."
LINKEDIN = "I would like to extract details from a LinkedIn company page. Could you assist me in fetching the information from this URL: https://www.linkedin.com/company/abc-corporation?"
NURSING = f"{START}call:get_surgical_nursing_information"
NURSE_ARGUMENTS = {"patient_id": "12345", "procedure_type": "Cardiac Bypass"}
LINK_ARGUMENTS = {"url": "https://www.linkedin.com/company/abc-corporation", "html": True}
NURSE_GOLD = (
    NURSING
    + '{args:<escape>{"patient_id": "12345", "procedure_type": "Cardiac Bypass"}<escape>}'
    + END
)
LINK_GOLD = (
    f"{START}call:extract"
    + '{args:<escape>{"url": "https://www.linkedin.com/company/abc-corporation", "html": true}<escape>}'
    + END
)
BEFORE_15 = (
    NURSING
    + "{nurse_id:<escape>Ratched<escape>,patient_id:<escape>12345<escape>,procedure_type:<escape>Cardiac Bypass<escape>}"
    + END
)
AFTER_15 = (
    NURSING
    + '{args:<escape>{"patient_id": "12345", "procedure_type": "Cardiac Bypass", "nurse_id": "Ratched", "task": "Post-operative care"}<escape>}'
    + END
)
AFTER_25 = (
    f"{START}call:extract"
    + '{args:<escape>{"url": "https://www.linkedin.com/company/abc-corporation"}<escape>}'
    + END
)


def row_of(name: str, task: str, arguments: Any, required: Sequence[str]) -> dict[str, Any]:
    """A row in the data set's shape. The tutorial prints no tools: the declaration is made up."""
    properties = {
        key: {"type": "bool" if held is True else "str"} for key, held in arguments.items()
    }
    parameters = {"type": "dict", "properties": properties, "required": list(required)}
    call = json.dumps({"name": name, "arguments": arguments})
    return {
        "conversations": [
            {"from": "human", "value": task},
            {"from": "gpt", "value": f"<think>\n…\n</think>\n<tool_call>\n{call}\n</tool_call>"},
        ],
        "tools": json.dumps([{"name": name, "description": "", "parameters": parameters}]),
        "task": task,
    }


@pytest.fixture
def printed(spec_of: Any) -> list[Case]:
    """Its rows 15 and 25."""
    rows = [
        row_of("get_surgical_nursing_information", CARDIAC, NURSE_ARGUMENTS, ["patient_id"]),
        row_of("extract", LINKEDIN, LINK_ARGUMENTS, ["url"]),
    ]
    return list(spec_of("hermes", rows).cases)


@pytest.mark.parametrize(
    ("row", "gold", "prediction", "miss", "edits"),
    [
        (0, NURSE_GOLD, BEFORE_15, Miss.INVALID_ARGUMENTS, 52),
        (0, NURSE_GOLD, AFTER_15, Miss.INVALID_ARGUMENTS, 54),
        (1, LINK_GOLD, AFTER_25, None, 14),
    ],
    ids=["row 15 before", "row 15 after", "row 25 after"],
)
def test_the_printed_pairs(
    printed: list[Case], row: int, gold: str, prediction: str, miss: Miss | None, edits: int
) -> None:
    """The gold block is the tutorial's byte for byte, and its tool match is ours."""
    verdict = judge(printed[row], Reply(prediction))
    assert verdict.gold == gold
    assert verdict.tool_match is True
    assert verdict.cer == pytest.approx(edits / len(gold))
    assert verdict.miss is miss


def test_the_printed_prompt(spec_of: Any) -> None:
    """The prompt of its first row is ours but for one word: types stand as JSON Schema has them."""
    where = "The location for which you want to get the "
    pollution = {
        "location": {
            "type": "string",
            "description": f"{where}pollution levels (e.g., Beijing, London, New York)",
        },
        "pollutant": {
            "type": "string",
            "description": "Specify a pollutant for pollution levels (e.g., PM2.5, PM10, ozone)",
        },
    }
    water = {
        "location": {
            "type": "string",
            "description": f"{where}water quality (e.g., river, lake, beach)",
        }
    }
    tools = [
        {
            "name": f"get_{name}",
            "description": f"Retrieve {name.replace('_', ' ')} information",
            "parameters": {"type": "dict", "properties": properties, "required": ["location"]},
        }
        for name, properties in (("pollution_levels", pollution), ("water_quality", water))
    ]
    task = "I'm planning a beach cleanup at Zuma Beach this weekend and need to ensure safety. Can you provide the current water quality and if it's poor, check the pollution level of PM2.5 there?"
    row = row_of("get_water_quality", task, {"location": "Zuma Beach"}, ["location"])
    (case,) = spec_of("hermes", [{**row, "tools": json.dumps(tools)}]).cases
    printed = (
        "<bos><start_of_turn>developer\nYou are a model that can do function calling with the following functions"
        "<start_function_declaration>declaration:get_pollution_levels{description:<escape>Retrieve pollution levels information<escape>,parameters:{properties:{location:{description:<escape>The location for which you want to get the pollution levels (e.g., Beijing, London, New York)<escape>,type:<escape>STRING<escape>},pollutant:{description:<escape>Specify a pollutant for pollution levels (e.g., PM2.5, PM10, ozone)<escape>,type:<escape>STRING<escape>}},required:[<escape>location<escape>],type:<escape>DICT<escape>}}<end_function_declaration>"
        "<start_function_declaration>declaration:get_water_quality{description:<escape>Retrieve water quality information<escape>,parameters:{properties:{location:{description:<escape>The location for which you want to get the water quality (e.g., river, lake, beach)<escape>,type:<escape>STRING<escape>}},required:[<escape>location<escape>],type:<escape>DICT<escape>}}<end_function_declaration>"
        f"<end_of_turn>\n<start_of_turn>user\n{task}<end_of_turn>\n<start_of_turn>model\n"
    )
    rendered = render_prompt(case.request.messages, case.tools)
    assert rendered == printed.replace("<escape>DICT<escape>", "<escape>OBJECT<escape>")
    assert (
        gold_block(case)
        == f'{START}call:get_water_quality{{args:<escape>{{"location": "Zuma Beach"}}<escape>}}{END}'
    )


def tutorial_score(pairs: Sequence[tuple[str, str, str]]) -> tuple[float, float]:
    """Tool accuracy and TC-CER of (expected tool, gold block, reply) as the tutorial has them.

    The name is the first word behind `call:` and before a brace, wherever it stands; the block is
    what lies between the first start token and the next end token; errors are pooled.
    """
    right = edits = length = 0
    for tool, gold, reply in pairs:
        name = re.search(r"call:([a-zA-Z0-9_]+)\{", reply)
        block = re.search(f"{START}.*?{END}", reply, re.DOTALL)
        measured = jiwer.process_characters(gold, block[0] if block else "")
        right += name is not None and name[1] == tool
        edits += measured.substitutions + measured.deletions + measured.insertions
        length += measured.substitutions + measured.deletions + measured.hits
    return right / len(pairs), edits / length


def our_score(pairs: Sequence[tuple[Case, str]]) -> tuple[float, float]:
    """The same two as a run log's last line has them."""
    metrics = Metrics()
    for case, reply in pairs:
        metrics.add(record_of(judge(case, Reply(reply))))
    found = metrics.footer(0.0)["metrics"]
    return found["tool_accuracy"]["value"], found["tc_cer"]["value"]


def test_the_metrics_are_the_tutorials(hermes_spec: Spec, damage: ModuleType) -> None:
    """Tool accuracy and TC-CER agree on gold, text, and every damage that leaves whole blocks."""
    pairs: list[tuple[Case, str]] = []
    for case in hermes_spec.cases:
        pairs.append((case, damage.gold_reply(case).text))
        whole = [
            one
            for one in damage.damages(case)
            if one.miss not in (Miss.MALFORMED_CALL, Miss.TRUNCATED)
        ]
        pairs += [(case, one.reply.text) for one in whole]
    pairs = [(case, text) for case, text in pairs if "." not in case.expect.calls[0].tool]
    theirs = [(case.expect.calls[0].tool, gold_block(case) or "", text) for case, text in pairs]
    assert len(pairs) > 100
    assert our_score(pairs) == pytest.approx(tutorial_score(theirs))


@pytest.mark.parametrize(
    ("reply", "theirs", "ours"),
    [
        (LINK_GOLD.replace('{"url"', '"url"'), (1, 1), (0, 1)),
        (LINK_GOLD.removesuffix(END), (1, len(LINK_GOLD)), (0, len(END))),
        ("The right one is call:extract{url}.", (1, len(LINK_GOLD)), (0, len(LINK_GOLD))),
        (f"{START}call:extract{START}{END}", (0, 82), (0, 115)),
    ],
    ids=["args no JSON", "cut at the limit", "in prose", "two starts"],
)
def test_where_the_metrics_differ(
    printed: list[Case], reply: str, theirs: tuple[int, int], ours: tuple[int, int]
) -> None:
    """The tutorial counts the name of a call that does not parse; a cut block is none to it."""
    case, length = printed[1], len(LINK_GOLD)
    tool, rate = tutorial_score([("extract", LINK_GOLD, reply)])
    assert (tool, round(rate * length)) == theirs
    tool, rate = our_score([(case, reply)])
    assert (tool, round(rate * length)) == ours


def test_a_name_with_a_dot_never_matches_in_the_tutorial(
    hermes_spec: Spec, damage: ModuleType
) -> None:
    """Its pattern of names knows letters, digits and `_`; the right call counts as wrong there."""
    (case,) = (c for c in hermes_spec.cases if "forecast" in str(c.written))
    reply = damage.gold_reply(case).text
    assert tutorial_score([("marine.forecast", gold_block(case) or "", reply)]) == (0.0, 0.0)
    assert our_score([(case, reply)]) == (1.0, 0.0)
