"""What a run has left: the leaderboard, the curves, the models."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union

import numpy as np

from ._program import call
from .errors import ConfigError
from .model import Model

if TYPE_CHECKING:
    import pandas

Rows = Union["pandas.DataFrame", List[Dict[str, Any]]]


class Result:
    """A run directory, opened. Predictions are those of the best model; ``model(id)`` opens another one."""

    def __init__(self, run_directory: Union[str, "os.PathLike[str]"]) -> None:
        """Raises ConfigError for a folder without the results of a run."""
        self.run_directory = Path(run_directory).absolute()
        try:
            text = (self.run_directory / "results.json").read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"[result] expected the directory of a run that has ended, got {self.run_directory}: "
                f"{error.strerror} (results.json); hopscotch.resume goes on with a run that was interrupted"
            ) from error
        self.results: Dict[str, Any] = json.loads(text)

    def __repr__(self) -> str:
        best = "no best model" if self.best_id is None else f"best: model {self.best_id}"
        return f"<hopscotch.Result {self.name}: {len(self.results['models'])} models, {best}, in {self.run_directory}>"

    def _repr_html_(self) -> Optional[str]:
        board = self.leaderboard
        return board._repr_html_() if hasattr(board, "_repr_html_") else None

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return self.results["name"]

    @property
    def objective(self) -> str:
        """The metric that ranks the models."""
        return self.results["objective"]

    @property
    def best_id(self) -> Optional[int]:
        """The id of the best model; None if none has a score."""
        return self.results["best"]

    @functools.cached_property
    def leaderboard(self) -> Rows:
        """A model per row, the best one first: rank, model, status, epochs, metrics, seconds, hyperparameters, reason.
        A DataFrame if pandas is installed, otherwise a list of dictionaries."""
        text = call(["report", str(self.run_directory), "--csv"])
        return _rows([{name: _value(cell) for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text))])

    @functools.cached_property
    def curves(self) -> Rows:
        """A model and an epoch (from 1) per row, with the metrics after it."""
        rows: List[Dict[str, Any]] = []
        for model in self.results["models"]:
            curves = {name: curve for name, curve in model["curves"].items() if isinstance(curve, list)}
            for epoch in range(len(curves["train_loss"])):
                row = {name: curve[epoch] for name, curve in curves.items()}
                rows.append({"model": model["id"], "epoch": epoch + 1, **row})
        return _rows(rows)

    @functools.cached_property
    def best(self) -> Model:
        """The best model. Raises ConfigError if no model has a score."""
        return Model(self.run_directory)

    def model(self, id: int) -> Model:
        """The model of this id. Raises ConfigError for an unknown one, StateError if its state was not kept."""
        return Model(self.run_directory, id)

    def predict(self, X: Any) -> np.ndarray:
        """The best model's answer for each row: see Model.predict."""
        return self.best.predict(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The best model's probability of each class: see Model.predict_proba."""
        return self.best.predict_proba(X)

    def save(self, path: Union[str, "os.PathLike[str]"], id: Optional[int] = None) -> Path:
        """Writes the best model, or the one of ``id``, for other programs: NAME.safetensors, with a script for PyTorch
        beside it, or NAME.onnx. ``hopscotch.load`` opens the first."""
        file = Path(path).absolute()
        which = ["--best"] if id is None else ["--model", str(int(id))]
        call(["export", str(self.run_directory), *which, "--to", str(file)])
        return file


def _value(cell: str) -> Any:
    for read in (int, float):
        try:
            return read(cell)
        except ValueError:
            pass
    return {"": None, "true": True, "false": False}.get(cell, cell)


def _rows(rows: List[Dict[str, Any]]) -> Rows:
    try:
        import pandas
    except ImportError:
        return rows
    return pandas.DataFrame(rows)
