"""The JSON Schema of spec files, as editors use it."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from harness.cases import Json
from harness.spec_files.editor_schema import spec_schema, text
from harness.spec_files.keys import CASE_KEYS, FILE_KEYS
from harness.spec_files.strict_yaml import read_yaml_file

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests" / "samples"
UNSEEN = {"incomplete-gold", "shares"}
"""Broken samples whose shapes are right: only the loader knows better."""


def problems(file: Path) -> list[str]:
    """What an editor would underline."""
    document: Json = read_yaml_file(file, file.name).value
    return [e.message for e in jsonschema.Draft202012Validator(spec_schema()).iter_errors(document)]


def test_the_committed_file_is_fresh() -> None:
    """It is what `python -m harness.spec_files.editor_schema` writes today."""
    assert (ROOT / "specs" / "spec.schema.json").read_text(encoding="utf-8") == text()


def test_it_is_a_json_schema() -> None:
    """Draft 2020-12 accepts it."""
    jsonschema.Draft202012Validator.check_schema(spec_schema())


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("*.spec.yaml")), ids=lambda file: file.name)
def test_good_samples_are_accepted(file: Path) -> None:
    """Nothing that the loader takes is underlined."""
    assert problems(file) == []


@pytest.mark.parametrize(
    "file", sorted((SAMPLES / "broken").glob("*.spec.yaml")), ids=lambda file: file.name
)
def test_broken_samples_are_refused(file: Path) -> None:
    """Wrong keys, types and forms are underlined; what needs sense is not seen."""
    assert bool(problems(file)) == (file.name.split(".")[0] not in UNSEEN)


def test_every_key_is_explained() -> None:
    """Editors show the help text of the table of keys."""
    schema = spec_schema()
    shown = {name: held["description"] for name, held in schema["properties"].items()}
    assert shown == {name: key.doc for name, key in FILE_KEYS.items()}
    case = schema["$defs"]["case"]["properties"]
    assert {name: held["description"] for name, held in case.items()} == {
        name: key.doc for name, key in CASE_KEYS.items()
    }
