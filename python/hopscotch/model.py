"""A trained model: raw rows in, answers out."""

from __future__ import annotations

import ctypes
import json
import os
import warnings
from ctypes import c_char_p
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

import numpy as np

from . import _clib
from ._tables import Table, is_table, table_of
from .errors import ConfigError, DataError

_BATCH = 8192  # rows of text that are handed over at once
_DTYPES = {"f4": "f32", "f8": "f64", "i8": "i64", "i4": "i32", "u1": "u8", "b1": "bool"}


class Model:
    """A model of a run or of a file of ``hop export``, with what its inputs and outputs mean.

    Rows are given as they stand in the user's data; nothing is scaled or encoded by hand. A table (pandas, pyarrow, a
    dictionary of columns) is matched by the names of its columns, in any order. An array has the columns of the
    training rows without labels and columns that were not used; NaN is a missing value. Images have the shape of the
    training images. One thread at a time.
    """

    def __init__(self, path: Union[str, "os.PathLike[str]"], id: Optional[int] = None) -> None:
        """``path``: a run directory, a model's file in it, or a ``.safetensors`` file. ``id``: a model of the run
        directory; its best one by default. Raises ConfigError, StateError."""
        self._path = Path(path).absolute()
        self._id = id
        self._handle = _clib.opened(
            _clib.lib().hop_model_load, os.fsencode(self._path), _clib.BEST if id is None else int(id)
        )
        self._facts: Dict[str, Any] = json.loads(_clib.lib().hop_model_describe(self._handle))
        self._warned: Dict[str, int] = {}

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _clib.lib().hop_model_close(self._handle)

    def __reduce__(self) -> Tuple[Any, ...]:
        return (Model, (self._path, self._id))

    def __repr__(self) -> str:
        which = "" if self.id is None else f" {self.id}"
        config = " ".join(f"{name}={value}" for name, value in (self.config or {}).items())
        return f"<hopscotch.Model{which} of {self._path}{': ' + config if config else ''}>"

    @property
    def path(self) -> Path:
        """Where it was loaded from."""
        return self._path

    @property
    def id(self) -> Optional[int]:
        """Its number in the run; None for a model of a file."""
        return self._facts.get("id")

    @property
    def config(self) -> Optional[Dict[str, Any]]:
        """Its hyperparameters; None for a model of a file."""
        return self._facts.get("config")

    @property
    def kind(self) -> str:
        """``"class"`` or ``"number"``: what it predicts."""
        return self._facts["kind"]

    @property
    def class_names(self) -> List[str]:
        """The names of the classes; empty if they are numbers from 0."""
        return list(self._facts["class_names"])

    @property
    def columns(self) -> List[str]:
        """The columns of a table that become its input, in order; empty for other data."""
        return list(self._facts["columns"])

    @property
    def shape(self) -> Tuple[int, ...]:
        """The shape of a row, as the model sees it."""
        return tuple(self._facts["shape"])

    @property
    def schema(self) -> Dict[str, Any]:
        """How rows become inputs and outputs become answers, in full."""
        return self._facts["schema"]

    @property
    def layers(self) -> str:
        """The layers, as text."""
        return self._facts["model"]

    def predict(self, X: Any) -> np.ndarray:
        """The answer for each row: (N). Classes by their names, or by numbers if they have none; predicted numbers as
        float32 in the unit of the label, (N, k) if the model predicts several. Raises DataError that names the row and
        the column."""
        outputs, classes = self._answer(X)
        if self.kind == "number":
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        names = self.class_names
        return np.array(names)[classes] if names else classes

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class: float32 (N, classes), in the order of ``class_names``. Raises ConfigError for
        a model that predicts numbers."""
        if self.kind == "number":
            raise ConfigError("[predict_proba] expected a model of classes, got one of numbers: use predict")
        return self._answer(X)[0]

    # ---- rows to answers

    def _answer(self, X: Any) -> Tuple[np.ndarray, np.ndarray]:
        if is_table(X):
            return self._answer_text(table_of(X), by_name=True)
        rows = np.asarray(X)
        if rows.dtype.kind in "OUS":
            return self._answer_text(_cells_of(rows), by_name=False)
        return self._answer_numbers(rows)

    def _place(self, rows: int) -> Tuple[np.ndarray, np.ndarray]:
        return np.empty((rows, self._facts["outputs"]), np.float32), np.empty(rows, np.int64)

    def _answer_numbers(self, rows: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        count = self._facts["column_count"]
        if rows.ndim < 2 or int(np.prod(rows.shape[1:])) != count:
            shape = f" or (N, {', '.join(map(str, self.shape))})" if len(self.shape) > 1 else ""
            raise DataError(f"[predict] expected rows of shape (N, {count}){shape}, got {rows.shape}")
        name = _DTYPES.get(rows.dtype.str[1:])
        if name is None or not rows.dtype.isnative:
            wanted = np.float32 if rows.dtype.kind == "f" else np.int64
            rows, name = rows.astype(wanted), "f32" if wanted is np.float32 else "i64"
        rows = np.ascontiguousarray(rows)
        outputs, classes = self._place(len(rows))
        _clib.call(
            _clib.lib().hop_model_predict,
            self._handle,
            rows.ctypes.data,
            name.encode(),
            len(rows),
            count,
            outputs.ctypes.data,
            classes.ctypes.data if self.kind == "class" else None,
        )
        return outputs, classes

    def _answer_text(self, table: Table, by_name: bool) -> Tuple[np.ndarray, np.ndarray]:
        names = (c_char_p * len(table.names))(*[name.encode() for name in table.names]) if by_name else None
        outputs, classes = self._place(table.rows)
        for first, count, cells in _batches(table):
            _clib.call(
                _clib.lib().hop_model_predict_text,
                self._handle,
                names,
                len(table.names),
                cells,
                count,
                outputs[first:].ctypes.data,
                classes[first:].ctypes.data if self.kind == "class" else None,
            )
        self._tell_unseen()
        return outputs, classes

    def _tell_unseen(self) -> None:
        for word in json.loads(_clib.lib().hop_model_unseen(self._handle)):
            if self._warned.get(word["column"]) == word["rows"]:
                continue
            self._warned[word["column"]] = word["rows"]
            warnings.warn(
                f"column {word['column']}: {word['rows']} rows so far have a word that no training row has, the first "
                f"\"{word['first']}\"",
                stacklevel=4,
            )


def _cells_of(rows: np.ndarray) -> Table:
    if rows.ndim != 2:
        raise DataError(f"[predict] expected rows of text of shape (N, columns), got {rows.shape}")
    return table_of({str(i): rows[:, i].tolist() for i in range(rows.shape[1])})


def _batches(table: Table) -> "Iterator[Tuple[int, int, ctypes.Array[c_char_p]]]":
    for first in range(0, table.rows, _BATCH):
        columns = [column[first : first + _BATCH] for column in table.cells]
        count = len(columns[0])
        cells = [cell.encode() for row in zip(*columns) for cell in row]
        yield first, count, (c_char_p * len(cells))(*cells)
