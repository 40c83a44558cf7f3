"""HopClassifier and HopRegressor: estimators of Spark ML."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from pyspark.ml import Estimator
from pyspark.ml.param import TypeConverters
from pyspark.ml.param.shared import HasProbabilityCol, HasRawPredictionCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

from ..errors import ConfigError
from ..result import Result
from ._cluster import cluster_of
from ._models import HopClassificationModel, HopModel, HopRegressionModel
from ._params import TUNED, _HopParams, _param, renamed
from ._rows import Columns, Plan, prepare
from ._run import Settings, train
from ._summary import Summary

_DEFAULTS: Dict[str, Any] = dict(
    seed=0,
    epochs=1,
    name="spark",
    numWorkers=2,
    numPartitions=8,
    validationFraction=0.1,
    handleInvalid="error",
    progress=True,
    startTimeout=120.0,
    workerReturnTimeout=600.0,
    coordinatorPort=0,
    workerPorts="",
)


class _Hop(Estimator, _HopParams, DefaultParamsReadable, DefaultParamsWritable):
    """What both estimators do."""

    _is_class = True
    _model_class: Any = HopModel

    def __init__(self, given: Dict[str, Any], defaults: Dict[str, Any]) -> None:
        super().__init__()
        self._setDefault(**_DEFAULTS, **defaults)
        self._set(**renamed(given))

    def setFeaturesCol(self, value: str) -> Any:
        return self._set(featuresCol=value)

    def setLabelCol(self, value: str) -> Any:
        return self._set(labelCol=value)

    def setPredictionCol(self, value: str) -> Any:
        return self._set(predictionCol=value)

    def setWeightCol(self, value: str) -> Any:
        return self._set(weightCol=value)

    def setValidationIndicatorCol(self, value: str) -> Any:
        return self._set(validationIndicatorCol=value)

    def setSeed(self, value: int) -> Any:
        return self._set(seed=value)

    def _fit(self, dataset: Any) -> Any:
        result = self._train(dataset, self._sections())
        return self._model_of(result, result.best_id)

    def fitMultiple(self, dataset: Any, paramMaps: Sequence[Any]) -> Iterator[Tuple[int, Any]]:
        """Models for all these maps of Params. Those that differ in hyperparameters alone, and are a grid, are one run
        in which all models hop."""
        estimators = [self.copy(each) for each in paramMaps]
        return _Models(len(estimators), [self._trainer(dataset, estimators, group) for group in _grids(estimators)])

    def _trainer(self, dataset: Any, estimators: List[Any], group: List[int]) -> "_Group":
        def train_group() -> Dict[int, Any]:
            first = estimators[group[0]]
            if len(group) == 1:
                return {group[0]: first._fit(dataset)}
            sections = first._sections()
            configs = [estimators[i]._space() for i in group]
            names = list(configs[0])
            sections["search"]["space"] = {name: list(_distinct(config[name] for config in configs)) for name in names}
            result = first._train(dataset, sections)
            return {i: estimators[i]._model_of(result, _id_of(result, config)) for i, config in zip(group, configs)}

        return _Group(group, train_group)

    def _train(self, dataset: Any, sections: Dict[str, Any]) -> Result:
        spark = dataset.sparkSession
        cluster_of(spark)  # refuses before a row is read
        if self._value("handleInvalid") not in ("error", "skip"):
            raise ConfigError(f'[handleInvalid] expected "error" or "skip", got {self._value("handleInvalid")!r}')
        shape = self._value("inputShape")
        plan = Plan(
            is_class=self._is_class,
            partitions=self._value("numPartitions"),
            workers=self._value("numWorkers"),
            seed=self._value("seed"),
            shape=None if shape is None else tuple(shape),
            classes=self._value("numClasses") if self._is_class else None,
            skip_invalid=self._value("handleInvalid") == "skip",
            name=self._value("name"),
        )
        columns = Columns(
            features=self._features(),
            label=self._value("labelCol"),
            weight=self._value("weightCol"),
            validation=self._value("validationIndicatorCol"),
            fraction=self._value("validationFraction"),
        )
        settings = Settings(
            workers=self._value("numWorkers"),
            run_dir=_new(self._value("runDir")),
            progress=self._value("progress"),
            start_timeout=self._value("startTimeout"),
            return_timeout=self._value("workerReturnTimeout"),
            coordinator_port=self._value("coordinatorPort"),
            worker_ports=self._value("workerPorts"),
        )
        return train(spark, prepare(dataset, columns, plan), sections, settings)

    def _model_of(self, result: Result, id: Any) -> Any:
        model = self._model_class._of(result, id, Summary.of(result))
        model._resetUid(self.uid)
        return self._copyValues(model)


class HopClassifier(_Hop, HasProbabilityCol, HasRawPredictionCol):
    """Trains classifiers over a DataFrame and returns the best one.

    ``featuresCol``: vectors, arrays of numbers or bytes (pictures); or ``featuresCols``. ``labelCol``: 0, 1, ..;
    StringIndexer makes them of words, and its words become the names of the classes. ``layers`` or ``family`` say the
    model, ``searchSpace`` and ``searchMethod`` which ones are trained. docs/spark.md has all Params.
    """

    numClasses = _param("numClasses", "how many classes there are; default: as the labels say", TypeConverters.toInt)
    _is_class = True
    _model_class = HopClassificationModel

    def __init__(self, **given: Any) -> None:
        super().__init__(given, dict(loss="cross_entropy"))

    def setParams(self, **given: Any) -> "HopClassifier":
        return self._set(**renamed(given))

    def setProbabilityCol(self, value: str) -> "HopClassifier":
        return self._set(probabilityCol=value)

    def setRawPredictionCol(self, value: str) -> "HopClassifier":
        return self._set(rawPredictionCol=value)

    def setNumClasses(self, value: int) -> "HopClassifier":
        return self._set(numClasses=value)

    def getNumClasses(self) -> int:
        return self.getOrDefault(self.numClasses)


class HopRegressor(_Hop):
    """Trains models that predict a number, and returns the best one. As HopClassifier, with loss="mse" by default."""

    _is_class = False
    _model_class = HopRegressionModel

    def __init__(self, **given: Any) -> None:
        super().__init__(given, dict(loss="mse", metrics=["rmse"]))

    def setParams(self, **given: Any) -> "HopRegressor":
        return self._set(**renamed(given))


def _new(folder: Optional[str]) -> Optional[str]:
    """Of several fits with one folder, as a CrossValidator makes them, the later ones get FOLDER-2, FOLDER-3, .."""
    if folder is None or not Path(folder).exists():
        return folder
    return next(name for n in itertools.count(2) if not Path(name := f"{folder}-{n}").exists())


# ---- several models at once


class _Group:
    """Maps of Params that one run trains."""

    def __init__(self, places: List[int], train: Callable[[], Dict[int, Any]]) -> None:
        self.places = places
        self._train = train
        self._lock = threading.Lock()
        self._models: Dict[int, Any] = {}

    def model(self, place: int) -> Any:
        with self._lock:  # a CrossValidator asks from several threads
            if not self._models:
                self._models = self._train()
            return self._models[place]


class _Models:
    """An iterator that several threads may ask at once, as CrossValidator does."""

    def __init__(self, count: int, groups: List[_Group]) -> None:
        self._group_of = {place: group for group in groups for place in group.places}
        self._places = iter(range(count))
        self._lock = threading.Lock()

    def __iter__(self) -> "_Models":
        return self

    def __next__(self) -> Tuple[int, Any]:
        with self._lock:
            place = next(self._places)
        return place, self._group_of[place].model(place)

    next = __next__


def _grids(estimators: List[Any]) -> List[List[int]]:
    """The places of the estimators, those together that one run can train: equal but for hyperparameters, of which all
    combinations are there."""
    alike: Dict[str, List[int]] = {}
    for place, estimator in enumerate(estimators):
        others = {p.name: estimator._value(p.name) for p in estimator.params if p.name not in TUNED}
        key = json.dumps([others, list(estimator._space())], sort_keys=True, default=str)
        alike.setdefault(key, []).append(place)
    groups = []
    for places in alike.values():
        configs = [estimators[place]._space() for place in places]
        first = estimators[places[0]]
        searched = first._value("searchSpace") or first._value("searchMethod") not in (None, "grid")
        combinations = 1
        for name in configs[0]:
            combinations *= len(list(_distinct(config[name] for config in configs)))
        texts = {json.dumps(config) for config in configs}
        if not searched and combinations == len(texts) == len(places):
            groups.append(places)
        else:
            groups += [[place] for place in places]
    return groups


def _distinct(values: Any) -> Iterator[Any]:
    return (next(group) for _, group in itertools.groupby(sorted(values, key=repr), key=repr))


def _id_of(result: Result, config: Dict[str, Any]) -> int:
    for model in result.results["models"]:
        if all(model["config"].get(name) == value for name, value in config.items()):
            return int(model["id"])
    raise ConfigError(f"[fitMultiple] expected a model with {config} in {result.run_directory}, got none")


__all__ = ["HopClassifier", "HopRegressor"]
