"""Where the program ``hop`` and the library ``libhop_c.so`` are, and how the program is called."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Optional, Sequence, Type

from .errors import ConfigError, DataError, HopError, JournalError, RunFailed

_HERE = Path(__file__).resolve().parent

# What stands before the text of an error on stderr (cli/commands.cpp), and the exception that it becomes.
_KINDS = {
    "bad configuration": ConfigError,
    "bad data": DataError,
    "bad journal": JournalError,
    "failed": RunFailed,
}
_CODES = {1: ConfigError, 2: ConfigError, 3: RunFailed}


def program() -> str:
    """The program: ``HOP_PROGRAM`` of the environment, the one in the package, or ``hop`` of the PATH."""
    given = os.environ.get("HOP_PROGRAM")
    if given:
        return given
    own = _HERE / "bin" / "hop"
    if own.is_file():
        return str(own)
    found = shutil.which("hop")
    if found:
        return found
    raise ConfigError(
        "expected the program hop in the package or in the PATH, got none: install the wheel (./dev wheel builds it), "
        "or set HOP_PROGRAM to build/cli/hop"
    )


def library() -> str:
    """The library: ``HOP_C_LIBRARY`` of the environment, the one in the package, or one beside the program."""
    given = os.environ.get("HOP_C_LIBRARY")
    if given:
        return given
    places: List[Path] = [_HERE / "lib" / "libhop_c.so"]
    try:
        binary = Path(program()).resolve()
        places += [binary.parents[1] / "lib" / "libhop_c.so", binary.parents[1] / "libhop_c.so"]
    except (HopError, IndexError):
        pass
    for place in places:
        if place.is_file():
            return str(place)
    raise ConfigError(
        "expected the library libhop_c.so in the package, got none at "
        + ", ".join(str(place) for place in places)
        + ": install the wheel (./dev wheel builds it), or set HOP_C_LIBRARY"
    )


def error_text(stderr: str) -> str:
    """The line of the error in what a program wrote to stderr; all of it if no line is one."""
    for line in reversed(stderr.splitlines()):
        if line.startswith("hop: "):
            return line[len("hop: ") :]
    return stderr.strip()


def error_of(code: int, stderr: str) -> HopError:
    """The exception for a program that has ended with ``code``."""
    text = error_text(stderr)
    for kind, made in _KINDS.items():
        if text.startswith(kind + ": "):
            return made(text[len(kind) + 2 :])
    made_of_code: Type[HopError] = _CODES.get(code, RunFailed)
    if code < 0:
        return RunFailed(f"hop was ended by signal {-code}" + (f": {text}" if text else ""))
    return made_of_code(text or f"hop ended with code {code}")


def main() -> None:
    """The command ``hop`` of the package."""
    own = _HERE / "bin" / "hop"
    if not own.is_file() and not os.environ.get("HOP_PROGRAM"):  # hop of the PATH could be this very command
        sys.exit(f"hop: expected the program at {own}, got none: install the wheel (./dev wheel builds it)")
    os.execv(program(), ["hop", *sys.argv[1:]])


def call(words: Sequence[str], folder: Optional[str] = None) -> str:
    """Runs ``hop`` with these words to its end and returns its standard output. Raises the error that it reports."""
    done = subprocess.run(
        [program(), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise error_of(done.returncode, done.stderr)
    return done.stdout
