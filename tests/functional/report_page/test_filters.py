"""The page as a person uses it: clicked, typed into, gone through by keyboard."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow
STILL_MISSING = ["use-effect", "dockerfile", "git-undo", "sql-windows"]


def test_a_click_shows_the_cases_of_one_change(browser: Any, guide: str) -> None:
    """Fixed, broken, missing: each button shows its cases, says how many, and stays pressed."""
    browser.open(guide)
    assert (len(browser.rows()), browser.count()) == (20, "20 of 20 shown")
    browser.find("button[data-show=missing]").click()
    assert (browser.rows(), browser.count()) == (STILL_MISSING, "4 of 20 shown")
    assert browser.find("button[data-show=missing]").get_attribute("aria-pressed") == "true"
    assert browser.find("button[data-show=all]").get_attribute("aria-pressed") == "false"
    browser.find("button[data-show=fixed]").click()
    assert len(browser.rows()) == 14
    assert not browser.find("#none").is_displayed()
    browser.find("button[data-show=broken]").click()
    assert (browser.rows(), browser.count()) == ([], "0 of 20 shown")
    assert browser.find("#none").is_displayed()
    browser.find("button[data-show=all]").click()
    assert len(browser.rows()) == 20


def test_lists_and_buttons_work_together(browser: Any, guide: str) -> None:
    """A clause, a kind of miss and a change at once: only what is all of it."""
    browser.open(guide)
    browser.choose("miss", "extra_call")
    assert sorted(browser.rows()) == ["floor-plan", "vp-reports"]
    browser.choose("clause", "one-search")
    browser.find("button[data-show=fixed]").click()
    assert browser.count() == "2 of 20 shown"
    browser.choose("clause", "public")
    assert browser.rows() == []
    browser.find("#clear").click()
    assert (len(browser.rows()), browser.focused()) == (20, "search")
    assert not browser.find("#clear").is_displayed()


def test_tags(browser: Any, traps: str) -> None:
    """A case of several tags is shown for each of them; without a comparison nothing is fixed."""
    browser.open(traps)
    words = browser.run(
        "return [...document.querySelectorAll('#filters button')]"
        ".map((one) => one.innerText.replace(/\\s+/g, ' '))"
    )
    assert words[:4] == ["All 35", "Missing 13", "Passed 21", "Skipped 1"]
    browser.choose("tag", "enum")
    enum = browser.rows()
    browser.choose("tag", "typed")
    assert "kitchen-eco" in set(enum) & set(browser.rows())
    browser.find("button[data-show=missing]").click()
    assert "kitchen-eco" in browser.rows()
    browser.find("button[data-show=skip]").click()
    browser.choose("tag", "all")
    assert len(browser.rows()) == 1


def test_many_cases_are_listed_by_and_by(browser: Any, many: str) -> None:
    """500 at once, more on demand; filters and links reach those that are not listed yet."""
    browser.open(many)
    browser.until("1,200 of 1,200, the first 500 shown")
    assert (len(browser.rows()), browser.count()) == (500, "1,200 of 1,200, the first 500 shown")
    browser.find("#more").click()
    assert len(browser.rows()) == 1000
    browser.choose("tag", "t-2")
    assert (len(browser.rows()), browser.count()) == (400, "400 of 1,200 shown")
    assert not browser.find("#more").is_displayed()
    hidden = "case-1190"
    assert not browser.driver.find_elements("id", hidden)
    browser.driver.execute_async_script(
        "const [id, done] = arguments; location.hash = id;"
        "addEventListener('hashchange', () => setTimeout(done));",
        hidden,
    )
    assert browser.find(f"#{hidden} pre").is_displayed()
    assert len(browser.rows()) == 1200


def test_searching(browser: Any, guide: str) -> None:
    """All words, in any order and case, in prompt, calls, reason, reply and place."""
    browser.open(guide)
    search = browser.find("#search")
    for words, expected in (
        ("floor plan", ["floor-plan"]),
        ("EFFECT react", ["use-effect"]),
        ("cannot generate or explain code", ["use-effect"]),
        ("Tutorial functions", ["sql-windows"]),
        ("spec.yaml:157", ["use-effect"]),
        ("nothing like this", []),
    ):
        search.clear()
        search.send_keys(words)
        assert browser.rows()[: len(expected) + 1] == expected, words
        assert browser.count() == f"{len(expected)} of 20 shown"


def test_the_keyboard_is_enough(browser: Any, guide: str) -> None:
    """`/` goes to the search, Esc clears, Tab goes on, Enter presses and opens; focus is seen."""
    from selenium.webdriver.common.keys import Keys

    browser.open(guide)
    browser.press(Keys.TAB)
    assert browser.focused() == "Skip to the cases"
    assert browser.find(".skip").rect["x"] >= 0
    browser.press("/")
    assert browser.focused() == "search"
    assert browser.find("#search").get_attribute("value") == ""
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press("sql")
    assert browser.rows() == ["sql-windows"]
    browser.press(Keys.ESCAPE)
    assert (len(browser.rows()), browser.focused()) == (20, "search")
    browser.press("tutorial", Keys.TAB, Keys.TAB, Keys.TAB)
    assert browser.focused() == "clear"
    browser.press(Keys.TAB)
    assert browser.focused().startswith("still missing")
    browser.press(Keys.ENTER)
    assert browser.find("#rows details[open] pre").is_displayed()
    browser.press(Keys.ENTER)
    assert browser.run("return document.querySelectorAll('#rows details[open]').length") == 0
    browser.press(Keys.ESCAPE)
    assert len(browser.rows()) == 20
    browser.find("button[data-show=all]").send_keys(Keys.TAB)
    browser.press(Keys.SPACE)
    assert (browser.focused(), browser.count()) == ("Fixed 14", "14 of 20 shown")


def test_links_lead_to_cases(browser: Any, guide: str) -> None:
    """A number on top shows its cases; a case named on top opens, though a filter hid it."""
    browser.open(guide)
    browser.find(".tally .fixed a").click()
    assert browser.count() == "14 of 20 shown"
    browser.find("#wrong a").click()
    browser.until("20 of 20 shown")
    assert (len(browser.rows()), browser.focused()[:13]) == (20, "still missing")
    assert browser.find("#rows details[open] summary > code").text == "use-effect"


def test_what_an_open_case_says(browser: Any, guide: str) -> None:
    """Prompt, expected against called with marks, both raw replies, the place in the file."""
    browser.open(guide)
    browser.find("#case-0 summary").click()
    case = browser.find("#case-0")
    marks = [mark.text for mark in case.find_elements("css selector", "del, ins")]
    assert marks == ["search_google", "search_google", "search_knowledge_base"]
    signs = browser.run(
        "return ['del', 'ins'].map((m) =>"
        "getComputedStyle(document.querySelector('#case-0 ' + m), '::before').content)"
    )
    assert signs == ['"−"', '"+"']
    for words in (
        "Show me examples of using the useEffect hook in React.",
        "I am sorry, but I cannot assist",
        "<start_function_call>call:search_knowledge_base{query:<escape>useEffect",
        "expected search_google, got search_knowledge_base",
        "specs/search_policy.spec.yaml:157",
    ):
        assert words in case.text
