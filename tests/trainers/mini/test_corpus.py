"""The corpus: repeatable, well formed, and apart from what it is measured on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import chain, islice
from pathlib import Path
from random import Random

import pytest
import yaml

from trainers.mini.compose import Asking
from trainers.mini.drills import choose, plain
from trainers.mini.evalsets import SETS, checksum, evaluation_set
from trainers.mini.lookups import Side, core_domains, domains, keywords, mixed_requests
from trainers.mini.mixture import (
    FULL,
    STAGES,
    Stage,
    chunk_rows,
    corpus_checksum,
    make_rows,
    rows,
)
from trainers.mini.parse import FormatError, parse_output
from trainers.mini.procedural import concepts, nouns, verbs
from trainers.mini.render import prompt_text, target_text
from trainers.mini.schema import Row
from trainers.mini.words import TRAIN, Split, fields, lines, split_of
from trainers.mini.written import more_tools, written_tools

RECORD = Path(__file__).parents[3] / "harness" / "mini" / "recipe.json"
SIDES: tuple[Side, ...] = ("departments", "topics")
POLICY = Path(__file__).parents[3] / "specs" / "search_policy.spec.yaml"
SUMS = Path(__file__).parents[3] / "trainers" / "mini" / "evalsets.sha256"


def _text(row: Row) -> str:
    return prompt_text(row) + target_text(row)


def test_a_chunk_is_the_same_every_time() -> None:
    """Claim: a corpus chunk follows from its seed and number alone."""
    first = [_text(row) for row in chunk_rows(3, draws=300)]
    again = [_text(row) for row in chunk_rows(3, draws=300)]
    other = [_text(row) for row in chunk_rows(4, draws=300)]
    assert first == again
    assert first != other


def test_the_corpus_has_no_repeated_chunk() -> None:
    """Claim: few rows of the stream are equal, so the model sees new ones all the time."""
    texts = [_text(row) for row in islice(rows(), 5000)]
    assert len(set(texts)) > 0.99 * len(texts)


def test_every_target_reads_back_and_is_declared() -> None:
    """Claim: each target follows the format, gives its calls back, and calls declared tools."""
    for row in chunk_rows(0, draws=3000):
        calls = parse_output(target_text(row))
        assert calls == list(row.calls)
        declared = {tool.name: tool for tool in row.tools}
        assert len(declared) == len(row.tools)
        for call in calls:
            known = {param.name for param in declared[call.name].params}
            assert set(call.arguments) <= known
            assert set(declared[call.name].required) <= set(call.arguments)


def test_every_kind_of_row_occurs() -> None:
    """Claim: the stage `full` has all kinds of rows, with one to six tools declared."""
    found = list(chunk_rows(0, draws=3000))
    other = {"assign": "drill", "subjects": "lookup"}
    families = {other.get(kind, kind) for kind in FULL.shares}
    families |= {f"refuse_{kind}" for kind in ("written", "more", "procedural", "lookup")}
    assert {row.family for row in found} == families
    assert {len(row.tools) for row in found} == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_shares_sum_to_one(stage: Stage) -> None:
    """Claim: every stage's mixture is a distribution."""
    assert sum(stage.shares.values()) == pytest.approx(1.0)


def test_every_stage_but_the_last_ends() -> None:
    """Claim: stages have a cap, so that none lasts for ever; the last has neither cap nor gate."""
    *early, last = STAGES
    assert all(stage.cap > 0 for stage in early)
    assert (last.gate, last.cap) == ({}, 0)


@pytest.mark.parametrize(
    "kind", ["written", "more", "procedural", "lookup", "subjects", "mixed_subjects", "parallel"]
)
def test_rows_of_one_draw_declare_the_same_and_ask_for_different_things(kind: str) -> None:
    """Claim: tools and developer's message are those of the draw, and the answers differ."""
    for number in range(50):
        rows = make_rows(kind, Random(number), replace(FULL, counts=((3, 4), (1, 1))))
        assert len({(row.developer, row.tools) for row in rows}) == 1
        assert len({target_text(row) for row in rows}) > 1


def test_few_subjects_come_first() -> None:
    """Claim: the first rows of subjects ask about training's share of the first lists alone."""
    core = {key for side in SIDES for key in (one.key for one in core_domains(side))}
    more = {one.key for side in SIDES for one in domains(side, more=True)}
    assert core < more
    for side in SIDES:
        pairs = zip(core_domains(side), domains(side), strict=True)
        for own, whole in pairs:
            assert set(own.subjects) == {x for x in whole.subjects if split_of(x) == "train"}
    described = {
        kind: " ".join(
            tool.description
            for number in range(200)
            for tool in make_rows(kind, Random(number), FULL)[0].tools
        )
        for kind in ("core_subjects", "subjects")
    }
    new = next(iter(domains("departments", more=True)[-1].glosses))
    assert new.lower() not in described["core_subjects"].lower()
    assert new.lower() in described["subjects"].lower()


def test_a_request_that_fits_no_tool_is_for_one_that_is_not_declared() -> None:
    """Claim: beside a refusal stand calls of the declared tools, and its own is not declared."""
    texts = {
        frame: one.tool.description
        for one in (*more_tools(), *written_tools("train"))
        for frame in one.frames
        if "{" not in frame and "[" not in frame
    }
    asking, known = Asking(calls=2, joint=0.0, strays=2.0), 0
    stage = replace(FULL, counts=((2,), (1,)), asking=asking)
    for number in range(2000):
        rows = make_rows("more", Random(number), stage)
        refused = [row for row in rows if not row.calls]
        assert (len(rows), len(refused)) == (4, 2)
        called = {call.name for row in rows for call in row.calls}
        assert called == {tool.name for tool in rows[0].tools}
        for row in refused:
            own = texts.get(row.user.rstrip(".!?"))
            known += own is not None
            assert own not in {tool.description for tool in row.tools}
    assert known > 20


def test_only_the_description_tells_a_drill_tool() -> None:
    """Claim: a drill's request holds a called tool's description and no word of its name."""
    rng = Random(3)
    for row in (maker(3, rng) for maker in (plain, choose) for _ in range(200)):
        tools = {tool.name: tool for tool in row.tools}
        for call in row.calls:
            assert tools[call.name].description in row.user
            assert not set(call.name.split("_")) & set(re.findall(r"\w+", row.user))


def test_a_drill_without_a_call_fits_no_tool() -> None:
    """Claim: where a drill's target is a refusal, no declared description is in the request."""
    rng = Random(4)
    refused = [row for row in (choose(4, rng) for _ in range(500)) if not row.calls]
    assert 60 < len(refused) < 130
    for row in refused:
        asked = set(re.findall(r"\w+", row.user))
        assert not any(set(tool.description.split()) <= asked for tool in row.tools)


def test_tools_of_the_second_list_are_not_in_the_first() -> None:
    """Claim: the tools that are for training alone share no name and no description."""
    splits: tuple[Split, ...] = ("train", "dev", "eval")
    first = [one.tool for split in splits for one in written_tools(split)]
    second = [one.tool for one in more_tools()]
    assert not {tool.name for tool in first} & {tool.name for tool in second}
    assert not {tool.description for tool in first} & {tool.description for tool in second}


def test_lists_for_training_alone_hold_no_word_that_is_kept_from_it() -> None:
    """Claim: the lists' verbs, nouns and parameters are of training's share, line by line."""
    for name in ("verbs_more", "params_more"):
        words = [fields(line)[0].split(":")[0].strip() for line in lines(name)]
        assert len(words) > 200
        assert all(split_of(word) == "train" for word in words), name
    known = [noun for line in lines("nouns_more") for noun in line.split()]
    assert len(known) > 200
    assert all(split_of(noun) == "train" for noun in known)


def test_no_subject_of_the_evaluation_is_trained() -> None:
    """Claim: subjects and tasks that are kept from training are not there in other letters."""
    for side in SIDES:
        known = {text for one in domains(side) for text in (*one.subjects, *one.tasks)}
        kept = {text.casefold() for text in known if split_of(text) != "train"}
        further = domains(side, more=True)
        trained = {text.casefold() for one in further for text in (*one.subjects, *one.tasks)}
        assert len(kept) > 50
        assert not kept & trained


def _masked(frame: str) -> str:
    return re.sub(r"\{[^}]*\}", "*", frame).casefold()


def test_no_tool_of_the_second_list_is_a_twin_of_one_that_is_kept() -> None:
    """Claim: none is described or asked for in nearly the words of an unseen tool."""
    fuzz = pytest.importorskip("rapidfuzz.fuzz")
    kept = [*written_tools("eval"), *written_tools("dev")]
    for one in more_tools():
        for other in kept:
            texts = one.tool.description.casefold(), other.tool.description.casefold()
            assert fuzz.token_sort_ratio(*texts) < 80, (one.tool, other.tool)
            asked = {_masked(frame) for frame in one.frames}
            assert not asked & {_masked(frame) for frame in other.frames}, (one.tool, other.tool)


def test_the_evaluation_draws_on_no_list_for_training_alone() -> None:
    """Claim: no evaluation set has a tool of those lists, or a parameter only they have."""
    own = {one.tool.description for one in more_tools()}
    known = {one.param.name for one in concepts("train", more=True)}
    known -= {one.param.name for one in concepts("train")}
    known -= {param.name for one in written_tools("train") for param in one.tool.params}
    for name in ("seen_2", "many_seen", "refuse_seen", "parallel_seen"):
        for tool in (tool for row in evaluation_set(name) for tool in row.tools):
            assert tool.description not in own
            assert not known & {param.name for param in tool.params} - set(nouns("train"))


def test_rows_render_as_the_template_does() -> None:
    """Claim: the fast renderer writes what apply_chat_template writes."""
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(RECORD.parent)
    for row in chunk_rows(1, draws=200):
        tools = [tool.schema() for tool in row.tools] or None
        text = tokenizer.apply_chat_template(
            row.messages(), tools=tools, add_generation_prompt=True, tokenize=False
        )
        assert text == prompt_text(row)


@cache
def _glosses(side: Side) -> frozenset[str]:
    return frozenset(gloss.lower() for one in domains(side, more=True) for gloss in one.glosses)


def test_look_up_tools_of_both_sides_meet_in_rows_that_are_meant_for_it() -> None:
    """Claim: no other row declares a department's look-up tool beside a topic's."""
    glosses = [_glosses(side) for side in SIDES]
    for stage in (FULL, *STAGES[-2:]):
        others = {kind: share for kind, share in stage.shares.items() if kind != "mixed_subjects"}
        for row in islice(rows(replace(stage, shares=others)), 5_000):
            texts = [tool.description.lower() for tool in row.tools]
            met = [own for own in glosses if any(g in t for t in texts for g in own)]
            assert len(met) < 2, row.tools


def _told(description: str, side: Side) -> list[str]:
    found = [gloss for gloss in _glosses(side) if gloss in description]
    return [one for one in found if not any(one in other for other in found if other != one)]


def test_no_look_up_tool_is_for_a_whole_side() -> None:
    """Claim: a description names up to six domains of one side, and both sides have a tool."""
    seen = set()
    for number in range(300):
        tools = [own[0].tool for own in mixed_requests(2, 3, Random(number), TRAIN)]
        named = []
        for tool in tools:
            covered = [len(_told(tool.description.lower(), side)) for side in SIDES]
            assert max(covered) <= 6
            assert min(covered) == 0
            seen.add(max(covered))
            named += [side for side, count in zip(SIDES, covered, strict=True) if count]
        assert len(set(named)) == len(named)
    assert seen == set(range(7)), "0: subjects stand for the only domain"


def test_the_policy_tools_are_never_named() -> None:
    """Claim: no tool of the policy occurs, nor its description, nor an internal/public label."""
    fuzz = pytest.importorskip("rapidfuzz.fuzz")
    policy = yaml.safe_load(POLICY.read_text(encoding="utf-8"))["tools"]
    told = [tool["description"].lower() for tool in policy]
    assert len(told) == 2
    for row in _stream(10_000):
        text = _text(row).lower()
        assert "search_knowledge_base" not in text
        assert "search_google" not in text
        for tool in row.tools:
            near = [fuzz.token_sort_ratio(tool.description.lower(), own) for own in told]
            assert max(near) < 80, tool
        enums = [p.slot.options() for t in row.tools for p in t.params if p.slot.kind == "enum"]
        assert not any({"internal", "public"} & set(options) for options in enums)


def _stream(count: int) -> Iterator[Row]:
    """Rows of the largest stage and of the last two."""
    return chain.from_iterable(islice(rows(stage), count) for stage in (FULL, *STAGES[-2:]))


def test_unseen_parts_are_unseen() -> None:
    """Claim: verbs, nouns, written tools and invented names of the eval sets are not trained."""
    train = {tool.tool.name for tool in written_tools("train")}
    assert not train & {tool.tool.name for tool in written_tools("eval")}
    assert not set(verbs("train", more=True)) & set(verbs("eval"))
    assert not set(nouns("train", more=True)) & set(nouns("eval"))
    assert all(split_of(noun) == "eval" for noun in nouns("eval"))
    prompts = {row.user.lower() for row in _stream(10_000)}
    for name in ("schemas_written", "schemas_procedural", "refuse_unseen", "refuse_procedural"):
        shared = [row.user for row in evaluation_set(name) if row.user.lower() in prompts]
        assert not shared, (name, shared)


def test_the_evaluation_sets_are_the_recorded_ones() -> None:
    """Claim: the sets are still those written down before the training, and the card's."""
    lines = SUMS.read_text(encoding="utf-8").splitlines()
    written = {name: digest for digest, name in (line.split() for line in lines)}
    assert written == {name: checksum(name) for name in SETS}
    assert json.loads(RECORD.read_text(encoding="utf-8"))["evaluation_sha256"] == written


def test_the_corpus_is_the_recorded_one() -> None:
    """Claim: the corpus the weights were trained on is still what the code makes."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert record["corpus_sha256"] == corpus_checksum()


def test_keywords_are_the_content_words() -> None:
    """Claim: a look-up's query is the question's content words in their order."""
    assert keywords("How do I reset my password?") == "reset password"
    assert keywords("c++ templates in France") == "c++ templates France"
    assert keywords("who is it") == "who is it"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<end_of_turn>",
        "<start_function_call>call:f{a:1}<end_function_call>",
        "<start_function_call>call:f{a:1,}<end_function_call><start_function_response>",
        "<start_function_call>call:f{a:x}<end_function_call><start_function_response>",
        "<start_function_call>call:f{a:<escape>x}<end_function_call><start_function_response>",
        "<start_function_call>call:f{a:1,a:2}<end_function_call><start_function_response>",
        "ok <start_function_call>call:f{}<end_function_call><end_of_turn>",
    ],
)
def test_malformed_outputs_are_faults(text: str) -> None:
    """Claim: the measurement's reader takes nothing that the format does not allow."""
    with pytest.raises(FormatError):
        parse_output(text)
