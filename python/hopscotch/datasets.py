"""Data sets from arrays, also from more rows than memory holds."""

from __future__ import annotations

import json
import os
from ctypes import byref, c_void_p, create_string_buffer
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Optional, Sequence, Type, Union

import numpy as np

from . import _clib
from .errors import DataError

_DTYPES = {"f32": np.float32, "f64": np.float64, "i64": np.int64, "i32": np.int32, "u8": np.uint8}


class DatasetWriter:
    """Writes the folder of a data set, batch by batch::

        with DatasetWriter("data/digits", shape=(1, 28, 28), classes=10, dtype="u8", seed=7) as writer:
            for images, labels in batches:
                writer.append(images, labels)
        hopscotch.run(experiment, data="data/digits")

    The bytes of its files are a function of the rows, their order and these options alone, and are those that
    Hopscotch's own importers write. The folder appears at the end, whole or not at all; after an exception it does not.
    """

    def __init__(
        self,
        folder: Union[str, "os.PathLike[str]"],
        shape: Sequence[int],
        *,
        classes: Optional[int] = None,
        class_names: Optional[Sequence[str]] = None,
        numbers: Optional[Sequence[str]] = None,
        dtype: str = "f32",
        weights: bool = False,
        partitions: int = 4,
        validation: Any = None,
        seed: int = 0,
        shuffle: bool = True,
        name: str = "rows",
    ) -> None:
        """``shape``: of one row. Labels are ``classes`` (how many) or ``class_names``, or ``numbers`` to predict, by
        their names. ``dtype``: f32, f64, i64, i32 or u8; bytes are taken for pictures. ``weights``: each row counts by
        one. ``validation``: {"fraction": 0.1} (the default; "stratified": True beside it), {"tail": 4000} or "none".
        Raises ConfigError, DataError."""
        schema: Dict[str, Any] = {
            "dtype": dtype,
            "shape": [int(size) for size in shape],
            "weights": bool(weights),
            "partitions": int(partitions),
            "seed": int(seed),
            "shuffle": bool(shuffle),
            "name": name,
        }
        options = {"classes": classes, "class_names": class_names, "numbers": numbers, "validation": validation}
        for key, value in options.items():
            if value is not None:
                schema[key] = list(value) if isinstance(value, (list, tuple, np.ndarray)) else value
        self.folder = Path(folder)
        self.digest: Optional[str] = None
        self._schema = schema
        self._handle: Optional[c_void_p] = _clib.opened(
            _clib.lib().hop_writer_open, os.fsencode(self.folder), json.dumps(schema, default=_plain).encode()
        )

    def append(self, features: Any, labels: Any, weights: Any = None) -> None:
        """Copies rows: features (n, *shape), labels (n) or (n, k), weights (n). Raises DataError that names the row;
        the writer is then as it was before."""
        x = np.ascontiguousarray(features, dtype=_DTYPES.get(self._schema["dtype"]))
        if x.shape[1:] != tuple(self._schema["shape"]):
            raise DataError(f"[rows] expected features (n, {_sizes(self._schema['shape'])}), got {x.shape}")
        y = np.asarray(labels)
        if "numbers" not in self._schema and y.dtype.kind not in "iub":
            raise DataError(f"[rows] expected whole numbers as labels of classes, got {y.dtype}")
        y = np.ascontiguousarray(y, dtype=np.float32 if "numbers" in self._schema else np.int64)
        w = None if weights is None else np.ascontiguousarray(weights, dtype=np.float32)
        for what, array in (("labels", y), ("weights", w)):
            if array is not None and len(array) != len(x):
                raise DataError(f"[rows] expected {len(x)} {what}, as many as rows, got {len(array)}")
        rows = _clib.Rows(
            len(x), x.ctypes.data, x.nbytes, y.ctypes.data, y.nbytes, None if w is None else w.ctypes.data
        )
        _clib.call(_clib.lib().hop_writer_append, self._handle, byref(rows))

    def finish(self) -> str:
        """Writes the folder and returns the digest of the data set. Raises ConfigError if the options do not fit the
        rows (more partitions than rows), DataError."""
        digest = create_string_buffer(33)
        _clib.call(_clib.lib().hop_writer_finish, self._handle, digest)
        self.digest = digest.value.decode()
        return self.digest

    def close(self) -> None:
        """Drops the rows if they are not written."""
        if getattr(self, "_handle", None):
            _clib.lib().hop_writer_close(self._handle)
            self._handle = None

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            if kind is None and self.digest is None:
                self.finish()
        finally:
            self.close()

    def __del__(self) -> None:
        self.close()


def write_dataset(
    folder: Union[str, "os.PathLike[str]"], features: Any, labels: Any, *, weights: Any = None, **options: Any
) -> str:
    """Writes arrays as a data set and returns its digest. Labels of text become classes with names, whole numbers
    become classes, other numbers are numbers to predict. ``options`` are those of DatasetWriter."""
    x, y = np.asarray(features), np.asarray(labels)
    options.setdefault("dtype", next((name for name, dtype in _DTYPES.items() if x.dtype == dtype), "f32"))
    if not {"classes", "class_names", "numbers"} & set(options):
        if y.dtype.kind in "OUS":
            options["class_names"], y = names_and_places(y)
        elif y.dtype.kind in "iub":
            options["classes"] = int(y.max(initial=0)) + 1
        else:
            options["numbers"] = [""] if y.ndim == 1 else [""] * y.shape[1]
    with DatasetWriter(folder, x.shape[1:], weights=weights is not None, **options) as writer:
        writer.append(x, y, weights)
        return writer.finish()


def names_and_places(labels: np.ndarray) -> "tuple[list[str], np.ndarray]":
    """The words of the labels in their order, and for each label the place of its word."""
    texts = np.array([str(label) for label in labels.tolist()])
    names, places = np.unique(texts, return_inverse=True)
    return names.tolist(), places.reshape(-1)


def _sizes(shape: Sequence[int]) -> str:
    return ", ".join(str(size) for size in shape)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
