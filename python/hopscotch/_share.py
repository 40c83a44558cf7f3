"""Rows of one machine of several, on their way to one data set (hop_share_* of capi/hop_c.h)."""

from __future__ import annotations

import json
import os
from ctypes import byref, c_void_p, create_string_buffer
from typing import Any, Dict, List, Optional, Union

import numpy as np

from . import _clib

VALIDATION = -1

Schema = Dict[str, Any]
Parts = List[Dict[str, Any]]


class Share:
    """The rows of some partitions. ``measure`` them; ``write`` them with the digest that ``digest`` makes of the parts
    of all machines."""

    def __init__(self, folder: Union[str, "os.PathLike[str]"], schema: Schema) -> None:
        self._handle: Optional[c_void_p] = _clib.opened(
            _clib.lib().hop_share_open, os.fsencode(folder), json.dumps(schema).encode()
        )

    def append(self, partition: int, x: np.ndarray, y: np.ndarray, w: Optional[np.ndarray] = None) -> None:
        """Copies rows: contiguous arrays in the types of the schema. Raises DataError that names the row."""
        rows = _clib.Rows(
            len(y), x.ctypes.data, x.nbytes, y.ctypes.data, y.nbytes, None if w is None else w.ctypes.data
        )
        _clib.call(_clib.lib().hop_share_append, self._handle, partition, byref(rows))

    def measure(self) -> Parts:
        return json.loads(_clib.text(_clib.lib().hop_share_measure, self._handle))

    def write(self, parts: Parts, digest: str) -> Parts:
        """Returns the parts with their files."""
        words = (json.dumps(parts).encode(), digest.encode())
        return json.loads(_clib.text(_clib.lib().hop_share_write, self._handle, *words))

    def close(self) -> None:
        if getattr(self, "_handle", None):
            _clib.lib().hop_share_close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.close()


def digest(schema: Schema, parts: Parts) -> str:
    """The digest of the data set of all these parts. Raises DataError for a partition without rows, or with two
    contents."""
    found = create_string_buffer(33)
    _clib.call(_clib.lib().hop_share_digest, json.dumps(schema).encode(), json.dumps(parts).encode(), found)
    return found.value.decode()


def manifest(schema: Schema, parts: Parts) -> str:
    """The text of manifest.json for these parts, which have files."""
    words = (json.dumps(schema).encode(), json.dumps(parts).encode())
    return _clib.text(_clib.lib().hop_share_manifest, *words)
