"""An experiment: data, model, search and settings, with the keys of the experiment file (docs/experiment-file.md)."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Union

from . import _toml
from .errors import ConfigError

_SECTIONS = ("data", "model", "search", "run")


def choice(*values: Any) -> List[Any]:
    """One of these values: ``optimizer=choice("adam", "sgd")``."""
    return list(values)


def uniform(least: float, most: float) -> Dict[str, Any]:
    """A number from ``least`` to ``most``, for the methods that sample."""
    return {"min": float(least), "max": float(most), "scale": "linear"}


def loguniform(least: float, most: float) -> Dict[str, Any]:
    """The same, where each factor is as likely as the next: for learning rates."""
    return {"min": float(least), "max": float(most), "scale": "log"}


def integers(least: int, most: int, log: bool = False) -> Dict[str, Any]:
    """A whole number from ``least`` to ``most``, both included."""
    return {"min": int(least), "max": int(most), "scale": "log" if log else "linear", "type": "int"}


@dataclass
class Experiment:
    """An experiment file as an object::

        Experiment(
            name="digits",
            model={"layers": ["flatten", "linear $hidden", "relu", "linear $outputs"]},
            search={"epochs": 5, "space": {"lr": [0.01, 0.001], "hidden": [32, 128], "optimizer": "adam"}},
        )

    The program checks keys and values when the experiment is run, and names the nearest valid key.
    """

    name: str = "experiment"
    seed: int = 0
    data: Dict[str, Any] = field(default_factory=dict)
    model: Dict[str, Any] = field(default_factory=dict)
    search: Dict[str, Any] = field(default_factory=dict)
    run: Dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, sections: Mapping[str, Any]) -> "Experiment":
        """From the keys of an experiment file. Raises ConfigError for a key that no experiment has."""
        unknown = [key for key in sections if key not in ("name", "seed", *_SECTIONS)]
        if unknown:
            raise ConfigError(f"[experiment] expected name, seed, data, model, search and run, got {unknown[0]!r}")
        for name in _SECTIONS:
            if not isinstance(sections.get(name, {}), Mapping):
                raise ConfigError(f"[{name}] expected a dictionary of keys, got {sections[name]!r}")
        return cls(**copy.deepcopy(dict(sections)))

    @classmethod
    def from_file(cls, file: Union[str, "os.PathLike[str]"]) -> "Experiment":
        """Reads an experiment file. Needs Python 3.11 or the package tomli."""
        return cls.from_dict(_toml.load(Path(file)))

    def to_dict(self) -> Dict[str, Any]:
        """The keys of the file. Empty sections are left out."""
        sections: Dict[str, Any] = {"name": self.name, "seed": self.seed}
        for name in _SECTIONS:
            if getattr(self, name):
                sections[name] = copy.deepcopy(dict(getattr(self, name)))
        return sections

    def to_toml(self) -> str:
        """The text of the experiment file."""
        return _toml.dumps(self.to_dict())

    def save(self, file: Union[str, "os.PathLike[str]"]) -> None:
        """Writes the experiment file, for ``hop run FILE``."""
        Path(file).write_text(self.to_toml(), encoding="utf-8")
