"""A Spark ML pipeline that ends in a search over neural networks: spark-submit examples/spark_pipeline.py

Needs pyspark 3.5 or 4 and the wheel of Hopscotch (./dev wheel). Without a cluster it runs on this machine."""

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import StringIndexer, VectorAssembler
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from hopscotch.spark import HopClassifier, choice, loguniform


def measurements(spark: SparkSession, rows: int):
    """Flowers of three kinds, each with its own size of leaves."""
    kind = F.pmod(F.xxhash64("id"), F.lit(3))
    noise = [F.randn(seed) for seed in range(4)]
    centre = {"length": (5.0, 5.9, 6.6), "width": (3.4, 2.8, 3.0), "petal": (1.5, 4.3, 5.6), "edge": (0.2, 1.3, 2.0)}
    frame = spark.range(rows).withColumn("k", kind)
    for (name, sizes), wobble in zip(centre.items(), noise):
        frame = frame.withColumn(name, F.array(*map(F.lit, sizes))[F.col("k")] + 0.3 * wobble)
    names = F.array(F.lit("setosa"), F.lit("versicolor"), F.lit("virginica"))
    return frame.select(*centre, names[F.col("k")].alias("species"))


def main() -> None:
    spark = SparkSession.builder.appName("hopscotch").getOrCreate()
    frame = measurements(spark, 3000).cache()  # randn() gives other rows each time it is asked
    train, test = frame.randomSplit([0.8, 0.2], seed=1)

    hop = HopClassifier(
        featuresCol="features",
        labelCol="label",
        layers=["linear $hidden", "relu", "linear $outputs"],
        searchSpace={
            "hidden": choice(8, 32),
            "lr": loguniform(1e-3, 3e-2),
            "batch_size": 32,
            "optimizer": choice("adam", "sgd"),
        },
        searchMethod="random",
        searchSamples=6,
        epochs=6,
        seed=2026,
        numWorkers=2,
        numPartitions=4,
        name="flowers",
    )
    pipeline = Pipeline(
        stages=[
            StringIndexer(inputCol="species", outputCol="label"),
            VectorAssembler(inputCols=["length", "width", "petal", "edge"], outputCol="features"),
            hop,
        ]
    )
    model = pipeline.fit(train)
    model.stages[-1].summary.leaderboard().show()

    answers = model.transform(test)
    answers.select("species", "prediction", "probability").show(5, truncate=False)
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy").evaluate(answers)
    print(f"accuracy on rows that no model has seen: {accuracy:.3f}")

    model.write().overwrite().save("models/flowers")
    again = PipelineModel.load("models/flowers").transform(test)
    print("loaded, it answers the same:", again.select("prediction").exceptAll(answers.select("prediction")).isEmpty())
    spark.stop()


if __name__ == "__main__":
    main()
