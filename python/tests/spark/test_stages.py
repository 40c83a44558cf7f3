"""Stages as Spark ML knows them: Params, pipelines, files, grids."""

import pytest

from hopscotch.spark import HopClassificationModel, HopClassifier, HopRegressor, _estimators, choice, loguniform

from .conftest import points
from .test_fit import LAYERS, TRAINED


def test_params_have_setters_getters_and_copies(spark):
    hop = HopClassifier(layers=LAYERS, num_workers=3)
    assert hop.setEpochs(7) is hop and hop.getEpochs() == 7 and hop.getNumWorkers() == 3
    other = hop.copy({hop.epochs: 9})
    assert (hop.getEpochs(), other.getEpochs()) == (7, 9)
    assert hop.setParams(epochs=2, features_col="f").getFeaturesCol() == "f" and hop.getEpochs() == 2
    assert "searchSpace" in hop.explainParams()
    for name in ("FeaturesCol", "LabelCol", "PredictionCol", "WeightCol", "ValidationIndicatorCol"):
        getattr(hop, f"set{name}")("c")
        assert getattr(hop, f"get{name}")() == "c"
    with pytest.raises(TypeError):
        hop.setEpochs("many")
    with pytest.raises(TypeError):
        hop.setSearchSpace([1])


def test_an_estimator_is_the_same_after_a_trip_to_the_disk(spark, folder):
    space = {"lr": loguniform(1e-4, 1e-2), "hidden": choice(8, 16), "optimizer": "adam"}
    hop = HopClassifier(
        layers=LAYERS, searchSpace=space, metrics=["auc"], settings={"run.order": "free"}, inputShape=[2]
    )
    hop.write().overwrite().save(str(folder / "hop"))
    again = HopClassifier.load(str(folder / "hop"))
    assert again.uid == hop.uid
    for param in hop.params:
        assert again.isSet(param.name) == hop.isSet(param.name)
        if hop.isDefined(param):
            assert again.getOrDefault(param.name) == hop.getOrDefault(param)
    assert again._sections() == hop._sections()


def test_a_pipeline_is_saved_and_loaded_fitted_and_not(spark, folder):
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.feature import StandardScaler

    frame = points(spark, 200)
    scaler = StandardScaler(inputCol="features", outputCol="scaled")
    pipeline = Pipeline(stages=[scaler, HopClassifier(featuresCol="scaled", layers=LAYERS, **TRAINED)])
    pipeline.write().overwrite().save(str(folder / "pipeline"))
    model = Pipeline.load(str(folder / "pipeline")).fit(frame)
    answers = [row["prediction"] for row in model.transform(frame).collect()]
    model.write().overwrite().save(str(folder / "model"))
    again = PipelineModel.load(str(folder / "model"))
    assert [row["prediction"] for row in again.transform(frame).collect()] == answers
    last = again.stages[-1]
    assert isinstance(last, HopClassificationModel) and last.getFeaturesCol() == "scaled"
    assert last.summary.results == model.stages[-1].summary.results
    assert last.summary.leaderboard().collect() == model.stages[-1].summary.leaderboard().collect()

    import hopscotch

    last.saveSafetensors("best.safetensors")
    assert hopscotch.load("best.safetensors").kind == "class"


def test_a_cross_validator_trains_a_grid_in_one_run_per_fold(spark, folder):
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.tuning import CrossValidator, CrossValidatorModel, ParamGridBuilder

    hop = HopClassifier(layers=["linear $hidden", "relu", "linear $outputs"], **{**TRAINED, "epochs": 2})
    grid = (
        ParamGridBuilder()
        .addGrid(hop.learningRate, [1e-7, 0.03])
        .addGrid(hop.hyperparameters, [{"hidden": 4}, {"hidden": 8}])
    )
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    validator = CrossValidator(
        estimator=hop, estimatorParamMaps=grid.build(), evaluator=evaluator, numFolds=2, parallelism=2
    )
    # Java has a working directory of its own, so each path is whole.
    validator.write().overwrite().save(str(folder / "validator"))
    model = CrossValidator.load(str(folder / "validator")).fit(points(spark, 240))
    assert len(list((folder / "runs").iterdir())) == 3, "one for each fold, and one for the best Params"
    assert max(model.avgMetrics) > 0.9 and len(model.avgMetrics) == 4
    assert model.bestModel.getLearningRate() == 0.03
    model.write().overwrite().save(str(folder / "chosen"))
    again = CrossValidatorModel.load(str(folder / "chosen"))
    assert again.avgMetrics == model.avgMetrics
    frame = points(spark, 50)
    assert (
        again.transform(frame).select("prediction").collect() == model.transform(frame).select("prediction").collect()
    )


def test_fit_with_several_maps_gives_a_model_for_each(spark, folder):
    hop = HopRegressor(layers=["linear 1"], **TRAINED)
    models = hop.fit(points(spark, 200), [{hop.learningRate: 0.03}, {hop.learningRate: 1e-7}])
    assert [model.getLearningRate() for model in models] == [0.03, 1e-7]
    assert len(list((folder / "runs").iterdir())) == 1
    weights = [model._bytes for model in models]
    assert weights[0] != weights[1]
    errors = [
        next(m for m in model.summary.results["models"] if m["config"]["lr"] == lr)
        for model, lr in zip(models, (0.03, 1e-7))
    ]
    assert errors[0]["train_loss"] < errors[1]["train_loss"]


def test_grids_are_found_among_maps_of_params():
    def estimators(*configs):
        return [HopClassifier(layers=LAYERS, **config) for config in configs]

    lr = [{"learningRate": value} for value in (0.1, 0.01)]
    assert _estimators._grids(estimators(*lr)) == [[0, 1]]
    both = [{"learningRate": a, "batchSize": b} for a in (0.1, 0.01) for b in (8, 16)]
    assert _estimators._grids(estimators(*both)) == [[0, 1, 2, 3]]
    assert _estimators._grids(estimators(*both[:3])) == [[0], [1], [2]], "no grid: a combination is missing"
    other = [{**each, "epochs": n} for n in (1, 2) for each in lr]
    assert _estimators._grids(estimators(*other)) == [[0, 1], [2, 3]]
    searched = [{**each, "searchSpace": {"momentum": [0.1, 0.2]}} for each in lr]
    assert _estimators._grids(estimators(*searched)) == [[0], [1]]
