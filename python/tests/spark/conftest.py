"""Tests of hopscotch.spark, on local[2,4] or on the master that HOP_SPARK_MASTER names: local-cluster[3,1,1024], or
standalone, which is a cluster that the tests start. They are skipped without pyspark and Java."""

import os
import secrets
import shutil
import sys
import time
from pathlib import Path

import pytest


def missing():
    """The first thing that these tests need and this machine does not have; "" if all is there."""
    for name in ("numpy", "pandas", "pyarrow", "pyspark"):
        try:
            __import__(name)
        except ImportError:
            return f"Python's {name}"
    if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
        return "Java"
    return ""


collect_ignore_glob = ["test_*"] if missing() else []


PATIENCE = 300  # seconds for something that a calm machine does in a few

# The processes of these tests have this in their environments; executors and workers pass HOP_* on.
MARK = ("HOP_SPARK_TESTS", os.environ.setdefault("HOP_SPARK_TESTS", secrets.token_hex(8)))

# For programs of a minute: to compile less is to be done sooner.
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
MASTER = os.environ.get("HOP_SPARK_MASTER", "local[2,4]")


def configured(url, connect=False):
    """A builder of sessions for a master. Executors and their memory are small: all are processes of this machine."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    builder = (builder.remote(url) if connect else builder.master(url)).appName("hopscotch tests")
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": BRIEF,
        "spark.executor.extraJavaOptions": BRIEF,
    }
    if url.startswith("spark://"):
        settings.update({"spark.executor.cores": "1", "spark.cores.max": "2", "spark.executor.memory": "512m"})
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The standalone cluster of the session, or None."""
    if MASTER != "standalone":
        yield None
        return
    from .standalone import Standalone

    made = Standalone(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def spark(cluster):
    """One session for all tests: a start takes seconds."""
    beside = Path.cwd() / "hopscotch"  # where a task would write that finds no other place
    was_there = beside.exists()
    session = configured(MASTER if cluster is None else cluster.url).getOrCreate()
    session.sparkContext.setLogLevel("OFF")  # tasks are killed on purpose
    yield session
    session.stop()
    assert beside.exists() == was_there


@pytest.fixture(scope="session")
def alone(spark, tmp_path_factory):
    """The SHA-256 of the models of a long run, as `hop run` trains them."""
    from .alone import hashes_alone
    from .harm import LONG

    return hashes_alone(points(spark, 300), LONG, tmp_path_factory.mktemp("alone"))


@pytest.fixture(autouse=True)
def nobody_is_left(request):
    """No test leaves a worker or a job behind."""
    yield
    if "spark" not in request.fixturenames:
        return
    from .harm import workers

    jobs = request.getfixturevalue("spark").sparkContext.statusTracker().getActiveJobsIds
    await_that(lambda: not workers() and not jobs(), "no worker and no job left")


def await_that(is_so, what):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"expected {what} within {PATIENCE} s"
        time.sleep(0.1)


def points(spark, rows, parts=2):
    """Two classes of points of the plane, with an identity, an array, and a vector."""
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    i = F.col("id").cast("double")
    noise = [F.sin(12.9898 * i), F.cos(78.233 * i)]
    frame = spark.range(0, rows, 1, parts).withColumn("label", (F.col("id") % 2).cast("double"))
    frame = frame.withColumn("x", F.array(2 * F.col("label") - 1 + 0.4 * noise[0], noise[1]))
    return frame.withColumn("features", array_to_vector("x"))


def experiment(**changes):
    sections = {
        "name": "toy",
        "seed": 3,
        "data": {"partitions": 4},
        "model": {"layers": ["linear 8", "relu", "linear $outputs"]},
        "search": {"epochs": 3, "space": {"lr": [0.0001, 0.03], "batch_size": [16], "optimizer": "adam"}},
    }
    for name, section in changes.items():
        sections[name] = {**sections[name], **section}
    return sections


def hashes(result):
    return [model["state_sha256"] for model in result.results["models"]]


def processes(*words):
    """The processes of these tests whose command lines have all these words: their ids, and those of their parents."""
    mark = "=".join(MARK).encode()
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
            with open(f"/proc/{name}/environ", "rb") as file:
                is_own = mark in file.read().split(b"\0")
            with open(f"/proc/{name}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        if is_own and all(word in line for word in words):
            found[int(name)] = parent
    return found
