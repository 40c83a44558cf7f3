"""Hopscotch on Apache Spark: a DataFrame goes in, each executor keeps its partitions, and the models travel between
executors.

    from hopscotch.spark import HopClassifier, choice, loguniform

    hop = HopClassifier(
        layers=["linear $hidden", "relu", "linear $outputs"],
        searchSpace={"hidden": choice(64, 256), "lr": loguniform(1e-4, 1e-2), "optimizer": "adam"},
        searchMethod="random", searchSamples=8, epochs=5, numWorkers=4,
    )
    model = Pipeline(stages=[assembler, hop]).fit(train)
    model.stages[-1].summary.leaderboard().show()

The estimators are stages of Spark ML pipelines; ``run`` takes an experiment file. Needs pyspark 3.5 or 4 and pyarrow.
"""

from __future__ import annotations

from ..experiment import choice, integers, loguniform, uniform
from ._experiment import run
from ._estimators import HopClassifier, HopRegressor
from ._models import HopClassificationModel, HopModel, HopRegressionModel
from ._summary import Summary

for _stage in (HopClassifier, HopRegressor, HopModel, HopClassificationModel, HopRegressionModel):
    _stage.__module__ = __name__  # saved stages name their class

__all__ = [
    "HopClassificationModel",
    "HopClassifier",
    "HopModel",
    "HopRegressionModel",
    "HopRegressor",
    "Summary",
    "choice",
    "integers",
    "loguniform",
    "run",
    "uniform",
]
