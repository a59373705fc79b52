"""What reports cost: a run of many cases, before and after, in every format, and in a browser.

    python benchmarks/reporting.py [--cases 10000] [--runs 3] [--json FILE]

Prints medians of the runs: seconds from the two run logs to the text of each format, its size,
and in Chromium how long the HTML page takes to open and a filter to show its rows: from the
click to the next frame that is painted. Limits are those that the project has set itself.
Without Chromium and selenium the page's own times are left out.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("bedroom", "kitchen", "bathroom", "living_room", "garage")
TOOLS = ("set_light", "set_heating", "play_music", "send_message", "add_reminder", "get_weather")
CHROMIUM = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)
TIMED = """
const [act, done] = [new Function(arguments[0]), arguments[arguments.length - 1]];
const started = performance.now();
act();
requestAnimationFrame(() => setTimeout(() => done(performance.now() - started)));
"""
"""The script that measures: what the page does, and the frame that shows it."""
ACTIONS = {
    "filter: broken": "document.querySelector('button[data-show=broken]').click()",
    "filter: all again": "document.querySelector('button[data-show=all]').click()",
    "filter: miss": "const s = document.getElementById('miss'); s.value = '0';"
    "s.dispatchEvent(new Event('change'))",
    "filter: tag as well": "const s = document.getElementById('tag'); s.value = '2';"
    "s.dispatchEvent(new Event('change'))",
    "filter: cleared": "document.getElementById('clear').click()",
    "search: a word": "const s = document.getElementById('search'); s.value = 'kitchen';"
    "s.dispatchEvent(new Event('input'))",
    "search: three words": "const s = document.getElementById('search');"
    "s.value = 'kitchen number 77'; s.dispatchEvent(new Event('input'))",
    "search: cleared": "document.getElementById('clear').click()",
}


@dataclass(frozen=True)
class Measured:
    """What was measured of what: `value` in `unit`, and the limit, if there is one."""

    what: str
    value: float
    unit: str
    limit: float | None = None


def write_project(folder: Path, cases: int) -> None:
    """A spec of many cases with clauses and tags, and the replies of two models."""
    chance = random.Random(0)
    lines = [
        "spec: house",
        "description: The house does what was asked for, in the room that was named.",
        "clauses:",
        *(f"  clause-{n}: Sentence number {n} of the policy of this house." for n in range(8)),
        "tools:",
        *(
            f"  - {{name: {tool}, parameters: {{room: {{type: string}}, text: {{type: string}}}}}}"
            for tool in TOOLS
        ),
        "gate: {pass_rate: 0.8}",
        "cases:",
    ]
    replies: dict[str, list[str]] = {"before": [], "after": []}
    for n in range(cases):
        tool, room = chance.choice(TOOLS), chance.choice(ROOMS)
        text = f"request number {n} of somebody who lives in the {room}"
        lines += [
            f"  - id: case-{n}",
            f"    prompt: Please take care of {text}, and do it with {tool} if that can be done.",
            f"    expect: {{{tool}: {{room: {room}, text: {text}}}}}",
            f"    clause: clause-{n % 8}",
            f"    tags: [tag-{n % 5}, tag-{5 + n % 7}]",
        ]
        for when, share in (("before", 0.3), ("after", 0.85)):
            reply = _reply(chance, share, tool, room, text)
            replies[when].append(json.dumps({"case": f"house::case-{n}", "reply": reply}))
    (folder / "house.spec.yaml").write_text("\n".join([*lines, ""]), encoding="utf-8")
    (folder / "pyproject.toml").write_text("[tool.callgate]\n", encoding="utf-8")
    for when, some in replies.items():
        (folder / f"{when}-replies.jsonl").write_text("\n".join([*some, ""]), encoding="utf-8")


def _reply(chance: random.Random, share: float, tool: str, room: str, text: str) -> str:
    """The right call, or one of the ways to miss."""
    if chance.random() > share:
        kind = chance.randrange(3)
        if kind == 0:
            return "I am sorry, but I cannot help with that; my tools are for other things."
        tool = chance.choice(TOOLS) if kind == 1 else tool
        room = chance.choice(ROOMS)
    return (
        f"<start_function_call>call:{tool}{{room:<escape>{room}<escape>,text:<escape>{text}"
        "<escape>}<end_function_call>"
    )


def write_logs(folder: Path, cases: int) -> tuple[str, str]:
    """The run logs before and after, made by the gate itself."""
    write_project(folder, cases)
    for when in ("before", "after"):
        command = [sys.executable, "-m", "harness", "run", "house.spec.yaml", "--no-cache"]
        command += ["--model", f"replay:{when}-replies.jsonl", "--run-log", f"{when}.jsonl"]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if ended.returncode not in (0, 1):
            sys.exit(f"{' '.join(command)}: exit {ended.returncode}\n{ended.stderr}")
    return str(folder / "before.jsonl"), str(folder / "after.jsonl")


def timed(work: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """The median of the seconds that several runs of it take, and what the last one gave."""
    seconds = []
    result = None
    for _ in range(runs):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), result


def formats(before: str, after: str, runs: int, page: Path) -> Iterator[Measured]:
    """From the logs to each format; the page is written to `page`."""
    from reports import as_json, html, markdown
    from reports.counting import summarise
    from reports.runs import open_run

    reading, summary = timed(lambda: summarise(open_run(after, before)), runs)
    yield Measured("logs read and counted", reading, "s")
    for name, render, limit in (
        ("Markdown", markdown.render, 3.0),
        ("JSON", as_json.render, 3.0),
        ("HTML", html.render, 5.0),
    ):
        seconds, text = timed(lambda render=render: render(summary), runs)  # type: ignore[misc]
        yield Measured(f"{name}, logs included", reading + seconds, "s", limit)
        size = 15.0 if name == "HTML" else None
        yield Measured(f"{name}, size", len(text.encode()) / 1e6, "MB", size)
        if name == "HTML":
            page.write_text(text, encoding="utf-8")


def in_chromium(page: Path, runs: int) -> Iterator[Measured]:
    """What a reader waits for."""
    from selenium import webdriver

    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for argument in (*CHROMIUM, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        browser = webdriver.Chrome(options=options, service=service)
        try:
            browser.set_script_timeout(60)
            opening, _ = timed(lambda: browser.get(page.as_uri()), runs)
            yield Measured("page opens", opening, "s")
            found: dict[str, list[float]] = {what: [] for what in ACTIONS}
            for _ in range(runs):
                browser.get(page.as_uri())
                time.sleep(3)  # a reader looks before searching; the page gathers its texts
                for what, action in ACTIONS.items():
                    found[what].append(browser.execute_async_script(TIMED, action))
            for what, values in found.items():
                yield Measured(what, statistics.median(values), "ms", 200.0)
        finally:
            browser.quit()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    sys.path[0] = str(REPOSITORY)  # was this folder, where `reports` is this file
    with tempfile.TemporaryDirectory() as name:
        before, after = write_logs(Path(name), asked.cases)
        page = Path(name) / "page.html"
        measured = list(formats(before, after, asked.runs, page))
        if shutil.which("chromium") and shutil.which("chromedriver"):
            measured += in_chromium(page, asked.runs)
    rows = [
        (
            one.what,
            f"{one.value:,.2f}" if one.unit != "ms" else f"{one.value:,.0f}",
            one.unit,
            "" if one.limit is None else f"{one.limit:,.0f}",
            "" if one.limit is None else "yes" if one.value < one.limit else "NO",
        )
        for one in measured
    ]
    heads = (f"{asked.cases:,} cases", "median", "", "limit", "kept")
    print(tabulate(rows, heads, tablefmt="github", disable_numparse=True))
    if asked.json:
        asked.json.write_text(json.dumps([asdict(one) for one in measured], indent=1) + "\n")


if __name__ == "__main__":
    main()
