"""The vocabulary: what the rest of callgate says about specs, requests, replies and verdicts.

Plain frozen dataclasses and two enumerations. Standard library only, so that every other module
may import this one at no cost; what tools find is in `harness.retrieval.found`, alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Literal, Protocol

from harness.retrieval.found import Finds, Found, Runner

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of them."""

Split = Literal["train", "dev", "test"]
Compare = Literal["tool", "arguments", "exact"]
Rules = Literal["callgate", "bfcl"]
Target = Literal["native", "args_json"]
Finish = Literal["stop", "length"]
Turn = Literal["call", "answer"]

SPLITS: Final[tuple[Split, ...]] = ("train", "dev", "test")
DEVELOPER: Final = "You are a model that can do function calling with the following functions"
"""FunctionGemma's trigger sentence: the developer turn of a spec that writes none."""
NO_MARKERS: Final = frozenset({"skip", "skipif", "xfail"})
"""Tags that become no pytest markers: by these pytest itself would decide an outcome."""


class Outcome(StrEnum):
    """What became of a case. An `error` is never the model's fault, and never a pass."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"


class Miss(StrEnum):
    """Why a case failed: the first that applies, in this order."""

    TRUNCATED = "truncated"
    MALFORMED_CALL = "malformed_call"
    UNEXPECTED_CALL = "unexpected_call"
    WRONG_TEXT = "wrong_text"
    NO_CALL = "no_call"
    UNKNOWN_TOOL = "unknown_tool"
    EXTRA_CALL = "extra_call"
    MISSING_CALL = "missing_call"
    WRONG_TOOL = "wrong_tool"
    INVALID_ARGUMENTS = "invalid_arguments"
    WRONG_ARGUMENTS = "wrong_arguments"
    WRONG_ORDER = "wrong_order"
    NOT_FOUND = "not_found"
    WRONG_ANSWER = "wrong_answer"
    NOT_EXACT = "not_exact"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file; line and column count from 1."""

    path: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Tool:
    """A declared function. `parameters` is a JSON Schema of type object; empty: no arguments.

    `run` is what a call of it does, which models are not shown; None: nothing.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    run: Runner | None = None

    def declaration(self) -> dict[str, Json]:
        """The tool as chat templates take it: `{"type": "function", "function": {…}}`."""
        function: dict[str, Json] = {"name": self.name, "description": self.description}
        if self.parameters:
            function["parameters"] = self.parameters
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class Call:
    """A call, made or expected: `name` and its arguments by name."""

    name: str
    arguments: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What a backend gets for one case: the conversation so far and the declared tools.

    `messages` are mappings with `role` and `content` as chat templates take them, the developer
    turn first. `case` names the case it was made for, and `turn` what is asked of it: its calls,
    or its answer to what they found. `draft` is the text of the reply to hope for, stop token
    included: a decoder that reads it ahead is quicker for it, and replies the same. None of the
    three is part of the digest.
    """

    case: str
    messages: tuple[Mapping[str, Json], ...]
    tools: tuple[Tool, ...]
    draft: str | None = None
    turn: Turn = "call"

    @cached_property
    def digest(self) -> str:
        """16 hex digits that change when a message or a declaration does."""
        content = {"messages": self.messages, "tools": [tool.declaration() for tool in self.tools]}
        text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a request: the raw text, control tokens included.

    `finish` is "length" when the token limit ended it. `error` says why there is no reply; the
    text is then empty. `prompt_tokens` and `completion_tokens` are None where nobody counted, as
    are `forward_passes`, the passes of the model that this reply took part in, and
    `draft_tokens`, the tokens of it that were read from a draft. `answer` is the reply that
    followed when the model was given what its calls found.
    """

    text: str
    finish: Finish = "stop"
    error: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    cached: bool = False
    forward_passes: int | None = None
    draft_tokens: int | None = None
    answer: Reply | None = None


class Matcher(Protocol):
    """What a spec says about one value. `harness.matchers` holds them all."""

    def problem(self, value: Json) -> str | None:
        """None where the value is as expected, else a phrase: `expected …, got …`."""

    @property
    def gold(self) -> Json:
        """The value to train on and to write in the gold block, or `NO_GOLD`."""

    @property
    def optional(self) -> bool:
        """Whether the value may be absent."""

    @property
    def absent(self) -> bool:
        """Whether the value must be absent."""


class _NoGold:
    """The type of `NO_GOLD`: None would be a value."""

    def __repr__(self) -> str:
        return "NO_GOLD"


NO_GOLD: Final = _NoGold()


@dataclass(frozen=True, slots=True)
class ExpectedCall:
    """One expected call; `arguments` None: any that are valid against the tool's schema."""

    tool: str
    arguments: Mapping[str, Matcher] | None = None


@dataclass(frozen=True, slots=True)
class Calls:
    """Exactly these calls, in any order unless `ordered`."""

    calls: tuple[ExpectedCall, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class NoCall:
    """No call at all; `says` is a matcher for the text."""

    says: Matcher | None = None


@dataclass(frozen=True, slots=True)
class AnyCall:
    """At least one well-formed call, whatever it is."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of these expectations; the first is the gold one."""

    options: tuple[Expectation, ...]


Expectation = Calls | NoCall | AnyCall | OneOf


@dataclass(frozen=True, slots=True)
class Then:
    """What the model must answer when it is given what its calls found.

    `says` is a matcher for the text, `reply` the text to train on, `written` as its author has it.
    """

    says: Matcher
    reply: str | None = None
    written: Json = None


@dataclass(frozen=True)
class Case:
    """One request with its expectation; one pytest item.

    `prompt` is the last user turn and `written` the expectation in its author's words, both for
    people to read. `reply` is the text to train a `no_call` case on. `skip` is the reason not to
    run it. `finds` and `then` say what the calls must find, and what is to be answered then.
    """

    id: str
    spec: str
    request: Request
    prompt: str
    expect: Expectation
    location: Location
    compare: Compare = "arguments"
    rules: Rules = "callgate"
    target: Target = "native"
    split: Split = "test"
    clause: str | None = None
    tags: tuple[str, ...] = ()
    group: str | None = None
    critical: bool = False
    skip: str | None = None
    reply: str | None = None
    written: Json = None
    finds: Finds | None = None
    then: Then | None = None

    @property
    def ref(self) -> str:
        """`SPEC::ID`: how logs and replay files name the case."""
        return f"{self.spec}::{self.id}"

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools declared to the model for this case."""
        return self.request.tools


@dataclass(frozen=True, slots=True)
class Gate:
    """The pass rate that a spec demands, and whether the point or the interval must reach it."""

    pass_rate: float = 1.0
    bound: Literal["point", "lower"] = "point"


@dataclass(frozen=True, slots=True)
class DroppedRows:
    """Rows of a data set that became no case, for one reason; `first` is where the first one is."""

    reason: str
    count: int
    first: Location
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RowsRead:
    """What became of the rows of a spec's data set.

    `rows` counts those that were chosen: `cases` of them became cases, `left` were not read for
    being beyond the `head` of their split, and the rest are `dropped`. `lost` says what rows have
    and their cases have not: a phrase, and of how many rows it is true. `hint` says what the rows
    hold where none met `where`. `broken` counts the cases whose expected calls break their own
    tools' schemas, for which no reply is blamed. `asked` are the splits that `take` or `head`
    asks for rows of.
    """

    format: str
    place: str
    rows: int
    cases: int
    left: int = 0
    dropped: tuple[DroppedRows, ...] = ()
    lost: Mapping[str, int] = field(default_factory=dict)
    hint: str = ""
    broken: int = 0
    asked: tuple[Split, ...] = ()

    @property
    def drops(self) -> dict[str, int]:
        """Reason → how many rows."""
        return {one.reason: one.count for one in self.dropped}


@dataclass(frozen=True)
class Spec:
    """One spec file, read and checked.

    `digest` covers the file, the tool lists it names and the data it reads; `source` says what
    became of the rows of its data set, None where it has none.
    """

    name: str
    path: str
    digest: str
    cases: tuple[Case, ...]
    gate: Gate = Gate()
    description: str = ""
    clauses: Mapping[str, str] = field(default_factory=dict)
    source: RowsRead | None = None

    def in_split(self, split: str) -> tuple[Case, ...]:
        """The cases of `train`, `dev`, `test`, or of `all` of them."""
        return tuple(case for case in self.cases if split in ("all", case.split))

    def owes(self, split: str) -> bool:
        """Whether nothing to judge in a split is an error: its data set should have given some."""
        if self.in_split(split):
            return False
        return not self.cases or (self.source is not None and split in self.source.asked)


@dataclass(frozen=True)
class Verdict:
    """A case, its reply, and what was found.

    `tool_match` is the guide's tool accuracy: the first call's name is the first expected name,
    or no call where none is expected. `cer` is the character error rate of the first call block
    against `gold`, the gold block; both are None for a case without one. `schema_valid` is None
    where no call was made. `note` says where a rule of `rules: bfcl` decided against good sense,
    and where a data set's row expects a call that breaks its own tool's schema. `found` is what
    the calls found that could be run, in their order, for a case that asks for it.
    """

    case: Case
    reply: Reply
    outcome: Outcome
    miss: Miss | None = None
    reason: str = ""
    calls: tuple[Call, ...] = ()
    tool_match: bool | None = None
    schema_valid: bool | None = None
    gold: str | None = None
    cer: float | None = None
    note: str | None = None
    found: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """How many cases ended how. `judged` leaves out errors and skips."""

    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0

    @property
    def judged(self) -> int:
        """Cases that the model passed or failed."""
        return self.passed + self.failed

    @property
    def rate(self) -> float | None:
        """Share of the judged cases that passed, 0 to 1; None where nothing was judged."""
        return self.passed / self.judged if self.judged else None
