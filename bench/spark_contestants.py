"""The contestants of bench/spark_rivals.py. It starts this program once for each: python spark_contestants.py JOB.json

JOB.json says the folder of the rows, the master, the contestant and its settings, and the file for the answer. The
master has two task slots. A function of the main program needs no file on the executors.
"""

import json
import os
import sys
import time
from pathlib import Path

WIDTH, CLASSES, PARTS = 64, 10, 8
NETS = [(64, 32), (64, 16), (32, 32), (32, 16)]
RATES = [0.003, 0.01]
BATCH = 32
SHARE = 0.01  # of the training rows of a fold: HopClassifier measures its models on them and does not train on them


# ---- the contestants: each returns its accuracy on the test rows, and how many trainings that took


def session(job):
    from pyspark.sql import SparkSession

    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.driver.memory": "1g",
        "spark.local.dir": job["folder"],
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": Path(job["events"]).as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
    }
    builder = SparkSession.builder.master(job["master"]).appName("hopscotch rivals")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def rows_of(spark, job):
    """Training rows and test rows, in the memory of the executors."""
    from pyspark.ml.functions import array_to_vector

    frame = spark.read.parquet(f"{job['folder']}/rows.parquet").repartition(2)
    frame = frame.select(array_to_vector("x").alias("features"), "label", "fold")
    train, test = frame.filter("fold >= 0").cache(), frame.filter("fold < 0").drop("fold").cache()
    train.count(), test.count()
    return train, test


def cross_validated(spark, job, estimator, grid, parallelism):
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.tuning import CrossValidator

    train, test = rows_of(spark, job)
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    validator = CrossValidator(
        estimator=estimator,
        estimatorParamMaps=grid,
        evaluator=evaluator,
        numFolds=job["folds"],
        foldCol="fold",
        parallelism=parallelism,
    )
    with Timed() as timed:
        model = validator.fit(train)
    return {**timed.facts, "accuracy": evaluator.evaluate(model.transform(test)), "trainings": trainings(job)}


def trainings(job):
    return job["nets"] * len(RATES) * job["folds"] + 1


def hop_estimator(job, **others):
    from hopscotch.spark import HopClassifier

    act = job["activation"]
    return HopClassifier(
        layers=["linear $first", act, "linear $second", act, "linear $outputs"],
        batchSize=BATCH,
        optimizer="adam",
        epochs=job["epochs"],
        numWorkers=2,
        numPartitions=PARTS,
        numClasses=CLASSES,
        seed=1,
        progress=False,
        runDir=f"{job['folder']}/runs/hop",
        **others,
    )


def hop_cross_validator(spark, job):
    from pyspark.ml.tuning import ParamGridBuilder

    hop = hop_estimator(job, validationFraction=SHARE)
    nets = [{"first": first, "second": second} for first, second in NETS[: job["nets"]]]
    grid = ParamGridBuilder().addGrid(hop.hyperparameters, nets).addGrid(hop.learningRate, RATES).build()
    return cross_validated(spark, job, hop, grid, parallelism=2)


def hop_search(spark, job):
    """The way that docs/spark.md recommends: the search inside fit, with the rows of one fold to measure."""
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.sql import functions as F

    train, test = rows_of(spark, job)
    first, second = (sorted(set(sizes)) for sizes in zip(*NETS[: job["nets"]]))
    space = {"first": first, "second": second, "lr": RATES}
    hop = hop_estimator(job, searchSpace=space, validationIndicatorCol="aside")
    with Timed() as timed:
        model = hop.fit(train.withColumn("aside", F.col("fold") == 0))
    answers = model.transform(test)
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy").evaluate(answers)
    return {**timed.facts, "accuracy": accuracy, "trainings": job["nets"] * len(RATES)}


def multilayer_perceptron(spark, job):
    """L-BFGS has no learning rate, so the second half of its grid is another seed. An iteration is a pass or more."""
    from pyspark.ml.classification import MultilayerPerceptronClassifier
    from pyspark.ml.tuning import ParamGridBuilder

    net = MultilayerPerceptronClassifier(maxIter=job["iterations"])
    layers = [[WIDTH, first, second, CLASSES] for first, second in NETS[: job["nets"]]]
    grid = ParamGridBuilder().addGrid(net.layers, layers).addGrid(net.seed, list(range(len(RATES)))).build()
    return cross_validated(spark, job, net, grid, parallelism=2)


def xgboost_spark(spark, job):
    """Trees have neither nets nor epochs: a grid of as many configurations, of what its users change."""
    from pyspark.ml.tuning import ParamGridBuilder
    from xgboost.spark import SparkXGBClassifier

    trees = SparkXGBClassifier(num_workers=2, n_estimators=job["trees"], tree_method="hist")
    depths = [3, 4, 5, 6][: job["nets"]]
    grid = ParamGridBuilder().addGrid(trees.max_depth, depths).addGrid(trees.learning_rate, [0.1, 0.3]).build()
    return cross_validated(spark, job, trees, grid, parallelism=1)  # a barrier stage wants both slots


def torch_distributor(spark, job):
    """DistributedDataParallel on both executors, a model after the other, with the same folds."""
    import torch  # noqa: F401: to say that it is missing before a task does
    from pyspark.ml.torch.distributor import TorchDistributor

    rows_of(spark, job)  # the same start as for all others; PyTorch reads the file itself
    distributor = TorchDistributor(num_processes=2, local_mode=False, use_gpu=False)

    def accuracy(config, fold):
        return distributor.run(train_with_torch, job, config, BATCH, fold)

    configs = [(first, second, rate) for first, second in NETS[: job["nets"]] for rate in RATES]
    with Timed() as timed:
        means = [sum(accuracy(config, fold) for fold in range(job["folds"])) / job["folds"] for config in configs]
        best = accuracy(configs[means.index(max(means))], None)
    return {**timed.facts, "accuracy": best, "trainings": trainings(job)}


def train_with_torch(job, config, batch, fold):
    """Runs in two processes, and each takes one half of every batch. The rows of the fold measure; None: the test
    rows."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    import numpy as np
    import pyarrow.parquet as pq
    import torch
    from torch import distributed, nn

    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    table = pq.read_table(f"{job['folder']}/rows.parquet")
    x = torch.from_numpy(np.array(table["x"].combine_chunks().values).reshape(len(table), -1))
    y, folds = torch.from_numpy(np.array(table["label"])).long(), torch.from_numpy(np.array(table["fold"]))
    aside = folds == (-1 if fold is None else fold)
    places = torch.nonzero((folds >= 0) & ~aside).ravel()

    first, second, rate = config
    act = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}[job["activation"]]
    torch.manual_seed(1)
    classes = int(y.max()) + 1
    layers = [nn.Linear(x.shape[1], first), act(), nn.Linear(first, second), act(), nn.Linear(second, classes)]
    net = nn.parallel.DistributedDataParallel(nn.Sequential(*layers))
    optimizer = torch.optim.Adam(net.parameters(), lr=rate, fused=True)
    for epoch in range(job["epochs"]):
        order = places[torch.randperm(len(places), generator=torch.Generator().manual_seed(epoch))]
        order = order[: len(order) - len(order) % ranks]
        for rows in order.split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows[rank::ranks]]), y[rows[rank::ranks]]).backward()
            optimizer.step()
    with torch.no_grad():
        found = (net.module(x[aside]).argmax(1) == y[aside]).float().mean().item()
    distributed.barrier()
    distributed.destroy_process_group()
    return found


def ingest(spark, job):
    """From a file of rows to the start of the coordinator: then all partitions are written and known."""
    from hopscotch.spark import run
    from pyspark.sql import functions as F

    width = 784
    count = job["megabytes"] * 1_000_000 // (4 * width)
    path = f"{job['folder']}/ingest.parquet"
    numbers = F.transform(F.sequence(F.lit(1), F.lit(width)), lambda i: F.sin(F.col("id") * 0.7 + i * i).cast("float"))
    made = spark.range(0, count, 1, 8).select(numbers.alias("features"), (F.col("id") % 2).alias("label"))
    made.write.mode("overwrite").option("compression", "none").parquet(path)
    seen = {}
    layers = ["linear 8", "relu", "linear $outputs"]
    experiment = {"model": {"layers": layers}, "search": {"epochs": 1, "space": {"lr": 0.01, "batch_size": 256}}}
    with Timed() as timed:
        run(
            spark,
            spark.read.parquet(path),
            {"name": "ingest", "data": {"partitions": PARTS}, **experiment},
            workers=2,
            validation=SHARE,
            run_dir=f"{job['folder']}/runs/ingest-{job['megabytes']}",
            progress=False,
            on_event=lambda event: seen.setdefault(event["event"], time.monotonic()),
        )
    seconds = seen["started"] - timed.start
    rate = count * 4 * width / 1e6 / seconds
    return {**timed.facts, "rows": count, "ingest_seconds": seconds, "megabytes_per_second": rate, "per_core": rate / 2}


CONTESTANTS = {
    "hop": ("HopClassifier in CrossValidator", hop_cross_validator, {}),
    "hop-search": ("HopClassifier, search inside `fit`", hop_search, {}),
    "mlp": ("MultilayerPerceptronClassifier in CrossValidator, an iteration per epoch", multilayer_perceptron, {}),
    "mlp-100": ("the same with 100 iterations, its default", multilayer_perceptron, {"iterations": 100}),
    "xgboost": ("xgboost.spark in CrossValidator (trees)", xgboost_spark, {}),
    "torch": ("TorchDistributor, a model after the other", torch_distributor, {}),
}


class Timed:
    """The time of the block, and the bytes that all processes of this machine sent over loopback in it."""

    def __enter__(self):
        self.start, self._sent = time.monotonic(), _loopback()
        return self

    def __exit__(self, *_):
        self.facts = {"seconds": time.monotonic() - self.start, "loopback_bytes": _loopback() - self._sent}


def _loopback():
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split(":")[1].split()[8]) for line in lines if line.strip().startswith("lo:"))


def main(path):
    job = json.loads(Path(path).read_text())
    contestant = ingest if job["name"] == "ingest" else CONTESTANTS[job["name"]][1]
    try:
        import pyspark

        spark = session(job)
        facts = {"pyspark": pyspark.__version__, **contestant(spark, job)}
        spark.stop()
    except ImportError as error:
        facts = {"missing": str(error)}
    Path(job["answer"]).write_text(json.dumps(facts))


if __name__ == "__main__":
    main(sys.argv[1])
