"""Hopscotch: train many models over partitioned data; the data stays and the models travel.

    import hopscotch

    result = hopscotch.run("experiment.toml", data=frame, label="price")
    result.leaderboard
    result.predict(new_rows)

The package calls the program ``hop`` and the library ``libhop_c.so``; both are in its wheel.
"""

from __future__ import annotations

from ._clib import lib as _lib
from ._run import init, load, resume, run
from .datasets import DatasetWriter, write_dataset
from .errors import ConfigError, DataError, HopError, Interrupted, JournalError, RunError, RunFailed, StateError
from .experiment import Experiment, choice, integers, loguniform, uniform
from .model import Model
from .result import Result


def version() -> str:
    """The version of the library that the package uses."""
    return _lib().hop_version().decode()


__all__ = [
    "ConfigError",
    "DataError",
    "DatasetWriter",
    "Experiment",
    "HopError",
    "Interrupted",
    "JournalError",
    "Model",
    "Result",
    "RunError",
    "RunFailed",
    "StateError",
    "choice",
    "init",
    "integers",
    "load",
    "loguniform",
    "resume",
    "run",
    "uniform",
    "version",
    "write_dataset",
]
