"""What a run has left, beside the model that came of it."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from ..result import Result, Rows, _rows


class Summary:
    """The leaderboard and the curves of the run that a model comes from. It is saved with the model."""

    def __init__(self, facts: Dict[str, Any]) -> None:
        self._facts = facts

    @classmethod
    def of(cls, result: Result) -> "Summary":
        results = json.loads(json.dumps(result.results))
        return cls(
            {
                "results": results,
                "leaderboard": _records(result.leaderboard),
                "curves": _records(result.curves),
                "run_directory": str(result.run_directory),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Summary":
        return cls(json.loads(text))

    def to_json(self) -> str:
        return json.dumps(self._facts)

    @property
    def results(self) -> Dict[str, Any]:
        """results.json of the run."""
        return self._facts["results"]

    @property
    def runDirectory(self) -> str:
        """On the machine of the driver that trained."""
        return self._facts["run_directory"]

    @property
    def objective(self) -> str:
        """The metric that ranks the models."""
        return self.results["objective"]

    @property
    def bestId(self) -> Optional[int]:
        return self.results["best"]

    @property
    def networkBytes(self) -> int:
        """Bytes of states that went from worker to worker."""
        return int(self.results.get("network", {}).get("hop_bytes", 0))

    def leaderboard(self) -> Any:
        """A model per row, the best one first, as a DataFrame of Spark."""
        return _frame(self._facts["leaderboard"])

    def toPandas(self) -> Rows:
        """The same as a DataFrame of pandas; a list of dictionaries without pandas."""
        return _rows(self._facts["leaderboard"])

    def history(self, metric: str, model: Optional[int] = None) -> List[Optional[float]]:
        """The metric after each epoch, of the best model or another one."""
        wanted = self.bestId if model is None else model
        rows = [row for row in self._facts["curves"] if row["model"] == wanted]
        if rows and metric not in rows[0]:
            known = ", ".join(name for name in rows[0] if name not in ("model", "epoch"))
            raise KeyError(f"expected one of {known}, got {metric!r}")
        return [row[metric] for row in rows]


def _records(rows: Rows) -> List[Dict[str, Any]]:
    if isinstance(rows, list):
        return rows
    return [{name: _plain(cell) for name, cell in row.items()} for row in rows.to_dict("records")]


def _plain(cell: Any) -> Any:
    """As JSON has it: pandas says NaN where there is nothing."""
    value = cell.item() if hasattr(cell, "item") else cell
    return None if value != value else value


def _frame(rows: List[Dict[str, Any]]) -> Any:
    from pyspark.sql import SparkSession
    from pyspark.sql import types as T

    names = list(dict.fromkeys(name for row in rows for name in row))
    fields, columns = [], []
    for name in names:
        values = [row.get(name) for row in rows]
        known = [value for value in values if value is not None]
        kind: Any = T.StringType()
        if known and all(isinstance(value, bool) for value in known):
            kind = T.BooleanType()
        elif known and all(isinstance(value, int) and not isinstance(value, bool) for value in known):
            kind = T.LongType()
        elif known and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
            kind, values = T.DoubleType(), [None if value is None else float(value) for value in values]
        else:
            values = [None if value is None else str(value) for value in values]
        fields.append(T.StructField(name, kind))
        columns.append(values)
    session = SparkSession.builder.getOrCreate()
    return session.createDataFrame([tuple(row) for row in zip(*columns)], T.StructType(fields))


__all__ = ["Summary"]
