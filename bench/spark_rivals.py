#!/usr/bin/env python3
"""Eight models in Spark ML's TrainValidationSplit: HopClassifier beside Spark's own network and XGBoost.

    python3 bench/spark_rivals.py LETTER.csv           # UCI Letter Recognition: 20,000 rows of a letter and 16 numbers

Each contender is a program of its own, on local[2] or --master. It fits a grid of eight on the first 16,000 rows. A
tenth of them ranks the models; the best one is fitted on all of them and answers the last 4,000. Each grid is one that the
library's users try: both networks have four widths. Prints a table for docs/spark.md: wall time of the fit, CPU time of
the whole program with its children, accuracy, bytes that Spark shuffled, bytes that hopped.

Needs pyspark, and hopscotch with its program (HOP_PROGRAM); xgboost is left out where it is missing.
"""

import argparse
import ctypes
import glob
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

EPOCHS = 20  # of a network; L-BFGS passes over all rows at least once per iteration
TRAINED = 16000  # the first rows; the others are those of the last column
WIDTHS = (32, 64, 128, 256)


def hop():
    from hopscotch.spark import HopClassifier
    from pyspark.ml.tuning import ParamGridBuilder

    model = HopClassifier(
        layers=["linear $hidden", "relu", "linear $outputs"], epochs=EPOCHS, batchSize=64, optimizer="adam",
        numWorkers=2, numPartitions=4, numClasses=26, progress=False,
    )  # fmt: skip
    widths = [{"hidden": width} for width in WIDTHS]
    return model, (
        ParamGridBuilder().addGrid(model.hyperparameters, widths).addGrid(model.learningRate, [0.003, 0.01]).build()
    )


def spark_ml():
    from pyspark.ml.classification import MultilayerPerceptronClassifier
    from pyspark.ml.tuning import ParamGridBuilder

    model = MultilayerPerceptronClassifier(seed=0, blockSize=128)
    layers = [[16, width, 26] for width in WIDTHS]
    return model, ParamGridBuilder().addGrid(model.layers, layers).addGrid(model.maxIter, [EPOCHS, 2 * EPOCHS]).build()


def xgboost():
    from pyspark.ml.tuning import ParamGridBuilder
    from xgboost.spark import SparkXGBClassifier

    model = SparkXGBClassifier(num_workers=2, n_estimators=EPOCHS, seed=0)
    return model, (
        ParamGridBuilder().addGrid(model.max_depth, [4, 6, 8, 10]).addGrid(model.learning_rate, [0.1, 0.3]).build()
    )


CONTENDERS = {
    "hop": ("HopClassifier: one run of 8 networks", hop),
    "spark": ("MultilayerPerceptronClassifier", spark_ml),
    "xgboost": ("xgboost.spark: 20 rounds of trees", xgboost),
}


def contend(name, file, master, events):
    """Fits and answers in this process; returns what only this process knows."""
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.tuning import TrainValidationSplit
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    builder = SparkSession.builder.master(master).appName(name)
    settings = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file://{events}",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")

    columns = [f"c{i}" for i in range(16)]
    schema = "letter string, " + ", ".join(f"{column} double" for column in columns)
    with open(file, encoding="ascii") as lines:
        cells = [line.strip().split(",") for line in lines if not line.startswith("Letter")]
    rows = [(letter, *map(float, numbers)) for letter, *numbers in cells]
    frame = spark.createDataFrame([(i, *row) for i, row in enumerate(rows)], "place long, " + schema)
    frame = frame.withColumn("label", (F.ascii("letter") - F.ascii(F.lit("A"))).cast("double"))
    for column in columns:  # 0 to 15, brought to the scale that networks like
        frame = frame.withColumn(column, F.col(column) / 15)
    frame = VectorAssembler(inputCols=columns, outputCol="features").transform(frame)
    frame = frame.select("place", "features", "label").repartition(2, "place").cache()
    train, test = frame.filter(F.col("place") < TRAINED), frame.filter(F.col("place") >= TRAINED)
    frame.count()

    model, grid = CONTENDERS[name][1]()
    assert len(grid) == 8
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    split = TrainValidationSplit(estimator=model, estimatorParamMaps=grid, evaluator=evaluator, trainRatio=0.9, seed=1)
    began = time.monotonic()
    fitted = split.fit(train)
    seconds = time.monotonic() - began
    accuracy = evaluator.evaluate(fitted.transform(test))
    hopped = 0
    for results in glob.glob("runs/*/results.json"):  # the run of the grid, and that of the best model
        with open(results, encoding="utf-8") as file:
            hopped += json.load(file)["network"]["hop_bytes"]
    spark.stop()
    return {"seconds": seconds, "accuracy": accuracy, "hopped": hopped}


def shuffled(events):
    """Bytes that Spark's tasks wrote for other tasks, as its event log has them."""
    written = 0
    for path in glob.glob(f"{events}/*"):
        with open(path, encoding="utf-8") as log:
            for line in log:
                event = json.loads(line)
                if event["Event"] == "SparkListenerTaskEnd":
                    metrics = event.get("Task Metrics") or {}
                    written += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
    return written


def await_orphans():
    """Java ends after the Python that started it. Only the processor time of children that were waited for is known."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="the rows, as CSV")
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--only", choices=list(CONTENDERS), action="append", help="this contender (may be said again)")
    parser.add_argument("--alone", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--events", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        print(json.dumps(contend(options.alone, options.file, options.master, options.events)))
        return

    file = os.path.abspath(options.file)
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans become children of this process
    print("| of 8 models | seconds | CPU seconds | accuracy | shuffled by Spark | hopped |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in options.only or CONTENDERS:
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, os.path.abspath(__file__), file, "--master", options.master, "--alone", name]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            events = os.path.join(folder, "events")
            os.mkdir(events)
            done = subprocess.run(
                words + ["--events", events], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            await_orphans()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode != 0:
                print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(
                f"| {CONTENDERS[name][0]} | {found['seconds']:.0f} | {cpu:.0f} | {100 * found['accuracy']:.1f} % | "
                f"{shuffled(events) / 1e6:.1f} MB | {found['hopped'] / 1e6:.1f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
