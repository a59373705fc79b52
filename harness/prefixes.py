"""Which prompts begin alike, and how much of it is worth computing once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

WORTH: Final = 64
"""Tokens that a shared prefix must save to be worth a pass of its own."""


@dataclass(slots=True)
class _Node:
    """Prompts that share `length` tokens, and the best way found to group them."""

    length: int
    members: list[int] = field(default_factory=list)
    groups: list[tuple[int, list[int]]] = field(default_factory=list)
    saved: int = 0

    def absorb(self, child: _Node) -> None:
        self.members += child.members
        self.groups += child.groups
        self.saved += child.saved

    def settled(self) -> _Node:
        """Itself, as one group where that saves more than the groups within."""
        saved = self.length * (len(self.members) - 1)
        if saved >= max(self.saved, WORTH):
            self.groups, self.saved = [(self.length, self.members)], saved
        return self


def prefix_groups(prompts: Sequence[Sequence[int]]) -> list[tuple[int, list[int]]]:
    """Groups of indexes, each with the length of the prefix to compute once: 0 for the rest.

    A prefix is shorter than every prompt of its group: the last token is always read. The groups
    are the nodes of the prompts' prefix tree that save the most tokens together.
    """
    order = sorted(range(len(prompts)), key=lambda index: tuple(prompts[index]))
    path = [_Node(0)]  # from the root to the last prompt, lengths increasing
    for place, index in enumerate(order):
        shared = _common(prompts[order[place - 1]], prompts[index]) if place else 0
        _climb(path, shared)
        path.append(_Node(len(prompts[index]), [index]))
    _climb(path, 0)
    grouped = {index for _, members in path[0].groups for index in members}
    rest = [index for index in range(len(prompts)) if index not in grouped]
    return [*path[0].groups, *([(0, rest)] if rest else [])]


def _climb(path: list[_Node], length: int) -> None:
    """Close the nodes longer than `length`; the last of the path is then that long."""
    while path[-1].length > length:
        child = path.pop().settled()
        if path[-1].length < length:
            path.append(_Node(length))
        path[-1].absorb(child)


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """Tokens that both begin with, the last one of each left out."""
    limit = min(len(left), len(right)) - 1
    return next((place for place in range(limit) if left[place] != right[place]), max(limit, 0))
