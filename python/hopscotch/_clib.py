"""libhop_c.so through ctypes (capi/hop_c.h says what each function does)."""

from __future__ import annotations

import ctypes
import functools
from ctypes import POINTER, byref, c_char_p, c_int32, c_int64, c_size_t, c_void_p
from typing import Any, Callable, Dict, Type

from ._program import library
from .errors import ConfigError, DataError, HopError, JournalError, StateError

ABI = 1
BEST = -1


class Rows(ctypes.Structure):
    """hop_rows."""

    _fields_ = [
        ("count", c_int64),
        ("features", c_void_p),
        ("feature_bytes", c_size_t),
        ("labels", c_void_p),
        ("label_bytes", c_size_t),
        ("weights", c_void_p),
    ]


# Result and arguments of each function. A status is checked by call().
_SIGNATURES: Dict[str, Any] = {
    "hop_c_abi": (c_int32, []),
    "hop_version": (c_char_p, []),
    "hop_last_error": (c_char_p, []),
    "hop_writer_open": (c_int32, [c_char_p, c_char_p, POINTER(c_void_p)]),
    "hop_writer_append": (c_int32, [c_void_p, POINTER(Rows)]),
    "hop_writer_finish": (c_int32, [c_void_p, c_char_p]),
    "hop_writer_close": (None, [c_void_p]),
    "hop_share_open": (c_int32, [c_char_p, c_char_p, POINTER(c_void_p)]),
    "hop_share_append": (c_int32, [c_void_p, c_int64, POINTER(Rows)]),
    "hop_share_measure": (c_int32, [c_void_p, POINTER(c_char_p)]),
    "hop_share_write": (c_int32, [c_void_p, c_char_p, c_char_p, POINTER(c_char_p)]),
    "hop_share_close": (None, [c_void_p]),
    "hop_share_digest": (c_int32, [c_char_p, c_char_p, c_char_p]),
    "hop_share_manifest": (c_int32, [c_char_p, c_char_p, POINTER(c_char_p)]),
    "hop_model_load": (c_int32, [c_char_p, c_int64, POINTER(c_void_p)]),
    "hop_model_describe": (c_char_p, [c_void_p]),
    "hop_model_predict": (c_int32, [c_void_p, c_void_p, c_char_p, c_int64, c_int64, c_void_p, c_void_p]),
    "hop_model_predict_text": (
        c_int32,
        [c_void_p, POINTER(c_char_p), c_int64, POINTER(c_char_p), c_int64, c_void_p, c_void_p],
    ),
    "hop_model_unseen": (c_char_p, [c_void_p]),
    "hop_model_close": (None, [c_void_p]),
}

# HOP_ERROR_*: rows of a wrong size are wrong data for who calls from Python.
_ERRORS: Dict[int, Type[Exception]] = {
    1: DataError,
    2: ConfigError,
    3: DataError,
    4: StateError,
    5: MemoryError,
    6: JournalError,
}


@functools.lru_cache(maxsize=None)
def lib() -> ctypes.CDLL:
    """The library, loaded once."""
    path = library()
    try:
        loaded = ctypes.CDLL(path)
    except OSError as error:
        raise ConfigError(f"[library] cannot load {path}: {error}") from error
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype = result
        function.argtypes = arguments
    if loaded.hop_c_abi() != ABI:
        raise ConfigError(
            f"[library] expected version {ABI} of the functions, got {loaded.hop_c_abi()} in {path}: "
            "package and library are of different versions of Hopscotch"
        )
    return loaded


def call(function: Callable[..., int], *arguments: Any) -> None:
    """Calls a function that returns a status. Raises its error."""
    status = function(*arguments)
    if status != 0:
        raise _ERRORS.get(status, HopError)(lib().hop_last_error().decode("utf-8", "replace"))


def opened(function: Callable[..., int], *arguments: Any) -> c_void_p:
    """Calls a function whose last argument is a place for a handle, and returns the handle."""
    handle = c_void_p()
    call(function, *arguments, byref(handle))
    return handle


def text(function: Callable[..., int], *arguments: Any) -> str:
    """Calls a function whose last argument is a place for a text, and returns the text."""
    place = c_char_p()
    call(function, *arguments, byref(place))
    return (place.value or b"").decode()


__all__ = ["ABI", "BEST", "Rows", "call", "lib", "opened", "text"]
