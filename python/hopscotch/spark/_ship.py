"""The package on its way to the executors: they need Python and pyarrow, and nothing else."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import weakref
import zipfile
from pathlib import Path
from typing import Any, List, Tuple

from .._program import library, program

_PACKAGE = Path(__file__).resolve().parents[1]
_shipped: "weakref.WeakKeyDictionary[Any, str]" = weakref.WeakKeyDictionary()


def ship(context: Any) -> str:
    """Once per application: the Python files through addPyFile, the program with its libraries through addArchive (a
    .zip would lose the mode of the program, and addFile the libraries beside it). Returns the name of the archive; "" if
    tasks run on this machine."""
    if context in _shipped:
        return _shipped[context]
    folder = Path(tempfile.mkdtemp(prefix="hopscotch-ship-"))
    context.addPyFile(str(_zip(folder)))
    name = ""
    if not is_local(context):
        archive, name = _tar(folder)
        context.addArchive(f"{archive}#{name}")
    _shipped[context] = name
    return name


def is_local(context: Any) -> bool:
    """Whether tasks are processes of this machine that see its files: local[2], but not local-cluster."""
    return context.master == "local" or context.master.startswith("local[")


def _zip(folder: Path) -> Path:
    files = sorted(path for path in _PACKAGE.rglob("*.py") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    made = folder / f"hopscotch-{digest}.zip"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, os.path.join("hopscotch", path.relative_to(_PACKAGE)))
    return made


def _tar(folder: Path) -> Tuple[Path, str]:
    parts: List[Tuple[Path, str]] = [
        (Path(program()).resolve(), "hopscotch/bin/hop"),
        (Path(library()).resolve(), "hopscotch/lib/libhop_c.so"),
    ]
    if parts[0][0].is_relative_to(_PACKAGE):  # an installed wheel: the libraries that both need lie where both look
        parts += [(path, f"hopscotch/lib/{path.name}") for path in sorted((_PACKAGE / "lib").glob("*.so*"))]
        beside = _PACKAGE.parent / "hopscotch.libs"
        parts += [(path, f"hopscotch.libs/{path.name}") for path in sorted(beside.glob("*"))]
    name = "hopscotch-binaries"
    made = folder / f"{name}.tar.gz"
    with tarfile.open(made, "w:gz", compresslevel=1) as archive:
        for path, inside in dict((inside, (path, inside)) for path, inside in parts).values():
            archive.add(path, inside)
    return made, name


__all__ = ["is_local", "ship"]
