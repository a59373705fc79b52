"""BFCL's files: questions, and the answers that lie in `possible_answer/` beside them.

`BFCL_v4_CATEGORY.json` and `BFCL_v3_CATEGORY.json` of ShishirPatil/gorilla hold a JSON object a
line; the answers' file has the same name. Questions that no call answers have no such file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.cases import Location
from harness.sources.rows import Drop, Raw, Rows, open_json_lines
from harness.spec_files.strict_yaml import FileRefused

ANSWERS: Final = "possible_answer"
ANSWER: Final = "ground_truth"
TWO_ANSWERS: Final = "two answers of one id"
BROKEN_ANSWER: Final = "an answer that cannot be read"

CALLED: Final = ("simple_python", "multiple", "parallel", "parallel_multiple")
LIVE_CALLED: Final = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
REFUSED: Final = ("irrelevance", "live_irrelevance")
RELEVANT: Final = ("live_relevance",)
CATEGORIES: Final = (*CALLED, *LIVE_CALLED, *RELEVANT, *REFUSED)
"""The categories of one turn whose calls Python's rules judge, in the leaderboard's order."""

_FILE: Final = re.compile(r"BFCL_v\d+_(\w+)\.jsonl?")
_V3: Final = {"simple": "simple_python", "java": "simple_java", "javascript": "simple_javascript"}


def category_of(name: str) -> str:
    """The category that a file's name or a question's id tells, as v4 calls it; "" for neither."""
    found = _FILE.fullmatch(name)
    word = found[1] if found else name.rpartition("_")[0]
    return _V3.get(word, word)


@dataclass(frozen=True)
class _File:
    """A file of questions; `places` holds for each id where its answer is, None for one of two."""

    questions: Rows
    answers: Rows | None
    places: Mapping[str, int | None]

    def row(self, index: int) -> Raw | Drop:
        """A question with its answer."""
        raw = self.questions[index]
        if isinstance(raw, Drop) or not isinstance(raw.value, Mapping) or self.answers is None:
            return raw
        name = raw.value.get("id")
        if not isinstance(name, str) or name not in self.places:
            return raw
        place = self.places[name]
        if place is None:
            return Drop(TWO_ANSWERS, repr(name[:60]))
        answer = self.answers[place]
        if isinstance(answer, Drop):
            return Drop(BROKEN_ANSWER, str(answer))
        return Raw(raw.location, {**raw.value, ANSWER: answer.value.get(ANSWER)})


@dataclass(frozen=True)
class Questions:
    """The questions of several files, one file after another."""

    files: Sequence[_File]

    def __len__(self) -> int:
        return sum(len(file.questions) for file in self.files)

    def _at(self, index: int) -> tuple[_File, int]:
        for file in self.files:
            if index < len(file.questions):
                return file, index
            index -= len(file.questions)
        raise IndexError(index)

    def locate(self, index: int) -> Location:
        """Where the question is."""
        file, place = self._at(index)
        return file.questions.locate(place)

    def __getitem__(self, index: int) -> Raw | Drop:
        file, place = self._at(index)
        return file.row(place)


def open_questions(path: Path) -> Questions:
    """The questions of a file, or of all of BFCL's files in a folder, with their answers.

    A file of answers has no questions of its own: the Hub lists them side by side. Raises
    FileRefused for a file that cannot be read, for one whose answers are not there, and for a
    folder without any.
    """
    if path.parent.name == ANSWERS and (path.parent.parent / path.name).is_file():
        return Questions([])
    return Questions([_opened(file) for file in _question_files(path)])


def data_files(path: Path) -> list[Path]:
    """The files that the rows of a path are read from, those with the answers too."""
    files = _question_files(path)
    return [*files, *(answers for file in files if (answers := _answers_file(file)).is_file())]


def _question_files(path: Path) -> list[Path]:
    """The file itself; of a folder its files by BFCL's names, in the leaderboard's order."""
    if not path.is_dir():
        return [path]
    named = [file for file in path.iterdir() if _FILE.fullmatch(file.name)]
    if not named:
        hint = "name one file, or the folder of BFCL_v4_simple_python.json and the like"
        raise FileRefused("is a folder without any BFCL_v…_….json", hint)
    return sorted(named, key=lambda file: (_rank(file.name), file.name))


def _rank(name: str) -> int:
    category = category_of(name)
    return CATEGORIES.index(category) if category in CATEGORIES else len(CATEGORIES)


def _answers_file(file: Path) -> Path:
    return file.parent / ANSWERS / file.name


def _opened(file: Path) -> _File:
    questions, answers = open_json_lines(file), _answers_file(file)
    if answers.is_file():
        rows = open_json_lines(answers)
        return _File(questions, rows, _places(rows))
    if category_of(file.name) in (*CALLED, *LIVE_CALLED):
        what = f"has no answers: there is no {ANSWERS}/{file.name} beside it"
        raise FileRefused(what, "both are in the leaderboard's folder `data`")
    return _File(questions, None, {})


def _places(answers: Rows) -> dict[str, int | None]:
    places: dict[str, int | None] = {}
    for place in range(len(answers)):
        answer = answers[place]
        if isinstance(answer, Drop) or not isinstance(answer.value, Mapping):
            continue
        name = answer.value.get("id")
        if isinstance(name, str):
            places[name] = None if name in places else place
    return places
