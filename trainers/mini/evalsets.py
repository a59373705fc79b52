"""The evaluation sets: seeded, and apart from the corpus by construction.

Invented names, verbs, nouns, written tools, subjects and argument words are divided by the
checksum of the word (`words.split_of`); a set marked unseen draws on the part that training
never sees. Sets for looking during training ("dev") use a third part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Literal

from trainers.mini.compose import Requests, asked_at_once, echo, refusal, several, single
from trainers.mini.lookups import lookup_requests
from trainers.mini.mixture import routing_row
from trainers.mini.naming import invented_names, renamed, varied
from trainers.mini.procedural import made_requests
from trainers.mini.render import prompt_text, target_text
from trainers.mini.schema import Request, Row
from trainers.mini.words import Splits
from trainers.mini.written import written_requests

EVAL_SEED = 7001
SIZE = 200

Role = Literal["dev", "eval"]
Maker = Callable[[Random, Role], Row]
Rename = Callable[[Sequence[Request], Random, Splits], list[Request]]


def _seen(role: Role) -> Splits:
    return Splits(values=role)


def _names(role: Role) -> Splits:
    return Splits(names=role, values=role)


def _unseen(role: Role) -> Splits:
    return Splits(role, role, role)


def _source(rng: Random) -> Requests:
    return rng.choice((written_requests, made_requests))


def _keep(requests: Sequence[Request], _rng: Random, _splits: Splits) -> list[Request]:
    return list(requests)


def _rename(requests: Sequence[Request], rng: Random, splits: Splits) -> list[Request]:
    return renamed(requests, invented_names(len(requests), rng, splits))


def _single(counts: Sequence[int], rng: Random, splits: Splits, new_names: bool) -> Row:
    requests = _source(rng)(rng.choice(counts), rng, splits)
    if new_names:
        requests = _rename(requests, rng, splits)
    return single("single", requests, rng)


def _kind(kind: Requests, counts: Sequence[int], rng: Random, splits: Splits) -> Row:
    return single("single", kind(rng.choice(counts), rng, splits), rng)


def _refusal(kind: Requests, rng: Random, splits: Splits) -> Row:
    requests = kind(rng.choice(_FEW) + 1, rng, splits)
    return refusal("refusal", varied(requests, rng, splits), rng)


def _lookup(rng: Random, splits: Splits) -> Row:
    requests = lookup_requests(rng.choice(_FEW), rng, splits)
    return single("lookup", varied(requests, rng, splits), rng)


def _parallel(rng: Random, splits: Splits, rename: Rename) -> Row:
    source, count = _source(rng), rng.choice(_FEW)
    asked, named = asked_at_once(source, count, rng, splits, rename)
    return several("parallel", [one.tool for one in named], asked, rng)


_FEW = (1, 2, 3, 4)

SETS: dict[str, Maker] = {
    "seen_2": lambda rng, role: _single((2,), rng, _seen(role), False),
    "names_1": lambda rng, role: _single((1,), rng, _names(role), True),
    "names_2": lambda rng, role: _single((2,), rng, _names(role), True),
    "names_4": lambda rng, role: _single((4,), rng, _names(role), True),
    "many_seen": lambda rng, role: _single((5, 6), rng, _seen(role), False),
    "many_unseen": lambda rng, role: _single((5, 6), rng, _names(role), True),
    "schemas_written": lambda rng, role: _kind(written_requests, (2,), rng, _unseen(role)),
    "schemas_procedural": lambda rng, role: _kind(made_requests, _FEW, rng, _unseen(role)),
    "refuse_seen": lambda rng, role: _refusal(written_requests, rng, _seen(role)),
    "refuse_unseen": lambda rng, role: _refusal(written_requests, rng, _unseen(role)),
    "refuse_procedural": lambda rng, role: _refusal(made_requests, rng, _unseen(role)),
    "parallel_seen": lambda rng, role: _parallel(rng, _seen(role), _keep),
    "parallel_unseen": lambda rng, role: _parallel(rng, _names(role), _rename),
    "lookup_seen": lambda rng, role: _lookup(rng, _names(role)),
    "lookup_unseen": lambda rng, role: _lookup(rng, _unseen(role)),
    "routing_seen": lambda rng, role: routing_row(1, rng, _names(role)),
    "routing_unseen": lambda rng, role: routing_row(1, rng, _unseen(role)),
    "copying": lambda rng, role: echo(rng, _unseen(role)),
}


def evaluation_set(
    name: str, role: Role = "eval", size: int = SIZE, seed: int = EVAL_SEED
) -> list[Row]:
    """The rows of a set; the same for the same arguments on every machine.

    A set that was looked at often is no longer unknown to whoever works on the recipe: another
    seed gives other rows of the same kind.

    Raises:
        KeyError: there is no such set.
    """
    rng = Random(f"callgate-mini/{role}/{seed}/{name}")
    return [SETS[name](rng, role) for _ in range(size)]


def checksum(name: str, role: Role = "eval", size: int = SIZE) -> str:
    """sha256 over the text of a set."""
    digest = hashlib.sha256()
    for row in evaluation_set(name, role, size):
        digest.update((prompt_text(row) + target_text(row) + "\0").encode())
    return digest.hexdigest()
