"""What reading a large data set costs: made-up rows of hermes' shape, read, cleaned and counted.

    python benchmarks/datasets.py [--rows 50000] [--whole] [--keep FILE] [--json FILE]

The rows are of the size of the real ones, 7.7 kB on average, and two thirds of them are dropped,
for the tutorial's reasons. Each measurement is a process of its own. `count` reads and cleans
every row. `tutorial` loads a spec whose `source:` asks for what the DataCamp tutorial takes: rows
shuffled, the first 3,000, of which 2,700 are to train and 50 to test. `whole`, where asked for,
loads a spec that keeps every usable row as a case. Prints seconds and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

TYPES = (
    ("str", "near the old harbour"),
    ("int", 12),
    ("float", 2.5),
    ("bool", True),
    ("List[str]", ["one", "two"]),
    ("Dict[str, int]", {"a": 1}),
    ("Optional[str]", "maybe"),
)
WORDS = ("tide", "berth", "ferry", "harbour", "lock", "pilot", "buoy", "chart", "mooring", "quay")
THOUGHT = "The user asks for something that one of the tools may do, so I look at each of them. "


def write_rows(file: Path, count: int) -> None:
    """The rows, one at a time; the same ones for the same count."""
    chance = random.Random(count)
    with file.open("w", encoding="utf-8") as stream:
        for number in range(count):
            stream.write(json.dumps(row(number, chance)) + "\n")


def row(number: int, chance: random.Random) -> dict[str, Any]:
    """A conversation of two rounds with two to five tools; one in three has a usable gold call."""
    tools = [tool(number, place, chance) for place in range(chance.randint(2, 5))]
    name, arguments = tools[0][0]["name"], tools[0][1]
    fate = chance.choice(["gold", "gold", "none", "none", "none", "undeclared"])
    call = {"name": name if fate == "gold" else f"{name}_else", "arguments": arguments}
    answer = f"<think>\n{THOUGHT * 6}\n</think>\n"
    answer += "I cannot." if fate == "none" else f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
    task = f"Please see to the {chance.choice(WORDS)} of boat {number}, {THOUGHT.lower()}"
    declared = None if number % 29 == 0 else json.dumps([one for one, _ in tools])
    turns = [
        ("system", "You call functions within <tool_call></tool_call> tags. " * 65),
        ("human", task),
        ("gpt", answer),
        (
            "tool",
            f"<tool_response>\n{json.dumps({'name': name, 'content': THOUGHT})}\n</tool_response>",
        ),
        ("gpt", f"<think>\n{THOUGHT * 4}\n</think>\nThat is done. {THOUGHT * 2}"),
    ]
    return {
        "conversations": [{"from": who, "value": said} for who, said in turns],
        "tools": declared,
        "task": task,
        "category": "made-up",
        "source": "made-up",
        "scenario_category": "relevance" if fate == "none" else "multi_step",
    }


def tool(number: int, place: int, chance: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """A tool of either style, and arguments for it."""
    name = f"{chance.choice(WORDS)}_{chance.choice(WORDS)}_{number}_{place}"
    chosen = chance.sample(TYPES, chance.randint(1, 5))
    arguments = {f"{WORDS[n]}_{n}": value for n, (_, value) in enumerate(chosen)}
    properties = {
        f"{WORDS[n]}_{n}": {"type": kind, "description": THOUGHT}
        for n, (kind, _) in enumerate(chosen)
    }
    style: dict[str, Any] = properties
    if number % 2:
        style = {"type": "dict", "properties": properties, "required": list(properties)[:1]}
    return {"name": name, "description": THOUGHT, "parameters": style}, arguments


def count_rows(file: Path) -> dict[str, int]:
    """Read and clean every row: what became of them, by reason."""
    from harness.sources import format_called
    from harness.sources.rows import Drop

    hermes = format_called("hermes")
    rows = hermes.open(file)
    found: Counter[str] = Counter()
    for place in range(len(rows)):
        raw = rows[place]
        node = raw if isinstance(raw, Drop) else hermes.convert(raw)
        found[node.reason if isinstance(node, Drop) else "cases"] += 1
    return dict(found)


def load_tutorial(file: Path) -> dict[str, int]:
    """Load a spec with the tutorial's choice of rows."""
    chosen = {"shuffle": 40, "limit": 3000, "take": {"train": 2700, "test": 300}}
    return _load(file, {**chosen, "head": {"test": 50}})


def load_whole(file: Path) -> dict[str, int]:
    """Load a spec with all rows."""
    return _load(file, {})


def _load(file: Path, chosen: dict[str, Any]) -> dict[str, int]:
    from harness.loading import load_specs

    source = {"format": "hermes", "path": str(file), **chosen}
    spec = file.with_suffix(".spec.yaml")
    spec.write_text(json.dumps({"source": source}), encoding="utf-8")
    found = load_specs([spec])[0].source
    assert found is not None
    return {"cases": found.cases, "left": found.left, **found.drops}


WAYS = {"count": count_rows, "tutorial": load_tutorial, "whole": load_whole}


def measure(way: str, file: Path) -> dict[str, Any]:
    """Seconds of wall and CPU, megabytes at the peak, and what was found; in another process."""
    command = [sys.executable, __file__, "--way", way, "--keep", str(file)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(f"{way}: exit {code}")
    return {
        "wall": round(wall, 2),
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "megabytes": round(usage.ru_maxrss / 1024),
        "found": json.loads(said),
    }


def main() -> None:
    """Write the rows, measure both ways, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--whole", action="store_true", help="measure the whole set as cases too")
    parser.add_argument("--keep", type=Path, help="where the rows are, or are to stay")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(WAYS[asked.way](asked.keep)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = asked.keep or Path(folder) / "rows.jsonl"
        if not file.exists():
            write_rows(file, asked.rows)
        size = file.stat().st_size
        print(f"{asked.rows:,} rows, {size / 1e6:.0f} MB")
        found = {way: measure(way, file) for way in WAYS if way != "whole" or asked.whole}
    for way, cost in found.items():
        print(
            f"{way:6} {cost['wall']:7.2f} s wall {cost['cpu']:7.2f} s CPU {cost['megabytes']:5} MB"
        )
        print(f"         {cost['found']}")
    if asked.json:
        asked.json.write_text(json.dumps({"rows": asked.rows, "bytes": size, **found}, indent=2))


if __name__ == "__main__":
    main()
