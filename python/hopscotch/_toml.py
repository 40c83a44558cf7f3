"""TOML as experiment files need it: dictionaries to text, and back where Python can read it."""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any, Dict, Mapping

from .errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def value(item: Any) -> str:
    """A value as TOML writes it. Mappings become inline tables. Takes numbers and arrays of NumPy, too."""
    if hasattr(item, "tolist") and not isinstance(item, (str, bytes)):
        item = item.tolist()
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, float):
        if math.isnan(item) or math.isinf(item):
            return "nan" if math.isnan(item) else "inf" if item > 0 else "-inf"
        return repr(item)
    if isinstance(item, (str, os.PathLike)):
        return json.dumps(os.fspath(item), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(item, Mapping):
        return "{ " + ", ".join(f"{key(name)} = {value(each)}" for name, each in item.items()) + " }" if item else "{}"
    if isinstance(item, (list, tuple, range)):
        return "[" + ", ".join(value(each) for each in item) + "]"
    raise ConfigError(f"expected a number, a text, a truth value, a list or a mapping, got {item!r}")


def key(name: Any) -> str:
    """A key: bare where TOML allows it."""
    text = str(name)
    return text if _BARE.match(text) else json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def dumps(experiment: Mapping[str, Any]) -> str:
    """An experiment file. Mappings on the first level are sections, ``search.space`` is one, too."""
    lines = [f"{key(name)} = {value(item)}" for name, item in experiment.items() if not isinstance(item, Mapping)]
    for name, item in experiment.items():
        if not isinstance(item, Mapping):
            continue
        space = item.get("space") if name == "search" else None
        lines += ["", f"[{key(name)}]"]
        lines += [f"{key(k)} = {value(v)}" for k, v in item.items() if not (k == "space" and space is not None)]
        if space is not None:
            lines += ["", f"[{key(name)}.space]"] + [f"{key(k)} = {value(v)}" for k, v in space.items()]
    return "\n".join(lines) + "\n"


def load(file: "os.PathLike[str]") -> Dict[str, Any]:
    """Reads an experiment file."""
    try:
        import tomllib as reader  # Python 3.11 and newer
    except ModuleNotFoundError:
        try:
            import tomli as reader  # type: ignore[no-redef]
        except ModuleNotFoundError:
            raise ConfigError(
                f"expected Python 3.11 or the package tomli to read {os.fspath(file)} here: install tomli, or give the "
                "experiment as a dictionary"
            ) from None
    try:
        with open(file, "rb") as stream:
            return reader.load(stream)
    except OSError as error:
        raise ConfigError(f"[experiment] cannot read {os.fspath(file)}: {error.strerror}") from error
    except reader.TOMLDecodeError as error:
        raise ConfigError(f"{os.fspath(file)}: {error}") from error
