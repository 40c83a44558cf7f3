"""What can go wrong. The texts are those of the program ``hop``: what was expected, what was found, what to write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from .result import Result


class HopError(Exception):
    """The base of all errors of the package."""


class ConfigError(HopError, ValueError):
    """A wrong experiment, option or model. The text names the key and the nearest valid one."""


class DataError(HopError, ValueError):
    """Rows that cannot be read, or a damaged data set. The text names the row and the column."""


class StateError(HopError):
    """The file of a model is missing, damaged, or of another kind."""


class JournalError(HopError):
    """The journal of a run directory is damaged. ``hop fsck`` says where."""


class RunError(HopError):
    """The base of the errors of a run that has begun.

    ``run_directory`` is where its files are, or None. ``resumable`` says whether ``hopscotch.resume`` can go on.
    """

    def __init__(self, text: str, run_directory: Optional[Path] = None, resumable: bool = False) -> None:
        super().__init__(text)
        self.run_directory = run_directory
        self.resumable = resumable

    @property
    def result(self) -> Optional["Result"]:
        """What the run has reached: leaderboard, curves, models. None if it has trained nothing yet."""
        from .result import Result

        if self.run_directory is None or not (self.run_directory / "results.json").is_file():
            return None
        return Result(self.run_directory)


class RunFailed(RunError, RuntimeError):
    """The run ended without what was asked for: no model came through, a disk is full, the program was killed."""


class Interrupted(RunError):
    """Ctrl-C, or a signal from outside. What was committed is kept: ``hopscotch.resume(error.run_directory)``."""
