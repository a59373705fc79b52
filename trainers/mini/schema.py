"""The parts of a corpus row: parameters, tools, calls, and the row itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]
Swap = Literal["none", "values", "all"]

_SLOT = re.compile(r"(\w+)(?:\((.*)\))?$")
_PLAIN_TYPES = {"int": "integer", "number": "number", "bool": "boolean"}


@dataclass(frozen=True)
class Slot:
    """What a parameter holds: `kind` and, in brackets, its details.

    `int(1-9)`, `number(1-9)`, `bool`, `enum(a/b)`, `list(SLOT)`, `object(key:SLOT,key:SLOT)`,
    or the name of a kind of string.
    """

    kind: str
    detail: str = ""

    @classmethod
    def parse(cls, text: str) -> Slot:
        """Reads the notation above.

        Raises:
            ValueError: the text is no slot.
        """
        match = _SLOT.match(text.strip())
        if match is None:
            raise ValueError(f"not a slot: {text!r}")
        return cls(match[1], match[2] or "")

    def members(self) -> list[tuple[str, Slot]]:
        """The members of an object slot."""
        pairs = (part.split(":") for part in self.detail.split(","))
        return [(key.strip(), Slot.parse(slot)) for key, slot in pairs]

    def options(self) -> list[str]:
        """The values of an enum slot."""
        return self.detail.split("/")

    def schema(self, description: str) -> Json:
        """The JSON schema of a parameter that holds this slot."""
        if self.kind == "enum":
            return {"type": "string", "description": description, "enum": self.options()}
        if self.kind == "list":
            inner = Slot.parse(self.detail).schema("")
            return {"type": "array", "description": description, "items": {"type": inner["type"]}}
        if self.kind == "object":
            members = {key: slot.schema(key) for key, slot in self.members()}
            return {"type": "object", "description": description, "properties": members}
        return {"type": _PLAIN_TYPES.get(self.kind, "string"), "description": description}


@dataclass(frozen=True)
class Param:
    """A parameter of a tool."""

    name: str
    slot: Slot
    description: str


@dataclass(frozen=True)
class Tool:
    """A tool as the model sees it declared."""

    name: str
    description: str
    params: tuple[Param, ...] = ()
    required: tuple[str, ...] = ()

    def schema(self) -> Json:
        """The declaration in the form `apply_chat_template` takes."""
        function: Json = {"name": self.name, "description": self.description}
        if self.params:
            properties = {p.name: p.slot.schema(p.description) for p in self.params}
            function["parameters"] = {"type": "object", "properties": properties}
            if self.required:
                function["parameters"]["required"] = list(self.required)
        return {"type": "function", "function": function}


@dataclass(frozen=True)
class Call:
    """A call of a tool."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What a user asks of one tool, and the call that answers it.

    Attributes:
        text: the request, without capital letter or full stop.
        kin: a name of the matter asked for; two requests of one kin could be swapped.
    """

    tool: Tool
    text: str
    arguments: Mapping[str, Any]
    kin: str

    def call(self) -> Call:
        """The call that answers the request."""
        return Call(self.tool.name, self.arguments)


@dataclass(frozen=True)
class Row:
    """One example: either `calls` or a `reply` in words is the target.

    Attributes:
        family: the part of the mixture it comes from.
        swap: which words may be replaced by random ones, the same in all places: "none", those
            of the values asked for ("values"), or "all" but those of the format.
        values: the texts among the arguments that are asked for, also where no tool fits: a row
            with strange words must not be known for one with a call.
    """

    family: str
    developer: str
    tools: tuple[Tool, ...]
    user: str
    calls: tuple[Call, ...] = ()
    reply: str = ""
    swap: Swap = "none"
    values: tuple[str, ...] = ()

    def messages(self) -> list[Json]:
        """The conversation up to the model's turn."""
        turns = [{"role": "user", "content": self.user}]
        if self.developer:
            turns.insert(0, {"role": "developer", "content": self.developer})
        return turns
