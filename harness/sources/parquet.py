"""Rows of Parquet files, as data sets of the Hub often come; read by pyarrow where it is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from harness.cases import Location
from harness.sources.row_files import MAX_TABLE, huge_row, read_start
from harness.sources.rows import MAX_ROW, Drop, NotJson, Raw, parse_json
from harness.spec_files.strict_yaml import FileRefused
from harness.wording import shown_path

_AT_ONCE: Final = 64
"""Rows that are unpacked before their size is looked at."""


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
        try:
            (row,) = self._table.slice(index, 1).to_pylist()
            text = json.dumps(row, ensure_ascii=False)
            size = len(text.encode())
            return huge_row(size) if size > MAX_ROW else Raw(self.locate(index), parse_json(text))
        except NotJson as error:
            return error.drop
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            return Drop("a value that is no JSON", str(error)[:200])


def open_parquet(file: Path) -> ParquetRows:
    """The rows of a Parquet file; raises FileRefused where it cannot be read.

    So it is where pyarrow is not installed, and where it holds more than `MAX_TABLE` bytes.
    """
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        hint = "pip install pyarrow, or save it as JSON lines"
        raise FileRefused("is a Parquet file, and pyarrow is not installed", hint) from None
    try:
        read_start(file)  # refuses what is no regular file
        with parquet.ParquetFile(file) as opened:
            table = pyarrow.Table.from_batches(_batches(opened), opened.schema_arrow)
        table = table.combine_chunks()
    except (OSError, pyarrow.ArrowException) as error:
        what = str(error).split("\n")[0][:200]
        raise FileRefused(f"cannot be read as Parquet: {what}") from None
    return ParquetRows(shown_path(file), table)


def _batches(opened: Any) -> Iterator[Any]:
    """The rows a few at a time: a small file may hold a great deal."""
    size = 0
    for batch in opened.iter_batches(batch_size=_AT_ONCE):
        size += batch.nbytes
        if size > MAX_TABLE:
            what = f"holds more than {MAX_TABLE:,} bytes"
            raise FileRefused(what, "save it as JSON lines", "size")
        yield batch
