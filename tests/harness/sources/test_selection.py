"""Which rows are chosen: the same as the tutorials choose with `datasets`."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cases import Location
from harness.sources.raw_rows import Drop
from harness.sources.row_files import HeldRows
from harness.sources.selection import Selection, choose, permutation
from harness.spec_files.strict_yaml import FileRefused


def held(values: Sequence[Any]) -> HeldRows:
    """Rows with these values; a Drop is a bad row."""
    return HeldRows([Location("a.jsonl", n) for n in range(1, len(values) + 1)], values)


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (10, 40), (5000, 40), (777, 123456789)])
def test_shuffling_is_that_of_datasets(count: int, seed: int) -> None:
    """`datasets.Dataset.shuffle(seed)` puts the rows in the same order."""
    datasets = pytest.importorskip("datasets")
    there = datasets.Dataset.from_dict({"n": list(range(count))}).shuffle(seed=seed)
    assert permutation(count, seed) == list(there["n"])


def test_shuffling_takes_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numpy the order cannot be had, and that is said."""
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("numpy"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FileRefused) as raised:
        choose(held([1]), Selection(shuffle=40))
    assert raised.value.what == "is to be shuffled as `datasets` does, which takes numpy"
    assert raised.value.hint == "pip install numpy, or leave `shuffle` out"


def test_the_order_of_the_steps() -> None:
    """`where`, then `shuffle`, then `limit`, then `take`: the tutorial's order, on raw rows."""
    rows = held([{"n": n, "kind": "ab"[n % 2]} for n in range(40)])
    selection = Selection({"kind": "b"}, 40, 10, {"train": 6, "test": 3})
    chosen = choose(rows, selection)
    odd = [2 * place + 1 for place in permutation(20, 40)]
    assert list(chosen.rows) == [(n, "train") for n in odd[:6]] + [(n, "test") for n in odd[6:9]]


@given(
    st.integers(0, 60),
    st.none() | st.integers(0, 5),
    st.none() | st.integers(1, 70),
    st.dictionaries(st.sampled_from(["train", "dev", "test"]), st.integers(0, 30)),
)
@settings(max_examples=80, deadline=None)
def test_no_row_twice(count: int, seed: int | None, limit: int | None, take: Any) -> None:
    """No row is chosen twice, no split gets more than it takes, no more than the limit."""
    chosen = choose(held([{}] * count), Selection({}, seed, limit, take)).rows
    assert len({index for index, _ in chosen}) == len(chosen) <= min(count, limit or count)
    for split, most in take.items():
        assert sum(given == split for _, given in chosen) <= most
    if not take:
        assert len(chosen) == min(count, limit or count)


def test_a_bad_row_keeps_its_position() -> None:
    """Without `where` a row that does not parse counts among the chosen ones."""
    rows = held([Drop("broken JSON"), {"a": 1}])
    assert list(choose(rows, Selection(limit=1)).rows) == [(0, None)]


def test_where_cannot_ask_a_bad_row() -> None:
    """Under `where` it is set apart, so that nothing is lost in silence."""
    bad = Drop("broken JSON")
    chosen = choose(held([bad, {"a": 1}, {"a": 2}]), Selection({"a": [2, 3]}))
    assert (list(chosen.rows), list(chosen.bad)) == ([(2, None)], [(0, bad)])


@pytest.mark.parametrize(
    ("where", "met"),
    [
        ({"metadata": "eval"}, True),
        ({"metadata": ["train", "eval"]}, True),
        ({"metadata": "train"}, False),
        ({"meta.lang": "de"}, True),
        ({"a.b": 1}, True),
        ({"messages.0.role": "user"}, True),
        ({"messages.1.role": "user"}, False),
        ({"level": 3}, True),
        ({"level": 3.0}, True),
        ({"level": "3"}, False),
        ({"flag": True}, True),
        ({"flag": 1}, False),
        ({"nothing": None}, True),
        ({"missing": None}, False),
        ({"metadata": "eval", "level": 4}, False),
    ],
)
def test_fields(where: dict[str, Any], met: bool) -> None:
    """Dotted paths, keys with dots, places in lists; one value or several; types kept apart."""
    row = {
        "metadata": "eval",
        "meta": {"lang": "de"},
        "a.b": 1,
        "messages": [{"role": "user"}],
        "level": 3,
        "flag": True,
        "nothing": None,
    }
    assert bool(choose(held([row]), Selection(where)).rows) is met


def test_a_where_that_nothing_meets_says_what_is_there() -> None:
    """The hint names the values that the fields have, the most frequent first."""
    rows = held([{"kind": "a"}, {"kind": "a"}, {"kind": 7}, {}])
    assert choose(rows, Selection({"kind": "b", "x": 1})).hint == (
        "its rows have 'a', 7, nothing at 'kind'; its rows have nothing at 'x'"
    )
