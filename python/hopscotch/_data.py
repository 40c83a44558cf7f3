"""Data of a Python program as the [data] section of an experiment: files in a folder that lives as long as the call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

import numpy as np

from ._tables import Table, is_table, table_of, write_csv
from .datasets import names_and_places, write_dataset
from .errors import ConfigError, DataError

_ARRAYS = ("x", "y", "x_test", "y_test")


def put(data: Any, label: Any, sections: Dict[str, Any], folder: Path) -> None:
    """Writes the data into ``folder`` and says in the [data] section of the experiment where and what they are."""
    section = sections.setdefault("data", {})
    if data is None:
        if label is not None:
            section["label"] = label
    elif isinstance(data, (str, os.PathLike)):
        section["source"] = _source(data)
        if label is not None:
            section["label"] = label
    elif _are_arrays(data):
        _put_arrays(_arrays(data, label), sections, folder)
    elif is_table(data):
        _put_table(data, label, section, folder)
    else:
        raise DataError(
            "[data] expected a path, a table (pandas, pyarrow, a dictionary of columns), or arrays as (x, y) or "
            f'{{"x": x, "y": y}}, got {type(data).__name__}'
        )


def _source(path: Any) -> str:
    text = os.fspath(path)
    return text if text == "glyphs" else os.path.abspath(text)


# ---- tables


def _put_table(data: Any, label: Any, section: Dict[str, Any], folder: Path) -> None:
    table = table_of(data)
    if hasattr(label, "__array__") and np.ndim(label) == 1:  # an array or a Series beside the table
        table, label = _with_column(table, str(getattr(label, "name", None) or "label"), label)
    labels = _label_names(label if label is not None else section.get("label"), table.names)
    section["label"] = labels[0] if len(labels) == 1 else labels
    section["header"] = True
    section.pop("separator", None)
    words = dict(section.get("columns", {}))
    for place, (name, kind) in enumerate(zip(table.names, table.kinds)):
        is_said = name in words or str(place) in words or str(place - len(table.names)) in words
        if kind == "category" and name not in labels and not is_said:
            words[name] = "category"
    if words:
        section["columns"] = words
    write_csv(table, folder / "rows.csv")
    section["source"] = str(folder / "rows.csv")


def _with_column(table: Table, name: str, column: Any) -> "tuple[Table, str]":
    if name in table.names:
        raise DataError(f'[data] label: expected a name that no column of the table has, got "{name}"')
    more = table_of({name: column})
    if more.rows != table.rows:
        raise DataError(f"[data] label: expected {table.rows} labels, as many as rows, got {more.rows}")
    return Table(table.names + more.names, table.cells + more.cells, table.kinds + more.kinds), name


def _label_names(label: Any, names: List[str]) -> List[str]:
    """The names of the label columns: given by name or place. A table has no first column by nature, so it must be said
    which one is the label."""
    if label is None:
        raise ConfigError(f"[data] expected label=COLUMN, one of {', '.join(names[:12])}; got none")
    found = []
    for each in label if isinstance(label, (list, tuple)) else [label]:
        if isinstance(each, (int, np.integer)) and str(each) not in names:
            if not -len(names) <= each < len(names):
                raise ConfigError(f"[data] label: expected a column from 0 to {len(names) - 1}, got {each}")
            found.append(names[each])
        elif str(each) in names:
            found.append(str(each))
        else:
            raise ConfigError(f'[data] label: expected one of the columns {", ".join(names[:12])}, got "{each}"')
    return found


# ---- arrays


def _are_arrays(data: Any) -> bool:
    if isinstance(data, Mapping):
        return "x" in data and set(data) <= set(_ARRAYS) and np.asarray(data["x"]).ndim >= 2
    return isinstance(data, np.ndarray) or (isinstance(data, (tuple, list)) and len(data) == 2 and not is_table(data))


def _arrays(data: Any, label: Any) -> Dict[str, np.ndarray]:
    if isinstance(data, np.ndarray):
        given: Dict[str, Any] = {"x": data, "y": label}
    elif isinstance(data, Mapping):
        given = {**data, "y": data.get("y", label)}
    else:
        given = {"x": data[0], "y": data[1]}
    if given["y"] is None:
        raise DataError("[data] expected labels beside the features: data=(x, y), or label=y; got none")
    if ("x_test" in given) != ("y_test" in given):
        raise DataError("[data] expected x_test and y_test, got one of the two")
    arrays = {name: np.asarray(array) for name, array in given.items()}
    for x, y in (("x", "y"), ("x_test", "y_test")):
        if x in arrays and (arrays[x].ndim < 2 or len(arrays[x]) != len(arrays[y])):
            raise DataError(
                f"[data] expected {x} (rows, ...) and as many labels {y}, got {arrays[x].shape} and {arrays[y].shape}"
            )
    return arrays


def _put_arrays(arrays: Dict[str, np.ndarray], sections: Dict[str, Any], folder: Path) -> None:
    section = sections["data"]
    section.pop("label", None)
    if arrays["y"].dtype.kind in "OUS":
        return _put_named_classes(arrays, sections, folder)
    folder = folder / "arrays"
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", _features(array) if name.startswith("x") else _labels(array))
    section["source"] = str(folder)
    return None


def _features(array: np.ndarray) -> np.ndarray:
    """In a type that the program reads. Truth values become 0.0 and 1.0: bytes are taken for pictures."""
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8)):
        return array.astype(np.float32)
    most = np.iinfo(np.int64).max
    if array.dtype == np.uint64 and array.size > 0 and array.max() > most:
        raise DataError(f"[data] expected integers up to {most}, got {array.max()}: give them as floats")
    if array.dtype.kind in "iu" and array.dtype not in (np.int64, np.int32, np.uint8):
        return array.astype(np.int64)
    if array.dtype.kind not in "iuf":
        raise DataError(f"[data] expected features that are numbers, got {array.dtype}")
    return array


def _labels(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iufb":
        raise DataError(f"[data] expected labels that are numbers or words, got {array.dtype}")
    return array.astype(np.float64 if array.dtype.kind == "f" else np.int64)


def _put_named_classes(arrays: Dict[str, np.ndarray], sections: Dict[str, Any], folder: Path) -> None:
    """Classes with names go into a data set, which keeps the names; .npy files have none."""
    section = sections["data"]
    if "x_test" in arrays or section.get("validation") == "file":
        raise DataError(
            '[data] expected labels 0 .. classes - 1 beside x_test, got words: validation={"fraction": 0.1} takes '
            "validation rows from x, or numpy.unique(y, return_inverse=True) gives numbers"
        )
    names, places = names_and_places(arrays["y"])
    options: Dict[str, Any] = {"partitions": section.get("partitions", 4), "seed": sections.get("seed", 0)}
    if "validation" in section:
        options["validation"] = section["validation"]
    write_dataset(folder / "rows", _features(arrays["x"]), places, class_names=names, **options)
    section["source"] = str(folder / "rows")


def has_own_copy(run_directory: Optional[Path]) -> bool:
    """Whether the run has copied its data, so that the folder may go."""
    return run_directory is not None and (run_directory / "data" / "manifest.json").is_file()
