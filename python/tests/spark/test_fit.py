"""fit and transform, and what they mean: the bits are those of hop run over the same partitions."""

import json

import numpy as np
import pytest

import hopscotch
from hopscotch.spark import HopClassifier, HopRegressor, run

from .alone import data_set_of, prepared
from .conftest import PATIENCE, experiment, hashes, points

LAYERS = ["linear 8", "relu", "linear $outputs"]
TRAINED = {
    "learningRate": 0.03,
    "batchSize": 16,
    "optimizer": "adam",
    "epochs": 4,
    "numPartitions": 4,
    "progress": False,
    "startTimeout": PATIENCE,
}


def accuracy(frame):
    return frame.filter("label = prediction").count() / frame.count()


def test_a_run_on_spark_has_the_bits_of_hop_run(spark, folder):
    result = run(spark, points(spark, 300), experiment(), label="label", features="x", workers=2, progress=False)
    facts = json.loads((result.run_directory / "data" / "manifest.json").read_text())
    assert not list((result.run_directory / "data").glob("*.hopd")), "the rows stay with the tasks"

    local = data_set_of(prepared(points(spark, 300), workers=1), folder / "rows")
    assert local["digest"] == facts["digest"]
    assert local["partitions"] == facts["partitions"] and local["validation"] == facts["validation"]
    sections = experiment()
    del sections["data"]
    alone = hopscotch.run(sections, data="rows", workers=1, progress=False)
    assert hashes(alone) == hashes(result)
    assert alone.best_id == result.best_id == 1
    x = np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    assert result.predict(x).tolist() == [1, 0]


def test_rows_are_dealt_by_what_they_are(spark, folder):
    one = data_set_of(prepared(points(spark, 200, parts=1), workers=1), folder / "one")
    other = data_set_of(prepared(points(spark, 200, parts=3).orderBy("x"), workers=3), folder / "other")
    assert one == other
    assert sum(part["rows"] for part in one["partitions"]) + one["validation"]["rows"] == 200


def test_a_classifier_learns_and_answers(spark, folder):
    frame = points(spark, 300)
    hop = HopClassifier(layers=LAYERS, **TRAINED)
    model = hop.fit(frame)
    answered = model.transform(frame)
    assert answered.columns == frame.columns + ["rawPrediction", "probability", "prediction"]
    assert accuracy(answered) > 0.95
    row = answered.first()
    np.testing.assert_allclose(sum(row["probability"]), 1, atol=1e-5)
    np.testing.assert_allclose(np.exp(row["rawPrediction"].toArray()), row["probability"].toArray(), rtol=1e-5)
    assert model.numClasses == 2

    board = model.summary.leaderboard().collect()
    assert len(board) == 1 and board[0]["status"] == "finished" and board[0]["lr"] == 0.03
    assert len(model.summary.history("valid_loss")) == 4
    x = np.array([list(r["x"]) for r in frame.select("x").collect()], np.float32)
    expected = [r["prediction"] for r in answered.select("prediction").collect()]
    assert model.toLocal().predict(x).tolist() == expected


def test_the_search_trains_many_and_returns_the_best(spark, folder):
    space = {"lr": [1e-7, 0.03], "batch_size": 16, "optimizer": "adam"}
    hop = HopClassifier(layers=LAYERS, searchSpace=space, epochs=4, num_workers=2, numPartitions=4, progress=False)
    model = hop.fit(points(spark, 300))
    assert hop.getNumWorkers() == 2
    board = model.summary.leaderboard().collect()
    assert [row["lr"] for row in board] == [0.03, 1e-7]
    assert model.summary.bestId == 1
    with pytest.raises(KeyError, match="valid_loss"):
        model.summary.history("no such metric")


def test_words_become_classes_with_names(spark, folder):
    from pyspark.ml.feature import StringIndexer
    from pyspark.sql import functions as F

    frame = points(spark, 200).withColumn("kind", F.when(F.col("label") > 0, "right").otherwise("left")).drop("label")
    frame = StringIndexer(inputCol="kind", outputCol="label").fit(frame).transform(frame)
    model = HopClassifier(layers=LAYERS, **TRAINED).fit(frame)
    assert sorted(model.toLocal().class_names) == ["left", "right"]
    assert accuracy(model.transform(frame)) > 0.95


def test_a_regressor_predicts_numbers_with_weights_and_several_columns(spark, folder):
    from pyspark.sql import functions as F

    frame = points(spark, 300).select(
        F.col("x")[0].alias("a"), F.col("x")[1].alias("b"), (100 + 20 * F.col("x")[0]).alias("price")
    )
    # Rows that count nothing have absurd prices.
    wrong = frame.limit(40).withColumn("price", F.lit(-1000.0)).withColumn("w", F.lit(0.0))
    both = frame.withColumn("w", F.lit(2.0)).unionByName(wrong)
    hop = HopRegressor(featuresCols=["a", "b"], labelCol="price", weightCol="w", layers=["linear 1"], **TRAINED)
    model = hop.setEpochs(30).setValidationFraction(0.2).fit(both)
    answered = model.transform(frame)
    error = answered.agg(F.avg(F.abs(F.col("prediction") - F.col("price")))).first()[0]
    assert error < 3
    assert model.summary.objective == "rmse"


def test_a_column_says_which_rows_measure(spark, folder):
    from pyspark.sql import functions as F

    frame = points(spark, 200).withColumn("aside", F.col("id") < 50)
    hop = HopClassifier(layers=LAYERS, validationIndicatorCol="aside", **TRAINED)
    directory = hop.fit(frame).summary.runDirectory
    facts = json.loads(open(f"{directory}/data/manifest.json").read())
    assert facts["validation"]["rows"] == 50 and facts["rows"] == 150


def test_bytes_are_pictures(spark, folder):
    rows = [(bytearray([200 * (i % 2), i % 7, 9, i % 5]), float(i % 2)) for i in range(120)]
    frame = spark.createDataFrame(rows, "picture binary, label double")
    hop = HopClassifier(featuresCol="picture", inputShape=[1, 2, 2], layers=["flatten"] + LAYERS, **TRAINED)
    assert accuracy(hop.fit(frame).transform(frame)) > 0.95


@pytest.mark.parametrize(
    "change, what",
    [
        ({"featuresCol": "nothing"}, "[features] expected one of the columns"),
        (
            {"featuresCol": "m"},
            'column "m": expected a vector, an array of numbers, binary or numbers, got map<string,int>',
        ),
        ({"labelCol": "word"}, 'column "word": expected numbers, got string: StringIndexer'),
        ({"labelCol": "half"}, "expected classes 0, 1, 2 .., got numbers from 0.5 to 0.5"),
        ({"validationIndicatorCol": "half"}, 'column "half": expected boolean, got double'),
        ({"inputShape": [3]}, "expected 2 elements, as a row has, got [3]"),
        ({"numWorkers": 9}, "expected 1 <= workers <= partitions, got 9 workers and 4 partitions"),
        ({"weightCol": "holes"}, "handleInvalid"),
        ({"handleInvalid": "maybe"}, 'expected "error" or "skip"'),
        ({"settings": {"data.source": "x"}}, "expected keys such as"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_submitted(spark, folder, change, what):
    from pyspark.sql import functions as F

    frame = points(spark, 40).withColumn("m", F.create_map(F.lit("a"), F.lit(1))).withColumn("word", F.lit("w"))
    frame = frame.withColumn("half", F.lit(0.5)).withColumn("holes", F.when(F.col("id") > 30, 1.0))
    hop = HopClassifier(layers=LAYERS, **TRAINED)._set(**change)
    with pytest.raises((hopscotch.ConfigError, hopscotch.DataError)) as error:
        hop.fit(frame)
    assert what in str(error.value)


def test_invalid_rows_are_counted_or_left_out(spark, folder):
    from pyspark.sql import functions as F

    frame = points(spark, 200).withColumn(
        "x", F.when(F.col("id") == 7, F.array(F.lit(float("nan")), F.lit(1.0))).otherwise(F.col("x"))
    )
    hop = HopClassifier(featuresCol="x", layers=LAYERS, **TRAINED)
    with pytest.raises(hopscotch.DataError, match="got 1 of 200 rows"):
        hop.fit(frame)
    facts = json.loads(
        open(hop.setHandleInvalid("skip").fit(frame).summary.runDirectory + "/data/manifest.json").read()
    )
    assert facts["rows"] + facts["validation"]["rows"] == 199


def test_what_the_program_refuses_reaches_the_caller(spark, folder):
    with pytest.raises(hopscotch.ConfigError, match="lineer"):
        HopClassifier(layers=["lineer 8"], **TRAINED).fit(points(spark, 100))
