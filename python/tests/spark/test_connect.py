"""Spark Connect, which has no context: an error says what is missing, before anything is trained."""

import os
import subprocess
import sys

import pytest

import hopscotch
from hopscotch.spark import _run

SCRIPT = """
from pyspark.sql import SparkSession
import hopscotch
from hopscotch.spark import HopClassificationModel, HopClassifier, run

spark = SparkSession.builder.remote("local[1]").getOrCreate()
frame = spark.range(10).selectExpr("array(cast(id as float)) as features", "cast(id % 2 as double) as label")
for use in (
    lambda: HopClassifier(layers=["linear $outputs"]).fit(frame),
    lambda: HopClassificationModel().transform(frame),
    lambda: run(spark, frame, {"model": {"layers": ["linear $outputs"]}}),
):
    try:
        use()
    except hopscotch.ConfigError as error:
        print("refused:", error)
spark.stop()
"""


def test_a_session_of_connect_is_refused_with_the_reason():
    Connect = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session"})
    with pytest.raises(hopscotch.ConfigError, match="got Spark Connect"):
        _run.classic(Connect())


def test_a_server_of_connect_is_refused_with_the_reason(tmp_path):
    """In a process of its own, since one process has one kind of session. pyspark 3.5 comes without the server."""
    import pyspark

    pytest.importorskip("grpc")
    if int(pyspark.__version__.split(".")[0]) < 4:
        pytest.skip("expected pyspark 4, which has the server of Spark Connect")
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    words = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if line.startswith("refused:")]
    assert len(said) == 3 and all("got Spark Connect" in line for line in said), done.stdout + done.stderr
