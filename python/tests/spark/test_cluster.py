"""A cluster with executors of their own, which the master local[N] does not have. Python reads HOP_SPARK_MASTER:
local-cluster[3,1,1024], or standalone, which is a Master and two Workers on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hopscotch
from hopscotch.spark import HopClassifier

from .conftest import MASTER, hashes, points
from .harm import At, kill_a_task, kill_an_executor, long_run, workers
from .standalone import HOSTS
from .test_fit import LAYERS, TRAINED, accuracy

pytestmark = pytest.mark.skipif(
    MASTER.startswith("local["), reason="expected a cluster in HOP_SPARK_MASTER: standalone, local-cluster[3,1,1024]"
)

# They start or lose whole JVMs: half a minute of processor time, and minutes on a loaded machine.
heavy = pytest.mark.skipif(not os.environ.get("HOP_SPARK_ALL"), reason="expected HOP_SPARK_ALL=1")


def test_a_run_on_a_cluster_has_the_bits_of_hop_run(spark, folder, alone):
    result = long_run(spark)
    assert hashes(result) == alone
    assert (result.run_directory / "log").read_text().count("has joined") == 2


def test_a_model_answers_on_executors(spark, folder):
    frame = points(spark, 300)
    assert accuracy(HopClassifier(layers=LAYERS, **TRAINED).fit(frame).transform(frame)) > 0.95


@pytest.mark.parametrize("harm", [pytest.param(kill_a_task, marks=heavy), kill_an_executor])
def test_who_is_killed_on_a_cluster_comes_back_to_the_same_bits(spark, folder, alone, harm):
    at = At(8, harm)
    result = long_run(spark, at)
    assert at.seen is not None, "the run was over before anybody was killed"
    assert hashes(result) == alone
    assert (result.run_directory / "log").read_text().count("has joined") >= 3


def test_a_cancelled_job_ends_the_run(spark, folder):
    at = At(4, lambda: spark.sparkContext.cancelAllJobs() or True)
    with pytest.raises(hopscotch.Interrupted, match="a job of the run was cancelled in Spark") as error:
        long_run(spark, at)
    assert (error.value.run_directory / "journal").is_file()


@heavy
def test_a_node_that_is_gone_for_good_is_replaced_by_another(spark, cluster, folder, alone):
    """Its rows are built again at the other node, and the states that only it had are trained again."""
    if cluster is None:
        pytest.skip("of a local-cluster no node can be taken away")
    at = At(8, lambda: cluster.kill_node(HOSTS[1]) or True)
    try:
        result = long_run(spark, at)
    finally:
        cluster.start_worker(HOSTS[1])
    assert at.seen is not None, "the run was over before the node was gone"
    assert hashes(result) == alone
    assert (result.run_directory / "log").read_text().count("has joined") >= 3


SCRIPT = """
import sys
from spark.conftest import configured
from spark.harm import long_run

long_run(configured(sys.argv[1]).getOrCreate(), lambda event: print(event["event"], flush=True))
"""


@heavy
def test_nothing_outlives_a_killed_driver(spark, cluster, folder):
    """A driver of its own: it is killed while two tasks of it hold workers."""
    url = MASTER if cluster is None else cluster.url
    tests = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    driver = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, url],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(folder)},
    )
    try:
        assert any(line == b"epoch\n" for line in driver.stdout), "the run has never trained"
        assert len(workers()) == 2
    finally:
        driver.kill()
        driver.wait()
    # The fixture nobody_is_left waits for the end of the workers.
