"""Rows of Parquet files, as data sets of the Hub often come; read by pyarrow where it is there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.cases import Location
from harness.sources.rows import Drop, NotJson, Raw, parse_json
from harness.strict_yaml import FileRefused
from harness.wording import shown_path


@dataclass(frozen=True)
class ParquetRows:
    """The rows of one file; `_table` is Arrow's, from which a row is made when it is asked for.

    Arrow has no absent members: what one row has, the others of its column have as null.
    """

    shown: str
    _table: Any

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def locate(self, index: int) -> Location:
        """Where the row is: its number, from 1."""
        return Location(self.shown, index + 1)

    def __getitem__(self, index: int) -> Raw | Drop:
        (row,) = self._table.slice(index, 1).to_pylist()
        try:
            return Raw(self.locate(index), parse_json(json.dumps(row, ensure_ascii=False)))
        except NotJson as error:
            return error.drop
        except (TypeError, ValueError, RecursionError) as error:
            return Drop("a value that is no JSON", str(error)[:200])


def open_parquet(file: Path) -> ParquetRows:
    """The rows of a Parquet file; raises FileRefused where it cannot be read, or pyarrow is not."""
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        hint = "pip install pyarrow, or save it as JSON lines"
        raise FileRefused("is a Parquet file, and pyarrow is not installed", hint) from None
    try:
        table = parquet.read_table(file, memory_map=True)
    except (OSError, pyarrow.ArrowException) as error:
        what = str(error).split("\n")[0][:200]
        raise FileRefused(f"cannot be read as Parquet: {what}") from None
    return ParquetRows(shown_path(file), table)
