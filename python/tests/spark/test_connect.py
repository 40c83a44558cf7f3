"""Spark Connect: a session without a context. The tests of its server run in a process of their own, since one process
has one kind of session."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hopscotch
from hopscotch.spark import _cluster

from .conftest import MASTER

TESTS = Path(__file__).resolve().parents[1]


class Remote:
    """A session of Spark Connect, as far as the choice of addresses looks at it."""

    def __init__(self, host, **conf):
        self.client = type("Client", (), {"host": host})
        self.conf = {name.replace("_", "."): value for name, value in conf.items()}


Remote.__module__ = "pyspark.sql.connect.session"


@pytest.fixture
def pyspark_4(monkeypatch):
    monkeypatch.setattr("pyspark.__version__", "4.3.0")


def test_an_older_client_of_connect_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr("pyspark.__version__", "3.5.3")
    with pytest.raises(hopscotch.ConfigError, match="expected pyspark 4 for .* Spark Connect, got pyspark 3.5.3"):
        _cluster.cluster_of(Remote("localhost"))


def test_executors_dial_the_address_that_leads_to_the_server(pyspark_4):
    here = _cluster.cluster_of(Remote("localhost", spark_master="spark://a:7077", spark_driver_host="10.1.2.3"))
    assert here.addresses() == ("10.1.2.3", "10.1.2.3") and not here.is_local
    far = _cluster.cluster_of(Remote("127.0.0.2", spark_master="local[2]"))
    assert far.addresses() == ("127.0.0.1", "127.0.0.1") and not far.is_local and far.slots == 2
    with pytest.raises(hopscotch.ConfigError, match="executors behind no.such.host.invalid can dial, got none"):
        _cluster.cluster_of(Remote("no.such.host.invalid")).addresses()


def test_tasks_on_this_machine_are_known_by_master_and_host(pyspark_4):
    for master, slots in (("local", 1), ("local[3]", 3), ("local[2,4]", 2), ("local[*]", None)):
        found = _cluster.cluster_of(Remote("localhost", spark_master=master))
        assert found.is_local and found.slots == slots
    assert not _cluster.cluster_of(Remote("localhost", spark_master="local-cluster[3,1,1024]")).is_local


# ---- with a server


@pytest.fixture
def connected(folder):
    """Runs lines of Python with a session `spark` of a server of Spark Connect, and returns what they print."""
    import pyspark

    pytest.importorskip("grpc")
    if int(pyspark.__version__.split(".")[0]) < 4:
        pytest.skip("expected pyspark 4, which has the server of Spark Connect")
    master = "local-cluster[2,1,1024]" if MASTER.startswith("local-cluster") else "local[2,4]"

    def run(script):
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        start = f"from spark.connected import *\nspark = connect({master!r})\n"
        words = [sys.executable, "-c", start + script + "\nspark.stop()\n"]
        environment = {**os.environ, "PYTHONPATH": path, "PYSPARK_PYTHON": sys.executable}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split()

    return run


def test_a_stage_learns_answers_and_is_saved(connected):
    said = connected(
        """
frame = points(spark, 300)
model = HopClassifier(layers=LAYERS, **TRAINED).fit(frame)
print(accuracy(model.transform(frame)) > 0.95)
model.save("model")
again = HopClassificationModel.load("model")
print(again.transform(frame).select("prediction").collect() == model.transform(frame).select("prediction").collect())
print(again.summary.leaderboard().count())
"""
    )
    assert said == ["True", "True", "1"]


def test_a_run_has_the_bits_of_hop_run_also_when_a_task_is_killed(connected, spark, alone):
    said = connected(
        """
at = At(8, kill_a_task)
result = long_run(spark, at)
print(at.seen is not None, (result.run_directory / "log").read_text().count("has joined"), *hashes(result))
"""
    )
    assert said[0] == "True" and int(said[1]) >= 3
    assert said[2:] == alone


def test_an_interrupted_operation_ends_the_run(connected):
    said = connected(
        """
try:
    long_run(spark, At(4, lambda: spark.interruptAll() or True))
except hopscotch.Interrupted as error:
    print("cancelled" in str(error), (error.run_directory / "journal").is_file())
"""
    )
    assert said == ["True", "True"]
