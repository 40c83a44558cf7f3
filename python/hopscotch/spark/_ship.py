"""The package on its way to the executors: they need Python, pandas and pyarrow, and nothing else."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tarfile
import tempfile
import weakref
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Tuple

from .._program import call, library, program

_PACKAGE = Path(__file__).resolve().parents[1]
_shipped: "weakref.WeakKeyDictionary[Any, Shipped]" = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Shipped:
    """What tasks find, and where."""

    folder: str  # of the driver's machine: what was shipped from there
    key: str  # the name of the file with the key of the application's runs
    archive: str  # the name of the archive with the program and the library; "" if tasks run on this machine
    program: str  # their paths on this machine, for such tasks
    library: str

    def name_binaries(self) -> None:
        """In a task: names program and library to the package, which comes from a .zip and has none beside it."""
        from pyspark import SparkFiles

        folder = Path(SparkFiles.get(self.archive)) / "hopscotch" if self.archive else None
        os.environ["HOP_PROGRAM"] = str(folder / "bin" / "hop") if folder else self.program
        os.environ["HOP_C_LIBRARY"] = str(folder / "lib" / "libhop_c.so") if folder else self.library


def ship(cluster: Any) -> Shipped:
    """Once per application: the Python files, the program with its libraries as an archive (a .zip would lose the mode
    of the program, and single files the libraries beside it), and a new key. Executors that come later fetch the files
    from here, so they stay until this process ends."""
    if cluster.owner not in _shipped:
        folder = Path(tempfile.mkdtemp(prefix="hopscotch-ship-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        cluster.add_python(_zip(folder))
        archive = ""
        if not cluster.is_local:
            file, archive = _tar(folder)
            cluster.add_archive(file, archive)
        key = folder / f"{folder.name}.key"
        call(["key", "new", str(key)])
        cluster.add_file(key)
        binaries = os.path.abspath(program()), os.path.abspath(library())
        _shipped[cluster.owner] = Shipped(str(folder), key.name, archive, *binaries)
    return _shipped[cluster.owner]


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


__all__ = ["Shipped", "ship"]
