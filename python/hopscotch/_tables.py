"""Tables of any kind as columns of cells, and cells as the program reads them.

A table is a pandas DataFrame, a pyarrow Table, a dictionary of columns, or a list of dictionaries. In training it goes
to the program as a CSV file, so its columns mean what the same file would mean; in prediction the same cells go to the
library.
"""

from __future__ import annotations

import csv
import datetime
import numbers
import os
from typing import Any, List, Mapping, NamedTuple, Sequence

import numpy as np

from .errors import DataError


class Table(NamedTuple):
    names: List[str]
    cells: List[List[str]]  # of each column
    kinds: List[str]  # of each column: "number" or "category"

    @property
    def rows(self) -> int:
        return len(self.cells[0]) if self.cells else 0


def is_table(data: Any) -> bool:
    """Whether the data have named columns."""
    if isinstance(data, Mapping) or _is_frame(data) or _is_arrow(data):
        return True
    return isinstance(data, (list, tuple)) and bool(data) and all(isinstance(row, Mapping) for row in data)


def table_of(data: Any) -> Table:
    """Reads a table. Raises DataError that names the column."""
    names, columns = _columns(data)
    texts = [str(name) for name in names]
    for name in texts:
        if texts.count(name) > 1:
            raise DataError(f'[table] expected names that occur once, got "{name}" twice')
    if len({len(column) for column in columns}) > 1:
        raise DataError("[table] expected columns of one length, got " + _lengths(texts, columns))
    table = Table(texts, [], [])
    for name, column in zip(texts, columns):
        cells, kind = _read(name, column)
        table.cells.append(cells)
        table.kinds.append(kind)
    return table


def write_csv(table: Table, file: "os.PathLike[str]") -> None:
    """Writes the table with a header."""
    with open(file, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(table.names)
        writer.writerows(zip(*table.cells))


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "iloc")


def _is_arrow(data: Any) -> bool:
    return hasattr(data, "column_names") and hasattr(data, "column") and hasattr(data, "num_rows")


def _columns(data: Any) -> "tuple[Sequence[Any], List[Any]]":
    if _is_frame(data):
        return list(data.columns), [data.iloc[:, i] for i in range(data.shape[1])]
    if _is_arrow(data):
        return list(data.column_names), [data.column(i).to_pylist() for i in range(len(data.column_names))]
    if isinstance(data, Mapping):
        return list(data), [_one_dimensional(name, column) for name, column in data.items()]
    names = list(dict.fromkeys(name for row in data for name in row))
    return names, [[row.get(name) for row in data] for name in names]


def _one_dimensional(name: Any, column: Any) -> Any:
    if isinstance(column, (str, bytes)) or not hasattr(column, "__len__"):
        raise DataError(f'[table] column "{name}": expected a list or an array of cells, got {column!r}')
    if isinstance(column, np.ndarray) and column.ndim != 1:
        raise DataError(f'[table] column "{name}": expected one cell per row, got an array of shape {column.shape}')
    return column


def _lengths(names: Sequence[str], columns: Sequence[Any]) -> str:
    return ", ".join(f'"{name}" with {len(column)}' for name, column in list(zip(names, columns))[:6])


def _read(name: str, column: Any) -> "tuple[List[str], str]":
    dtype = getattr(column, "dtype", None)
    kind = getattr(dtype, "kind", "O")
    if kind in "mM":
        _refuse(name, "times", "make numbers of them (days since some day, the hour), or leave the column out")
    if isinstance(dtype, np.dtype) and kind in "iuf":
        return _numbers(np.asarray(column)), "number"
    values = column.tolist() if hasattr(column, "tolist") else list(column)
    values = [None if _is_missing(value) else value for value in values]
    known = [value for value in values if value is not None]
    is_category = str(dtype) == "category" or any(isinstance(value, (str, bool, np.bool_)) for value in known)
    for value in known:
        if isinstance(value, (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)):
            _refuse(name, "times", "make numbers of them, or leave the column out")
        if not isinstance(value, (str, bool, np.bool_, numbers.Real, np.number)) and not _is_decimal(value):
            _refuse(name, f"{value!r}", "a cell is a number or a word")
    return [_cell(value) for value in values], "category" if is_category else "number"


def _refuse(name: str, got: str, advice: str) -> None:
    raise DataError(f'[table] column "{name}": expected numbers or words, got {got}: {advice}')


def _is_decimal(value: Any) -> bool:
    return type(value).__name__ == "Decimal"


def _is_missing(value: Any) -> bool:
    if isinstance(value, float):
        return value != value
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _numbers(column: np.ndarray) -> List[str]:
    if column.dtype.kind != "f":
        return [str(value) for value in column.tolist()]
    if column.dtype.itemsize < 8:  # the shortest text of a float32, and not that of the same number as a float64
        texts = [str(value) for value in column]
        texts = [text[text.find("(") + 1 : -1] if "(" in text else text for text in texts]
    else:
        texts = [repr(value) for value in column.tolist()]
    return ["" if text == "nan" else text for text in texts]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip()
    return repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)
