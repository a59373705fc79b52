"""FunctionGemma's text: its control tokens, replies taken apart, calls written, prompts rendered.

A reply is text and call blocks (`harness.call_grammar`), up to its first stop token outside of
an escaped text. The formats are those of FunctionGemma's chat template and tokenizer files.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn

from harness.call_grammar import (
    END,
    ESCAPE,
    MAX_DEPTH,
    MAX_DIGITS,
    NAME_RULE,
    START,
    GrammarError,
    is_name,
    read_call,
    read_number,
    short,
)
from harness.cases import Call, Json, Tool
from harness.errors import BackendError

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.parser import Parser

__all__ = [
    "CALL_STOP",
    "CONTROL_TOKENS",
    "MAX_DEPTH",
    "SPECIAL_TOKENS",
    "STOP_TOKENS",
    "TEXT_STOP",
    "CodecError",
    "Defect",
    "ParsedReply",
    "is_name",
    "parse_reply",
    "render_prompt",
    "unwrap_args_json",
    "wrap_args_json",
    "write_call",
    "write_calls",
]

CONTROL_TOKENS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "<pad>": 0,
        "<eos>": 1,
        "<bos>": 2,
        "<unk>": 3,
        "<mask>": 4,
        "<start_function_declaration>": 46,
        "<end_function_declaration>": 47,
        START: 48,
        END: 49,
        "<start_function_response>": 50,
        "<end_function_response>": 51,
        ESCAPE: 52,
        "<start_of_turn>": 105,
        "<end_of_turn>": 106,
        "<image_soft_token>": 262144,
        "<end_of_image>": 262145,
    }
)
"""Text → id, as FunctionGemma's tokenizer files have them."""
STOP_TOKENS: Final = ("<end_of_turn>", "<start_function_response>", "<eos>")
"""What ends a reply. Not `<end_function_call>`: that would cut off parallel calls."""
CALL_STOP: Final = "<start_function_response>"
"""What FunctionGemma writes behind its calls."""
TEXT_STOP: Final = "<end_of_turn>"
"""What it writes behind text."""
SPECIAL_TOKENS: Final = (
    *("<pad>", "<eos>", "<bos>", "<unk>", "<start_function_response>"),
    *("<start_of_turn>", "<end_of_turn>", "<image_soft_token>", "<end_of_image>"),
)
"""Those that `skip_special_tokens=True` removes; it keeps the call and escape tokens."""
TEMPLATE: Final = Path(__file__).with_name("mini") / "chat_template.jinja"

_TOO_LARGE: Final = 10**MAX_DIGITS
_EDGE = re.compile("|".join(map(re.escape, (START, END, *STOP_TOKENS))))


@dataclass(frozen=True, slots=True)
class Defect:
    """Something that is no call although it looks like one.

    `offset` counts characters from the start of the parsed text to where the reading failed;
    `unterminated`: the block has no end token.
    """

    offset: int
    reason: str
    unterminated: bool


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A reply taken apart.

    `text` is what stands outside the blocks, stripped. `blocks` are the blocks as they stand,
    well formed or not: each to its end token, or to what cuts it short.
    """

    calls: tuple[Call, ...]
    text: str
    defects: tuple[Defect, ...]
    blocks: tuple[str, ...]

    @property
    def first_block(self) -> str:
        """The first block as it stands; "" where there is none."""
        return self.blocks[0] if self.blocks else ""


class CodecError(ValueError):
    """A call that FunctionGemma's format cannot carry; the message names the argument."""


def parse_reply(text: str) -> ParsedReply:
    """Take any text apart, in linear time; never raises.

    A defective block is never a call. Reading goes on behind the next end token or at the next
    start token after the defect, whatever escape tokens stand there.
    """
    calls: list[Call] = []
    defects: list[Defect] = []
    outside: list[str] = []
    blocks: list[str] = []
    at = 0
    while (edge := _EDGE.search(text, at)) is not None:
        outside.append(text[at : edge.start()])
        at = edge.end()
        if edge[0] in STOP_TOKENS:
            break
        if edge[0] == END:
            defects.append(Defect(edge.start(), f"{END!r} without a {START!r}", unterminated=False))
            continue
        found, at = _block(text, at)
        blocks.append(text[edge.start() : at])
        if isinstance(found, Call):
            calls.append(found)
        else:
            defects.append(found)
    else:
        outside.append(text[at:])
    return ParsedReply(tuple(calls), "".join(outside).strip(), tuple(defects), tuple(blocks))


def _block(text: str, at: int) -> tuple[Call | Defect, int]:
    """What follows a start token, and where the block ends."""
    try:
        return read_call(text, at)
    except GrammarError as fault:
        edge = _EDGE.search(text, fault.offset)
        end, closed = (edge.start(), edge[0] == END) if edge else (len(text), False)
        defect = Defect(fault.offset, fault.reason, unterminated=not closed)
        return defect, end + len(END) if closed else end


def write_calls(calls: Iterable[Call]) -> str:
    """The calls as a reply has them, one block after the other; raises CodecError."""
    return "".join(map(write_call, calls))


def write_call(call: Call) -> str:
    """The call as FunctionGemma's chat template writes it: keys sorted ignoring case, no blanks.

    Raises CodecError for names that are no names, texts that hold `<escape>`, and what is no
    finite JSON value.
    """
    if not is_name(call.name):
        raise CodecError(f"The tool name {short(call.name)} cannot be written: {NAME_RULE}.")
    return f"{START}call:{call.name}{_written(call.arguments, call.name, 0)}{END}"


def _written(value: Json, path: str, depth: int) -> str:
    if isinstance(value, Mapping | list) and depth > MAX_DEPTH:
        raise CodecError(f"{_cut(path)} nests lists and objects more than {MAX_DEPTH} deep.")
    if isinstance(value, list):
        items = (_written(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(value))
        return f"[{','.join(items)}]"
    if isinstance(value, Mapping):
        keys = sorted(_checked_keys(value, path), key=str.lower)
        pairs = (f"{key}:{_written(value[key], f'{path}.{key}', depth + 1)}" for key in keys)
        return f"{{{','.join(pairs)}}}"
    return _written_scalar(value, path)


def _checked_keys(value: Mapping[str, Json], path: str) -> Iterable[str]:
    for key in value:
        if not isinstance(key, str):
            raise CodecError(f"{_cut(path)} has a key of type {type(key).__name__!r}: {NAME_RULE}.")
        if not is_name(key):
            raise CodecError(f"{_cut(path)} has the key {short(key)}: {NAME_RULE}.")
    return value


def _written_scalar(value: Json, path: str) -> str:
    if isinstance(value, str):
        if ESCAPE in value:
            raise CodecError(f"{_cut(path)} holds {ESCAPE!r}, the token that would end its text.")
        return f"{ESCAPE}{value}{ESCAPE}"
    if value is None or isinstance(value, bool):
        return {None: "None", True: "true", False: "false"}[value]
    if isinstance(value, int):
        if abs(value) >= _TOO_LARGE:
            raise CodecError(f"{_cut(path)} is an integer of more than {MAX_DIGITS} digits.")
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return str(float(value))
    what = repr(value) if isinstance(value, float) else f"of type {type(value).__name__!r}"
    raise CodecError(f"{_cut(path)} is {what}, which is no JSON value.")


def _cut(path: str) -> str:
    return path if len(path) <= 100 else f"{path[:49]}…{path[-50:]}"


def wrap_args_json(call: Call) -> Call:
    """The call in the form of `target: args_json`: its arguments as one JSON text named `args`.

    Raises CodecError for arguments that would not come back the same.
    """
    try:
        text = json.dumps(dict(call.arguments), ensure_ascii=False, allow_nan=False)
        if _json_object(text) != call.arguments:
            raise ValueError("a key is no text, or a value is none of JSON's")
    except (TypeError, ValueError, RecursionError, GrammarError) as error:
        raise CodecError(f"The arguments of {call.name} are no JSON: {error}.") from None
    return Call(call.name, {"args": text})


def unwrap_args_json(
    calls: Iterable[Call], tools: Iterable[Tool]
) -> tuple[tuple[Call, ...], tuple[Defect, ...]]:
    """Undo `wrap_args_json` where a tool without a parameter `args` gets one text of that name.

    A text that is no JSON object is a defect, whose offset counts in that text, and its call is
    left out. Other calls pass as they are. Never raises.
    """
    wrapped = {tool.name for tool in tools if not _declares_args(tool)}
    kept: list[Call] = []
    defects: list[Defect] = []
    for call in calls:
        text = call.arguments.get("args")
        if call.name not in wrapped or len(call.arguments) != 1 or not isinstance(text, str):
            kept.append(call)
            continue
        try:
            kept.append(Call(call.name, _json_object(text)))
        except GrammarError as fault:
            reason = f"the args of {short(call.name)} are no JSON object: {fault.reason}"
            defects.append(Defect(fault.offset, reason, unterminated=False))
    return tuple(kept), tuple(defects)


def _declares_args(tool: Tool) -> bool:
    properties = tool.parameters.get("properties")
    return isinstance(properties, Mapping) and "args" in properties


def _json_object(text: str) -> dict[str, Json]:
    """Strict JSON, the first of equal keys kept; raises GrammarError for everything else."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_first_of_each,
            parse_int=read_number,
            parse_float=lambda word: read_number(word, real=True),
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise GrammarError(error.pos, error.msg) from None
    except ValueError as error:
        raise GrammarError(0, str(error)) from None
    except RecursionError:
        raise GrammarError(0, f"nested more than {MAX_DEPTH} deep") from None
    if _deeper(value, MAX_DEPTH):
        raise GrammarError(0, f"nested more than {MAX_DEPTH} deep")
    if not isinstance(value, dict):
        raise GrammarError(0, f"got a value of type {type(value).__name__!r}")
    return value


def _first_of_each(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    first: dict[str, Json] = {}
    for key, value in pairs:
        first.setdefault(key, value)
    return first


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not in JSON")


def _deeper(value: Json, levels: int) -> bool:
    """Whether lists and objects lie more than `levels` deep inside this value."""
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return levels < 0 or any(_deeper(member, levels - 1) for member in members)


def render_prompt(
    messages: Sequence[Mapping[str, Json]], tools: Sequence[Tool], template: str | None = None
) -> str:
    """The prompt as transformers' `apply_chat_template` renders it, ready for the model's turn.

    `template` is the text of a chat template; default: the stand-in's, which writes what
    FunctionGemma's writes. Raises BackendError for a template that is missing or fails.
    """
    try:
        source = TEMPLATE.read_text(encoding="utf-8") if template is None else template
    except (OSError, UnicodeDecodeError) as error:
        raise BackendError(f"The chat template {TEMPLATE} cannot be read: {error}.") from None
    try:
        return _compiled(source).render(
            messages=messages,
            tools=[tool.declaration() for tool in tools] or None,
            documents=None,
            add_generation_prompt=True,
            **{f"{name}_token": f"<{name}>" for name in ("bos", "eos", "pad", "unk")},
        )
    except Exception as error:
        # Not narrower: the template is the model's, and may raise whatever Python does.
        what = str(error) or type(error).__name__
        raise BackendError(f"The chat template cannot render this conversation: {what}") from error


@lru_cache(maxsize=8)
def _compiled(source: str) -> Template:
    """As transformers compiles it: sandboxed, blocks trimmed, with its four additions."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """Marks what the model is trained on; in a prompt the block is what stands in it."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(source)


def _to_json(value: Json, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise_exception(message: str) -> NoReturn:
    from jinja2 import TemplateError

    raise TemplateError(message)
