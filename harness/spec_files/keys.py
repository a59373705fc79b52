"""The keys of a spec file: one literal table.

The loader checks files against it, the JSON Schema for editors is made from it, and so are the
editors' help texts. A new key is one line here and the code that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.cases import DEVELOPER, SPLITS, Json
from harness.sources import FORMATS

IDENTIFIER: Final = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
LONGEST_ID: Final = 200
"""Characters of a case's id, whatever makes it up."""

_TEXT: Final = {"type": "string"}
FILLED: Final = {"type": "string", "pattern": "\\S"}
IDENTIFIER_SCHEMA: Final = {"type": "string", "pattern": IDENTIFIER}
_SHARE: Final = {"type": "number", "minimum": 0, "maximum": 1}
AN_IDENTIFIER: Final = "an identifier: letters, digits, `.`, `_` and `-`, a letter or digit first"
_A_TEXT: Final = "a text"
FILLED_TEXT: Final = "a text that is not empty"


def _ref(name: str) -> dict[str, Json]:
    return {"$ref": f"#/$defs/{name}"}


def _choice(*names: str) -> dict[str, Json]:
    return {"enum": list(names)}


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its help text, what is expected in words, and the same as a JSON Schema.

    `example` is shown where something that is no mapping stands in a mapping's place.

    The loader itself reads of `schema` only `type`, `enum`, `pattern`, the bounds and `items`;
    what stands behind a `$ref` is checked by the code that reads it.
    """

    doc: str
    expected: str
    schema: Mapping[str, Json]
    example: str = ""


PROMPT: Final = Key("A user turn.", FILLED_TEXT, FILLED)
SENTENCE: Final = Key("A clause of the rule.", "a sentence", FILLED)
TAG: Final = Key("A label.", AN_IDENTIFIER, IDENTIFIER_SCHEMA)
VARIABLE: Final = "^[A-Za-z_][A-Za-z0-9_-]*$"

Table = Mapping[str, Key]

_TOOLS: Final = (
    "The declared tools: a list of them, or a path (relative to the spec file) to a YAML or JSON "
    "list of them."
)
_COMPARE: Final = Key(
    "What a call is judged on. `tool`: the right tools, arguments valid against the schema; "
    "`arguments` (default): their values too; `exact`: the call block, byte for byte.",
    "`tool`, `arguments` or `exact`",
    _choice("tool", "arguments", "exact"),
)
_DEVELOPER: Final = Key(
    f'The developer turn; default "{DEVELOPER}". FunctionGemma calls reliably only with that '
    "sentence in it.",
    FILLED_TEXT,
    FILLED,
)

FILE_KEYS: Final[Table] = {
    "spec": Key(
        "The spec's name; default the file's stem. Unique among the files of a run.",
        AN_IDENTIFIER,
        IDENTIFIER_SCHEMA,
    ),
    "description": Key("The rule in words; shown in every report.", _A_TEXT, _TEXT),
    "clauses": Key(
        "The clauses of the rule: identifier to sentence; cases name the one they test.",
        "a mapping of identifiers to sentences",
        {"type": "object", "propertyNames": IDENTIFIER_SCHEMA, "additionalProperties": FILLED},
        "clauses: {greet: Greet the caller first.}",
    ),
    "developer": _DEVELOPER,
    "tools": Key(_TOOLS, "a list of tools, or the path of a file with one", _ref("tools")),
    "compare": _COMPARE,
    "strings": Key(
        "How literal strings compare. `exact` (default), or `fold`: letter case and runs of white "
        "space are ignored.",
        "`exact` or `fold`",
        _choice("exact", "fold"),
    ),
    "rules": Key(
        "Whose rules judge. `callgate` (default), or `bfcl`: BFCL's own checker, rule for rule.",
        "`callgate` or `bfcl`",
        _choice("callgate", "bfcl"),
    ),
    "target": Key(
        "How a gold call is written, in judging and in training. `native` (default), or "
        "`args_json`: the arguments as JSON in one string.",
        "`native` or `args_json`",
        _choice("native", "args_json"),
    ),
    "gate": Key(
        "The pass rate that the cases must reach together.",
        "a mapping with `pass_rate`, `bound` or both",
        _ref("gate"),
    ),
    "split": Key(
        "Shares for the cases that name no split, by a stable hash of the seed and the prompt (or "
        "the group).",
        "a mapping of `train`, `dev`, `test` to shares that sum to 1, and `seed`",
        _ref("split"),
    ),
    "source": Key(
        "Cases read from a data set, besides `cases`.",
        "a mapping with `format`, and `path` or `hub`",
        _ref("source"),
        "source: {format: openai, path: rows.jsonl}",
    ),
    "cases": Key(
        "The cases.",
        "a list of cases, at least one",
        {"type": "array", "minItems": 1, "items": _ref("case")},
    ),
}

CASE_KEYS: Final[Table] = {
    "id": Key(
        "The case's name, unique in the file and not `gate`; default a slug of the prompt.",
        AN_IDENTIFIER,
        {**IDENTIFIER_SCHEMA, "maxLength": LONGEST_ID, "not": {"const": "gate"}},
    ),
    "prompt": Key("The user's turn.", FILLED_TEXT, FILLED),
    "prompts": Key(
        "One case each: a mapping of identifiers to user turns, or a list of user turns.",
        "a mapping of identifiers to prompts or a list of prompts, at least one",
        {
            "oneOf": [
                {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": IDENTIFIER_SCHEMA,
                    "additionalProperties": FILLED,
                },
                {"type": "array", "minItems": 1, "items": FILLED},
            ]
        },
    ),
    "messages": Key(
        "A whole conversation, tool results included; the last turn is the user's or a tool's.",
        "a list of messages, at least one",
        {"type": "array", "minItems": 1, "items": _ref("message")},
    ),
    "each": Key(
        "Variable sets, one case each; `$(name)` in prompt and expectation is a variable's value.",
        "a list of mappings of variables to values, at least one",
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": VARIABLE},
            },
        },
    ),
    "expect": Key("What the model must do.", "an expectation", _ref("expectation")),
    "reply": Key(
        "For `no_call`: the text to train on; default a plain refusal.", FILLED_TEXT, FILLED
    ),
    "finds": Key(
        "What the calls must find: a tool that has `run`, to a page or a list of pages.",
        "a mapping of tools to pages, and `within`",
        _ref("finds"),
        "finds: {search: page.md, within: 3}",
    ),
    "then": Key(
        "What the model must answer when it is given what its calls found.",
        "a mapping with `says`",
        _ref("then"),
        "then: {says: {$contains: 75 euros}}",
    ),
    "split": Key(
        "`train`, `dev` or `test`; default by the file's `split`, else `test`.",
        "`train`, `dev` or `test`",
        _choice(*SPLITS),
    ),
    "clause": Key(
        "The clause that the case tests, one of the file's `clauses`.",
        AN_IDENTIFIER,
        IDENTIFIER_SCHEMA,
    ),
    "tags": Key(
        "Labels; markers under pytest.",
        "a list of identifiers",
        {"type": "array", "items": IDENTIFIER_SCHEMA, "uniqueItems": True},
    ),
    "group": Key("Near-duplicates share a group, and so a split.", FILLED_TEXT, FILLED),
    "critical": Key("Must pass, whatever the pass rate.", "`true` or `false`", {"type": "boolean"}),
    "skip": Key("The reason not to run the case.", FILLED_TEXT, FILLED),
    "developer": _DEVELOPER,
    "tools": Key(
        _TOOLS + " In a case also a list of names: a subset of the file's tools.",
        "a list of tools or of their names, or the path of a file with a list of tools",
        _ref("case_tools"),
    ),
    "compare": _COMPARE,
}

TOOL_KEYS: Final[Table] = {
    "name": Key(
        "The function's name.",
        "a name of letters, digits and `_`, `.`, `-`",
        {"type": "string", "pattern": "^[^\\s{}<>()\\[\\]:,\"']+$"},
    ),
    "description": Key("What the function does, for the model.", _A_TEXT, _TEXT),
    "parameters": Key(
        "The arguments: a JSON Schema with `type: object`, or the short form, a mapping of "
        "arguments to their schemas, all of them required. Left out: no arguments.",
        "a mapping: a JSON Schema with `type: object`, or arguments and their schemas",
        {"type": "object"},
    ),
    "run": Key(
        "What a call of the tool does, for `finds` and `then`; the model is not shown it.",
        "a mapping with `search`",
        _ref("run"),
        "run: {search: pages}",
    ),
}

GATE_KEYS: Final[Table] = {
    "pass_rate": Key(
        "The share of the cases that must pass, 0 to 1; default 1.0.",
        "a number from 0 to 1",
        _SHARE,
    ),
    "bound": Key(
        "What must reach it: the rate itself (`point`, default) or the lower end of its 95 % "
        "Wilson interval (`lower`).",
        "`point` or `lower`",
        _choice("point", "lower"),
    ),
}

SPLIT_KEYS: Final[Table] = {
    **{
        name: Key(f"The share of the {name} cases, 0 to 1.", "a number from 0 to 1", _SHARE)
        for name in SPLITS
    },
    "seed": Key("Another seed, another split; default 0.", "a whole number", {"type": "integer"}),
}

ROW_COUNT: Final = Key(
    "A number of rows.", "a whole number from 0", {"type": "integer", "minimum": 0}
)

SOURCE_KEYS: Final[Table] = {
    "format": Key(
        "How the rows are written.",
        "one of " + ", ".join(f"`{name}`" for name in FORMATS),
        _choice(*FORMATS),
    ),
    "path": Key("The data file, relative to the spec file.", "the path of a file", FILLED),
    "hub": Key("A data set of the Hugging Face Hub.", "an id: `OWNER/NAME`", FILLED),
    "revision": Key(
        "For `hub`: a branch, a tag or a commit; default `main`.", "a text (quote it)", FILLED
    ),
    "hub_split": Key("For `hub`: the split to read; default `train`.", "a text", FILLED),
    "where": Key(
        "Only rows whose fields hold these values: field (dots lead inside) to a value, or to a "
        "list of values.",
        "a mapping of fields to values",
        {"type": "object", "minProperties": 1},
        "where: {metadata: eval}",
    ),
    "shuffle": Key(
        "A seed: the rows in the order in which `datasets` shuffles them with it.",
        "a whole number from 0",
        {"type": "integer", "minimum": 0},
    ),
    "limit": Key(
        "At most so many rows, the first ones.",
        "a whole number from 1",
        {"type": "integer", "minimum": 1},
    ),
    "take": Key(
        "Splits by position: the first so many rows to the first split named, the next to the "
        "next; the others are not read.",
        "a mapping of splits to numbers of rows",
        _ref("row_counts"),
        "take: {train: 2700, test: 300}",
    ),
    "head": Key(
        "At most so many cases of a split, the first usable ones.",
        "a mapping of splits to numbers of cases",
        _ref("row_counts"),
        "head: {test: 50}",
    ),
}

MESSAGE_KEYS: Final[Table] = {
    "role": Key(
        "Whose turn it is.",
        "`developer`, `system`, `user`, `assistant` or `tool`",
        _choice("developer", "system", "user", "assistant", "tool"),
    ),
    "content": Key(
        "The text; for `tool` the result, a text or a mapping.",
        "a text, or for `tool` a text or a mapping",
        {"type": ["string", "object"]},
    ),
    "name": Key("For `tool`: the function that gave the result.", "the name of a tool", FILLED),
    "tool_calls": Key(
        "For `assistant`: the calls it made.",
        "a list of calls, at least one",
        {"type": "array", "minItems": 1, "items": _ref("made_call")},
    ),
}

MADE_CALL_KEYS: Final[Table] = {
    "name": Key("The called function.", "the name of a tool", FILLED),
    "arguments": Key(
        "Its arguments, by name; a mapping, not a JSON text.",
        "a mapping of arguments to values",
        {"type": "object"},
    ),
}

EXPECT_KEYS: Final[Mapping[str, Table]] = {
    "calls": {
        "calls": Key(
            "Exactly these calls; every name here is a tool's.",
            "a list of calls, at least one",
            {"type": "array", "minItems": 1, "items": _ref("expected_call")},
        ),
        "order": Key(
            "`any` (default), or `strict`: in this order.",
            "`any` or `strict`",
            _choice("any", "strict"),
        ),
    },
    "no_call": {
        "no_call": Key("No call at all.", "`true`", {"const": True}),
        "says": Key("What the text must match.", "a text or a match", _ref("value")),
    },
    "one_of": {
        "one_of": Key(
            "Any of these expectations; the first is the one to train on.",
            "a list of expectations, at least one",
            {"type": "array", "minItems": 1, "items": _ref("expectation")},
        ),
    },
}
"""The expectations that are mappings with reserved keys, by the key that marks them."""

RESERVED: Final = ("no_call", "any_call", "one_of", "calls")
"""Names that are expectations; a tool of that name is written under `calls:`."""
