"""The page as it is seen: no code that runs, every width and scheme, without JavaScript, on paper.

Screenshots go to `tests/screenshots/`, which git ignores.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

SCREENSHOTS = Path(__file__).parent.parent.parent / "screenshots"
pytestmark = pytest.mark.slow


def test_nothing_runs_and_nothing_is_asked_for(browser: Any, attacked: str) -> None:
    """Markup of a model or of a spec is text; no request leaves; a slipped tag could not run."""
    browser.driver.get_log("performance")
    browser.open(attacked)
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.run("return window.ran ?? null") is None
    shown = browser.find("#rows").text
    assert "<script>window.ran = 1</script>" in shown
    assert r"\x1b[31m\u202e\x00" in shown
    assert "characters left out" in shown
    assert (
        browser.run("return document.querySelectorAll('img, iframe, link:not([rel=icon])').length")
        == 0
    )
    browser.run(
        "document.body.insertAdjacentHTML("
        "'beforeend', '<img src=data:,x onerror=\"window.ran = 1\">');"
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        "document.body.append(s);"
    )
    assert browser.driver.execute_async_script(
        "setTimeout(() => arguments[0](window.ran ?? null), 300)"
    ) is None  # fmt: skip
    asked = [
        message["params"]["request"]["url"]
        for entry in browser.driver.get_log("performance")
        for message in (json.loads(entry["message"])["message"],)
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith(("data:", "about:"))] == [attacked]


def test_without_javascript(browser: Any, guide: str) -> None:
    """No filters are offered; every case is there and opens."""
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(guide)
        assert not browser.find("#filters").is_displayed()
        assert len(browser.driver.find_elements("css selector", "#rows > li")) == 20
        assert not browser.find("#case-0 pre").is_displayed()
        browser.find("#case-0 summary").click()
        assert browser.find("#case-0 pre").is_displayed()
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


CONTRAST = """
const parse = (text) => {
  const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
  return text.startsWith("color(") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
};
const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
const light = (rgb) => rgb.map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (element) => {
  const layers = [];
  for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
  return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
};
const low = new Set();
for (const e of document.querySelectorAll("body *:not(script)")) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.checkVisibility()) continue;
  const style = getComputedStyle(e);
  const under = ground(e);
  const ink = over(parse(e instanceof SVGElement ? style.fill : style.color), under);
  const [high, low_] = [light(ink), light(under)].sort((a, b) => b - a);
  const ratio = (high + 0.05) / (low_ + 0.05);
  if (ratio < 4.5) low.add(`${e.tagName}.${e.className.baseVal ?? e.className} ${ratio.toFixed(2)}`);
}
return [...low];
"""  # noqa: E501


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1280])
@pytest.mark.parametrize("name", ["guide", "traps"])
def test_every_width_and_scheme(
    browser: Any, name: str, width: int, scheme: str, request: pytest.FixtureRequest
) -> None:
    """The page never scrolls sideways, and letters stand out from what is behind them."""
    browser.open(request.getfixturevalue(name), width, scheme)
    browser.run(
        "document.querySelectorAll('.more, #case-0 details, #case-5 details')"
        ".forEach((one) => { one.open = true; })"
    )
    SCREENSHOTS.mkdir(exist_ok=True)
    take_screenshot(browser, SCREENSHOTS / f"{name}-{width}-{scheme}.png", width)
    sizes = browser.run("const e = document.documentElement; return [e.scrollWidth, e.clientWidth]")
    assert sizes[0] <= sizes[1]
    assert browser.run(CONTRAST) == []
    dark = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(19, 22, 25)") == (scheme == "dark")


def take_screenshot(browser: Any, file: Path, width: int) -> None:
    """The whole page in one picture, however long."""
    height = browser.run("return document.documentElement.scrollHeight")
    size: dict[str, object] = {"width": width, "deviceScaleFactor": 1, "mobile": False}
    browser.command("Emulation.setDeviceMetricsOverride", **size, height=height)
    browser.driver.save_screenshot(str(file))
    browser.command("Emulation.setDeviceMetricsOverride", **size, height=900)


def test_what_a_screen_reader_relies_on(browser: Any, guide: str) -> None:
    """Language, landmarks, one h1, no level left out, scopes, labels, names of drawings."""
    browser.open(guide)
    found: Callable[[str], int] = lambda selector: len(  # noqa: E731
        browser.driver.find_elements("css selector", selector)
    )
    assert browser.run("return document.documentElement.lang") == "en"
    assert [found(tag) for tag in ("h1", "main", "body > header", "body > footer")] == [1] * 4
    levels = browser.run(
        "return [...document.querySelectorAll('h1, h2, h3, h4')].map((h) => Number(h.tagName[1]))"
    )
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert found("table") == found("table:has(th[scope=col])") > 0
    assert found("th:not([scope])") == found("svg > svg > svg[role]") == 0
    assert found("svg[role=img]") == found("svg[role=img][aria-label]") > 3
    assert found("#filters input, #filters select") == found("#filters label :is(input, select)")


def test_print_and_motion(browser: Any, guide: str) -> None:
    """Paper has no filters; nothing on the page moves, whether a reader asks for that or not."""
    browser.open(guide)
    browser.look(media="print")
    assert not browser.find("#filters").is_displayed()
    assert browser.find("#rows").is_displayed()
    browser.look()
    moving = browser.run(
        "return [...document.querySelectorAll('*')].filter((one) => {"
        "const s = getComputedStyle(one);"
        "return s.scrollBehavior === 'smooth' || s.animationName !== 'none' ||"
        "s.transitionDuration !== '0s'; }).map((one) => one.tagName)"
    )
    assert moving == []
