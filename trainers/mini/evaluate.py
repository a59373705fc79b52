"""Measures a model folder on the evaluation sets, through transformers' own generate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainers.mini.evalsets import SETS, evaluation_set
from trainers.mini.parse import FormatError, parse_output
from trainers.mini.schema import Call, Json, Row

STOP_IDS = [1, 106, 50]
NEW_TOKENS = 160
_BATCH = 40


@dataclass
class Counted:
    """Hits out of trials."""

    hits: int = 0
    trials: int = 0

    def add(self, hit: bool) -> None:
        """Counts one trial."""
        self.hits += hit
        self.trials += 1


@dataclass
class SetResult:
    """What was counted on one set.

    Attributes:
        valid: outputs in the right syntax.
        right_tool: outputs that call exactly the right tools; for a refusal, none.
        exact: outputs whose calls are right with all arguments; for a refusal, no call.
        declared: calls that name a declared tool.
        by_type: right arguments by their declared type, where one call names the right tool.
    """

    valid: Counted = field(default_factory=Counted)
    right_tool: Counted = field(default_factory=Counted)
    exact: Counted = field(default_factory=Counted)
    declared: Counted = field(default_factory=Counted)
    by_type: dict[str, Counted] = field(default_factory=dict)


def _key(call: Call) -> str:
    return f"{call.name} {_canonical(call.arguments)}"


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{_canonical(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return repr(value)


def _type_of(schema: Json) -> str:
    return "enum" if "enum" in schema else str(schema["type"])


def count(result: SetResult, row: Row, output: str) -> None:
    """Adds one output to a set's counts."""
    try:
        calls = parse_output(output)
        valid = True
    except FormatError:
        calls, valid = [], False
    names = {tool.name for tool in row.tools}
    result.valid.add(valid)
    for call in calls:
        result.declared.add(call.name in names)
    same_tools = Counter(c.name for c in calls) == Counter(c.name for c in row.calls)
    result.right_tool.add(valid and same_tools)
    result.exact.add(valid and Counter(map(_key, calls)) == Counter(map(_key, row.calls)))
    if valid and same_tools and len(row.calls) == 1:
        _count_types(result, row, calls[0])


def _count_types(result: SetResult, row: Row, call: Call) -> None:
    wanted = row.calls[0]
    tool = next(tool for tool in row.tools if tool.name == wanted.name)
    properties = tool.schema()["function"].get("parameters", {}).get("properties", {})
    for name, value in wanted.arguments.items():
        counted = result.by_type.setdefault(_type_of(properties[name]), Counted())
        counted.add(_canonical(call.arguments.get(name)) == _canonical(value))


def outputs(folder: Path, rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
    """The greedy output for every row, as (index, text), shortest prompts first.

    Raises:
        OSError: the folder holds no model.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    texts = [_prompt(tokenizer, row) for row in rows]
    order = sorted(range(len(rows)), key=lambda index: len(texts[index]))
    for start in range(0, len(order), _BATCH):
        part = order[start : start + _BATCH]
        yield from zip(part, _generated(model, tokenizer, [texts[i] for i in part]), strict=True)


def _prompt(tokenizer: Any, row: Row) -> str:
    text = tokenizer.apply_chat_template(
        row.messages(),
        tools=[tool.schema() for tool in row.tools] or None,
        add_generation_prompt=True,
        tokenize=False,
    )
    return str(text)


def _generated(model: Any, tokenizer: Any, texts: list[str]) -> list[str]:
    """What the model writes after each text, without padding."""
    # The text already begins with <bos>.
    inputs = tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")
    found = model.generate(
        **inputs, max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=STOP_IDS, pad_token_id=0
    )
    written = found[:, inputs["input_ids"].shape[1] :].tolist()
    kept = [[number for number in ids if number != 0] for ids in written]
    return [tokenizer.decode(ids, skip_special_tokens=False) for ids in kept]


def evaluate(folder: Path, size: int, seed: int) -> dict[str, SetResult]:
    """Counts for every evaluation set.

    Args:
        folder: a model folder.
        size: rows per set.
        seed: of the sets.
    """
    rows, owners = [], []
    for name in SETS:
        rows += evaluation_set(name, "eval", size, seed)
        owners += [name] * size
    results = {name: SetResult() for name in SETS}
    for index, text in outputs(folder, rows):
        count(results[owners[index]], rows[index], text)
    return results
