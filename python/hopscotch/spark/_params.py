"""The Params of the estimators and of their models. Every value can be written as JSON, so every stage can be saved."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import (
    HasFeaturesCol,
    HasLabelCol,
    HasPredictionCol,
    HasSeed,
    HasValidationIndicatorCol,
    HasWeightCol,
)

from .. import _toml
from ..errors import ConfigError


def _mapping(value: Any) -> Dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"expected a dictionary with names, got {value!r}")
    return {name: _plain(each) for name, each in value.items()}


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    _toml.value(value)  # raises for what no experiment can say
    return value


_INT, _FLOAT, _TEXT, _FLAG = (
    TypeConverters.toInt,
    TypeConverters.toFloat,
    TypeConverters.toString,
    TypeConverters.toBoolean,
)
_TEXTS, _INTS = TypeConverters.toListString, TypeConverters.toListInt


def _param(name: str, doc: str, converter: Any) -> Any:
    return Param(Params._dummy(), name, doc, typeConverter=converter)


class _HopParams(HasFeaturesCol, HasLabelCol, HasPredictionCol, HasValidationIndicatorCol, HasWeightCol, HasSeed):
    """What all estimators and models have. setX and getX stand for every Param x."""

    featuresCols = _param("featuresCols", "several columns of numbers, in place of featuresCol", _TEXTS)
    inputShape = _param(
        "inputShape", "the shape of a row, such as [1, 28, 28]; default: as many numbers as it has", _INTS
    )
    handleInvalid = _param("handleInvalid", "rows with null, NaN or infinity: error, or skip", _TEXT)

    layers = _param(
        "layers", "the layers of the model, as in an experiment file: linear $hidden, relu, linear $outputs", _TEXTS
    )
    family = _param("family", "an architecture that ships with Hopscotch, in place of layers: mlp, lenet", _TEXT)
    loss = _param("loss", "the loss that training minimises", _TEXT)
    metrics = _param("metrics", "what is measured on the validation rows", _TEXTS)
    epochs = _param("epochs", "how long a model trains at most", _INT)
    optimizer = _param("optimizer", "the optimizer of all models, unless searchSpace has it", _TEXT)
    learningRate = _param("learningRate", "the hyperparameter lr of all models, unless searchSpace has it", _FLOAT)
    batchSize = _param("batchSize", "the hyperparameter batch_size of all models, unless searchSpace has it", _INT)
    hyperparameters = _param(
        "hyperparameters", "values of hyperparameters, such as {hidden: 128, dropout: 0.1}", _mapping
    )

    searchSpace = _param(
        "searchSpace", "values or ranges of hyperparameters: choice, uniform, loguniform, integers", _mapping
    )
    searchMethod = _param("searchMethod", "grid, random, halving or hyperband", _TEXT)
    searchSamples = _param("searchSamples", "how many configurations random and halving draw", _INT)
    objective = _param("objective", "the metric that ranks the models; it knows its direction", _TEXT)
    keep = _param("keep", "which state of a model is its answer: last or best", _TEXT)
    stop = _param("stop", "early stopping: threshold, patience, median", _TEXTS)
    settings = _param("settings", "further keys of the experiment: {search.patience: 2, run.order: free}", _mapping)

    numWorkers = _param("numWorkers", "tasks that train at once, a worker each", _INT)
    numPartitions = _param("numPartitions", "into how many partitions the rows are dealt; the bits depend on it", _INT)
    threadsPerWorker = _param("threadsPerWorker", "threads of a worker; spark.task.cpus should be as many", _INT)
    device = _param("device", "auto, cpu, cuda or cuda:N", _TEXT)
    validationFraction = _param(
        "validationFraction", "share of rows that measure models, without validationIndicatorCol", _FLOAT
    )
    runDir = _param("runDir", "where the run's files go on the driver's machine; default: runs/NAME-N", _TEXT)
    name = _param("name", "the name of the run", _TEXT)
    progress = _param("progress", "whether a bar is shown", _FLAG)
    startTimeout = _param("startTimeout", "seconds until all workers have a task slot", _FLOAT)
    workerReturnTimeout = _param("workerReturnTimeout", "seconds that workers wait for the coordinator", _FLOAT)
    coordinatorPort = _param("coordinatorPort", "the port at which the driver listens for workers; 0: any", _INT)
    workerPorts = _param("workerPorts", "the ports at which workers may listen, such as 7900-7950", _TEXT)

    def _value(self, name: str) -> Optional[Any]:
        """None for a Param that has neither a value nor a default."""
        param = self.getParam(name)
        return self.getOrDefault(param) if self.isDefined(param) else None

    def _features(self) -> Any:
        several = self._value("featuresCols")
        return tuple(several) if several else self._value("featuresCol")

    def _sections(self) -> Dict[str, Any]:
        """The experiment that these Params say."""
        model = {key: self._value(key) for key in ("layers", "family", "loss", "metrics")}
        search: Dict[str, Any] = {key: self._value(key) for key in ("epochs", "objective", "keep", "stop")}
        search.update(method=self._value("searchMethod"), samples=self._value("searchSamples"))
        search["space"] = self._space()
        run = {"threads_per_worker": self._value("threadsPerWorker"), "device": self._value("device")}
        sections: Dict[str, Any] = {"name": self._value("name"), "seed": self._value("seed")}
        for name, section in (("model", model), ("search", search), ("run", run)):
            sections[name] = {key: value for key, value in section.items() if value is not None}
        for key, value in (self._value("settings") or {}).items():
            section, _, rest = key.partition(".")
            if section not in ("model", "search", "run") or not rest:
                raise ConfigError(f'[settings] expected keys such as "search.patience" or "run.order", got "{key}"')
            sections[section][rest] = value
        return sections

    def _space(self) -> Dict[str, Any]:
        space: Dict[str, Any] = {}
        for param, key in _TUNED.items():
            if key and self._value(param) is not None:
                space[key] = self._value(param)
        space.update(self._value("hyperparameters") or {})
        space.update(self._value("searchSpace") or {})
        return space


# Params whose values may differ between the models of one run, and the hyperparameter that each one is.
_TUNED = {"learningRate": "lr", "batchSize": "batch_size", "optimizer": "optimizer", "hyperparameters": ""}
TUNED = tuple(_TUNED)

# Spark's names, in snake_case.
ALIASES = {
    "num_workers": "numWorkers",
    "features_col": "featuresCol",
    "label_col": "labelCol",
    "weight_col": "weightCol",
}


def _accessors(cls: Any) -> None:
    """setX and getX for each Param of _HopParams itself, as Spark's own stages have them."""
    for name, param in vars(cls).copy().items():
        if not isinstance(param, Param):
            continue
        title = name[0].upper() + name[1:]

        def setter(self: Any, value: Any, name: str = name) -> Any:
            return self._set(**{name: value})

        def getter(self: Any, name: str = name) -> Any:
            return self.getOrDefault(self.getParam(name))

        setter.__doc__, getter.__doc__ = f"Sets {name}: {param.doc}.", f"{name}: {param.doc}."
        setattr(cls, f"set{title}", setter)
        setattr(cls, f"get{title}", getter)


_accessors(_HopParams)


def renamed(given: Dict[str, Any]) -> Dict[str, Any]:
    return {ALIASES.get(name, name): value for name, value in given.items() if value is not None}


__all__: List[str] = ["TUNED", "_HopParams", "_param", "renamed"]
