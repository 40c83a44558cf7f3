"""Trained models as stages of Spark ML: rows in, predictions beside them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Dict, Optional, Union

import numpy as np
from pyspark.ml import Model
from pyspark.ml.param.shared import HasProbabilityCol, HasRawPredictionCol
from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReadable, MLReader, MLWritable, MLWriter

from ..errors import StateError
from ..model import Model as _Model
from ..result import Result
from ._cluster import Classic, cluster_of
from ._params import _HopParams
from ._rows import features_of
from ._ship import ship
from ._summary import Summary

_LEAST = float(np.finfo(np.float32).tiny)  # a probability that has a logarithm
_BATCH = 8192  # rows that are answered at once


class HopModel(Model, _HopParams, MLWritable, MLReadable):
    """A trained model: ``transform`` adds its predictions. It carries its weights, and can be saved and loaded."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = b""
        self._summary: Optional[Summary] = None

    @classmethod
    def _of(cls, result: Result, id: Optional[int], summary: Summary) -> Any:
        """A model of a run; None: its best one."""
        with tempfile.TemporaryDirectory(prefix="hopscotch-") as folder:
            file = result.save(Path(folder) / "model.safetensors", id)
            made = cls()
            made._bytes = file.read_bytes()
        made._summary = summary
        return made

    @property
    def summary(self) -> Summary:
        """What the run has left from which the model comes."""
        if self._summary is None:
            raise StateError("[model] expected a trained model, got one without weights")
        return self._summary

    def saveSafetensors(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes the weights and the schema of the rows; ``hopscotch.load`` opens the file, and so does PyTorch."""
        Path(path).write_bytes(self._bytes)

    def toLocal(self) -> _Model:
        """The model for this process: ``predict`` takes arrays and tables."""
        return _opened(self._bytes)

    def _transform(self, dataset: Any) -> Any:
        from pyspark.ml.functions import predict_batch_udf
        from pyspark.sql import types as T

        cluster = cluster_of(dataset.sparkSession)
        shipped, weights = ship(cluster), cluster.shared(self._bytes)

        def make_predict() -> Any:
            from hopscotch.spark import _models

            shipped.name_binaries()
            return _models._answers(weights())

        x, dtype = features_of(dataset, self._features())
        shape = None if dtype == "u8" else [[self._elements()]]
        answers = predict_batch_udf(
            make_predict, return_type=T.ArrayType(T.FloatType()), batch_size=_BATCH, input_tensor_shapes=shape
        )
        return self._with_answers(dataset, answers(x))

    def _elements(self) -> int:
        """Numbers in a row."""
        return int(np.prod(self.toLocal().shape))

    def _with_answers(self, dataset: Any, answers: Any) -> Any:
        raise NotImplementedError

    def write(self) -> "_Writer":
        return _Writer(self)

    @classmethod
    def read(cls) -> "_Reader":
        return _Reader(cls)


class HopClassificationModel(HopModel, HasProbabilityCol, HasRawPredictionCol):
    """Adds the class (a double, as Spark's own classifiers do), the probability of each class and its logarithm."""

    def _with_answers(self, dataset: Any, answers: Any) -> Any:
        from pyspark.ml.functions import array_to_vector
        from pyspark.sql import functions as F

        answer = "__hopscotch_answer"
        frame = dataset.withColumn(answer, answers.cast("array<double>"))
        found = F.col(answer)
        logarithms = F.transform(found, lambda p: F.log(F.greatest(p, F.lit(_LEAST))))
        named: Dict[str, Any] = {
            "rawPredictionCol": array_to_vector(logarithms),
            "probabilityCol": array_to_vector(found),
            # As SQL: the functions of pyspark 3.5 look for values, not for columns.
            "predictionCol": F.expr(f"cast(array_position({answer}, array_max({answer})) - 1 as double)"),
        }
        for param, column in named.items():
            if self._value(param):
                frame = frame.withColumn(self._value(param), column)
        return frame.drop(answer)

    @property
    def numClasses(self) -> int:
        return int(self.toLocal()._facts["outputs"])


class HopRegressionModel(HopModel):
    """Adds the number, in the unit of the label."""

    def _with_answers(self, dataset: Any, answers: Any) -> Any:
        return dataset.withColumn(self._value("predictionCol"), answers[0].cast("double"))


# ---- in the executors


def _opened(weights: bytes) -> _Model:
    if not weights:
        raise StateError("[model] expected a trained model, got one without weights")
    handle, name = tempfile.mkstemp(suffix=".safetensors")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(weights)
        return _Model(name)
    finally:
        os.unlink(name)


def _answers(weights: bytes) -> Any:
    """From rows to a row of outputs each: probabilities, or numbers."""
    model = _opened(weights)

    def predict(rows: np.ndarray) -> np.ndarray:
        if rows.dtype == object:  # bytes
            rows = np.stack([np.frombuffer(row, np.uint8) for row in rows])
        else:
            rows = np.ascontiguousarray(rows, np.float32)
        return model._answer(rows.reshape(len(rows), -1))[0]

    return predict


# ---- on a disk


def _place_of(trip: Any) -> Any:
    """Where Spark's own functions write and read: pyspark 3.5 takes contexts, and Spark Connect has sessions alone."""
    session = trip.sparkSession
    return trip.sc if isinstance(cluster_of(session), Classic) else session


class _Writer(MLWriter):
    """The Params as Spark's own stages write them, and beside them one row with the weights and the summary."""

    def __init__(self, model: HopModel) -> None:
        super().__init__()
        self._model = model

    def saveImpl(self, path: str) -> None:
        model = self._model
        DefaultParamsWriter.saveMetadata(model, path, _place_of(self))
        session = self.sparkSession
        row = [(bytearray(model._bytes), model.summary.to_json())]
        frame = session.createDataFrame(row, "model binary, summary string")
        frame.coalesce(1).write.mode("overwrite").parquet(os.path.join(path, "data"))


class _Reader(MLReader):
    def __init__(self, cls: Any) -> None:
        super().__init__()
        self._class = cls

    def load(self, path: str) -> Any:
        metadata = DefaultParamsReader.loadMetadata(path, _place_of(self))
        model = self._class()
        row = self.sparkSession.read.parquet(os.path.join(path, "data")).first()
        model._bytes = bytes(row["model"])
        model._summary = Summary.from_json(row["summary"])
        model._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(model, metadata)
        return model


__all__ = ["HopClassificationModel", "HopModel", "HopRegressionModel"]
