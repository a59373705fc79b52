"""Train cases → examples: token ids and labels, made by ourselves, and checked row by row.

Nothing passes through a data library on its way to tokens: Arrow would fill absent arguments
with nulls, and a trainer's own tokenization adds tokens and cuts rows without a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

from harness.backends.transformers import Encoder, render, tokenize
from harness.cases import Call, Case, Expectation, NoCall, OneOf, Turn
from harness.errors import BackendError, CallgateError, printable
from harness.functiongemma import (
    CALL_STOP,
    TEXT_STOP,
    CodecError,
    parse_reply,
    wrap_args_json,
    write_calls,
)
from harness.gold import gold_calls
from harness.retrieval.following import answer_request, found_by
from harness.wording import cut

IGNORED: Final = -100
"""The label of a token that is not learnt, as torch's cross entropy has it."""
DEFAULT_REPLY: Final = "I cannot help with that: none of my tools is made for it."
"""What a `no_call` case without a `reply` is trained to say."""
_NEEDED: Final = (
    *("<start_function_call>", "<end_function_call>", "<escape>"),
    *(CALL_STOP, TEXT_STOP, "<start_of_turn>"),
)
_SHOWN: Final = 10


class PreflightError(CallgateError):
    """Rows that cannot be trained on, with every reason."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training row. `labels` are the ids to predict, `IGNORED` where nothing is learnt.

    `turn` says whether it is a case's calls that are learnt, or its answer to what they find.
    """

    case: str
    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    target: str
    tools: tuple[str, ...]
    turn: Turn = "call"


def check_tokens(encoder: Encoder, name: str) -> None:
    """Raises BackendError for a tokenizer to which a control token is not one token."""
    known = encoder.tokenizer.get_vocab()
    lacking = [token for token in _NEEDED if token not in known]
    if lacking:
        raise BackendError(
            f"model {name}: its tokenizer lacks {', '.join(lacking)}, so its calls could not be "
            "trained; callgate doctor compares it with FunctionGemma's"
        )


@dataclass(frozen=True, slots=True)
class Unfit:
    """A case of which no row can be made, and why."""

    case: Case
    reason: str

    def __str__(self) -> str:
        which = ", then" if self.case.request.turn == "answer" else ""
        return f"{self.case.location}: case {self.case.id}{which}: {self.reason}"


def sifted(
    cases: Sequence[Case], encoder: Encoder, *, loss: str = "target", max_length: int | None = None
) -> tuple[tuple[Example, ...], tuple[Unfit, ...]]:
    """Every case as a row, each checked, and those of which none can be made.

    The answer to what a case's calls find is a row of its own. `loss` is `target` (the model's own
    turn) or `all`; `max_length` counts tokens.
    """
    examples, unfit = [], []
    for case in chain.from_iterable(map(turns_of, cases)):
        try:
            examples.append(example_of(case, encoder, loss=loss, max_length=max_length))
        except PreflightError as error:
            unfit.append(Unfit(case, str(error)))
    return tuple(examples), tuple(unfit)


def examples_of(
    cases: Sequence[Case], encoder: Encoder, *, loss: str = "target", max_length: int | None = None
) -> tuple[Example, ...]:
    """Every case as a row, as `sifted` makes them.

    Raises:
        PreflightError: rows that are not what the model would have to write, or too long.
    """
    examples, unfit = sifted(cases, encoder, loss=loss, max_length=max_length)
    check_fit(unfit)
    return examples


def check_fit(unfit: Sequence[Unfit]) -> None:
    """Raises PreflightError where there are any, with the first of them."""
    if not unfit:
        return
    more = len(unfit) - _SHOWN
    tail = [f"… and {more} more"] if more > 0 else []
    head = "1 row cannot" if len(unfit) == 1 else f"{len(unfit)} rows cannot"
    shown = map(str, unfit[:_SHOWN])
    raise PreflightError("\n".join([f"{head} be trained on:", *shown, *tail]))


def turns_of(case: Case) -> Iterator[Case]:
    """The case, and its second turn as a case: the reply of its `then` to what its gold finds."""
    yield case
    gold = gold_calls(case.expect, case.tools)
    if case.then is None or case.then.reply is None or not gold:
        return
    request = answer_request(case, "", gold, found_by(case, gold))
    says, reply = NoCall(case.then.says), case.then.reply
    yield replace(case, request=request, expect=says, reply=reply, finds=None, then=None)


def example_of(
    case: Case, encoder: Encoder, *, loss: str = "target", max_length: int | None = None
) -> Example:
    """One case as a row.

    Raises:
        PreflightError: why it cannot be one.
    """
    calls, target = _target(case)
    try:
        prompt_ids = tokenize(encoder, case.request, 0)
        prompt = render(encoder, case.request)
    except BackendError as error:
        raise PreflightError(str(error)) from None
    ids = _whole(encoder, prompt + target)
    _check_row(encoder, prompt_ids, ids, target)
    _check_target(target, calls)
    _check_template(encoder, case, calls, prompt + target)
    longest = min(max_length or encoder.context, encoder.context)
    if len(ids) > longest:
        raise PreflightError(
            f"the row has {len(ids)} tokens and max_length is {longest}; nothing is ever cut"
        )
    kept = 0 if loss == "all" else len(prompt_ids)
    labels = (IGNORED,) * kept + ids[kept:]
    names = tuple(call.name for call in calls)
    return Example(case.ref, ids, labels, target, names, case.request.turn)


def _target(case: Case) -> tuple[tuple[Call, ...], str]:
    """What the model has to write: the calls as they are written, and the text, stop included."""
    gold = gold_calls(case.expect, case.tools)
    if gold is None:
        raise PreflightError("its expectation leaves values open, so there is no call to train on")
    if not gold:
        return (), _text(case) + TEXT_STOP
    try:
        calls = tuple(wrap_args_json(c) if case.target == "args_json" else c for c in gold)
        return calls, write_calls(calls) + CALL_STOP
    except CodecError as error:
        raise PreflightError(str(error)) from None


def _text(case: Case) -> str:
    """The reply of a case that expects no call, stripped as the template does."""
    says = _says(case.expect)
    gold = says.gold if says is not None else None
    written = case.reply or (gold if isinstance(gold, str) else None)
    if written is None and case.request.messages[-1]["role"] == "tool":
        raise PreflightError(
            "it expects an answer to a tool's result, and has none to train on: add `reply`"
        )
    text = DEFAULT_REPLY if written is None else written
    problem = says.problem(text) if says is not None else None
    if problem:
        raise PreflightError(f"the text to train on does not meet `says` ({problem}): add `reply`")
    return text.strip()


def _says(expect: Expectation) -> Any:
    if isinstance(expect, OneOf):
        return _says(expect.options[0])
    return expect.says if isinstance(expect, NoCall) else None


def _whole(encoder: Encoder, text: str) -> tuple[int, ...]:
    ids = tuple(encoder.tokenizer(text, add_special_tokens=False)["input_ids"])
    return ids if encoder.bos_id is None or ids[:1] == (encoder.bos_id,) else (encoder.bos_id, *ids)


def _check_row(
    encoder: Encoder, prompt: tuple[int, ...], ids: tuple[int, ...], target: str
) -> None:
    """The prompt's ids as in judging, one `<bos>`, labels that decode to the target."""
    if ids[: len(prompt)] != prompt:
        raise PreflightError(
            "with the target behind it, the prompt is tokenized differently, so the model would "
            "be trained on another prompt than it is asked"
        )
    if encoder.bos_id is not None and ids.count(encoder.bos_id) != 1:
        raise PreflightError(f"the row holds {ids.count(encoder.bos_id)} <bos> tokens, expected 1")
    if max(ids) >= encoder.rows:
        raise PreflightError(f"the row holds token {max(ids)}, and the model has {encoder.rows}")
    decoded = encoder.tokenizer.decode(
        list(ids[len(prompt) :]), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    if decoded != target:
        raise PreflightError(f"its labels decode to {cut(decoded)!r}, expected {cut(target)!r}")


def _check_target(target: str, calls: tuple[Call, ...]) -> None:
    """Read back, the target is the gold calls: nothing added, no null, no stop token within."""
    parsed = parse_reply(target)
    if parsed.calls != calls or parsed.defects:
        raise PreflightError(f"its target does not read back as it was written: {cut(target)!r}")
    if not calls and parsed.text != target.removesuffix(TEXT_STOP):
        raise PreflightError(f"its reply holds a control token: {cut(target)!r}")


def _check_template(encoder: Encoder, case: Case, calls: tuple[Call, ...], row: str) -> None:
    """The model's own template writes the same row, but for white space at its end."""
    answer: dict[str, Any] = {"role": "assistant"}
    if calls:
        functions = [{"name": call.name, "arguments": call.arguments} for call in calls]
        answer["tool_calls"] = [{"type": "function", "function": f} for f in functions]
    else:
        answer["content"] = _text(case)
    messages = [*(dict(message) for message in case.request.messages), answer]
    tools = [tool.declaration() for tool in case.tools] or None
    try:
        text = encoder.tokenizer.apply_chat_template(messages, tools=tools, tokenize=False)
    except Exception as error:
        # Not narrower: the template is the model's, and may raise whatever Python does.
        raise PreflightError(f"the model's chat template refuses the row: {error}") from None
    if text.rstrip() != row.rstrip():
        place = next((n for n, (a, b) in enumerate(zip(text, row, strict=False)) if a != b), 0)
        raise PreflightError(
            f"the model's chat template writes {cut(text[place : place + 80])!r} where the row "
            f"has {cut(row[place : place + 80])!r}"
        )


def mix_lines(examples: Sequence[Example]) -> list[str]:
    """How often each tool is called in the rows, for people."""
    none = {"call": "(no call)", "answer": "(answer to what was found)"}
    counts = Counter(" + ".join(example.tools) or none[example.turn] for example in examples)
    learnt = sum(label != IGNORED for example in examples for label in example.labels)
    tokens = sum(len(example.input_ids) for example in examples)
    longest = max(len(example.input_ids) for example in examples)
    parts = ", ".join(f"{n} {name}" for name, n in counts.most_common())
    rows = "1 row" if len(examples) == 1 else f"{len(examples)} rows"
    return [
        f"{rows}: {cut(parts, 600)}",
        f"{learnt} of {tokens} tokens are learnt; the longest row has {longest} tokens",
    ]


def masked_row(example: Example, encoder: Encoder) -> list[str]:
    """One row as the loss sees it: what is read, and what is learnt."""
    first = next((n for n, label in enumerate(example.labels) if label != IGNORED), 0)
    parts = (("read", example.input_ids[:first]), ("learnt", example.input_ids[first:]))
    lines = [f"one row, {example.case}:"]
    for word, ids in parts:
        text = encoder.tokenizer.decode(
            list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        lines += [f"  {word:<6} | {printable(line)}" for line in text.splitlines()]
    return lines
