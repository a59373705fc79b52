"""A real Chromium, one for all tests, and the pages that it is shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.counting import summarise
from reports.html import render
from reports.runs import open_run

REPOSITORY = Path(__file__).parent.parent.parent.parent
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)
ATTACK = (
    "<script>window.ran = 1</script><img src='https://example.org/x.png' onerror='window.ran = 1'>"
    "</pre></details></style><svg onload='window.ran = 1'><iframe src='https://example.org'>"
    "\x1b[31m\u202e\x00<!-- <link rel=stylesheet href='https://example.org/x.css'>"
)
HISTORY = [
    {"kind": "start", "rows": 60, "dropped": [], "given_up": {}, "seed": 40, "until": 0.9},
    *(
        {"kind": "step", "step": n, "epoch": n / 4, "loss": 2.4 / n + 0.05 * (n % 3)}
        for n in range(1, 17)
    ),
    *(
        {
            "kind": "round", "round": n, "epoch": float(n), "step": 4 * n,
            "validation_loss": loss, "dev_passed": passed, "dev_judged": 30, "best": n == 3,
        }
        for n, loss, passed in ((1, 1.4, 12), (2, 0.9, 19), (3, 0.7, 25), (4, 0.75, 24))
    ),
    {"kind": "end", "ended": "all 4 epochs are trained", "best_round": 3},
]  # fmt: skip


def gate(spec: Path, replies: Path, log: Path) -> None:
    """Write a run log of recorded replies."""
    command = [sys.executable, "-m", "harness", "run", str(spec), "--no-cache"]
    command += ["--model", f"replay:{replies}", "--run-log", str(log)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1), ended.stderr


def write_page(run: Path, page: Path) -> str:
    """The page of a run, as the address of its file."""
    page.write_text(render(summarise(open_run(str(run), None))), encoding="utf-8")
    return page.as_uri()


@pytest.fixture(scope="session")
def guide(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The guide's tuning, before and after, as a training run's folder."""
    folder = tmp_path_factory.mktemp("guide")
    for when in ("before", "after"):
        gate(
            REPOSITORY / "specs/search_policy.spec.yaml",
            REPOSITORY / f"docs/replies/guide-{when}.jsonl",
            folder / f"{when}.jsonl",
        )
    lines = "".join(f"{json.dumps(line)}\n" for line in HISTORY)
    (folder / "history.jsonl").write_text(lines, encoding="utf-8")
    return write_page(folder, folder / "guide.html")


@pytest.fixture(scope="session")
def traps(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One run with every kind of miss, many tools and tags, and nothing to compare it with."""
    folder = tmp_path_factory.mktemp("traps")
    gate(
        REPOSITORY / "specs/everyday_traps.spec.yaml",
        REPOSITORY / "docs/replies/everyday-traps.jsonl",
        folder / "run.jsonl",
    )
    return write_page(folder / "run.jsonl", folder / "traps.html")


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A spec and a model that both write what should run, and a megabyte of reply."""
    folder = tmp_path_factory.mktemp("attacked")
    case = {"id": "a", "prompt": ATTACK, "expect": "find", "tags": ["t"], "clause": "c"}
    long = {"id": "b", "prompt": "long", "expect": "find"}
    spec = {
        "spec": "attacked",
        "description": ATTACK,
        "clauses": {"c": ATTACK},
        "tools": [{"name": "find", "parameters": {"query": {"type": "string"}}}],
        "cases": [case, long],
    }
    replies = {"a": ATTACK, "b": ATTACK * 4000}
    (folder / "a.spec.yaml").write_text(json.dumps(spec), encoding="utf-8")
    (folder / "replies.jsonl").write_text(
        "".join(
            f"{json.dumps({'case': f'attacked::{name}', 'reply': reply})}\n"
            for name, reply in replies.items()
        ),
        encoding="utf-8",
    )
    gate(folder / "a.spec.yaml", folder / "replies.jsonl", folder / "run.jsonl")
    return write_page(folder / "run.jsonl", folder / "attacked.html")


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """More cases than are listed at once; every tenth misses."""
    folder = tmp_path_factory.mktemp("many")
    cases = "".join(
        f"  - {{id: c-{n}, prompt: Prompt {n}, expect: find, tags: [t-{n % 3}]}}\n"
        for n in range(1200)
    )
    (folder / "a.spec.yaml").write_text(f"spec: many\ntools: [{{name: find}}]\ncases:\n{cases}")
    call = "<start_function_call>call:find{}<end_function_call>"
    replies = (
        json.dumps({"case": f"many::c-{n}", "reply": call if n % 10 else "No."})
        for n in range(1200)
    )
    (folder / "replies.jsonl").write_text("\n".join(replies))
    gate(folder / "a.spec.yaml", folder / "replies.jsonl", folder / "run.jsonl")
    return write_page(folder / "run.jsonl", folder / "many.html")


class Browser:
    """A Chromium, driven as a person would; one for all tests."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def run(self, script: str, *arguments: object) -> Any:
        """What a script on the page returns."""
        return self.driver.execute_script(script, *arguments)

    def command(self, name: str, **parameters: object) -> None:
        """A command of Chrome's own protocol."""
        self.driver.execute_cdp_cmd(name, parameters)

    def open(self, page: str, width: int = 1280, scheme: str = "light") -> None:
        """A page, fresh, at a width and with a colour scheme."""
        self.look(scheme)
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.driver.get("about:blank")
        self.driver.get(page)
        # On a busy machine the driver may come back while a long page is still being read.
        self.wait(lambda: self.run("return document.readyState") == "complete")

    def look(self, scheme: str = "light", media: str = "") -> None:
        """Emulate what a reader has set."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)

    def find(self, selector: str) -> Any:
        """The first element."""
        return self.driver.find_element("css selector", selector)

    def press(self, *keys: str) -> None:
        """Type on the keyboard, wherever the focus is."""
        from selenium.webdriver import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def rows(self) -> list[str]:
        """The ids of the cases that are shown."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll('#rows > li')]"
            ".filter((row) => row.getBoundingClientRect().height > 0)"
            ".map((row) => row.querySelector('summary > code').textContent)"
        )
        return found

    def count(self) -> str:
        """What the page says of how many are shown."""
        return str(self.find("#count").text)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for something, a minute at most."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 60).until(lambda _: condition())

    def until(self, count: str) -> None:
        """Wait until the page says that so many are shown: a link is followed a moment later."""
        self.wait(lambda: self.count() == count)

    def choose(self, name: str, words: str) -> None:
        """Choose in one of the lists."""
        from selenium.webdriver.support.ui import Select

        Select(self.find(f"#{name}")).select_by_visible_text(words)

    def focused(self) -> str:
        """The element that has the focus: its id, or else its text."""
        return str(
            self.run(
                "const e = document.activeElement;"
                "return e.id || e.textContent.trim().split(/\\s+/).join(' ')"
            )
        )


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium with an empty profile; skips where there is none, but never in CI."""
    if not (CHROMIUM and DRIVER) and "CI" not in os.environ:
        pytest.skip("needs Debian's chromium and chromium-driver")
    assert CHROMIUM, "chromium is not installed: apt-get install chromium"
    assert DRIVER, "chromedriver is not installed: apt-get install chromium-driver"
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield Browser(driver)
    driver.quit()
